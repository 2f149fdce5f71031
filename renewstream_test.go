// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	v3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/etcdtest"
)

// TestRenewalsOfAClient has what holds for several sessions of one client, which
// share their renewal streams, in virtual time.
func TestRenewalsOfAClient(t *testing.T) {
	const ttl = 6 * time.Second
	cases := map[string]func(t *testing.T, w clientWorld){
		"ShareOneStream": func(t *testing.T, w clientWorld) {
			for range 50 {
				w.open()
			}
			time.Sleep(10 * ttl)
			require.Equal(t, 1, w.streams.opened())
		},
		"TravelTogether": func(t *testing.T, w clientWorld) {
			var sessions []*concurrency.Session
			for range 20 { // in a third of the TTL
				sessions = append(sessions, w.open())
				time.Sleep(ttl / 60)
			}
			time.Sleep(10 * ttl)
			sent := make(map[time.Time]bool)
			for _, s := range sessions {
				sent[s.Deadline()] = true
			}
			require.LessOrEqual(t, len(sent), 7, "one batch for each twentieth of the TTL")
		},
		"DoNotWaitForThoseThatHaveMoreTime": func(t *testing.T, w clientWorld) {
			for range 10 { // each may be put off for 3 s
				w.open(concurrency.WithTTL(60))
				time.Sleep(1500 * time.Millisecond)
			}
			s := w.open(concurrency.WithTTL(2))
			for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				// All but a third of the TTL, for which it waits, and a twentieth.
				require.Greater(t, time.Until(s.Deadline()), 1200*time.Millisecond)
			}
		},
		"EachCountFromTheirOwnSending": func(t *testing.T, w clientWorld) {
			w.etcd.Link("a").Delay(200*time.Millisecond, 0)
			a, b := w.open(), w.open(concurrency.WithTTL(9))
			for range 100 {
				time.Sleep(ttl / 7)
				for _, s := range []*concurrency.Session{a, b} {
					ends := w.leaseEnd(s.Lease())
					require.False(t, s.Deadline().After(ends), "the deadline is %v after the lease's end", s.Deadline().Sub(ends))
				}
			}
		},
		"GoOnWhenOneLeaseIsGone": func(t *testing.T, w clientWorld) {
			a, b := w.open(), w.open()
			require.NoError(t, w.etcd.Revoke(a.Lease()))
			<-a.Done()
			require.ErrorIs(t, a.Err(), concurrency.ErrSessionExpired)
			time.Sleep(10 * ttl)
			require.NoError(t, b.Err())
			require.Equal(t, 1, w.streams.opened())
		},
		"GoOnWhenOneSessionIsClosed": func(t *testing.T, w clientWorld) {
			a, b := w.open(), w.open()
			time.Sleep(ttl)
			require.NoError(t, a.Close())
			time.Sleep(10 * ttl)
			require.NoError(t, b.Err())
			require.Equal(t, 1, w.streams.opened())
		},
		"EndTheirStreamWithTheLastSession": func(t *testing.T, w clientWorld) {
			a, b := w.open(), w.open()
			time.Sleep(ttl)
			a.Orphan()
			require.NoError(t, b.Close())
			synctest.Wait()
			require.Zero(t, w.streams.open())
		},
		"OfTwoSessionsWithOneLeaseGoToEither": func(t *testing.T, w clientWorld) {
			a := w.open()
			b := w.open(concurrency.WithLease(a.Lease()))
			time.Sleep(10 * ttl)
			require.NoError(t, a.Err())
			require.NoError(t, b.Err())
			require.WithinDuration(t, a.Deadline(), b.Deadline(), ttl/2)
		},
		"LeaveASilentStreamTogether": func(t *testing.T, w clientWorld) {
			var sessions []*concurrency.Session
			for range 20 {
				sessions = append(sessions, w.open())
			}
			time.Sleep(ttl)
			w.etcd.Link("a").DropReplySilently(etcdtest.Method("LeaseKeepAlive"))
			time.Sleep(10 * ttl)
			for _, s := range sessions {
				require.NoError(t, s.Err())
			}
			require.LessOrEqual(t, w.streams.opened(), 3)
		},
		"SurviveAStreamThatBreaks": func(t *testing.T, w clientWorld) {
			var sessions []*concurrency.Session
			for range 20 {
				sessions = append(sessions, w.open())
			}
			for range 10 {
				time.Sleep(ttl / 2)
				w.etcd.Link("a").Break()
			}
			time.Sleep(ttl)
			for _, s := range sessions {
				require.NoError(t, s.Err())
			}
		},
		// An answer takes three fifths of the TTL: only those that are asked for while
		// earlier ones are under way keep the lease.
		"AnsweredLateKeepTheSession": func(t *testing.T, w clientWorld) {
			s := w.open()
			w.etcd.Link("a").Delay(ttl*3/10, 0)
			time.Sleep(20 * ttl)
			require.NoError(t, s.Err())
		},
		"GoOnWhenOneIsNotSent": func(t *testing.T, w clientWorld) {
			var streams atomic.Int32
			s := w.openBy(onRenewalStream(func(s grpc.ClientStream) grpc.ClientStream {
				if streams.Add(1) > 1 {
					return s
				}
				return &unsendableStream{ClientStream: s, tried: make(chan struct{})}
			}))
			time.Sleep(10 * ttl)
			require.NoError(t, s.Err())
			require.EqualValues(t, 2, streams.Load())
		},
		"GoOnAfterAnAnswerThatNobodyAskedFor": func(t *testing.T, w clientWorld) {
			s := w.openBy(onRenewalStream(func(s grpc.ClientStream) grpc.ClientStream {
				return &chattyStream{ClientStream: s}
			}))
			time.Sleep(10 * ttl)
			require.NoError(t, s.Err())
			require.False(t, s.Deadline().After(w.leaseEnd(s.Lease())))
		},
		"ByTheLeaseFieldEndASessionWhoseLeaseIsGone": func(t *testing.T, w clientWorld) {
			client := w.withoutConnection()
			s, err := concurrency.NewSession(client, concurrency.WithLease(0x7b))
			require.NoError(t, err)
			<-s.Done()
			require.ErrorIs(t, s.Err(), rpctypes.ErrLeaseNotFound)
		},
		"ByTheLeaseFieldAreMadeAgainWhenTheyFail": func(t *testing.T, w clientWorld) {
			client := w.withoutConnection()
			var renewals atomic.Int32
			client.Lease = failingLease{client.Lease, func(v3.LeaseID) bool { return renewals.Add(1) <= 3 }}
			s, err := concurrency.NewSession(client, concurrency.WithTTL(6))
			require.NoError(t, err)
			time.Sleep(10 * ttl)
			require.NoError(t, s.Err())
			require.Greater(t, renewals.Load(), int32(3))
		},
		"EndTheirStreamsWhenTheyAreToldTwiceThatTheLeaseIsGone": func(t *testing.T, w clientWorld) {
			for range 20 { // which answers a session sees at once is up to the scheduler
				var sessions []*concurrency.Session
				for range 20 {
					sessions = append(sessions, w.open())
				}
				for _, s := range sessions {
					require.NoError(t, w.etcd.Revoke(s.Lease()))
				}
				w.etcd.Pause("a")
				time.Sleep(ttl * 3 / 4) // several attempts are under way
				w.etcd.Resume("a")
				for _, s := range sessions {
					<-s.Done()
				}
			}
			time.Sleep(time.Second)
			require.Zero(t, w.streams.open())
		},
		"TryFewStreamsAtAMemberWithoutALeader": func(t *testing.T, w clientWorld) {
			w.etcd.Link("a").Delay(time.Millisecond, 0)
			for range 500 {
				w.open(concurrency.WithTTL(60))
			}
			before := w.streams.opened()
			w.etcd.Member(0).LoseLeader()
			time.Sleep(time.Minute)
			require.Less(t, w.streams.opened()-before, 1500, "twenty-five in a second")
		},
		"ByTheLeaseFieldFailOneByOne": func(t *testing.T, w clientWorld) {
			w.etcd.Link("a").Delay(ttl/12, 0)
			client := w.withoutConnection()
			client.Lease = failingLease{client.Lease, func(id v3.LeaseID) bool { return id == 0x7b }}
			_, err := concurrency.NewSession(client, concurrency.WithLease(0x7b))
			require.NoError(t, err)
			s, err := concurrency.NewSession(client, concurrency.WithTTL(6))
			require.NoError(t, err)
			time.Sleep(5 * ttl)
			require.NoError(t, s.Err())
		},
		"OfAClosedClientEndTheSessions": func(t *testing.T, w clientWorld) {
			a, b := w.open(), w.open()
			time.Sleep(ttl)
			require.NoError(t, a.Client().Close())
			<-a.Done()
			<-b.Done()
			require.ErrorContains(t, a.Err(), "client is closed")
			require.ErrorContains(t, b.Err(), "client is closed")
		},
	}
	for name, f := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				etcd := etcdtest.New(t)
				w := clientWorld{t: t, etcd: etcd, streams: new(streamCounter)}
				w.client = etcd.Client("a", func(cfg *v3.Config) {
					cfg.DialOptions = append(cfg.DialOptions, grpc.WithStatsHandler(w.streams))
				})
				f(t, w)
			})
		})
	}
}

// A clientWorld is an etcd with one client, that of participant a.
type clientWorld struct {
	t       *testing.T
	etcd    *etcdtest.Etcd
	client  *v3.Client
	streams *streamCounter
}

func (w clientWorld) open(opts ...concurrency.SessionOption) *concurrency.Session {
	w.t.Helper()
	s, err := concurrency.NewSession(w.client, append([]concurrency.SessionOption{concurrency.WithTTL(6)}, opts...)...)
	require.NoError(w.t, err)
	return s
}

// openBy opens a session by a client of its own, that is made with an option.
func (w clientWorld) openBy(opt grpc.DialOption) *concurrency.Session {
	w.client = w.etcd.Client("a", func(cfg *v3.Config) { cfg.DialOptions = append(cfg.DialOptions, opt) })
	return w.open()
}

// withoutConnection returns a client that has only the fields of another.
func (w clientWorld) withoutConnection() *v3.Client {
	client := v3.NewCtxClient(w.t.Context())
	client.KV, client.Lease, client.Watcher = v3.NewKV(w.client), v3.NewLease(w.client), v3.NewWatcher(w.client)
	w.t.Cleanup(func() { client.Close() })
	return client
}

// leaseEnd returns when etcd gives a lease up if it is not renewed.
func (w clientWorld) leaseEnd(id v3.LeaseID) time.Time {
	w.t.Helper()
	leases := w.etcd.Leases()
	i := slices.IndexFunc(leases, func(l etcdtest.Lease) bool { return l.ID == id })
	require.GreaterOrEqual(w.t, i, 0, "the lease is gone")
	return leases[i].Expires
}

// A streamCounter counts the renewal streams of a client.
type streamCounter struct {
	mu           sync.Mutex
	begun, ended int
}

type renewalStream struct{}

func (c *streamCounter) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	if strings.HasSuffix(info.FullMethodName, "/LeaseKeepAlive") {
		return context.WithValue(ctx, renewalStream{}, true)
	}
	return ctx
}

func (c *streamCounter) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if ctx.Value(renewalStream{}) == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s.(type) {
	case *stats.Begin:
		c.begun++
	case *stats.End:
		c.ended++
	}
}

func (c *streamCounter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return ctx
}
func (c *streamCounter) HandleConn(context.Context, stats.ConnStats) {}

func (c *streamCounter) opened() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun
}

func (c *streamCounter) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun - c.ended
}

// An unsendableStream fails when something is sent, and then tells why.
type unsendableStream struct {
	grpc.ClientStream
	tried chan struct{}
}

func (s *unsendableStream) SendMsg(any) error {
	close(s.tried)
	return io.EOF
}

func (s *unsendableStream) RecvMsg(any) error {
	<-s.tried
	return status.Error(codes.Unavailable, "the stream is broken")
}

// A chattyStream brings an answer of its own before each of the others.
type chattyStream struct {
	grpc.ClientStream
	answers int
}

func (s *chattyStream) RecvMsg(m any) error {
	if s.answers++; s.answers%2 == 1 {
		resp := m.(*pb.LeaseKeepAliveResponse)
		resp.ID, resp.TTL = 0x7b, 3600
		return nil
	}
	return s.ClientStream.RecvMsg(m)
}

// A failingLease does not renew the leases that are picked.
type failingLease struct {
	v3.Lease
	picked func(v3.LeaseID) bool
}

func (l failingLease) KeepAliveOnce(ctx context.Context, id v3.LeaseID) (*v3.LeaseKeepAliveResponse, error) {
	if l.picked(id) {
		return nil, errors.New("not renewed")
	}
	return l.Lease.KeepAliveOnce(ctx, id)
}
