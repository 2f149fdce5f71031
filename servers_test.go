// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	v3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/seed-da5263fb/concurrency"
)

// serverClient returns a client of the server that make servers has started, and
// the name of the test's election.
func serverClient(t *testing.T) (*v3.Client, string) {
	t.Helper()
	endpoints := os.Getenv("CONCURRENCY_ETCD_ENDPOINTS")
	if endpoints == "" {
		t.Skip("CONCURRENCY_ETCD_ENDPOINTS is not set; make servers sets it")
	}
	c, err := v3.New(v3.Config{Endpoints: strings.Split(endpoints, ","), Logger: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c, t.Name()
}

// TestServers runs what depends on the server's version against a real server of
// its own: what a keys-only answer holds, how transactions compare ranges, and how
// leases and watches behave.
func TestServers(t *testing.T) {
	t.Run("AWaiterFollowsTheLeaderInOrder", func(t *testing.T) {
		c, _ := serverClient(t)
		first := newElection(t, c)
		lead(t, first, "first")
		second := newElection(t, c)
		waits2 := campaign(t, second, "second", 2)
		third := newElection(t, c)
		waits3 := campaign(t, third, "third", 3)
		require.NoError(t, first.Resign(bounded(t)))
		require.NoError(t, receive(t, waits2))
		require.NoError(t, second.Resign(bounded(t)))
		require.NoError(t, receive(t, waits3))
	})

	t.Run("TryCampaignIsRefusedWhereAnotherLeads", func(t *testing.T) {
		c, _ := serverClient(t)
		lead(t, newElection(t, c), "leader")
		var refused *concurrency.LeaderError
		require.ErrorAs(t, newElection(t, c).TryCampaign(bounded(t), "other"), &refused)
		require.Equal(t, "leader", refused.Leader.Value)
	})

	t.Run("StrayKeysAreNoCandidates", func(t *testing.T) {
		c, name := serverClient(t)
		for _, key := range []string{"/7b", "/stray", "/x/7b"} {
			_, err := c.Put(bounded(t), name+key, "stray")
			require.NoError(t, err)
		}
		require.NoError(t, newElection(t, c).TryCampaign(bounded(t), "first"))
		second := newElection(t, c)
		require.Error(t, second.TryCampaign(bounded(t), "second"))
		require.Equal(t, []string{"first"}, candidates(t, second))
	})

	t.Run("ALeaseThatEndsPassesTheLeadershipOn", func(t *testing.T) {
		c, _ := serverClient(t)
		leader := newElection(t, c)
		lead(t, leader, "leader")
		term := leader.Term()
		next := newElection(t, c)
		waits := campaign(t, next, "next", 2)
		_, err := c.Revoke(bounded(t), term.Lease())
		require.NoError(t, err)
		require.NoError(t, receive(t, waits))
		closes(t, term.Done())
	})

	t.Run("AFenceHoldsOnlyInItsTerm", func(t *testing.T) {
		c, name := serverClient(t)
		e := newElection(t, c)
		lead(t, e, "v")
		term := e.Term()
		write := func() bool {
			resp, err := c.Txn(bounded(t)).If(term.Fence()).Then(v3.OpPut(name+"-data", "v")).Commit()
			require.NoError(t, err)
			return resp.Succeeded
		}
		require.True(t, write())
		require.NoError(t, e.Resign(bounded(t)))
		require.False(t, write())
	})

	t.Run("ObserversSeeEveryProclamation", func(t *testing.T) {
		c, _ := serverClient(t)
		e := newElection(t, c)
		ctx, cancel := context.WithCancel(bounded(t))
		defer cancel()
		seen := e.Observe(ctx)
		lead(t, e, "0")
		for i := range 20 {
			require.Equal(t, fmt.Sprint(i), string((<-seen).Kvs[0].Value))
			require.NoError(t, e.Proclaim(bounded(t), fmt.Sprint(i+1)))
		}
	})

	t.Run("ASessionOutlivesItsTTL", func(t *testing.T) {
		c, _ := serverClient(t)
		s := newSession(t, c, concurrency.WithTTL(2))
		first := s.Deadline()
		eventually(t, func() bool { return s.Deadline().After(first.Add(2 * s.TTL())) }, "the deadline moves ahead")
		require.NoError(t, s.Err())
	})

	t.Run("LocksExclude", func(t *testing.T) {
		c, name := serverClient(t)
		a := concurrency.NewMutex(newSession(t, c), name)
		b := concurrency.NewMutex(newSession(t, c), name)
		require.NoError(t, a.Lock(bounded(t)))
		require.ErrorIs(t, b.TryLock(bounded(t)), concurrency.ErrLocked)
		require.NoError(t, a.Unlock(bounded(t)))
		require.NoError(t, b.TryLock(bounded(t)))
	})
}
