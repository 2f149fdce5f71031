// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/leader"
)

// deaf returns a function that goes on for a while after its context has ended.
func deaf(d time.Duration) leader.Func {
	return func(ctx context.Context, _ *concurrency.Term) error {
		<-ctx.Done()
		time.Sleep(d)
		return ctx.Err()
	}
}

// A logbook collects what is logged.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logbook) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestOverrun(t *testing.T) {
	t.Run("IsNoneWithinTheMargin", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.start("a", deaf(margin-time.Millisecond))
			r.requireState(leader.StateLeading, time.Second)
			next := w.start("b")
			w.etcd.Link("a").Swallow()
			next.requireState(leader.StateLeading, 3*ttl)
			w.requireNoOverlap()
			require.Zero(w, r.Stats().Overruns)
		})
	})
	t.Run("IsLoggedAndCountedWithHowLongItTook", func(t *testing.T) {
		inBubble(t, func(w *world) {
			cfg, log := w.config("a"), &logbook{}
			cfg.Logger = log.logger()
			var failures atomic.Int32
			cfg.Hooks.Error = func(error) { failures.Add(1) }
			r := w.new(cfg).run(deaf(margin + time.Minute))
			r.requireState(leader.StateLeading, time.Second)
			next := w.start("b")
			w.etcd.Link("a").Swallow()
			next.requireState(leader.StateLeading, 3*ttl)
			require.Equal(w, 2, w.now(), "both run, which is what an overrun is")
			require.Equal(w, uint64(1), r.Stats().Overruns)
			time.Sleep(10 * time.Second)
			require.Greater(w, r.Stats().Overrun, 10*time.Second, "that of now counts")
			require.Contains(w, log.String(), `msg="leader: overrun"`)
			require.NotContains(w, log.String(), `msg="leader: overrun ended"`)
			require.Error(w, r.Status().LastError)
			require.Error(w, r.Status().Health())
			time.Sleep(2 * time.Minute)
			require.Contains(w, log.String(), `msg="leader: overrun ended"`)
			require.Contains(w, log.String(), "overrun=1m0s")
			require.Equal(w, time.Minute, r.Stats().Overrun)
			require.NotZero(w, failures.Load())
		})
	})
	t.Run("BeginsAMarginAfterTheKeyIsDeleted", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.start("a", deaf(time.Minute))
			r.requireState(leader.StateLeading, time.Second)
			w.etcd.Delete(w.last().term.Key())
			time.Sleep(margin - time.Millisecond)
			require.Zero(w, r.Stats().Overruns)
			time.Sleep(2 * time.Millisecond)
			require.Equal(w, uint64(1), r.Stats().Overruns)
			require.Equal(w, 1, w.count(), "never two at once")
			time.Sleep(time.Minute)
			require.Equal(w, 2, w.count())
			w.requireNoOverlap()
		})
	})
	t.Run("IsNoneWhileTheLeaseIsKeptAfterAnEndOnPurpose", func(t *testing.T) {
		inBubble(t, func(w *world) {
			cfg, log := w.config("a"), &logbook{}
			cfg.Logger, cfg.Overrun = log.logger(), leader.OverrunExit
			r := w.new(cfg)
			r.OnAbort(func(leader.Overrun, error) { w.Error("aborted") })
			r.run(deaf(time.Hour))
			r.requireState(leader.StateLeading, time.Second)
			next := w.start("b")
			r.Pause()
			time.Sleep(time.Hour - time.Second)
			require.Equal(w, leader.StateQueued, next.Status().State)
			require.NoError(w, r.Status().Health())
			require.Contains(w, log.String(), "has not returned")
			next.requireState(leader.StateLeading, 2*time.Second)
			require.Zero(w, r.Stats().Overruns)
			w.requireNoOverlap()
		})
	})
	t.Run("IsNoneWhenTheLeaseIsRenewedAfterAll", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.start("a", deaf(time.Minute))
			r.requireState(leader.StateLeading, time.Second)
			next := w.start("b")
			w.etcd.Link("a").Swallow()
			r.requireState(leader.StateSteppingDown, ttl)
			w.etcd.Link("a").Heal()
			time.Sleep(50 * time.Second)
			require.Equal(w, leader.StateQueued, next.Status().State)
			next.requireState(leader.StateLeading, 2*ttl)
			require.Zero(w, r.Stats().Overruns)
			w.requireNoOverlap()
		})
	})
	t.Run("IsOneWhenTheLeaseIsLostAfterAnEndOnPurpose", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.start("a", deaf(time.Hour))
			r.requireState(leader.StateLeading, time.Second)
			r.Pause()
			time.Sleep(time.Minute)
			w.etcd.Link("a").Swallow()
			time.Sleep(ttl * 2 / 3)
			require.Zero(w, r.Stats().Overruns)
			time.Sleep(ttl / 3)
			require.Equal(w, uint64(1), r.Stats().Overruns)
		})
	})
	for policy, name := range map[leader.Overrun]string{leader.OverrunExit: "ExitEndsTheProcess", leader.OverrunPanic: "PanicEndsTheProcess"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				cfg := w.config("a")
				cfg.Overrun = policy
				r := w.new(cfg)
				aborted := make(chan leader.Overrun, 1)
				var at time.Time
				r.OnAbort(func(p leader.Overrun, err error) {
					at = time.Now()
					require.ErrorContains(w, err, "still runs")
					aborted <- p
				})
				r.run(deaf(time.Hour))
				r.requireState(leader.StateLeading, time.Second)
				next := w.start("b")
				w.etcd.Link("a").Swallow()
				next.requireState(leader.StateLeading, 3*ttl)
				require.Equal(w, policy, <-aborted)
				require.False(w, at.After(w.last().begin), "before the next one leads")
			})
		})
	}
}

// TestAbort runs itself in a process of its own, to see how that ends.
func TestAbort(t *testing.T) {
	const key = "LEADER_TEST_ABORT"
	policies := map[string]leader.Overrun{"exit": leader.OverrunExit, "panic": leader.OverrunPanic}
	if policy, child := policies[os.Getenv(key)]; child {
		leader.Abort(policy, errWork)
	}
	for name, code := range map[string]int{"exit": 1, "panic": 2} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAbort$")
		cmd.Env = append(os.Environ(), key+"="+name)
		out, _ := cmd.CombinedOutput()
		require.Equal(t, code, cmd.ProcessState.ExitCode(), "%s: %s", name, out)
		if name == "panic" {
			require.Contains(t, string(out), errWork.Error())
		}
	}
}
