// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/leader"
)

// short are the flags of an elect whose lease is soon lost when it is cut off, and is
// not lost on a machine that is only busy.
func short(args ...string) []string {
	i := slices.Index(args, "--")
	return slices.Insert(args, i, "--ttl=5s", "--margin=2s")
}

// stubborn is a tree of processes that ends by nothing but SIGKILL, and tells all the
// time that it lives.
var stubborn = []string{"--", "ACTOR", "-ignore", "-beat", "-spawn", "2", "-daemon"}

// allStarted waits for all processes of a stubborn tree.
func allStarted(p *process) {
	p.t.Helper()
	p.started()
	p.await("child", "start", 2)
	p.await("daemon", "start", 1)
}

// requireGoneBefore checks that all actors of p are gone, and were before the lead
// was somebody else's to take.
func requireGoneBefore(t *testing.T, p *process, gone <-chan time.Time) {
	t.Helper()
	p.alone()
	select {
	case at := <-gone:
		require.Negative(t, p.lastSign().Sub(at), "how long they outlived the lead")
		t.Logf("gone %v before the lead", at.Sub(p.lastSign()))
	case <-time.After(bound):
		require.Fail(t, "the lease has not ended")
	}
}

func already(at time.Time) <-chan time.Time {
	c := make(chan time.Time, 1)
	c <- at
	return c
}

func TestNothingOutlivesALeadThatIsCutOff(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	w := newWire(t, e.endpoint())
	p := elect(t, w.endpoint(), short(append([]string{"run", name(t)}, stubborn...)...)...)
	allStarted(p)
	gone := awaitDeletion(t, e.connect(t), name(t))
	w.silence()
	requireGoneBefore(t, p, gone)
	require.Equal(t, exitLost, p.code())
	require.Contains(t, p.said(), "elect: the lead was lost while the command ran: lease at risk")
}

func TestACommandThatIsCutOffHasTimeToEnd(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	w := newWire(t, e.endpoint())
	p := elect(t, w.endpoint(), short("run", name(t), "--", "ACTOR", "-heed")...)
	p.started()
	gone := awaitDeletion(t, e.connect(t), name(t))
	w.silence()
	told := p.await("command", syscall.SIGTERM.String(), 1)
	require.Greater(t, (<-gone).Sub(told.At), 500*time.Millisecond, "a good part of the margin")
	require.Equal(t, exitLost, p.code(), "and not what the command made of SIGTERM")
}

func TestNothingOutlivesTheLeadOfAnElectThatIsStopped(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := elect(t, e.endpoint(), short(append([]string{"run", name(t)}, stubborn...)...)...)
	allStarted(p)
	gone := awaitDeletion(t, e.connect(t), name(t))
	p.signal(syscall.SIGSTOP)
	at := <-gone
	p.signal(syscall.SIGCONT) // so that it ends as well, and with it what it tells
	requireGoneBefore(t, p, already(at))
	require.Equal(t, exitLost, p.code())
}

func TestNothingOutlivesTheLeadOfAnElectThatIsKilled(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := elect(t, e.endpoint(), short(append([]string{"run", name(t)}, stubborn...)...)...)
	allStarted(p)
	gone := awaitDeletion(t, e.connect(t), name(t))
	p.signal(syscall.SIGKILL)
	requireGoneBefore(t, p, gone)
}

func TestACommandHearsOfItWhenElectIsKilled(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := elect(t, e.endpoint(), "run", name(t), "--", "ACTOR", "-heed")
	p.started()
	p.signal(syscall.SIGKILL)
	p.await("command", syscall.SIGTERM.String(), 1)
	p.alone()
}

func TestTheCommandEndsWithItsGuard(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := elect(t, e.endpoint(), "run", name(t), "--", "ACTOR", "-ignore", "-beat", "-spawn", "2")
	p.await("child", "start", 2)
	require.NoError(t, syscall.Kill(p.guard(), syscall.SIGKILL))
	require.Equal(t, exitRunFailed, p.code())
	require.Contains(t, p.said(), "the guard was killed")
	p.alone()
}

func TestNothingOutlivesTheLeadWhenTheGuardIsStopped(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	w := newWire(t, e.endpoint())
	p := elect(t, w.endpoint(), short(append([]string{"run", name(t)}, stubborn...)...)...)
	allStarted(p)
	gone := awaitDeletion(t, e.connect(t), name(t))
	require.NoError(t, syscall.Kill(p.guard(), syscall.SIGSTOP))
	w.silence()
	requireGoneBefore(t, p, gone)
	require.Equal(t, exitLost, p.code())
}

func TestALeadThatIsTakenAwayEndsTheCommandAtOnce(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	client := e.connect(t)
	p := elect(t, e.endpoint(), append([]string{"run", name(t)}, stubborn...)...)
	allStarted(p)
	began := time.Now()
	_, err := client.Delete(t.Context(), name(t)+"/", clientv3.WithPrefix())
	require.NoError(t, err)
	p.alone()
	require.Less(t, time.Since(began), 5*time.Second, "far from the TTL")
	require.Equal(t, exitLost, p.code())
	require.Regexp(t, `^time=\S+ level=WARN msg="leader: term ended" .* reason="key deleted" .*
elect: the lead was lost while the command ran: key deleted: see --restart to campaign again
$`, p.said())
}

// TestRunGoesOnWhenOnlyTheGuardSawTheLoss has a guard that ends the command while the
// Runner sees nothing wrong, as when this process was stopped for a while.
func TestRunGoesOnWhenOnlyTheGuardSawTheLoss(t *testing.T) {
	t.Parallel()
	client := sharedEtcd(t).connect(t)
	signals, ctx, over := forwardSignals(t.Context())
	defer over()
	ctx, stop := context.WithTimeout(ctx, bound)
	defer stop()
	r := &runs{restart: string(restartOnLoss), job: job{
		global: new(global), name: name(t), path: "/bin/sleep", args: []string{"sleep", "100"},
		ttl: 10 * time.Second, margin: 30 * time.Second, // the guard's: its time has come at the start
		signals: signals, log: slog.New(slog.DiscardHandler),
	}}
	cfg := leader.Config{Client: client, Election: r.name, TTL: r.ttl, HoldOff: -1, Logger: r.log}
	cfg.Hooks.Lost = func(*concurrency.Term, *leader.EndError) { r.afterTerm() }
	terms := 0
	cfg.Hooks.Elected = func(*concurrency.Term) {
		if terms++; terms == 3 {
			stop()
		}
	}
	var err error
	r.runner, err = leader.New(cfg)
	require.NoError(t, err)
	require.ErrorIs(t, r.campaign(ctx), context.Canceled)
	require.Equal(t, 3, terms)
}

func TestRunOutlivesARestartOfEtcd(t *testing.T) {
	t.Parallel()
	e := startEtcd(t, nil)
	p := elect(t, e.endpoint(), short(append([]string{"run", name(t), "--restart=on-loss"}, stubborn...)...)...)
	allStarted(p)
	first := p.started()
	e.stop()
	require.Eventually(t, func() bool { return stateOf(t, first.Pid) == "" }, bound, 5*time.Millisecond,
		"the command has ended while etcd is down")
	require.NoError(t, e.start())
	second := p.await("command", "start", 2)
	require.Greater(t, rev(t, second), rev(t, first))
}

func TestAnOutageThatTheLeaseOutlivesChangesNothing(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	w := newWire(t, e.endpoint())
	p := elect(t, w.endpoint(), "run", name(t), "--ttl=10s", "--margin=1s", "--", "ACTOR", "-heed")
	p.started()
	gone := awaitDeletion(t, e.connect(t), name(t))
	w.silence()
	select {
	case <-gone:
		require.Fail(t, "the lease has ended")
	case <-time.After(4 * time.Second): // longer than until a renewal is due
	}
	w.heal()
	select {
	case <-gone:
		require.Fail(t, "the lead was lost")
	case <-p.ended:
		require.Fail(t, "elect has ended")
	case <-time.After(7 * time.Second): // past the end of a lease that is not renewed
	}
	require.Len(t, p.told(), 1, "the command was told nothing")
}

// TestTwoCommandsNeverRunAtOnce cuts the leader of three off, again and again, and
// looks at when the processes of each term lived by their own account.
func TestTwoCommandsNeverRunAtOnce(t *testing.T) {
	t.Parallel()
	const handovers = 3
	e := sharedEtcd(t)
	var all []*process
	var wires []*wire
	for i := range 3 {
		w := newWire(t, e.endpoint())
		args := append([]string{"run", name(t), "--restart=on-loss", "--value", fmt.Sprint(i)}, stubborn...)
		all, wires = append(all, elect(t, w.endpoint(), short(args...)...)), append(wires, w)
	}
	lived := func() []life {
		return lives(t, all)
	}
	for n := range handovers {
		var leader int
		require.Eventually(t, func() bool {
			ls := lived()
			if len(ls) <= n {
				return false
			}
			leader = ls[len(ls)-1].who
			return true
		}, bound, 10*time.Millisecond, "term %d", n+1)
		wires[leader].silence()
		require.Eventually(t, func() bool { return len(lived()) > n+1 }, bound, 10*time.Millisecond, "handover %d", n+1)
		wires[leader].heal()
	}
	for _, p := range all {
		p.signal(syscall.SIGKILL)
		p.alone()
	}
	terms := lived()
	for i := 1; i < len(terms); i++ {
		gap := terms[i].first.Sub(terms[i-1].last)
		require.Positive(t, gap, "the command of term %d began before all of term %d was gone", i+1, i)
		t.Logf("term %d: %v after the last sign of the one before", i+1, gap)
	}
}

// A life is when the processes of one term lived.
type life struct {
	who         int
	rev         int64
	first, last time.Time
}

// lives returns the terms in order, by their fencing tokens.
func lives(t *testing.T, all []*process) []life {
	t.Helper()
	byRev := make(map[int64]*life)
	for who, p := range all {
		for _, l := range p.told() {
			n := rev(t, l)
			if byRev[n] == nil {
				byRev[n] = &life{who, n, l.At, l.At}
			}
			k := byRev[n]
			require.Equal(t, who, k.who, "one fencing token, two leaders")
			if l.At.Before(k.first) {
				k.first = l.At
			}
			if l.At.After(k.last) {
				k.last = l.At
			}
		}
	}
	var terms []life
	for _, k := range byRev {
		terms = append(terms, *k)
	}
	slices.SortFunc(terms, func(a, b life) int { return int(a.rev - b.rev) })
	return terms
}

func rev(t *testing.T, l line) int64 {
	t.Helper()
	n, err := strconv.ParseInt(l.Rev, 10, 64)
	require.NoError(t, err)
	return n
}
