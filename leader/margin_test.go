// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/etcdtest"
	"github.com/seed-da5263fb/concurrency/leader"
)

// The TTL is 10 s and the Margin 2 s in all of these tests; see world.config.
const (
	ttl    = 10 * time.Second
	margin = 2 * time.Second
)

// TestTheContextEndsAMarginBeforeTheLeaseCanBeLost cuts a leader off at every
// quarter of a second of two renewals, in each way.
func TestTheContextEndsAMarginBeforeTheLeaseCanBeLost(t *testing.T) {
	ways := map[string]func(*etcdtest.Link){
		"Cut":             (*etcdtest.Link).Cut,
		"Swallow":         (*etcdtest.Link).Swallow,
		"SwallowRequests": (*etcdtest.Link).SwallowRequests,
		"SwallowReplies":  (*etcdtest.Link).SwallowReplies,
		"Delay":           func(l *etcdtest.Link) { l.Delay(time.Minute, 0) },
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			for at := time.Duration(0); at <= 7*time.Second; at += 250 * time.Millisecond {
				t.Run(at.String(), func(t *testing.T) {
					inBubble(t, func(w *world) {
						r := w.start("a", deaf(margin-time.Millisecond))
						r.requireState(leader.StateLeading, time.Second)
						next := w.start("b")
						time.Sleep(at)
						way(w.etcd.Link("a"))
						cutOff := time.Now()
						next.requireState(leader.StateLeading, 3*ttl)

						w.requireNoOverlap()
						k := w.reign(0)
						require.Equal(w, leader.LeaseAtRisk, k.end.Reason)
						require.GreaterOrEqual(w, k.left, margin, "in etcd the lease had less left")
						require.Zero(w, r.Stats().Overruns)
						// Nor sooner than it must: a renewal was due within a third of
						// the TTL before the cut.
						require.GreaterOrEqual(w, k.ended.Sub(cutOff), ttl-ttl/3-margin-ttl/50)
					})
				})
			}
		})
	}
}

func TestALeaseThatIsRenewedInTimeEndsNoTerm(t *testing.T) {
	t.Run("OverAnHour", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.start("a")
			time.Sleep(time.Hour)
			require.Equal(w, leader.StateLeading, r.Status().State)
			require.Equal(w, 1, w.count())
		})
	})
	for _, delay := range []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, time.Second} {
		t.Run(fmt.Sprintf("WithAnswersThatTake%v", 2*delay), func(t *testing.T) {
			inBubble(t, func(w *world) {
				r := w.start("a")
				r.requireState(leader.StateLeading, time.Second)
				w.etcd.Link("a").Delay(delay, 0)
				time.Sleep(10 * time.Minute)
				require.Equal(w, leader.StateLeading, r.Status().State)
				require.Equal(w, 1, w.count())
				require.NoError(w, r.Status().Health())
				s := r.Stats().RenewalLatency
				require.Greater(w, s.Count, uint64(100))
				mean := s.Sum / float64(s.Count)
				require.InDelta(w, (2 * delay).Seconds(), mean, (2*delay).Seconds()/4+0.01, "latency")
				left := r.Stats().LeaseLeft
				require.InDelta(w, (ttl*2/3 - 2*delay).Seconds(), left.Sum/float64(left.Count), 0.5, "lease left")
			})
		})
	}
	for m := ttl / 20; m <= ttl/2; m += ttl / 20 {
		t.Run(fmt.Sprintf("WithAnswersAsSlowAsTheyMayBeForAMarginOf%v", m), func(t *testing.T) {
			inBubble(t, func(w *world) {
				cfg := w.config("a")
				cfg.Margin = m
				r := w.new(cfg).run()
				r.requireState(leader.StateLeading, time.Second)
				w.etcd.Link("a").Delay((ttl*6/10-m)/2, 0)
				time.Sleep(10 * time.Minute)
				require.Equal(w, leader.StateLeading, r.Status().State)
				require.Equal(w, 1, w.count())
			})
		})
	}
	t.Run("WithTheLargestMarginAndOneLostAnswer", func(t *testing.T) {
		inBubble(t, func(w *world) {
			cfg := w.config("a")
			cfg.Margin = cfg.TTL / 2
			r := w.new(cfg).run()
			r.requireState(leader.StateLeading, time.Second)
			for range 10 {
				w.etcd.Link("a").DropReply(etcdtest.Method("LeaseKeepAlive"))
				time.Sleep(ttl)
			}
			require.Equal(w, leader.StateLeading, r.Status().State)
			require.Equal(w, 1, w.count())
		})
	})
	t.Run("WhenEtcdIsAwayForLessThanTheRest", func(t *testing.T) {
		inBubble(t, func(w *world) {
			r := w.start("a")
			r.requireState(leader.StateLeading, time.Second)
			for range 20 {
				w.etcd.Link("a").Swallow()
				time.Sleep(2 * time.Second)
				w.etcd.Link("a").Heal()
				time.Sleep(8 * time.Second)
			}
			require.Equal(w, leader.StateLeading, r.Status().State)
			require.Equal(w, 1, w.count())
		})
	})
}

func TestTheContextEndsAtOnce(t *testing.T) {
	const soon = 10 * time.Millisecond
	ends := []struct {
		name   string
		reason leader.Reason
		err    error
		cause  func(w *world, r *runner)
	}{
		{"WhenTheKeyIsDeleted", leader.KeyDeleted, concurrency.ErrKeyDeleted, func(w *world, _ *runner) {
			require.True(w, w.etcd.Delete(w.last().term.Key()))
		}},
		{"WhenTheLeaseIsRevoked", leader.KeyDeleted, concurrency.ErrKeyDeleted, func(w *world, _ *runner) {
			require.NoError(w, w.etcd.Revoke(w.last().term.Lease()))
		}},
		{"WhenTheClientIsClosed", leader.SessionOver, nil, func(_ *world, r *runner) { r.client.Close() }},
		{"WhenAskedToStepDown", leader.SteppedDown, nil, func(w *world, r *runner) { require.NoError(w, r.StepDown(w.Context())) }},
		{"WhenPaused", leader.Paused, nil, func(_ *world, r *runner) { r.Pause() }},
		{"WhenRunsContextEnds", leader.Stopped, context.Canceled, func(_ *world, r *runner) { r.stop() }},
	}
	for _, end := range ends {
		t.Run(end.name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				r := w.start("a")
				r.requireState(leader.StateLeading, time.Second)
				time.Sleep(time.Minute)
				at := time.Now()
				end.cause(w, r)
				time.Sleep(soon)
				k := w.reign(0)
				require.NotNil(w, k.end)
				require.Equal(w, end.reason, k.end.Reason)
				require.ErrorContains(w, k.end, "leader: term ended: "+string(end.reason))
				if end.err != nil {
					require.ErrorIs(w, k.end, end.err)
					require.ErrorContains(w, k.end, end.err.Error())
				}
				require.LessOrEqual(w, k.ended.Sub(at), soon)
				require.Equal(w, end.reason, w.reasonOf(r))
			})
		})
	}
}

// A candidate whose renewals all fail, and that hears of its victory when its lease
// is about to end.
func TestAWinThatIsAnsweredTooLateCallsNobody(t *testing.T) {
	inBubble(t, func(w *world) {
		until := time.Now().Add(ttl - margin + margin/2)
		late := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			err := invoke(ctx, method, req, reply, cc, opts...)
			if strings.HasSuffix(method, "/Txn") {
				select {
				case <-time.After(time.Until(until)):
				case <-ctx.Done():
				}
			}
			return err
		}
		refused := func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, stream grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			if strings.HasSuffix(method, "/LeaseKeepAlive") && time.Now().Before(until.Add(margin)) {
				return nil, status.Error(codes.Unavailable, "no renewals")
			}
			return stream(ctx, desc, cc, method, opts...)
		}
		cfg := w.config("a")
		cfg.Client = w.etcd.Client("a", func(c *clientv3.Config) {
			c.DialOptions = append(c.DialOptions, grpc.WithChainUnaryInterceptor(late), grpc.WithChainStreamInterceptor(refused))
		})
		r := w.new(cfg).run()
		time.Sleep(time.Until(until) + 10*time.Millisecond)
		require.Zero(w, w.count())
		require.ErrorContains(w, r.Status().LastError, "won too late")
		time.Sleep(time.Minute)
		require.Equal(w, leader.StateLeading, r.Status().State)
	})
}

func TestACandidacyThatEndsAsItIsWonCallsNobody(t *testing.T) {
	inBubble(t, func(w *world) {
		var r *runner
		var won sync.Once
		cfg := w.config("a")
		cfg.Client = w.etcd.Client("a", func(c *clientv3.Config) {
			c.DialOptions = append(c.DialOptions, grpc.WithChainUnaryInterceptor(
				func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
					err := invoke(ctx, method, req, reply, cc, opts...)
					if strings.HasSuffix(method, "/Txn") {
						won.Do(r.Pause)
					}
					return err
				}))
		})
		r = w.new(cfg)
		r.run().requireState(leader.StatePaused, time.Second)
		require.Zero(w, w.count())
		require.Zero(w, r.Stats().Wait.Count)
		require.Empty(w, w.etcd.Leases())
		r.Resume()
		r.requireState(leader.StateLeading, time.Second)
	})
}

// What comes before the function is called may take longer than the lease lives.
func TestWhatBlocksAtTheWinHoldsNobodyUp(t *testing.T) {
	for name, block := range map[string]func(*leader.Config){
		"TheLog":  func(c *leader.Config) { c.Logger = slog.New(blocking{c.Logger.Handler()}) },
		"TheHook": func(c *leader.Config) { c.Hooks.Elected = func(*concurrency.Term) { time.Sleep(time.Minute) } },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				cfg := w.config("a")
				block(&cfg)
				r := w.new(cfg).run()
				r.requireState(leader.StateLeading, time.Second)
				w.etcd.Link("a").Swallow()
				s := r.requireState(leader.StateSteppingDown, ttl)
				require.GreaterOrEqual(w, s.LeaseLeft, margin)
				w.start("b").requireState(leader.StateLeading, 2*ttl)
				time.Sleep(time.Minute)
				require.Equal(w, 1, w.count(), "called without a term")
				require.Equal(w, leader.LeaseAtRisk, w.reasonOf(r))
			})
		})
	}
}

// blocking takes a minute to log a win.
type blocking struct{ slog.Handler }

func (h blocking) Handle(ctx context.Context, rec slog.Record) error {
	if rec.Message == "leader: elected" {
		time.Sleep(time.Minute)
	}
	return h.Handler.Handle(ctx, rec)
}

func (h blocking) WithAttrs(attrs []slog.Attr) slog.Handler {
	return blocking{h.Handler.WithAttrs(attrs)}
}
