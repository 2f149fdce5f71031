// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/leader"
)

var errWork = errors.New("the work failed")

func TestWhatRunReturns(t *testing.T) {
	t.Run("NilWhenTheFunctionIsDone", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.start("a", func(context.Context, *concurrency.Term) error { return nil })
			require.NoError(w, r.requireEnd(time.Second))
			require.Equal(w, leader.Done, w.reasonOf(r))
			w.requireNothingLeft()
		})
	})
	t.Run("TheErrorOfTheFunction", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.start("a", func(context.Context, *concurrency.Term) error { return errWork })
			require.Equal(w, errWork, r.requireEnd(time.Second))
			require.Equal(w, leader.Failed, w.reasonOf(r))
			w.requireNothingLeft()
		})
	})
	t.Run("TheContextsErrorAfterTheFunctionHasReturned", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.start("a", func(ctx context.Context, _ *concurrency.Term) error {
				<-ctx.Done()
				time.Sleep(time.Minute) // the lease is kept alive for as long
				return nil
			})
			r.requireState(leader.StateLeading, time.Second)
			next := w.start("b")
			next.requireState(leader.StateQueued, time.Second)
			r.stop()
			synctest.Wait()
			require.Equal(w, leader.StateSteppingDown, r.Status().State)
			require.Empty(w, r.result)
			require.ErrorIs(w, r.requireEnd(time.Minute+time.Second), context.Canceled)
			require.Equal(w, leader.Stopped, w.reasonOf(r))
			next.requireState(leader.StateLeading, 100*time.Millisecond)
			w.requireNoOverlap()
			require.Zero(w, r.Stats().Overruns)
		})
	})
	t.Run("TheContextsErrorWhileQueued", func(t *testing.T) {
		inBubble(t, func(w *world) {
			w.start("a").requireState(leader.StateLeading, time.Second)
			r := w.start("b")
			r.requireState(leader.StateQueued, time.Second)
			r.stop()
			require.ErrorIs(w, r.requireEnd(time.Second), context.Canceled)
			require.Equal(w, 1, w.count())
			require.Len(w, w.etcd.Keys(election), 1)
		})
	})
	t.Run("TheContextsErrorSoonWhileEtcdIsSilent", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.start("a")
			r.requireState(leader.StateLeading, time.Second)
			w.etcd.Link("a").Swallow()
			r.stop()
			require.ErrorIs(w, r.requireEnd(2*time.Second+time.Millisecond), context.Canceled) // the margin
			again := w.start("a")
			time.Sleep(time.Second)
			again.stop()
			require.ErrorIs(w, again.requireEnd(time.Second), context.Canceled)
			w.etcd.Link("a").Heal()
			time.Sleep(time.Minute)
			w.requireNothingLeft()
		})
	})
	t.Run("ErrClientClosed", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.start("a")
			r.requireState(leader.StateLeading, time.Second)
			r.client.Close()
			require.ErrorIs(w, r.requireEnd(2*time.Second), leader.ErrClientClosed)
			require.Equal(w, leader.SessionOver, w.last().end.Reason)
		})
	})
	t.Run("ErrClientClosedWhilePaused", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.new(w.config("a"))
			r.Pause()
			r.run()
			r.requireState(leader.StatePaused, time.Second)
			r.client.Close()
			require.ErrorIs(w, r.requireEnd(time.Second), leader.ErrClientClosed)
		})
	})
	t.Run("ErrClientClosedBetweenTwoAttempts", func(t *testing.T) {
		inBubble(t, func(w *world) {
			cfg := w.config("a")
			cfg.StartTimeout, cfg.Backoff = time.Second, backoff.NewConstantBackOff(time.Hour)
			r := w.new(cfg)
			w.etcd.Link("a").Swallow()
			r.run()
			time.Sleep(time.Minute)
			require.EqualValues(w, 1, r.Stats().Errors)
			r.client.Close()
			require.ErrorIs(w, r.requireEnd(instant), leader.ErrClientClosed)
		})
	})
	t.Run("ErrRunning", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.start("a")
			r.requireState(leader.StateLeading, time.Second)
			require.ErrorIs(w, r.Run(w.Context(), untilEnd), leader.ErrRunning)
		})
	})
	t.Run("AnErrorWithoutAFunction", func(t *testing.T) {
		inBubble(t, func(w *world) { require.Error(w, w.new(w.config("a")).Run(w.Context(), nil)) })
	})
}

// reasonOf returns the one reason that the Runner's terms have ended by.
func (w *world) reasonOf(r *runner) leader.Reason {
	w.Helper()
	var reason leader.Reason
	for why, n := range r.Stats().Terms {
		if n > 0 {
			require.Empty(w, reason)
			reason = why
		}
	}
	return reason
}

func TestAPanicHandsOverAndGoesOnUp(t *testing.T) {
	inBubble(t, func(w *world) {
		r := w.new(w.config("a"))
		recovered := make(chan any)
		go func() {
			defer func() { recovered <- recover() }()
			_ = r.Run(w.Context(), func(context.Context, *concurrency.Term) error { panic("no") })
		}()
		require.Equal(w, "no", <-recovered)
		require.Equal(w, leader.StateStopped, r.Status().State)
		require.Equal(w, leader.Failed, w.reasonOf(r))
		w.requireNothingLeft()
	})
}

func TestARunnerMayRunAgain(t *testing.T) {
	inBubble(t, func(w *world) {
		r := w.new(w.config("a"))
		for range 3 {
			r.run()
			r.requireState(leader.StateLeading, time.Second)
			r.stop()
			require.ErrorIs(w, r.requireEnd(time.Second), context.Canceled)
		}
		require.Equal(w, 3, w.count())
		w.requireNothingLeft()
	})
}

func TestNothingIsLeftAfterAThousandCycles(t *testing.T) {
	inBubble(t, func(w *world) {
		r := w.new(w.config("a"))
		for i := range 1000 {
			switch i % 4 {
			case 0: // done
				r.run(func(context.Context, *concurrency.Term) error { return nil })
				require.NoError(w, r.requireEnd(time.Second))
			case 1: // stopped while leading
				r.run()
				r.requireState(leader.StateLeading, time.Second)
			case 2: // stopped while queued
				first := w.start("b")
				first.requireState(leader.StateLeading, time.Second)
				r.run()
				r.requireState(leader.StateQueued, time.Second)
				r.stop()
				r.requireEnd(time.Second)
				first.stop()
				first.requireEnd(time.Second)
				require.NoError(w, first.client.Close())
			case 3: // stopped at any moment
				r.run()
				time.Sleep(time.Duration(i) * time.Microsecond)
			}
			r.stop()
			if i%4 == 1 || i%4 == 3 {
				r.requireEnd(time.Second)
			}
			if i%100 == 99 {
				w.requireNothingLeft()
			}
		}
		w.requireNothingLeft()
		w.requireNoOverlap()
	})
}
