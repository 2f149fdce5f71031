// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var guarantee6 = &guarantee{6, "First come, first led", []guaranteeCase{
	{
		says: "Candidates lead in the order in which they entered", on: onBoth,
		run: func(w *world) error {
			return inOrder(w, campaigning, func(r *rival) error { return r.election.Resign(w.ctx()) }, nil)
		},
		ours: "by create revision",
	},
	{
		says: "Locks are held in the order in which they were asked for", on: onBoth,
		run: func(w *world) error {
			return inOrder(w, locking, func(r *rival) error { return r.mutex.Unlock(w.ctx()) }, nil)
		},
		ours: "by create revision",
	},
	{
		says: "Candidates that leave do not change the order of the others", on: onBoth,
		run: func(w *world) error {
			return inOrder(w, campaigning, func(r *rival) error { return r.election.Resign(w.ctx()) }, []int{2, 3, 5})
		},
		ours: "each waits for the one right ahead, whoever that is by then",
	},
	{
		says: "Candidates whose leases end do not change the order of the others", on: onMemory,
		run: func(w *world) error {
			return inOrder(w, campaigning, func(r *rival) error { w.etcd.Link(r.who).Swallow(); return nil }, nil)
		},
		ours: "by create revision",
	},
	{
		says: "Candidates of both packages on one name exclude each other and lead in order, for 200 turns", on: onBoth, members: 3, mixed: true,
		run: func(w *world) error {
			return mixedFleet(w, campaigning, func(ctx context.Context, r *rival) error { return r.election.Resign(ctx) }, func(r *rival) int64 { return r.election.Rev() })
		},
		ours: "a fleet can be rolled over process by process",
	},
	{
		says: "Locks of both packages on one name exclude each other and are held in order, for 200 turns", on: onBoth, members: 3, mixed: true,
		run: func(w *world) error {
			return mixedFleet(w, locking, func(ctx context.Context, r *rival) error { return r.mutex.Unlock(ctx) }, nil)
		},
		ours: "a fleet can be rolled over process by process",
	},
	{
		says: "A published etcdctl elect takes part", on: onCluster, members: 3, mixed: true,
		run:  withEtcdctl,
		ours: "it leads in its turn, and is observed",
	},
}}

// inOrder has eight rivals enter one after the other; those in leavers leave
// before it is their turn.
func inOrder(w *world, enter func(*rival) func(context.Context) error, leave func(*rival) error, leavers []int) error {
	var rivals []*rival
	var calls []*call
	for i := range 8 {
		r := w.rivalTTL(fmt.Sprint("r", i), 10)
		rivals = append(rivals, r)
		calls = append(calls, w.start(enter(r)))
		w.eventually(func() bool { return slices.Contains(w.keys(w.name+"/"), r.key) }, "queued")
	}
	for _, i := range leavers {
		calls[i].cancel()
		if !calls[i].within(time.Second) {
			return fails(hangs, "%d does not leave", i)
		}
	}
	for i, r := range rivals {
		if slices.Contains(leavers, i) {
			continue
		}
		if err := calls[i].wins(12 * time.Second); err != nil {
			return err
		}
		for j := i + 1; j < len(calls); j++ {
			if !slices.Contains(leavers, j) && w.closesBefore(calls[j].done, 0) {
				return fails(admits, "%d has won beside %d", j, i)
			}
		}
		if err := leave(r); err != nil {
			return fails(givesUp, "%v", err)
		}
	}
	return nil
}

// mixedFleet has three rivals of each package take turns.
func mixedFleet(w *world, enter func(*rival) func(context.Context) error, leave func(context.Context, *rival) error, rev func(*rival) int64) error {
	turns := w.turns(200)
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	taken, inside, last := 0, 0, int64(0)
	led := map[string]int{}
	fail := func(err error) bool {
		if failed == nil {
			failed = err
		}
		return false
	}
	turn := func(pkg *implementation, r *rival) bool {
		if err := enter(r)(w.ctx()); err != nil {
			mu.Lock()
			defer mu.Unlock()
			return fail(fails(givesUp, "%v", err))
		}
		mu.Lock()
		inside++
		if inside > 1 {
			fail(fails(admits, "%d at once", inside))
		}
		if rev != nil {
			if n := rev(r); n <= last {
				fail(fails(admits, "a turn of revision %d after one of %d", n, last))
			} else {
				last = n
			}
		}
		taken++
		led[pkg.name]++
		more := taken < turns && failed == nil
		mu.Unlock()
		time.Sleep(time.Millisecond)
		mu.Lock()
		inside--
		mu.Unlock()
		if err := leave(w.ctx(), r); err != nil {
			mu.Lock()
			defer mu.Unlock()
			return fail(fails(givesUp, "%v", err))
		}
		return more
	}
	for i := range 3 {
		for _, pkg := range []*implementation{this, original} {
			r := w.rivalWith(pkg, fmt.Sprint(pkg.name, i), w.client(fmt.Sprint(pkg.name, i)), 60)
			all.Go(func() {
				for turn(pkg, r) {
				}
			})
		}
	}
	all.Wait()
	if failed == nil && (led["this"] < turns/4 || led["etcd"] < turns/4) {
		return fails(admits, "unequal shares: %v", led)
	}
	return failed
}

// withEtcdctl has etcdctl campaign between two rivals.
func withEtcdctl(w *world) error {
	if testing.Short() {
		w.t.Skip("builds etcdctl")
	}
	etcdctl := buildEtcdctl(w.t)
	leader, last, observer := w.rival("leader"), w.rival("last"), w.rival("observer")
	w.lead(leader)
	seen := observer.election.Observe(w.ctx())
	if resp := receive(w.t, seen); value(resp) != "leader" {
		return fails(misses, "%q", value(resp))
	}

	var output transcript
	cmd := exec.CommandContext(w.t.Context(), etcdctl, "--endpoints", newWire(w.t, w.clus.Members[0]).endpoint(), "elect", w.name, "etcdctl")
	cmd.Stdout, cmd.Stderr = &output, &output
	require.NoError(w.t, cmd.Start())
	ended := w.start(func(context.Context) error { return cmd.Wait() })
	w.eventually(func() bool { return len(w.keys(w.name+"/")) == 2 }, "etcdctl is in the queue")
	c := w.campaign(last)
	if w.closesBefore(ended.done, 0) || w.closesBefore(c.done, 0) {
		return fails(admits, "won beside the leader: %s", output.String())
	}
	w.resign(leader)
	if resp := receive(w.t, seen); value(resp) != "etcdctl" {
		return fails(misses, "%q", value(resp))
	}
	if w.closesBefore(c.done, 300*time.Millisecond) {
		return fails(admits, "won beside etcdctl")
	}
	// Before it has said that it leads, it ends without resigning.
	w.eventually(func() bool { return strings.Contains(output.String(), "etcdctl\n") }, "etcdctl says that it leads")
	require.NoError(w.t, cmd.Process.Signal(syscall.SIGINT))
	if !ended.within(10 * time.Second) {
		return fails(hangs, "etcdctl: %s", output.String())
	}
	return c.wins(3 * time.Second)
}

// A transcript is what a command has said so far.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// packageDir is this folder. Tests with a cluster run in another one.
var packageDir, _ = os.Getwd()

// buildEtcdctl builds etcdctl from its published module, in a temporary module:
// its go.mod has replacements, which go install refuses.
func buildEtcdctl(t *testing.T) string {
	t.Helper()
	const module = "go.etcd.io/etcd/etcdctl/v3"
	dir := t.TempDir()
	sums, err := os.ReadFile(filepath.Join(packageDir, "go.sum")) // for a machine that cannot ask the checksum database
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module etcdctl\n\ngo 1.26\n"), 0o644))
	binary := filepath.Join(dir, "etcdctl")
	for _, args := range [][]string{{"get", module + "@v3.7.3"}, {"build", "-mod=mod", "-ldflags=-s -w", "-o", binary, module}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		cmd.Env = append(cmd.Environ(), "GOWORK=off", "GOFLAGS=")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return binary
}
