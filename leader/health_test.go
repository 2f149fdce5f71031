// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency/leader"
)

func TestHealthCheck(t *testing.T) {
	type check struct {
		calls              atomic.Int32
		fails, hangs, slow atomic.Bool  // slow: until its context ends
		takes              atomic.Int64 // nanoseconds, whatever its context says
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
				if c.slow.Load() {
					<-ctx.Done()
					return ctx.Err()
				}
				time.Sleep(time.Duration(c.takes.Load()))
				if c.fails.Load() {
					return errSick
				}
				return nil
			}
			r := w.new(cfg)
			f(w, r, &c)
			c.hangs.Store(false)
			r.stop()
			time.Sleep(time.Minute) // the last check returns
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
	t.Run("FailsOnceWhenItHeedsItsContextAndSaysWhy", func(t *testing.T) {
		run(t, func(w *world, r *runner, c *check) {
			r.run().requireState(leader.StateLeading, 3*time.Second)
			c.slow.Store(true)
			calls := c.calls.Load()
			s := r.requireState(leader.StatePaused, 7*time.Second)
			require.ErrorIs(w, s.Health(), context.DeadlineExceeded)
			require.Equal(w, calls+3, c.calls.Load())
		})
	})
	t.Run("FailsWhenItTakesTooLongEachTime", func(t *testing.T) {
		for _, takes := range []time.Duration{1500 * time.Millisecond, 2500 * time.Millisecond} {
			run(t, func(w *world, r *runner, c *check) {
				r.run().requireState(leader.StateLeading, 3*time.Second)
				c.takes.Store(int64(takes))
				r.requireState(leader.StatePaused, 12*time.Second)
				time.Sleep(time.Minute)
				require.Equal(w, leader.StatePaused, r.Status().State)
				require.Equal(w, 1, w.count())
			})
		}
	})
	t.Run("IsLeftAloneWhenRunEnds", func(t *testing.T) {
		run(t, func(w *world, r *runner, c *check) {
			c.hangs.Store(true)
			r.run()
			time.Sleep(time.Second / 2)
			require.EqualValues(w, 1, c.calls.Load())
			r.stop()
			require.ErrorIs(w, r.requireEnd(instant), context.Canceled)
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
