// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package migration

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

// TestARoleForTheNameIsEnough gives one user the right to read and write below
// the name, another one to read there, and neither any other.
func TestARoleForTheNameIsEnough(t *testing.T) {
	t.Parallel()
	m := startMember(t)
	const name = "guarded"
	ctx := limit(t)
	must := func(_ any, err error) { t.Helper(); require.NoError(t, err) }
	for user, right := range map[string]clientv3.PermissionType{
		"candidate": clientv3.PermissionType(clientv3.PermReadWrite),
		"observer":  clientv3.PermissionType(clientv3.PermRead),
	} {
		must(m.client.RoleAdd(ctx, user))
		must(m.client.RoleGrantPermission(ctx, user, name+"/", clientv3.GetPrefixRangeEnd(name+"/"), right))
		must(m.client.UserAdd(ctx, user, "secret"))
		must(m.client.UserGrantRole(ctx, user, user))
	}
	must(m.client.UserAdd(ctx, "root", "secret"))
	must(m.client.UserGrantRole(ctx, "root", "root"))
	must(m.client.AuthEnable(ctx))

	election := func(user string) (*concurrency.Session, *concurrency.Election) {
		s, err := concurrency.NewSession(m.connect(t, clientv3.Config{Username: user, Password: "secret"}))
		require.NoError(t, err)
		return s, concurrency.NewElection(s, name)
	}
	session, first := election("candidate")
	other, second := election("candidate")
	_, watcher := election("observer")
	seen := watcher.Observe(ctx)

	require.NoError(t, first.TryCampaign(ctx, "first"))
	require.Equal(t, "first", string(receive(t, seen).Kvs[0].Value))
	require.NoError(t, first.Proclaim(ctx, "proclaimed"))
	require.Equal(t, "proclaimed", string(receive(t, seen).Kvs[0].Value))
	require.ErrorIs(t, second.TryCampaign(ctx, "second"), concurrency.ErrElectionNotLeader)
	won := inBackground(t, func(ctx context.Context) (bool, error) { return true, second.Campaign(ctx, "second") })
	for len(candidates(t, watcher)) < 2 {
		require.NoError(t, ctx.Err())
	}
	requireNone(t, won)
	require.NoError(t, first.Resign(ctx))
	receive(t, won)
	require.Equal(t, "second", string(receive(t, seen).Kvs[0].Value))
	require.NoError(t, second.Resign(ctx))

	lock, rival := concurrency.NewMutex(session, name), concurrency.NewMutex(other, name)
	require.NoError(t, lock.Lock(ctx))
	require.ErrorIs(t, rival.TryLock(ctx), concurrency.ErrLocked)
	require.NoError(t, lock.Unlock(ctx))
	require.NoError(t, rival.TryLock(ctx))
	require.NoError(t, other.Close())
	require.Empty(t, candidates(t, watcher))
	require.Error(t, watcher.TryCampaign(ctx, "observer"), "a user without the right to write")
}

func candidates(t *testing.T, e *concurrency.Election) []concurrency.Candidate {
	t.Helper()
	cs, err := e.Candidates(limit(t))
	require.NoError(t, err)
	return cs
}
