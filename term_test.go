// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	v3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/tests/v3/framework/integration"

	"github.com/seed-da5263fb/concurrency"
)

func TestTerm(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)
	leading := func(t *testing.T, opts ...concurrency.SessionOption) (*concurrency.Session, *concurrency.Election) {
		t.Helper()
		s := newSession(t, client, opts...)
		e := concurrency.NewElection(s, t.Name())
		lead(t, e, "v")
		return s, e
	}

	t.Run("HoldsWhatItWasWonWith", func(t *testing.T) {
		s, e := leading(t)
		term := e.Term()
		require.Equal(t, e.Key(), term.Key())
		require.Equal(t, e.Rev(), term.Rev())
		require.Equal(t, s.Lease(), term.Lease())
		require.NoError(t, term.Err())
		open(t, term.Done())
		require.Same(t, term, e.Term())
	})

	for why, c := range map[string]struct {
		end  func(*testing.T, *concurrency.Session, *concurrency.Election)
		want error
	}{
		"Resigned": {func(t *testing.T, _ *concurrency.Session, e *concurrency.Election) {
			require.NoError(t, e.Resign(bounded(t)))
		}, concurrency.ErrResigned},
		"KeyDeleted": {func(t *testing.T, _ *concurrency.Session, e *concurrency.Election) {
			remove(t, client, e.Key())
		}, concurrency.ErrKeyDeleted},
		"LeaseRevoked": {func(t *testing.T, s *concurrency.Session, _ *concurrency.Election) {
			_, err := client.Revoke(bounded(t), s.Lease())
			require.NoError(t, err)
		}, concurrency.ErrKeyDeleted},
		"SessionClosed": {func(t *testing.T, s *concurrency.Session, _ *concurrency.Election) {
			require.NoError(t, s.Close())
		}, concurrency.ErrSessionClosed},
		"SessionOrphaned": {func(_ *testing.T, s *concurrency.Session, _ *concurrency.Election) {
			s.Orphan()
		}, concurrency.ErrSessionOrphaned},
	} {
		t.Run("EndsWithTheCause"+why, func(t *testing.T) {
			s, e := leading(t)
			term := e.Term()
			ctx, cancel := term.Context(t.Context())
			defer cancel()
			ended := time.Now()
			c.end(t, s, e)
			closes(t, ctx.Done())
			require.Less(t, time.Since(ended), 5*time.Second, "promptly, not by way of the TTL")
			require.ErrorIs(t, ctx.Err(), context.Canceled)
			require.ErrorIs(t, context.Cause(ctx), c.want)
			require.ErrorIs(t, term.Err(), c.want)
			closes(t, term.Done())
		})
	}

	t.Run("EndsWithTheCauseSessionExpired", func(t *testing.T) {
		own := dial(t, clus.Endpoints(), silentRenewals())
		s := newSession(t, own, concurrency.WithTTL(1))
		e := concurrency.NewElection(s, t.Name())
		lead(t, e, "v")
		term := e.Term()
		ctx, cancel := term.Context(t.Context())
		defer cancel()
		closes(t, ctx.Done())
		require.WithinDuration(t, s.Deadline(), time.Now(), time.Second)
		require.ErrorIs(t, context.Cause(ctx), concurrency.ErrSessionExpired)
		require.ErrorIs(t, term.Err(), concurrency.ErrSessionExpired)
	})

	t.Run("EndsBeforeTheRequestToResignIsAnswered", func(t *testing.T) {
		own := connect(t, clus)
		e, kv := newElection(t, own), tapInto(own)
		lead(t, e, "v")
		term := e.Term()
		var overAtRequest error
		kv.interceptNext(func(send func() error) error {
			overAtRequest = term.Err()
			return send()
		})
		require.NoError(t, e.Resign(bounded(t)))
		require.ErrorIs(t, overAtRequest, concurrency.ErrResigned)
	})

	t.Run("ContextEndsWithItsParent", func(t *testing.T) {
		_, e := leading(t)
		parent, cancelParent := context.WithCancelCause(t.Context())
		ctx, cancel := e.Term().Context(parent)
		defer cancel()
		require.NoError(t, ctx.Err())
		cancelParent(errByTest)
		closes(t, ctx.Done())
		require.ErrorIs(t, context.Cause(ctx), errByTest)
		require.NoError(t, e.Term().Err(), "the term lasts")
	})

	t.Run("ContextEndsWithItsFunction", func(t *testing.T) {
		_, e := leading(t)
		ctx, cancel := e.Term().Context(t.Context())
		cancel()
		require.ErrorIs(t, ctx.Err(), context.Canceled)
		require.NoError(t, e.Term().Err(), "the term lasts")
	})

	t.Run("ContextOfATermThatIsOverHasEnded", func(t *testing.T) {
		_, e := leading(t)
		term := e.Term()
		require.NoError(t, e.Resign(bounded(t)))
		ctx, cancel := term.Context(t.Context())
		defer cancel()
		require.ErrorIs(t, context.Cause(ctx), concurrency.ErrResigned)
	})

	t.Run("IsNotChangedByTheNextTerm", func(t *testing.T) {
		_, e := leading(t)
		first := e.Term()
		key, rev := first.Key(), first.Rev()
		require.NoError(t, e.Resign(bounded(t)))
		lead(t, e, "again")
		require.NotSame(t, first, e.Term())
		require.Equal(t, key, first.Key())
		require.Equal(t, rev, first.Rev())
		closes(t, first.Done())
		require.ErrorIs(t, first.Err(), concurrency.ErrResigned)
		require.NoError(t, e.Term().Err())
	})

	t.Run("IsOverWhenTheKeyWasDeletedAndWonAnew", func(t *testing.T) {
		s, e := leading(t)
		first := e.Term()
		remove(t, client, e.Key())
		lead(t, concurrency.NewElection(s, t.Name()), "again")
		closes(t, first.Done())
		require.ErrorIs(t, first.Err(), concurrency.ErrKeyDeleted)
	})

	t.Run("RevGrowsFromLeaderToLeader", func(t *testing.T) {
		last := int64(0)
		_, leader := leading(t)
		for range 4 {
			next := newElection(t, client)
			won := campaign(t, next, "next", 2)
			require.Greater(t, leader.Term().Rev(), last)
			last = leader.Term().Rev()
			require.NoError(t, leader.Resign(bounded(t)))
			require.NoError(t, receive(t, won))
			leader = next
		}
	})

	t.Run("IsNotEndedByCompaction", func(t *testing.T) {
		_, e := leading(t)
		done := e.Term().Done()
		_, err := client.Compact(bounded(t), revision(t, client))
		require.NoError(t, err)
		require.NoError(t, e.Proclaim(bounded(t), "w"))
		open(t, done)
		remove(t, client, e.Key())
		closes(t, done)
	})
}

func TestTermFence(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)
	applied := func(t *testing.T, term *concurrency.Term) bool {
		t.Helper()
		before := revision(t, client)
		resp, err := client.Txn(bounded(t)).If(term.Fence()).Then(v3.OpPut("fenced", "")).Commit()
		require.NoError(t, err)
		require.Equal(t, resp.Succeeded, revision(t, client) > before)
		return resp.Succeeded
	}

	t.Run("LetsTheLeaderWrite", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "v")
		require.True(t, applied(t, e.Term()))
		require.NoError(t, e.Proclaim(bounded(t), "w"))
		require.True(t, applied(t, e.Term()), "a proclamation is no new term")
	})

	t.Run("RefusesAfterTheResignation", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "v")
		term := e.Term()
		require.NoError(t, e.Resign(bounded(t)))
		require.False(t, applied(t, term))
	})

	t.Run("RefusesALeaderWhoDoesNotKnowYet", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "v")
		term := e.Term()
		remove(t, client, term.Key())
		require.False(t, applied(t, term))
	})

	t.Run("RefusesInTheNextTermOfTheSameSession", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "v")
		first := e.Term()
		require.NoError(t, e.Resign(bounded(t)))
		lead(t, e, "v")
		require.Equal(t, first.Key(), e.Term().Key(), "the key is the same")
		require.False(t, applied(t, first))
		require.True(t, applied(t, e.Term()))
	})
}

func TestTermOnThreeMembers(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 3, UseBridge: true})
	client := connect(t, clus)

	t.Run("SeesTheKeyDeletedAfterLosingItsWatch", func(t *testing.T) {
		e := newElection(t, connect(t, clus))
		lead(t, e, "v")
		done := e.Term().Done()
		for _, m := range clus.Members {
			m.Bridge().DropConnections()
		}
		remove(t, client, e.Key())
		closes(t, done)
		require.ErrorIs(t, e.Proclaim(bounded(t), "w"), concurrency.ErrElectionNotLeader)
	})
}
