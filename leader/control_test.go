// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/leader"
)

const instant = 100 * time.Millisecond

func TestStepDown(t *testing.T) {
	t.Run("GoesBehindTheOthers", func(t *testing.T) {
		inBubble(t, func(w *world) {
			var rs []*runner
			for _, who := range []string{"a", "b", "c"} {
				r := w.start(who)
				rs = append(rs, r)
				time.Sleep(time.Second)
			}
			for i := range 7 {
				r, next := rs[i%3], rs[(i+1)%3]
				require.Equal(w, leader.StateLeading, r.Status().State)
				require.NoError(w, r.StepDown(w.Context()))
				next.requireState(leader.StateLeading, instant)
				s := r.requireState(leader.StateQueued, time.Second)
				require.Equal(w, 3, s.Place)
				time.Sleep(time.Second)
			}
			w.requireNoOverlap()
		})
	})
	t.Run("WaitsForTheFunction", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.start("a", deaf(time.Minute))
			r.requireState(leader.StateLeading, time.Second)
			begin := time.Now()
			require.NoError(w, r.StepDown(w.Context()))
			require.InDelta(w, time.Minute, time.Since(begin), float64(time.Second))
			require.Equal(w, 0, w.now())
		})
	})
	t.Run("GoesOnWhenItsContextEnds", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.start("a", deaf(time.Minute))
			r.requireState(leader.StateLeading, time.Second)
			ctx, cancel := context.WithTimeout(w.Context(), time.Second)
			defer cancel()
			require.ErrorIs(w, r.StepDown(ctx), context.DeadlineExceeded)
			time.Sleep(2 * time.Minute)
			require.Equal(w, 2, w.count())
		})
	})
	t.Run("FromWithinTheFunction", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.new(w.config("a"))
			r.run(func(ctx context.Context, _ *concurrency.Term) error {
				time.Sleep(time.Minute)
				return r.StepDown(ctx)
			})
			time.Sleep(5*time.Minute + time.Second)
			require.Equal(w, 6, w.count())
			require.Equal(w, leader.SteppedDown, w.reasonOf(r))
		})
	})
	t.Run("IsAnErrorWhenNotLeading", func(t *testing.T) {
		inBubble(t, func(w *world) {
			w.start("a").requireState(leader.StateLeading, time.Second)
			r := w.new(w.config("b"))
			require.ErrorIs(w, r.StepDown(w.Context()), leader.ErrNotLeading)
			r.run().requireState(leader.StateQueued, time.Second)
			require.ErrorIs(w, r.StepDown(w.Context()), leader.ErrNotLeading)
		})
	})
}

func TestPause(t *testing.T) {
	t.Run("OfALeaderHandsOverAndResumeQueues", func(t *testing.T) {
		inBubble(t, func(w *world) {
			a := w.start("a")
			a.requireState(leader.StateLeading, time.Second)
			b := w.start("b")
			b.requireState(leader.StateQueued, time.Second)
			a.Pause()
			b.requireState(leader.StateLeading, instant)
			s := a.requireState(leader.StatePaused, instant)
			require.Equal(w, "paused", s.Reason)
			time.Sleep(time.Hour)
			s = a.Status()
			require.NoError(w, s.Health())
			require.Equal(w, "b", s.Leader.Value, "it still observes")
			require.Equal(w, 1, s.Candidates)
			require.Len(w, w.etcd.Leases(), 1)
			a.Resume()
			a.requireState(leader.StateQueued, time.Second)
			require.Equal(w, 2, w.count())
		})
	})
	t.Run("OfACandidateLeavesTheQueue", func(t *testing.T) {
		inBubble(t, func(w *world) {
			w.start("a").requireState(leader.StateLeading, time.Second)
			b := w.start("b")
			b.requireState(leader.StateQueued, time.Second)
			b.Pause()
			b.Pause()
			b.requireState(leader.StatePaused, time.Second)
			require.Len(w, w.etcd.Keys(election), 1)
			require.Len(w, w.etcd.Leases(), 1)
		})
	})
	t.Run("BeforeRunKeepsOut", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.new(w.config("a"))
			r.Pause()
			r.run()
			time.Sleep(time.Hour)
			require.Zero(w, w.count())
			require.Empty(w, w.etcd.History())
			r.Resume()
			r.requireState(leader.StateLeading, instant)
		})
	})
	t.Run("AndResumeAtAnyMomentLeaveNothing", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.start("a")
			for i := range 300 {
				r.Pause()
				time.Sleep(time.Duration(i%7) * time.Microsecond)
				r.Resume()
				time.Sleep(time.Duration(i%11) * 10 * time.Microsecond)
			}
			r.requireState(leader.StateLeading, time.Second)
			require.Len(w, w.etcd.Leases(), 1)
			require.Len(w, w.etcd.Keys(election), 1)
			r.stop()
			require.Error(w, r.requireEnd(time.Second))
			w.requireNothingLeft()
			w.requireNoOverlap()
		})
	})
}

func TestALeaseThatIsGrantedAsTheCandidacyEndsIsRevoked(t *testing.T) {
	// paused makes a Runner that is paused and has a connection.
	paused := func(w *world, log *logbook) *runner {
		cfg := w.config("a")
		cfg.Logger = log.logger()
		r := w.new(cfg)
		_, err := r.client.Get(w.Context(), "warm-up")
		require.NoError(w, err)
		r.Pause()
		r.run().requireState(leader.StatePaused, time.Second)
		return r
	}
	// The answer and the end at the same instant, in either order.
	t.Run("AtTheSameInstant", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := paused(w, &logbook{})
			w.etcd.Link("a").DelayReplies(time.Second, 0)
			for i := range 300 {
				time.Sleep(5 * time.Second)
				require.Empty(w, w.etcd.Leases())
				r.Resume()
				time.Sleep(time.Second)
				for range i % 60 {
					runtime.Gosched()
				}
				r.Pause()
			}
		})
	})
	// A lease that took more than half its TTL to be granted is renewed before there
	// is a session. That is when the end comes here.
	t.Run("WhileItIsRenewedAtOnce", func(t *testing.T) {
		inBubble(t, func(w *world) {
			log := &logbook{}
			r := paused(w, log)
			w.etcd.Link("a").DelayReplies(ttl*2/3, 0)
			r.Resume()
			time.Sleep(ttl * 3 / 4)
			require.Len(w, w.etcd.Leases(), 1)
			r.Pause()
			synctest.Wait()
			require.Empty(w, w.etcd.Leases())
			r.requireState(leader.StatePaused, margin+instant) // the answer takes longer than that
			require.Contains(w, log.String(), "could not be revoked")
		})
	})
}

func TestARunnerThatOnlyObservesWritesNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		cfg := w.config("watcher")
		cfg.ObserveOnly = true
		var seen []string
		cfg.Hooks.NewLeader = func(c concurrency.Candidate) { seen = append(seen, c.Value) }
		r := w.new(cfg)
		ctx, stop := context.WithCancel(w.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx, nil) }()
		r.requireState(leader.StatePaused, time.Second)
		for _, who := range []string{"a", "b"} {
			c := w.start(who)
			c.requireState(leader.StateLeading, time.Second)
			time.Sleep(time.Minute)
			require.Equal(w, who, r.Status().Leader.Value)
			require.NoError(w, r.Status().Health())
			r.Resume()
			c.stop()
			c.requireEnd(time.Second)
		}
		synctest.Wait()
		require.Zero(w, r.Status().Leader)
		require.Equal(w, []string{"a", "b"}, seen)
		for method := range w.etcd.Requests("watcher") {
			require.NotContains(w, []string{"Txn", "Put", "LeaseGrant", "LeaseKeepAlive", "LeaseRevoke"}, method)
		}
		w.etcd.Link("watcher").Swallow()
		time.Sleep(30 * time.Second)
		require.ErrorContains(w, r.Status().Health(), "not heard from etcd")
		stop()
		require.ErrorIs(w, <-done, context.Canceled)
	})
}

func TestHoldOff(t *testing.T) {
	run := func(t *testing.T, f func(w *world, r *runner), change ...func(*leader.Config)) {
		inBubble(t, func(w *world) {
			cfg := w.config("a")
			cfg.HoldOff = 40 * time.Second
			for _, c := range change {
				c(&cfg)
			}
			f(w, w.new(cfg))
		})
	}
	lose := func(w *world) { require.True(w, w.etcd.Delete(w.last().term.Key())) }

	t.Run("AfterATermThatWasLostTooSoon", func(t *testing.T) {
		run(t, func(w *world, r *runner) {
			r.run().requireState(leader.StateLeading, time.Second)
			time.Sleep(2*ttl - time.Second)
			lose(w)
			r.requireState(leader.StatePaused, time.Second)
			require.NoError(w, r.Status().Health())
			time.Sleep(39 * time.Second)
			require.Equal(w, 1, w.count())
			r.requireState(leader.StateLeading, 2*time.Second)
		})
	})
	t.Run("NotAfterOneThatLasted", func(t *testing.T) {
		run(t, func(w *world, r *runner) {
			r.run().requireState(leader.StateLeading, time.Second)
			time.Sleep(2 * ttl)
			lose(w)
			time.Sleep(time.Second)
			require.Equal(w, 2, w.count())
		})
	})
	t.Run("NotAfterAnEndOnPurpose", func(t *testing.T) {
		run(t, func(w *world, r *runner) {
			r.run().requireState(leader.StateLeading, time.Second)
			require.NoError(w, r.StepDown(w.Context()))
			r.requireState(leader.StateLeading, time.Second)
		})
	})
	t.Run("AfterAnErrorOfTheFunctionInTheNextRun", func(t *testing.T) {
		run(t, func(w *world, r *runner) {
			fails := func(context.Context, *concurrency.Term) error { time.Sleep(time.Hour); return errWork }
			require.ErrorIs(w, r.run(fails).requireEnd(2*time.Hour), errWork)
			r.run(fails)
			time.Sleep(39 * time.Second)
			require.Equal(w, 1, w.count())
			time.Sleep(2 * time.Second)
			require.Equal(w, 2, w.count())
		})
	})
	t.Run("NoneIfItIsNegative", func(t *testing.T) {
		run(t, func(w *world, r *runner) {
			r.run().requireState(leader.StateLeading, time.Second)
			lose(w)
			time.Sleep(time.Second)
			require.Equal(w, 2, w.count())
		}, func(c *leader.Config) { c.HoldOff = -1 })
	})
}
