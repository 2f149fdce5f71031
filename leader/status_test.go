// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/leader"
)

func TestStatus(t *testing.T) {
	t.Run("OfALifetime", func(t *testing.T) {
		inBubble(t, func(w *world) {
			first := w.start("a")
			first.requireState(leader.StateLeading, time.Second)

			r := w.new(w.config("b"))
			s := r.Status()
			require.Equal(w, leader.StateStopped, s.State)
			require.Equal(w, election, s.Election)
			require.Equal(w, "b", s.Value)
			require.Error(w, s.Health())

			r.run(deaf(time.Second))
			r.requireState(leader.StateQueued, time.Second)
			time.Sleep(time.Minute)
			s = r.Status()
			require.Equal(w, 2, s.Place)
			require.Equal(w, 2, s.Candidates)
			require.Equal(w, "a", s.Leader.Value)
			require.Nil(w, s.Term)
			require.NoError(w, s.Health())
			require.Greater(w, s.LeaseLeft, ttl/2)
			require.LessOrEqual(w, s.LeaseLeft, ttl)
			require.InDelta(w, time.Minute, time.Since(s.Since), float64(time.Second))

			first.stop()
			s = r.requireState(leader.StateLeading, instant)
			require.Equal(w, w.last().term, s.Term)
			require.Equal(w, 1, s.Place)
			time.Sleep(time.Minute)
			s = r.Status()
			require.Equal(w, s.Term.Rev(), s.Leader.Rev)
			require.Equal(w, 1, s.Candidates)

			r.stop()
			s = r.requireState(leader.StateSteppingDown, instant)
			require.Equal(w, string(leader.Stopped), s.Reason)
			require.NoError(w, s.Health())
			require.NotNil(w, s.Term)
			s = r.requireState(leader.StateStopped, 2*time.Second)
			require.Zero(w, s.LeaseLeft)
			require.Nil(w, s.Term)
			require.Zero(w, s.Place)
		})
	})
	t.Run("TellsThePlaceAsTheQueueMoves", func(t *testing.T) {
		inBubble(t, func(w *world) {
			var rs []*runner
			for i := range 5 {
				r := w.start(fmt.Sprint(i))
				rs = append(rs, r)
				time.Sleep(2 * ttl)
				require.Equal(w, i+1, r.Status().Place)
				require.Equal(w, i+1, rs[0].Status().Candidates)
			}
			rs[2].Pause() // nobody leads anew
			time.Sleep(ttl)
			require.Equal(w, []int{1, 2, 0, 3, 4}, places(rs))
			rs[0].Pause()
			time.Sleep(time.Second)
			require.Equal(w, []int{0, 1, 0, 2, 3}, places(rs))
		})
	})
	t.Run("IsUnhealthyWhenEtcdIsAway", func(t *testing.T) {
		inBubble(t, func(w *world) {
			a := w.start("a", deaf(time.Second))
			a.requireState(leader.StateLeading, time.Second)
			b := w.start("b")
			time.Sleep(time.Minute)
			for _, who := range []string{"a", "b"} {
				w.etcd.Link(who).Swallow()
			}
			s := a.requireState(leader.StateSteppingDown, ttl)
			require.ErrorContains(w, s.Health(), "has lost its term")
			time.Sleep(ttl)
			require.Error(w, a.Status().Health())
			require.Error(w, b.Status().Health())
			require.Equal(w, leader.StateConnecting, b.Status().State)
			require.Error(w, b.Status().LastError)
			time.Sleep(time.Minute)
			w.etcd.Link("a").Heal()
			w.etcd.Link("b").Heal()
			time.Sleep(time.Minute)
			require.NoError(w, a.Status().Health())
			require.NoError(w, b.Status().Health())
		})
	})
	t.Run("IsUnhealthyUntilEtcdIsReached", func(t *testing.T) {
		inBubble(t, func(w *world) {
			w.etcd.Link("a").Swallow()
			r := w.new(w.config("a"))
			r.Pause()
			r.run().requireState(leader.StatePaused, time.Second)
			require.EqualError(w, r.Status().Health(), "has not reached etcd")
			time.Sleep(time.Minute)
			require.Error(w, r.Status().Health())
			w.etcd.Link("a").Heal()
			time.Sleep(reconnects)
			require.NoError(w, r.Status().Health())
		})
	})
}

func places(rs []*runner) []int {
	var ps []int
	for _, r := range rs {
		ps = append(ps, r.Status().Place)
	}
	return ps
}

func TestChanges(t *testing.T) {
	t.Run("BringsTheStatesInOrderToAReaderThatKeepsUp", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.new(w.config("a"))
			var states []leader.State
			ctx, cancel := context.WithCancel(w.Context())
			read := make(chan struct{})
			go func() {
				defer close(read)
				for s := range r.Changes(ctx) {
					if len(states) == 0 || states[len(states)-1] != s.State {
						states = append(states, s.State)
					}
				}
			}()
			synctest.Wait()
			r.run(deaf(time.Second))
			time.Sleep(time.Second)
			r.Pause()
			time.Sleep(2 * time.Second)
			r.Resume()
			time.Sleep(time.Second)
			r.stop()
			time.Sleep(2 * time.Second)
			cancel()
			<-read
			require.Contains(w, states, leader.StateConnecting)
			var seen []leader.State
			for _, s := range states {
				if s != leader.StateConnecting {
					seen = append(seen, s)
				}
			}
			require.Equal(w, []leader.State{
				leader.StateStopped, leader.StateLeading, leader.StateSteppingDown, leader.StatePaused,
				leader.StateLeading, leader.StateSteppingDown, leader.StateStopped,
			}, seen)
		})
	})
	t.Run("HoldsNobodyUpAndBringsTheNewest", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.new(w.config("a"))
			ctx, cancel := context.WithCancel(w.Context())
			changes := r.Changes(ctx) // nobody reads
			r.run()
			for range 100 {
				r.Pause()
				r.requireState(leader.StatePaused, time.Second)
				r.Resume()
				r.requireState(leader.StateLeading, time.Second)
			}
			require.Equal(w, leader.StateLeading, (<-changes).State)
			cancel()
			synctest.Wait()
			_, open := <-changes
			require.False(w, open)
		})
	})
}

func TestHooks(t *testing.T) {
	inBubble(t, func(w *world) {
		var mu sync.Mutex
		var told []string
		tell := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprintf(format, args...))
		}
		cfg := w.config("a")
		cfg.Hooks = leader.Hooks{
			Elected: func(term *concurrency.Term) { tell("elected %v", term.Err()) },
			Lost: func(term *concurrency.Term, end *leader.EndError) {
				tell("lost %s, %d keys", end.Reason, len(w.etcd.Keys(election)))
			},
			NewLeader: func(c concurrency.Candidate) { tell("new leader %s", c.Value) },
			Error:     func(err error) { tell("error %v", errors.Is(err, concurrency.ErrKeyDeleted)) },
		}
		r := w.new(cfg).run()
		time.Sleep(time.Second)
		b := w.start("b")
		b.requireState(leader.StateQueued, time.Second)
		r.Pause()
		time.Sleep(time.Second)
		r.Resume()
		time.Sleep(time.Second)
		w.etcd.Delete(w.etcd.Keys(election)[1].Key)
		time.Sleep(time.Second)
		mu.Lock()
		defer mu.Unlock()
		require.ElementsMatch(w, []string{"elected <nil>", "new leader a"}, told[:2])
		require.ElementsMatch(w, []string{"lost paused, 1 keys", "new leader b"}, told[2:4])
		require.Equal(w, []string{"error true"}, told[4:])
	})
}
