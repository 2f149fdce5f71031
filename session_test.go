// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	v3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/tests/v3/framework/integration"

	"github.com/seed-da5263fb/concurrency"
)

var errByTest = errors.New("made by the test")

func TestSession(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)

	t.Run("AsksForSixtySecondsByDefault", func(t *testing.T) {
		s := newSession(t, client)
		require.Equal(t, 60*time.Second, s.TTL())
	})

	t.Run("KeepsTheDefaultInsteadOfATTLThatIsNotPositive", func(t *testing.T) {
		s := newSession(t, client, concurrency.WithTTL(0), concurrency.WithTTL(-5))
		require.Equal(t, 60*time.Second, s.TTL())
	})

	t.Run("KnowsItsLeaseFromTheStart", func(t *testing.T) {
		before := time.Now()
		s := newSession(t, client, concurrency.WithTTL(30))
		require.True(t, leaseLives(t, client, s.Lease()))
		require.Same(t, client, s.Client())
		require.NoError(t, s.Err())
		require.NoError(t, s.Ctx().Err())
		open(t, s.Done())
		require.False(t, s.Deadline().Before(before.Add(30*time.Second)), "the lease is younger than the call")
		require.False(t, s.Deadline().After(time.Now().Add(30*time.Second)), "the lease is older than the answer")
	})

	t.Run("LastsLongerThanItsTTL", func(t *testing.T) {
		t.Parallel()
		s := newSession(t, client, concurrency.WithTTL(2))
		first := s.Deadline()
		eventually(t, func() bool { return s.Deadline().After(first.Add(time.Second)) }, "deadline moved by half a TTL")
		eventually(t, func() bool { return time.Now().After(first) }, "the first TTL is over")
		open(t, s.Done())
		require.True(t, leaseLives(t, client, s.Lease()))
	})

	t.Run("KeepsALeaseAliveThatWasThereBefore", func(t *testing.T) {
		t.Parallel()
		grant, err := client.Grant(bounded(t), 2)
		require.NoError(t, err)
		s := newSession(t, client, concurrency.WithLease(grant.ID))
		require.Equal(t, grant.ID, s.Lease())
		eventually(t, func() bool { return s.TTL() == 2*time.Second }, "TTL is known")
		first := s.Deadline()
		eventually(t, func() bool { return s.Deadline().After(first) }, "deadline moved")
		require.NoError(t, s.Close())
		require.False(t, leaseLives(t, client, grant.ID))
	})

	t.Run("KnowsNoDeadlineOfAForeignLeaseBeforeTheFirstAnswer", func(t *testing.T) {
		silent := dial(t, clus.Endpoints(), silentRenewals())
		grant, err := client.Grant(bounded(t), 60)
		require.NoError(t, err)
		s := newSession(t, silent, concurrency.WithLease(grant.ID))
		require.Zero(t, s.Deadline())
		require.Zero(t, s.TTL())
	})

	t.Run("RenewsOnOneStream", func(t *testing.T) {
		t.Parallel()
		var streams atomic.Int32
		counting := dial(t, clus.Endpoints(), onRenewalStream(func(s grpc.ClientStream) grpc.ClientStream {
			streams.Add(1)
			return s
		}))
		s := newSession(t, counting, concurrency.WithTTL(3))
		for range 3 {
			d := s.Deadline()
			eventually(t, func() bool { return s.Deadline().After(d) }, "next renewal")
		}
		require.EqualValues(t, 1, streams.Load())
	})

	t.Run("GoesOnBesideASilentStream", func(t *testing.T) {
		t.Parallel()
		var streams atomic.Int32
		half := dial(t, clus.Endpoints(), onRenewalStream(func(s grpc.ClientStream) grpc.ClientStream {
			if streams.Add(1) == 1 {
				return silentStream{s}
			}
			return s
		}))
		s := newSession(t, half, concurrency.WithTTL(3))
		first := s.Deadline()
		eventually(t, func() bool { return s.Deadline().After(first) }, "renewed on another stream")
		require.Greater(t, streams.Load(), int32(1))
		require.NoError(t, s.Err())
	})

	t.Run("SlowAnswerDoesNotExtendTheDeadline", func(t *testing.T) {
		t.Parallel()
		slow := ctxClient(t, client)
		tapped := &slowLease{Lease: slow.Lease, delay: 300 * time.Millisecond}
		slow.Lease = tapped
		s := newSession(t, slow, concurrency.WithTTL(3))
		first := s.Deadline()
		require.False(t, first.After(tapped.lastCall().Add(3*time.Second)), "counted from the grant's answer")
		eventually(t, func() bool { return s.Deadline().After(first) }, "renewed")
		require.False(t, s.Deadline().After(tapped.lastCall().Add(3*time.Second)), "counted from the renewal's answer")
	})

	t.Run("WorksWithAClientMadeFromItsFields", func(t *testing.T) {
		t.Parallel()
		fields := ctxClient(t, client)
		counted := &slowLease{Lease: fields.Lease}
		fields.Lease = counted
		s := newSession(t, fields, concurrency.WithTTL(2))
		first := s.Deadline()
		eventually(t, func() bool { return s.Deadline().After(first) }, "renewed")
		require.Positive(t, counted.renewals.Load(), "by KeepAliveOnce")

		e, next := concurrency.NewElection(s, t.Name()), newElection(t, fields)
		lead(t, e, "first")
		won := campaign(t, next, "next", 2)
		require.NoError(t, e.Resign(bounded(t)))
		require.NoError(t, receive(t, won))
	})

	t.Run("NeedsAClient", func(t *testing.T) {
		s, err := concurrency.NewSession(nil)
		require.Error(t, err)
		require.Nil(t, s)
	})

	t.Run("NeedsAClientWithALease", func(t *testing.T) {
		bare := v3.NewCtxClient(t.Context())
		defer bare.Close()
		_, err := concurrency.NewSession(bare)
		require.Error(t, err)
	})

	t.Run("NeedsAContext", func(t *testing.T) {
		//lint:ignore SA1012 that is the point
		_, err := concurrency.NewSession(client, concurrency.WithContext(nil))
		require.Error(t, err)
	})

	t.Run("DoesNotStartWithAContextThatEnded", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := concurrency.NewSession(client, concurrency.WithContext(ctx))
		require.ErrorIs(t, err, context.Canceled)
	})

	t.Run("GivesUpToStartWhenItsContextEnds", func(t *testing.T) {
		stuck := ctxClient(t, client)
		l := newHeldLease(stuck)
		ctx, cancel := context.WithCancel(t.Context())
		result := background(func() error {
			_, err := concurrency.NewSession(stuck, concurrency.WithContext(ctx))
			return err
		})
		receive(t, l.asked)
		cancel()
		require.ErrorIs(t, receive(t, result), context.Canceled)
		close(l.release)
		receive(t, l.revoked)
	})

	t.Run("LeavesNoLeaseWhenItCouldNotStart", func(t *testing.T) {
		stuck := ctxClient(t, client)
		l := newHeldLease(stuck)
		_, err := concurrency.NewSession(stuck, concurrency.WithStartTimeout(20*time.Millisecond))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		close(l.release) // it is granted after all
		id := receive(t, l.revoked)
		require.False(t, leaseLives(t, client, id))
	})

	t.Run("StartTimeoutDoesNotTouchTheSessionAfterwards", func(t *testing.T) {
		t.Parallel()
		s := newSession(t, client, concurrency.WithTTL(2), concurrency.WithStartTimeout(300*time.Millisecond))
		first := s.Deadline()
		eventually(t, func() bool { return s.Deadline().After(first) }, "renewed")
		open(t, s.Done())
	})

	t.Run("TwoAreIndependent", func(t *testing.T) {
		a, b := newSession(t, client), newSession(t, client)
		require.NotEqual(t, a.Lease(), b.Lease())
		require.NoError(t, a.Close())
		open(t, b.Done())
		require.True(t, leaseLives(t, client, b.Lease()))
	})
}

func TestSessionSaysWhyItIsOver(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)

	over := func(t *testing.T, s *concurrency.Session, why error) {
		t.Helper()
		closes(t, s.Done())
		require.ErrorIs(t, s.Err(), why)
		require.Error(t, s.Ctx().Err())
		require.ErrorIs(t, context.Cause(s.Ctx()), why)
	}

	t.Run("Expired", func(t *testing.T) {
		s := newSession(t, client, concurrency.WithTTL(2))
		_, err := client.Revoke(bounded(t), s.Lease())
		require.NoError(t, err)
		over(t, s, concurrency.ErrSessionExpired)
	})

	t.Run("ExpiredWithALeaseThatNeverWas", func(t *testing.T) {
		s := newSession(t, client, concurrency.WithLease(0x7a57))
		over(t, s, concurrency.ErrSessionExpired)
		require.ErrorIs(t, s.Err(), rpctypes.ErrLeaseNotFound)
	})

	t.Run("Orphaned", func(t *testing.T) {
		s := newSession(t, client)
		s.Orphan()
		over(t, s, concurrency.ErrSessionOrphaned)
		require.True(t, leaseLives(t, client, s.Lease()))
	})

	t.Run("Closed", func(t *testing.T) {
		s := newSession(t, client)
		require.NoError(t, s.Close())
		over(t, s, concurrency.ErrSessionClosed)
		require.False(t, leaseLives(t, client, s.Lease()))
	})

	t.Run("ContextEnded", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		s := newSession(t, client, concurrency.WithContext(ctx))
		cancel(errByTest)
		over(t, s, errByTest)
		require.True(t, leaseLives(t, client, s.Lease()), "as if it was orphaned")
		require.Error(t, s.Close(), "Close cannot revoke the lease any more")
	})

	t.Run("ClientClosed", func(t *testing.T) {
		own := connect(t, clus)
		s := newSession(t, own)
		require.NoError(t, own.Close())
		over(t, s, context.Canceled)
	})

	t.Run("ForTheFirstReasonOnly", func(t *testing.T) {
		s := newSession(t, client)
		s.Orphan()
		require.NoError(t, s.Close())
		over(t, s, concurrency.ErrSessionOrphaned)
		require.False(t, leaseLives(t, client, s.Lease()))
	})
}

func TestSessionOrphan(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)

	t.Run("LetsTheLeaseRunOut", func(t *testing.T) {
		s := newSession(t, client, concurrency.WithTTL(1))
		deleted := client.Watch(bounded(t), t.Name(), v3.WithFilterPut())
		put(t, client, t.Name(), "", v3.WithLease(s.Lease()))
		s.Orphan()
		require.Equal(t, t.Name(), string(receive(t, deleted).Events[0].Kv.Key))
	})

	t.Run("LeavesTheCandidateInTheElection", func(t *testing.T) {
		s := newSession(t, client)
		e := concurrency.NewElection(s, t.Name())
		s.Orphan()
		lead(t, e, "orphan")
		require.NoError(t, e.Proclaim(bounded(t), "still here"))
		require.Equal(t, []string{"still here"}, candidates(t, e))
		require.NoError(t, e.Resign(bounded(t)))
		require.Empty(t, candidates(t, e))
	})

	t.Run("TwiceDoesNothing", func(t *testing.T) {
		s := newSession(t, client)
		s.Orphan()
		s.Orphan()
		require.ErrorIs(t, s.Err(), concurrency.ErrSessionOrphaned)
	})
}

func TestSessionClose(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)

	t.Run("DeletesTheKeysOfTheSession", func(t *testing.T) {
		e := newElection(t, client)
		s := newSession(t, client)
		lead(t, concurrency.NewElection(s, t.Name()), "leader")
		require.Equal(t, []string{"leader"}, candidates(t, e))
		require.NoError(t, s.Close())
		require.Empty(t, candidates(t, e))
	})

	t.Run("TwiceDoesNothing", func(t *testing.T) {
		tapped := connect(t, clus)
		l := &slowLease{Lease: tapped.Lease}
		tapped.Lease = l
		s := newSession(t, tapped)
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		require.EqualValues(t, 1, l.revokes.Load())
	})

	t.Run("OfALeaseThatIsGoneSucceeds", func(t *testing.T) {
		s := newSession(t, client)
		_, err := client.Revoke(bounded(t), s.Lease())
		require.NoError(t, err)
		require.NoError(t, s.Close())
	})

	t.Run("EndsCampaignsOfTheSession", func(t *testing.T) {
		leader := newElection(t, client)
		lead(t, leader, "leader")
		s := newSession(t, client)
		waiting := concurrency.NewElection(s, t.Name())
		result := campaign(t, waiting, "waiting", 2)
		require.NoError(t, s.Close())
		require.ErrorIs(t, receive(t, result), concurrency.ErrSessionClosed)
		require.ErrorIs(t, waiting.Campaign(bounded(t), "again"), concurrency.ErrSessionClosed)
		require.Equal(t, []string{"leader"}, candidates(t, leader))
	})
}

func TestSessionTTLBelowTheServersMinimum(t *testing.T) {
	setElectionTimeout(t, time.Second)
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	s := newSession(t, connect(t, clus), concurrency.WithTTL(1))
	require.Equal(t, 2*time.Second, s.TTL(), "one and a half election timeouts, in whole seconds")
	require.True(t, s.Deadline().After(time.Now().Add(time.Second)), "the granted TTL is what counts")
}

func TestSessionCutOff(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1, UseBridge: true})
	bridge := clus.Members[0].Bridge()
	client, past := connect(t, clus), connectPastBridge(t, clus.Members[0])

	t.Run("IsDoneBeforeTheServerCanGiveTheLeaseUp", func(t *testing.T) {
		s := newSession(t, client, concurrency.WithTTL(2))
		first := s.Deadline()
		eventually(t, func() bool { return s.Deadline().After(first) }, "renewed")
		bridge.Blackhole()
		defer bridge.Unblackhole()
		closes(t, s.Done())
		now := time.Now()
		require.True(t, leaseLives(t, past, s.Lease()))
		require.WithinDuration(t, s.Deadline(), now, time.Second)
		require.ErrorIs(t, s.Err(), concurrency.ErrSessionExpired)
	})

	t.Run("SurvivesALostConnection", func(t *testing.T) {
		s := newSession(t, client, concurrency.WithTTL(3))
		first := s.Deadline()
		bridge.DropConnections()
		eventually(t, func() bool { return s.Deadline().After(first) }, "renewed")
		open(t, s.Done())
	})
}

func TestSessionWithEtcdStopped(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)
	s := newSession(t, client, concurrency.WithTTL(2))
	e := concurrency.NewElection(s, t.Name())
	lead(t, e, "leader")
	clus.Members[0].Stop(t)

	t.Run("StartTimeoutBoundsTheStart", func(t *testing.T) {
		start := time.Now()
		_, err := concurrency.NewSession(client, concurrency.WithTTL(3), concurrency.WithStartTimeout(50*time.Millisecond))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Less(t, time.Since(start), time.Second)
	})

	t.Run("CloseReturnsWhenTheLeaseMustHaveEnded", func(t *testing.T) {
		start := time.Now()
		require.Error(t, s.Close(), "not confirmed")
		require.Less(t, time.Since(start), 4*time.Second)
		closes(t, s.Done())
	})

	t.Run("CloseCanBeCalledAgain", func(t *testing.T) {
		require.NoError(t, clus.Members[0].Restart(quiet{t}))
		eventually(t, func() bool { return s.Close() == nil }, "closed")
		require.Empty(t, keys(t, client, e.Key()))
	})
}

func TestSessionOnThreeMembers(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 3, UseBridge: true})
	client := connect(t, clus)

	t.Run("SurvivesTheSilenceOfAnyMember", func(t *testing.T) {
		s := newSession(t, client, concurrency.WithTTL(3))
		for _, m := range clus.Members {
			m.Bridge().Blackhole()
			end := s.Deadline()
			eventually(t, func() bool { return s.Deadline().After(end) && time.Now().After(end) || s.Err() != nil }, "lived on")
			require.NoError(t, s.Err())
			m.Bridge().Unblackhole()
		}
	})
}

// ctxClient returns a client that has no connection, only the fields of another.
func ctxClient(t *testing.T, real *v3.Client) *v3.Client {
	client := v3.NewCtxClient(t.Context())
	client.KV, client.Lease, client.Watcher = v3.NewKV(real), v3.NewLease(real), v3.NewWatcher(real)
	t.Cleanup(func() { client.Close() })
	return client
}

// A slowLease delays the answers to Grant and KeepAliveOnce, and counts.
type slowLease struct {
	v3.Lease
	delay             time.Duration
	called            atomic.Pointer[time.Time]
	renewals, revokes atomic.Int32
}

// lastCall returns when the last request that was answered came in.
func (l *slowLease) lastCall() time.Time { return *l.called.Load() }

func (l *slowLease) answer(called time.Time) {
	l.called.Store(&called)
	time.Sleep(l.delay)
}

func (l *slowLease) Grant(ctx context.Context, ttl int64) (*v3.LeaseGrantResponse, error) {
	called := time.Now()
	resp, err := l.Lease.Grant(ctx, ttl)
	l.answer(called)
	return resp, err
}

func (l *slowLease) KeepAliveOnce(ctx context.Context, id v3.LeaseID) (*v3.LeaseKeepAliveResponse, error) {
	called := time.Now()
	l.renewals.Add(1)
	resp, err := l.Lease.KeepAliveOnce(ctx, id)
	l.answer(called)
	return resp, err
}

func (l *slowLease) Revoke(ctx context.Context, id v3.LeaseID) (*v3.LeaseRevokeResponse, error) {
	l.revokes.Add(1)
	return l.Lease.Revoke(ctx, id)
}

// A heldLease grants nothing until it is released.
type heldLease struct {
	v3.Lease
	asked   chan struct{}
	release chan struct{}
	revoked chan v3.LeaseID
}

func newHeldLease(client *v3.Client) *heldLease {
	l := &heldLease{client.Lease, make(chan struct{}, 1), make(chan struct{}), make(chan v3.LeaseID, 1)}
	client.Lease = l
	return l
}

func (l *heldLease) Grant(ctx context.Context, ttl int64) (*v3.LeaseGrantResponse, error) {
	l.asked <- struct{}{}
	<-l.release
	return l.Lease.Grant(ctx, ttl)
}

func (l *heldLease) Revoke(ctx context.Context, id v3.LeaseID) (*v3.LeaseRevokeResponse, error) {
	resp, err := l.Lease.Revoke(ctx, id)
	l.revoked <- id
	return resp, err
}

// onRenewalStream has f see each stream on which leases are renewed.
func onRenewalStream(f func(grpc.ClientStream) grpc.ClientStream) grpc.DialOption {
	return grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn,
		method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		s, err := streamer(ctx, desc, cc, method, opts...)
		if err != nil || desc.StreamName != "LeaseKeepAlive" {
			return s, err
		}
		return f(s), nil
	})
}

// silentRenewals keeps all renewals from being answered.
func silentRenewals() grpc.DialOption {
	return onRenewalStream(func(s grpc.ClientStream) grpc.ClientStream { return silentStream{s} })
}

// A silentStream swallows what is sent, and brings no answer.
type silentStream struct{ grpc.ClientStream }

func (silentStream) SendMsg(any) error { return nil }

func (s silentStream) RecvMsg(any) error {
	<-s.Context().Done()
	return s.Context().Err()
}
