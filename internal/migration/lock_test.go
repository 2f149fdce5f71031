// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package migration

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

// TestLocksOfBothBuildsTakeTurns has four of each wait while this process has the
// lock, and then lets them run their commands.
func TestLocksOfBothBuildsTakeTurns(t *testing.T) {
	t.Parallel()
	programs := build(t)
	m := startMember(t)
	const name = "turns"
	s, err := concurrency.NewSession(m.client)
	require.NoError(t, err)
	mutex := concurrency.NewMutex(s, name)
	require.NoError(t, mutex.Lock(limit(t)))

	log := filepath.Join(t.TempDir(), "log")
	const script = `echo "in $ETCD_LOCK_KEY $ETCD_LOCK_REV" >>"$0" && sleep 0.05 && echo "out $ETCD_LOCK_KEY" >>"$0"`
	var processes []*process
	for range 4 {
		for _, etcdctl := range programs.builds() {
			processes = append(processes, m.run(t, etcdctl, "lock", name, "--", "sh", "-c", script, log))
		}
	}
	queue := m.awaitQueue(t, name, 1+len(processes)).Kvs[1:]
	require.NoFileExists(t, log, "the lock is taken")
	require.NoError(t, mutex.Unlock(limit(t)))
	for _, p := range processes {
		require.Zero(t, p.awaitEnd())
	}

	text, err := os.ReadFile(log)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	require.Len(t, lines, 2*len(processes))
	last := int64(0)
	for i, kv := range queue {
		in := strings.Fields(lines[2*i])
		require.Equal(t, []string{"in", string(kv.Key)}, in[:2], "in the order of the queue")
		require.Equal(t, "out "+string(kv.Key), lines[2*i+1], "one at a time")
		rev, err := strconv.ParseInt(in[2], 10, 64)
		require.NoError(t, err)
		require.Greater(t, rev, last, "ETCD_LOCK_REV grows from holder to holder")
		last = rev
	}
}

func TestALockPassesOnTheExitCode(t *testing.T) {
	t.Parallel()
	programs := build(t)
	m := startMember(t)
	for build, etcdctl := range programs.builds() {
		t.Run(build, func(t *testing.T) {
			require.Equal(t, 7, m.run(t, etcdctl, "lock", "code", "--", "sh", "-c", "exit 7").awaitEnd())
			require.Empty(t, m.queue(t, "code").Kvs)
		})
	}
}

func TestAKilledHolderIsFollowedByOneOfTheOtherBuild(t *testing.T) {
	t.Parallel()
	programs := build(t)
	m := startMember(t)
	for killed, etcdctl := range programs.builds() {
		t.Run(killed, func(t *testing.T) {
			other := programs.original
			if etcdctl == other {
				other = programs.migrated
			}
			holder := m.run(t, etcdctl, "lock", "--ttl=2", killed)
			key := string(m.awaitQueue(t, killed, 1).Kvs[0].Key)
			holder.awaitLine(key)
			waiter := m.run(t, other, "lock", "--ttl=60", killed)
			key = string(m.awaitQueue(t, killed, 2).Kvs[1].Key)
			require.False(t, waiter.hasSaid(key))
			holder.signal(syscall.SIGKILL)
			waiter.awaitLine(key)
		})
	}
}

// TestALockAndAnElectionOfOneNameAreOneQueue is for those who replace etcdctl lock
// by an election, in whatever language.
func TestALockAndAnElectionOfOneNameAreOneQueue(t *testing.T) {
	t.Parallel()
	programs := build(t)
	m := startMember(t)
	const name = "one queue"
	holder := m.run(t, programs.original, "lock", name)
	holder.awaitLine(string(m.awaitQueue(t, name, 1).Kvs[0].Key))

	s, err := concurrency.NewSession(m.client)
	require.NoError(t, err)
	e := concurrency.NewElection(s, name)
	require.ErrorIs(t, e.TryCampaign(limit(t), "go"), concurrency.ErrElectionNotLeader)
	won := make(chan error, 1)
	go func() { won <- e.Campaign(limit(t), "go") }()
	m.awaitQueue(t, name, 2)
	holder.signal(syscall.SIGINT)
	require.NoError(t, <-won)

	waiter := m.run(t, programs.original, "lock", name)
	key := string(m.awaitQueue(t, name, 2).Kvs[1].Key)
	require.False(t, waiter.hasSaid(key))
	resp, err := m.client.Txn(limit(t)).If(e.Term().Fence()).Then(clientv3.OpPut("written", "")).Commit()
	require.NoError(t, err)
	require.True(t, resp.Succeeded)
	require.NoError(t, e.Resign(limit(t)))
	waiter.awaitLine(key)
}
