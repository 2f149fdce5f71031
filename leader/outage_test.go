// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/etcdtest"
	"github.com/seed-da5263fb/concurrency/leader"
)

// reconnects bounds how long a client takes to connect again: gRPC waits for up to
// two minutes, more or less, before it tries a member that refused.
const reconnects = 150 * time.Second

func TestARunnerOutlivesEtcd(t *testing.T) {
	for _, down := range []time.Duration{time.Second, 9 * time.Second, 30 * time.Second, 5 * time.Minute} {
		t.Run("AllMembersStoppedFor"+down.String(), func(t *testing.T) {
			inBubble(t, func(w *world) {
				var errs atomic.Int32
				cfg := w.config("a")
				cfg.Hooks.Error = func(error) { errs.Add(1) }
				rs := []*runner{w.new(cfg).run(), w.start("b")}
				time.Sleep(time.Minute)
				for i := range w.etcd.Members() {
					w.etcd.Member(i).Stop()
				}
				time.Sleep(down)
				if down > ttl {
					require.Equal(w, 0, w.now())
					for _, r := range rs {
						require.Error(w, r.Status().Health())
					}
				}
				for i := range w.etcd.Members() {
					w.etcd.Member(i).Restart()
				}
				time.Sleep(reconnects)
				require.Equal(w, 1, w.now())
				w.requireNoOverlap()
				for _, r := range rs {
					require.NoError(w, r.Status().Health())
				}
				require.Len(w, w.etcd.Keys(election), 2)
				require.Len(w, w.etcd.Leases(), 2)
				if down > time.Minute {
					require.NotZero(w, errs.Load())
				}
				for _, r := range rs {
					r.stop()
					require.ErrorIs(w, r.requireEnd(time.Second), context.Canceled)
				}
				w.requireNothingLeft()
			}, etcdtest.WithMembers(3))
		})
	}
	t.Run("WithoutALeaderOfEtcd", func(t *testing.T) {
		inBubble(t, func(w *world) {
			w.start("a")
			w.start("b")
			time.Sleep(time.Minute)
			for i := range 3 {
				w.etcd.Member(i).LoseLeader()
			}
			time.Sleep(3 * time.Minute)
			require.Equal(w, 0, w.now())
			for i := range 3 {
				w.etcd.Member(i).RegainLeader()
			}
			time.Sleep(time.Minute)
			require.Equal(w, 1, w.now())
			w.requireNoOverlap()
		}, etcdtest.WithMembers(3))
	})
	t.Run("ThatWasDownAtTheStart", func(t *testing.T) {
		inBubble(t, func(w *world) {
			w.etcd.Member(0).Stop()
			r := w.start("a")
			time.Sleep(10 * time.Minute)
			s := r.Status()
			require.Equal(w, leader.StateConnecting, s.State)
			require.ErrorContains(w, s.Health(), "get a lease")
			w.etcd.Member(0).Restart()
			r.requireState(leader.StateLeading, reconnects)
			require.NoError(w, r.Status().Health())
		})
	})
}

// An hour in which the leader's network fails every twenty seconds, for different
// times, and one in which everybody's does.
func TestAnHourOfFlapping(t *testing.T) {
	t.Run("OfTheLeader", func(t *testing.T) {
		inBubble(t, func(w *world) {
			for _, who := range []string{"a", "b"} {
				w.start(who)
			}
			time.Sleep(time.Second)
			for i := range 180 {
				who := w.last().who
				w.etcd.Link(who).Swallow()
				time.Sleep(time.Duration(i%14) * time.Second)
				w.etcd.Link(who).Heal()
				time.Sleep(20*time.Second - time.Duration(i%14)*time.Second)
				require.Equal(w, 1, w.now(), "at %v", i)
			}
			w.requireNoOverlap()
			require.Greater(w, w.count(), 30)
			for i := range w.count() - 1 {
				k := w.reign(i)
				require.Equal(w, leader.LeaseAtRisk, k.end.Reason)
				require.GreaterOrEqual(w, k.left, margin)
			}
		})
	})
	t.Run("OfAllBySeed", func(t *testing.T) {
		const seed = 6
		inBubble(t, func(w *world) {
			var rs []*runner
			names := []string{"a", "b", "c"}
			for _, who := range names {
				rs = append(rs, w.start(who))
			}
			plan := etcdtest.NewPlan(seed, etcdtest.Storm{
				Participants: names, Members: 3, Duration: time.Hour, Every: 10 * time.Second, Longest: 20 * time.Second,
			})
			w.etcd.Run(w.Context(), plan)
			time.Sleep(reconnects)
			require.Equal(w, 1, w.now(), "seed %d", seed)
			w.requireNoOverlap()
			require.Greater(w, w.count(), 5)
			for i := range w.count() - 1 {
				k := w.reign(i)
				require.NotNil(w, k.end)
				if k.end.Reason == leader.LeaseAtRisk {
					require.GreaterOrEqual(w, k.left, margin, "seed %d, %v", seed, k)
				}
			}
			for _, r := range rs {
				r.stop()
				r.requireEnd(time.Second)
			}
			require.Empty(w, w.etcd.Leases())
			require.Empty(w, w.etcd.Keys(election))
		}, etcdtest.WithMembers(3), etcdtest.WithSeed(seed))
	})
}

func TestBackoff(t *testing.T) {
	t.Run("SpacesAttemptsOut", func(t *testing.T) {
		inBubble(t, func(w *world) {
			log := &logbook{}
			cfg := w.config("a")
			cfg.Logger = log.logger()
			cfg.StartTimeout = time.Second
			r := w.new(cfg)
			w.etcd.Link("a").Swallow()
			r.run()
			time.Sleep(time.Hour)
			attempts := r.Stats().Errors
			require.Greater(w, attempts, uint64(400))
			require.Less(w, attempts, uint64(1050))
			require.Equal(w, 1, strings.Count(log.String(), "level=WARN"), "one line for an outage:\n%s", log)
		})
	})
	t.Run("StopEndsRunWithTheError", func(t *testing.T) {
		inBubble(t, func(w *world) {
			cfg := w.config("a")
			cfg.StartTimeout, cfg.Backoff = time.Second, &backoff.StopBackOff{}
			r := w.new(cfg)
			w.etcd.Link("a").Swallow()
			require.ErrorIs(w, r.run().requireEnd(2*time.Second), context.DeadlineExceeded)
			require.Zero(w, w.count())
		})
	})
	t.Run("IsResetByATerm", func(t *testing.T) {
		inBubble(t, func(w *world) {
			b := &counting{}
			cfg := w.config("a")
			cfg.StartTimeout, cfg.Backoff = time.Second, b
			r := w.new(cfg)
			w.etcd.Link("a").Swallow()
			r.run()
			time.Sleep(20 * time.Second)
			require.Greater(w, b.n.Load(), int32(3))
			w.etcd.Link("a").Heal()
			r.requireState(leader.StateLeading, 10*time.Second)
			w.etcd.Delete(w.last().term.Key())
			time.Sleep(time.Second)
			require.Zero(w, b.n.Load())
		})
	})
}

// counting is a constant backoff that counts.
type counting struct{ n atomic.Int32 }

func (b *counting) NextBackOff() time.Duration { b.n.Add(1); return time.Second }
func (b *counting) Reset()                     { b.n.Store(0) }

func TestAKeyOrALeaseThatIsGoneLeadsToAFreshCandidacy(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start("a").requireState(leader.StateLeading, time.Second)
		r := w.start("b")
		r.requireState(leader.StateQueued, time.Second)
		for i := range 10 {
			own := w.etcd.Keys(election)[1]
			if i%2 == 0 {
				require.True(w, w.etcd.Delete(own.Key))
			} else {
				require.NoError(w, w.etcd.Revoke(own.Lease))
			}
			time.Sleep(10 * time.Millisecond)
			require.ErrorIs(w, r.Status().LastError, concurrency.ErrKeyDeleted)
			s := r.requireState(leader.StateQueued, 20*time.Second)
			require.Equal(w, 2, s.Place)
			require.NoError(w, s.Health())
			require.Len(w, w.etcd.Leases(), 2)
		}
		require.Equal(w, uint64(10), r.Stats().Errors)
	})
}

func TestALostAnswerLeavesNothing(t *testing.T) {
	for _, method := range []string{"LeaseGrant", "Txn", "LeaseRevoke"} {
		t.Run(method, func(t *testing.T) {
			inBubble(t, func(w *world) {
				r := w.new(w.config("a"))
				_, err := r.client.Get(w.Context(), "warm-up")
				require.NoError(w, err)
				trap := w.etcd.Link("a").DropReply(etcdtest.Method(method))
				r.run()
				r.requireState(leader.StateLeading, time.Minute)
				r.stop()
				require.ErrorIs(w, r.requireEnd(10*time.Second), context.Canceled)
				<-trap.Sprung()
				time.Sleep(2 * ttl) // of a lease that nobody knows
				w.requireNothingLeft()
			})
		})
	}
}

func TestARefusalIsRetriedAndTold(t *testing.T) {
	inBubble(t, func(w *world) {
		cfg := w.config(strings.Repeat("x", 2<<20)) // larger than a request may be
		cfg.Client = w.etcd.Client("a")
		cfg.Logger = (&logbook{}).logger()
		r := w.new(cfg).run()
		time.Sleep(time.Minute)
		s := r.Status()
		require.Error(w, s.Health())
		require.True(w, errors.Is(s.LastError, rpctypes.ErrRequestTooLarge) || strings.Contains(s.LastError.Error(), "larger"), "%v", s.LastError)
		r.stop()
		require.ErrorIs(w, r.requireEnd(time.Second), context.Canceled)
		w.requireNothingLeft()
	})
}

// A user without the permission to read, for as long as it takes to be given.
func TestObservingGoesOnAfterARefusal(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start("leads").requireState(leader.StateLeading, time.Second)
		var refuse atomic.Bool
		refuse.Store(true)
		cfg := w.config("a")
		cfg.ObserveOnly = true
		cfg.Client = w.etcd.Client("a", func(c *clientv3.Config) {
			c.DialOptions = append(c.DialOptions, grpc.WithChainUnaryInterceptor(
				func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
					if refuse.Load() {
						return rpctypes.ErrGRPCPermissionDenied
					}
					return invoke(ctx, method, req, reply, cc, opts...)
				}))
		})
		r := w.new(cfg).run()
		time.Sleep(time.Minute)
		require.ErrorIs(w, r.Status().LastError, rpctypes.ErrPermissionDenied)
		require.InDelta(w, time.Minute/(ttl/3), r.Stats().Errors, 2, "one each third of the TTL")
		refuse.Store(false)
		time.Sleep(ttl / 3)
		require.Equal(w, "leads", r.Status().Leader.Value)
		require.NoError(w, r.Status().Health())
	})
}
