// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// bubble runs a test of faults in virtual time, on a participant a with one client.
func bubble(t *testing.T, name string, members int, f func(t *testing.T, e *Etcd, a *clientv3.Client)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := New(t, WithMembers(members))
			a := e.Client("a")
			_, err := a.Get(t.Context(), "warm-up")
			require.NoError(t, err)
			synctest.Wait() // until it is connected with every member
			f(t, e, a)
		})
	})
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// putAside puts in the background.
func putAside(t *testing.T, c *clientv3.Client, k string, d time.Duration) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := c.Put(within(t, d), k, "v")
		done <- err
	}()
	synctest.Wait()
	return done
}

func exists(e *Etcd, k string) bool { return len(e.Keys(k)) == 1 }

func next(t *testing.T, ch clientv3.WatchChan) *clientv3.WatchResponse {
	t.Helper()
	select {
	case r, ok := <-ch:
		require.True(t, ok, "the watch is closed")
		return &r
	case <-time.After(time.Minute):
		t.Fatal("the watch says nothing")
		return nil
	}
}

func silent(t *testing.T, ch clientv3.WatchChan) {
	t.Helper()
	time.Sleep(time.Second)
	select {
	case r := <-ch:
		t.Fatalf("the watch hears of %v", r)
	default:
	}
}

func TestLinkFaults(t *testing.T) {
	bubble(t, "SwallowIsSilenceBothWaysAndBreaksTheConnectionWhenItEnds", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		e.Link("a").Swallow()
		_, err := a.Put(within(t, time.Hour), "k", "v")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.False(t, exists(e, "k"))
		lost := putAside(t, a, "k", time.Hour)
		e.Link("a").Heal()
		require.Equal(t, codes.Unavailable, status.Code(<-lost))
		_, err = a.Put(within(t, time.Minute), "k", "v")
		require.NoError(t, err)
	})
	bubble(t, "SwallowedRequestsAreNotAppliedWhileEventsArrive", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		w := a.Watch(t.Context(), "k")
		synctest.Wait()
		e.Link("a").SwallowRequests()
		_, err := a.Put(within(t, time.Second), "x", "v")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.False(t, exists(e, "x"))
		e.Put("k", "v")
		require.Len(t, next(t, w).Events, 1)
	})
	bubble(t, "SwallowedRepliesLeaveTheRequestApplied", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		e.Link("a").SwallowReplies()
		_, err := a.Put(within(t, time.Second), "k", "v")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, exists(e, "k"))
	})
	bubble(t, "CutRefusesConnectionsUntilHealed", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		e.Link("a").Cut()
		_, err := a.Put(within(t, 10*time.Second), "k", "v")
		require.Error(t, err)
		b := e.Client("b")
		_, err = b.Put(within(t, 10*time.Second), "b", "v")
		require.NoError(t, err, "the others are not concerned")
		e.Link("a").Heal()
		_, err = a.Put(within(t, time.Minute), "k", "v")
		require.NoError(t, err)
	})
	bubble(t, "BreakEndsTheConnectionOnce", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		e.Link("a").Delay(time.Second, 0)
		broken := putAside(t, a, "k", time.Minute)
		e.Link("a").Break()
		require.Equal(t, codes.Unavailable, status.Code(<-broken))
		_, err := a.Put(within(t, time.Minute), "k", "v")
		require.NoError(t, err)
	})
	bubble(t, "DelayAddsUpEachWay", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		took := func() time.Duration {
			start := time.Now()
			_, err := a.Put(t.Context(), "k", "v")
			require.NoError(t, err)
			return time.Since(start)
		}
		require.Zero(t, took())
		e.Link("a").Delay(100*time.Millisecond, 0)
		require.Equal(t, 200*time.Millisecond, took())
		e.Link("a").DelayReplies(0, 0)
		require.Equal(t, 100*time.Millisecond, took())
		e.Link("a").DelayRequests(0, time.Second)
		require.NotEqual(t, took(), took())
		e.Link("a").Heal()
		time.Sleep(time.Second) // what is under way is not overtaken
		require.Zero(t, took())
	})
	bubble(t, "ADroppedRequestIsNeverApplied", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		trap := e.Link("a").DropRequest(Method("Put"), Key("k"))
		_, err := a.Put(within(t, time.Minute), "other", "v")
		require.NoError(t, err)
		_, err = a.Put(within(t, time.Minute), "k", "v")
		require.Equal(t, codes.Unavailable, status.Code(err))
		<-trap.Sprung()
		require.False(t, exists(e, "k"))
		_, err = a.Put(within(t, time.Minute), "k", "v")
		require.NoError(t, err, "a trap catches one request")
	})
	bubble(t, "ARequestDroppedSilentlyIsNeverAnswered", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		e.Link("a").DropRequestSilently()
		_, err := a.Put(within(t, time.Minute), "k", "v")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.False(t, exists(e, "k"))
		_, err = a.Put(within(t, time.Minute), "k", "v")
		require.NoError(t, err)
	})
	bubble(t, "ADroppedReplyLeavesTheRequestApplied", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		e.Link("a").DropReply(Method("Put"))
		_, err := a.Put(within(t, time.Minute), "k", "v")
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.True(t, exists(e, "k"))
		e.Link("a").DropReplySilently(Method("Put"))
		_, err = a.Put(within(t, time.Minute), "silent", "v")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, exists(e, "silent"))
	})
	bubble(t, "OneKeepaliveIsLostAndTheStreamGoesOn", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		l, err := a.Grant(t.Context(), 9)
		require.NoError(t, err)
		lost := e.Link("a").DropRequestSilently(Method("LeaseKeepAlive"))
		answer := e.Link("a").DropReplySilently(Method("LeaseKeepAlive"))
		ch, err := a.KeepAlive(t.Context(), l.ID)
		require.NoError(t, err)
		require.EqualValues(t, 9, (<-ch).TTL)
		<-lost.Sprung()
		<-answer.Sprung()
		require.Equal(t, 3, e.Requests("a")["LeaseKeepAlive"])
	})
	bubble(t, "APausedParticipantGetsEverythingInOrderWhenItResumes", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		w := a.Watch(t.Context(), "k", clientv3.WithPrefix())
		synctest.Wait()
		e.Pause("a")
		put := putAside(t, a, "mine", time.Hour)
		e.Put("k1", "")
		e.Put("k2", "")
		silent(t, w)
		require.False(t, exists(e, "mine"))
		e.Resume("a")
		require.Equal(t, "k1", string(next(t, w).Events[0].Kv.Key))
		require.Equal(t, "k2", string(next(t, w).Events[0].Kv.Key))
		require.NoError(t, <-put)
	})
	bubble(t, "ALinkToOneMemberLeavesTheOthers", 3, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		e.Link("a", 0, 2).Cut()
		synctest.Wait() // until the client has noticed
		for range 10 {
			_, err := a.Put(within(t, time.Minute), "k", "v")
			require.NoError(t, err)
		}
	})
}

func TestWatchFaults(t *testing.T) {
	bubble(t, "ACutWatchClosesWithoutAWordAndANewOneWorks", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		k, other := a.Watch(t.Context(), "k"), a.Watch(t.Context(), "other")
		synctest.Wait()
		require.Equal(t, 1, e.Link("a").CutWatch("k"))
		_, open := <-k
		require.False(t, open)
		k = a.Watch(t.Context(), "k")
		synctest.Wait()
		e.Put("k", "v")
		e.Put("other", "v")
		require.Len(t, next(t, k).Events, 1)
		require.Len(t, next(t, other).Events, 1)
	})
	bubble(t, "ACompactedWatchSaysSo", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		w := a.Watch(t.Context(), "k")
		synctest.Wait()
		require.Equal(t, 1, e.Link("a").CompactWatch())
		require.ErrorIs(t, next(t, w).Err(), rpctypes.ErrCompacted)
	})
	bubble(t, "ASilentWatchIsToldAllWhenHealed", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		w := a.Watch(t.Context(), "k")
		synctest.Wait()
		e.Link("a").SilenceWatch("k")
		e.Put("k", "1")
		silent(t, w)
		late := a.Watch(t.Context(), "k", clientv3.WithCreatedNotify())
		require.True(t, next(t, late).Created)
		e.Put("k", "2")
		silent(t, late)
		e.Link("a").Heal()
		require.Len(t, next(t, w).Events, 2)
		require.Len(t, next(t, late).Events, 1)
	})
	bubble(t, "AHeldWatchIsNotConfirmedUntilHealed", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		e.Link("a").HoldWatch("k")
		opened := make(chan clientv3.WatchChan, 1)
		go func() { opened <- a.Watch(t.Context(), "k", clientv3.WithCreatedNotify()) }()
		time.Sleep(time.Minute)
		require.Empty(t, opened)
		require.Empty(t, e.Watches())
		e.Link("a").Heal()
		require.True(t, next(t, <-opened).Created)
	})
	bubble(t, "AWatchInThePastIsCaughtUpByTheLoop", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		rev := e.Put("k", "1")
		time.Sleep(30 * time.Millisecond)
		start := time.Now()
		require.Len(t, next(t, a.Watch(t.Context(), "k", clientv3.WithRev(rev))).Events, 1)
		require.Equal(t, 70*time.Millisecond, time.Since(start))
	})
	bubble(t, "ProgressIsNotifiedEveryTenMinutes", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		w := a.Watch(t.Context(), "k", clientv3.WithProgressNotify())
		start := time.Now()
		r := <-w
		require.True(t, r.IsProgressNotify())
		require.Equal(t, 10*time.Minute, time.Since(start))
	})
}

func TestMemberFaults(t *testing.T) {
	bubble(t, "AStoppedMemberIsReplacedByAnother", 3, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		w := a.Watch(t.Context(), "k")
		synctest.Wait()
		on := e.Watches()[0].Member
		e.Member(on).Stop()
		_, err := a.Get(within(t, time.Minute), "k")
		require.NoError(t, err)
		time.Sleep(time.Second)
		e.Put("k", "v")
		require.Len(t, next(t, w).Events, 1)
		require.NotEqual(t, on, e.Watches()[0].Member)
		e.Member(on).Restart()
		require.True(t, e.Member(on).HasLeader())
	})
	bubble(t, "WithoutALeaderOnlySerializableReadsAnswer", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		e.Put("k", "old")
		w := a.Watch(t.Context(), "k")
		synctest.Wait()
		e.Member(0).LoseLeader()
		e.Put("k", "new")
		r, err := a.Get(t.Context(), "k", clientv3.WithSerializable())
		require.NoError(t, err)
		require.Equal(t, "old", string(r.Kvs[0].Value), "it answers from what it knew")
		start := time.Now()
		_, err = a.Put(t.Context(), "x", "v")
		require.ErrorIs(t, err, rpctypes.ErrTimeout)
		require.Equal(t, 7*time.Second, time.Since(start))
		_, err = a.Get(within(t, 10*time.Second), "k")
		require.Error(t, err)
		_, err = a.Put(clientv3.WithRequireLeader(t.Context()), "x", "v")
		require.ErrorIs(t, err, rpctypes.ErrNoLeader)
		require.False(t, exists(e, "x"))
		silent(t, w)
		waiting := putAside(t, a, "x", time.Minute)
		e.Member(0).RegainLeader()
		require.NoError(t, <-waiting)
		require.Equal(t, "new", string(next(t, w).Events[0].Kv.Value))
	})
	bubble(t, "StreamsThatRequireALeaderEndAfterThreeElectionTimeouts", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		w := a.Watch(clientv3.WithRequireLeader(t.Context()), "k")
		plain := a.Watch(t.Context(), "k")
		synctest.Wait()
		time.Sleep(300 * time.Millisecond)
		start := time.Now()
		e.Member(0).LoseLeader()
		require.ErrorIs(t, next(t, w).Err(), rpctypes.ErrNoLeader)
		require.Equal(t, 2700*time.Millisecond, time.Since(start))
		silent(t, plain)
	})
	bubble(t, "WithoutALeaderNoLeaseExpiresAndANewLeaderGivesThemTheirTimeAnew", 3, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		l, err := a.Grant(t.Context(), 5)
		require.NoError(t, err)
		e.Member(0).LoseLeader()
		e.Member(1).LoseLeader()
		require.False(t, e.Member(2).HasLeader(), "one of three is no majority")
		time.Sleep(time.Minute)
		require.Len(t, e.Leases(), 1)
		e.Member(1).RegainLeader()
		require.Equal(t, l.ID, e.Leases()[0].ID)
		require.Equal(t, 6*time.Second, time.Until(e.Leases()[0].Expires))
		time.Sleep(6500 * time.Millisecond)
		require.Empty(t, e.Leases())
	})
	bubble(t, "APausedMemberIsSilentAndTheOthersGoOn", 3, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		e.Member(1).Pause()
		answered := 0
		for range 6 {
			if _, err := a.Put(within(t, time.Second), "k", "v"); err == nil {
				answered++
			}
		}
		require.Equal(t, 4, answered, "every third request goes to the silent member")
		e.Member(1).Resume()
		_, err := a.Put(within(t, time.Second), "k", "v")
		require.NoError(t, err)
	})
}

func TestStoreFaults(t *testing.T) {
	bubble(t, "AnExpiredLeaseIsRevokedByTheNextScan", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		time.Sleep(100 * time.Millisecond)
		l, err := a.Grant(t.Context(), 1)
		require.NoError(t, err)
		require.EqualValues(t, 2, l.TTL, "the shortest time to live")
		_, err = a.Put(t.Context(), "k", "v", clientv3.WithLease(l.ID))
		require.NoError(t, err)
		time.Sleep(2300 * time.Millisecond)
		require.True(t, exists(e, "k"))
		time.Sleep(101 * time.Millisecond)
		require.False(t, exists(e, "k"), "the lease was over after 2.1 s, and the scan comes at 2.5 s")
	})
	bubble(t, "ARevokedLeaseTakesItsKeysInOneRevision", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		l, err := a.Grant(t.Context(), 60)
		require.NoError(t, err)
		for _, k := range []string{"b", "a"} {
			_, err = a.Put(t.Context(), k, "v", clientv3.WithLease(l.ID))
			require.NoError(t, err)
		}
		require.Equal(t, []string{"a", "b"}, e.Leases()[0].Keys)
		require.NoError(t, e.Revoke(l.ID))
		require.ErrorIs(t, e.Revoke(l.ID), rpctypes.ErrLeaseNotFound)
		h := e.History()
		require.Equal(t, []string{"4 delete a", "4 delete b"}, []string{h[2].String(), h[3].String()})
	})
	bubble(t, "CompactionCancelsWatchesInThePastAndLeavesTheHistory", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		e.Put("k", "1")
		e.Put("k", "2")
		require.True(t, e.Delete("k"))
		require.False(t, e.Delete("k"))
		require.NoError(t, e.Compact(0))
		require.ErrorIs(t, e.Compact(0), rpctypes.ErrCompacted)
		r := next(t, a.Watch(t.Context(), "k", clientv3.WithRev(2)))
		require.ErrorIs(t, r.Err(), rpctypes.ErrCompacted)
		require.EqualValues(t, 4, r.CompactRevision)
		require.Len(t, e.History(), 3)
	})
	bubble(t, "WhatIsNotImplementedSaysSo", 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
		_, err := a.MemberAdd(t.Context(), []string{"http://x:1"})
		require.Equal(t, codes.Unimplemented, status.Code(err))
		require.ErrorContains(t, err, "MemberAdd")
		_, err = a.RoleList(t.Context())
		require.ErrorContains(t, err, "RoleList")
		members, err := a.MemberList(t.Context())
		require.NoError(t, err)
		require.Len(t, members.Members, 1)
		s, err := a.Status(t.Context(), e.Member(0).Endpoint())
		require.NoError(t, err)
		require.Equal(t, e.Member(0).ID(), s.Leader)
	})
}
