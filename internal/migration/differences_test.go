// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package migration

import (
	"context"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	etcd "go.etcd.io/etcd/client/v3/concurrency"
	recipe "go.etcd.io/etcd/client/v3/experimental/recipes"

	"github.com/seed-da5263fb/concurrency"
)

func TestTypesAndErrorsAreThisPackagesOwn(t *testing.T) {
	session := reflect.TypeFor[*concurrency.Session]()
	for _, wants := range []any{recipe.NewRWMutex, recipe.NewDoubleBarrier} {
		require.NotEqual(t, session, reflect.TypeOf(wants).In(0))
		require.Equal(t, reflect.TypeFor[*etcd.Session](), reflect.TypeOf(wants).In(0))
	}
	for here, there := range map[error]error{
		concurrency.ErrElectionNotLeader: etcd.ErrElectionNotLeader,
		concurrency.ErrElectionNoLeader:  etcd.ErrElectionNoLeader,
		concurrency.ErrLocked:            etcd.ErrLocked,
		concurrency.ErrSessionExpired:    etcd.ErrSessionExpired,
		concurrency.ErrLockReleased:      etcd.ErrLockReleased,
	} {
		require.NotErrorIs(t, here, there)
		require.Equal(t, there.Error(), here.Error())
	}
	require.Equal(t, reflect.TypeFor[etcd.STM](), reflect.TypeFor[concurrency.STM]())
}

// TestHeaderIsThatOfTheVictory has one wait for another, who leaves at a later
// revision than that of the entry.
func TestHeaderIsThatOfTheVictory(t *testing.T) {
	t.Parallel()
	m := startMember(t)
	type election interface {
		Campaign(context.Context, string) error
		Resign(context.Context) error
		Rev() int64
	}
	for name, c := range map[string]struct {
		elect  func(*testing.T, string) (election, func() int64)
		behind bool // the header's revision is that of the entry
	}{
		"Original": {func(t *testing.T, name string) (election, func() int64) {
			s, err := etcd.NewSession(m.client)
			require.NoError(t, err)
			e := etcd.NewElection(s, name)
			return e, func() int64 { return e.Header().Revision }
		}, true},
		"Here": {func(t *testing.T, name string) (election, func() int64) {
			s, err := concurrency.NewSession(m.client)
			require.NoError(t, err)
			e := concurrency.NewElection(s, name)
			return e, func() int64 { return e.Header().Revision }
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			first, _ := c.elect(t, name)
			require.NoError(t, first.Campaign(limit(t), ""))
			second, header := c.elect(t, name)
			won := inBackground(t, func(ctx context.Context) (bool, error) { return true, second.Campaign(ctx, "") })
			entry := m.awaitQueue(t, name, 2).Kvs[1].CreateRevision
			require.NoError(t, first.Resign(limit(t)))
			receive(t, won)
			require.Equal(t, entry, second.Rev())
			if c.behind {
				require.Equal(t, entry, header())
			} else {
				require.Greater(t, header(), entry)
			}
		})
	}
}

func TestASecondCloseIsNoError(t *testing.T) {
	t.Parallel()
	m := startMember(t)
	old, err := etcd.NewSession(m.client)
	require.NoError(t, err)
	require.NoError(t, old.Close())
	require.ErrorContains(t, old.Close(), "requested lease not found")

	s, err := concurrency.NewSession(m.client)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
}

func TestASessionWithoutAClientIsAnError(t *testing.T) {
	require.Panics(t, func() { _, _ = etcd.NewSession(nil) })
	s, err := concurrency.NewSession(nil)
	require.Nil(t, s)
	require.ErrorContains(t, err, "NewSession needs a client")
}
