// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
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

// ask returns what the handler answers.
func ask(r *runner, method, target string) (int, map[string]any) {
	rec := httptest.NewRecorder()
	r.Handler().ServeHTTP(rec, httptest.NewRequest(method, target, nil))
	body := make(map[string]any)
	_ = json.Unmarshal(rec.Body.Bytes(), &body)
	return rec.Code, body
}

func TestHandler(t *testing.T) {
	inBubble(t, func(w *world) {
		a := w.start("a")
		a.requireState(leader.StateLeading, time.Second)
		b := w.start("b")
		b.requireState(leader.StateQueued, time.Second)
		time.Sleep(time.Second)

		code, body := ask(a, http.MethodGet, "/?leader=1")
		require.Equal(w, http.StatusOK, code)
		require.Equal(w, "leading", body["state"])
		require.Equal(w, true, body["leading"])
		require.Equal(w, true, body["healthy"])
		require.EqualValues(w, a.Status().Term.Rev(), body["term"])
		require.EqualValues(w, 2, body["candidates"])
		require.Equal(w, "a", body["leader"].(map[string]any)["value"])
		require.Greater(w, body["leaseLeftSeconds"], 5.0)

		code, body = ask(b, http.MethodGet, "/")
		require.Equal(w, http.StatusOK, code)
		require.Equal(w, "queued", body["state"])
		require.EqualValues(w, 2, body["place"])
		code, body = ask(b, http.MethodGet, "/?leader=1")
		require.Equal(w, http.StatusServiceUnavailable, code)
		require.Equal(w, `queued; "a" leads`, body["problem"])
		code, _ = ask(b, http.MethodGet, "/?leader=0")
		require.Equal(w, http.StatusOK, code)
		code, _ = ask(b, http.MethodGet, "/?leader=perhaps")
		require.Equal(w, http.StatusBadRequest, code)
		code, _ = ask(b, http.MethodHead, "/")
		require.Equal(w, http.StatusOK, code)
		code, _ = ask(b, http.MethodPost, "/")
		require.Equal(w, http.StatusMethodNotAllowed, code)

		w.etcd.Link("b").Swallow()
		time.Sleep(2 * ttl)
		code, body = ask(b, http.MethodGet, "/")
		require.Equal(w, http.StatusServiceUnavailable, code)
		require.Equal(w, "connecting", body["state"])
		require.NotEmpty(w, body["problem"])
		require.NotEmpty(w, body["lastError"])

		a.stop()
		a.requireEnd(time.Second)
		code, body = ask(a, http.MethodGet, "/")
		require.Equal(w, http.StatusServiceUnavailable, code)
		require.Equal(w, "not running", body["problem"])
	})
}

func TestConfig(t *testing.T) {
	inBubble(t, func(w *world) {
		client := w.etcd.Client("a")
		r, err := leader.New(leader.Config{Client: client, Election: election})
		require.NoError(w, err)
		host, err := os.Hostname()
		require.NoError(w, err)
		require.Equal(w, fmt.Sprintf("%s/%d", host, os.Getpid()), r.Status().Value)
		require.Empty(w, w.etcd.Requests(""), "New asks nothing")

		for _, c := range []struct {
			says   []string
			change func(*leader.Config)
		}{
			{[]string{"Client", "Election"}, func(c *leader.Config) { *c = leader.Config{} }},
			{[]string{"TTL"}, func(c *leader.Config) { c.TTL = 1500 * time.Millisecond }},
			{[]string{"TTL"}, func(c *leader.Config) { c.TTL = -time.Second }},
			{[]string{"Margin is 6s", "from 500ms to 5s"}, func(c *leader.Config) { c.TTL, c.Margin = 10*time.Second, 6*time.Second }},
			{[]string{"Margin"}, func(c *leader.Config) { c.Margin = time.Millisecond }},
			{[]string{"StartTimeout"}, func(c *leader.Config) { c.StartTimeout = -1 }},
			{[]string{"MinTerm"}, func(c *leader.Config) { c.MinTerm = -1 }},
			{[]string{"HealthInterval"}, func(c *leader.Config) { c.HealthInterval = -1 }},
			{[]string{"Overrun"}, func(c *leader.Config) { c.Overrun = 3 }},
		} {
			cfg := leader.Config{Client: client, Election: election}
			c.change(&cfg)
			_, err := leader.New(cfg)
			for _, s := range c.says {
				require.ErrorContains(w, err, s)
			}
			require.Equal(w, len(strings.Split(err.Error(), "\n")), strings.Count(err.Error(), "leader: "))
			require.Equal(w, err.Error(), leader.Run(w.Context(), cfg, untilEnd).Error())
		}
	})
}

func TestHandoverGapIsMeasured(t *testing.T) {
	inBubble(t, func(w *world) {
		a := w.start("a")
		a.requireState(leader.StateLeading, time.Second)
		b := w.start("b")
		b.requireState(leader.StateQueued, time.Second)
		require.NoError(w, a.StepDown(w.Context()))
		time.Sleep(time.Second)
		gap := b.Stats().HandoverGap
		require.EqualValues(w, 1, gap.Count)
		require.Less(w, gap.Sum, 0.01)
		require.Zero(w, a.Stats().HandoverGap.Count)

		a.Pause()
		b.Pause()
		time.Sleep(30 * time.Second)
		a.Resume()
		a.requireState(leader.StateLeading, time.Second)
		gap = a.Stats().HandoverGap
		require.EqualValues(w, 1, gap.Count)
		require.InDelta(w, 30, gap.Sum, 1)
		require.EqualValues(w, 2, a.Stats().Wait.Count)
	})
}
