// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
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

// The answer to the request for a lease, and the end of the candidacy that it was
// for, at the same instant, in either order.
func TestALeaseThatIsGrantedAsTheCandidacyEndsIsRevoked(t *testing.T) {
	inBubble(t, func(w *world) {
		r := w.new(w.config("a"))
		_, err := r.client.Get(w.Context(), "warm-up")
		require.NoError(w, err)
		r.Pause()
		r.run()
		r.requireState(leader.StatePaused, time.Second)
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

func TestHealthCheck(t *testing.T) {
	type check struct {
		fails, hangs atomic.Bool
		calls        atomic.Int32
	}
	errSick := errors.New("sick")
	run := func(t *testing.T, f func(w *world, r *runner, c *check)) {
		inBubble(t, func(w *world) {
			var c check
			cfg := w.config("a")
			cfg.HealthInterval, cfg.UnhealthyAfter, cfg.HealthyAfter = time.Second, 3, 2
			cfg.HealthCheck = func(ctx context.Context) error {
				c.calls.Add(1)
				for c.hangs.Load() {
					time.Sleep(10 * time.Millisecond)
				}
				if c.fails.Load() {
					return errSick
				}
				return nil
			}
			f(w, w.new(cfg), &c)
			c.hangs.Store(false)
		})
	}
	t.Run("KeepsOutUntilItHasPassed", func(t *testing.T) {
		run(t, func(w *world, r *runner, c *check) {
			c.fails.Store(true)
			r.run()
			time.Sleep(time.Minute)
			require.Empty(w, w.etcd.History())
			s := r.Status()
			require.Equal(w, leader.StatePaused, s.State)
			require.ErrorIs(w, s.Health(), errSick)
			require.Contains(w, s.Reason, "sick")
			c.fails.Store(false)
			r.requireState(leader.StateLeading, 2*time.Second+instant)
		})
	})
	t.Run("MakesALeaderStepDownWhenItFailsForAWhile", func(t *testing.T) {
		run(t, func(w *world, r *runner, c *check) {
			r.run().requireState(leader.StateLeading, 3*time.Second)
			next := w.start("b")
			c.fails.Store(true)
			time.Sleep(1500 * time.Millisecond)
			c.fails.Store(false) // for too short
			time.Sleep(time.Minute)
			require.Equal(w, leader.StateLeading, r.Status().State)
			c.fails.Store(true)
			next.requireState(leader.StateLeading, 3*time.Second+instant)
			require.Equal(w, leader.Unhealthy, w.reasonOf(r))
			require.ErrorIs(w, w.reign(0).end, errSick)
			require.Error(w, r.requireState(leader.StatePaused, instant).Health())
			time.Sleep(time.Minute)
			require.Len(w, w.etcd.Keys(election), 1)
			c.fails.Store(false)
			r.requireState(leader.StateQueued, 3*time.Second)
			w.requireNoOverlap()
		})
	})
	t.Run("FailsWhenItHangs", func(t *testing.T) {
		run(t, func(w *world, r *runner, c *check) {
			r.run().requireState(leader.StateLeading, 3*time.Second)
			c.hangs.Store(true)
			calls := c.calls.Load()
			s := r.requireState(leader.StatePaused, 7*time.Second)
			require.ErrorContains(w, s.Health(), "no answer within 1s")
			time.Sleep(time.Minute)
			require.LessOrEqual(w, c.calls.Load(), calls+1, "one at a time")
			c.hangs.Store(false)
			r.requireState(leader.StateLeading, 5*time.Second)
		})
	})
	t.Run("TakesACandidateOutOfTheQueue", func(t *testing.T) {
		run(t, func(w *world, r *runner, c *check) {
			w.start("b").requireState(leader.StateLeading, time.Second)
			r.run().requireState(leader.StateQueued, 3*time.Second)
			c.fails.Store(true)
			r.requireState(leader.StatePaused, 4*time.Second)
			synctest.Wait()
			require.Len(w, w.etcd.Keys(election), 1)
		})
	})
}
