// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/client/v3/concurrency"
)

func TestTimePassesWhileAWatchIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(t)
		w := e.Client("a").Watch(t.Context(), "k")
		time.Sleep(time.Hour)
		e.Put("k", "v")
		require.Len(t, (<-w).Events, 1)
	})
}

func TestAMinuteOfKeepalivesTakesMilliseconds(t *testing.T) {
	begin := time.Now()
	synctest.Test(t, func(t *testing.T) {
		e := New(t)
		s, err := concurrency.NewSession(e.Client("a"), concurrency.WithTTL(3))
		require.NoError(t, err)
		start := time.Now()
		time.Sleep(time.Minute)
		require.Equal(t, time.Minute, time.Since(start))
		require.Len(t, e.Leases(), 1)
		require.Greater(t, e.Requests("a")["LeaseKeepAlive"], 35)
		require.NoError(t, s.Close())
		require.Empty(t, e.Leases())
	})
	took := time.Since(begin)
	t.Logf("a minute took %s", took)
	require.Less(t, took, 5*time.Second, "far more than it takes, for slow machines")
}

func TestItWorksInRealTime(t *testing.T) {
	e := New(t, WithMembers(3))
	s, err := concurrency.NewSession(e.Client("a"), concurrency.WithTTL(2))
	require.NoError(t, err)
	el := concurrency.NewElection(s, "election")
	require.NoError(t, el.Campaign(t.Context(), "a"))
	require.Len(t, e.Keys("election/"), 1)
	e.Link("a").Cut()
	<-s.Done()
	e.Link("a").Heal()
}
