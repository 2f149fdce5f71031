// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package migration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// TestAFleetOfElectsIsRolledOverAndBack replaces the processes of a fleet one by
// one: three of the original by three that use this package, and these by the
// original again. The one who leads is always the one to be replaced.
func TestAFleetOfElectsIsRolledOverAndBack(t *testing.T) {
	t.Parallel()
	programs := build(t)
	m := startMember(t)
	const name = "fleet"
	observers := []*process{
		m.run(t, programs.original, "elect", "--listen", name),
		m.run(t, programs.migrated, "elect", "--listen", name),
	}

	var fleet []*process
	var members []string // what each of the fleet campaigns with
	enter := func(etcdctl, value string) {
		fleet, members = append(fleet, m.run(t, etcdctl, "elect", name, value)), append(members, value)
		require.Equal(t, members, values(m.awaitQueue(t, name, len(members))), "who enters is the last in the queue")
	}
	// requireOneLeader waits until the first leads and everybody knows.
	requireOneLeader := func() {
		fleet[0].awaitLine(members[0])
		for _, o := range observers {
			o.awaitLine(members[0])
		}
		for i, p := range fleet[1:] {
			require.False(t, p.hasSaid(members[i+1]), "%s leads beside %s", members[i+1], members[0])
		}
	}
	for i := range 3 {
		enter(programs.original, fmt.Sprint("original-", i))
	}
	requireOneLeader()
	for _, roll := range []struct{ etcdctl, value string }{{programs.migrated, "migrated"}, {programs.original, "back"}} {
		for i := range 3 {
			enter(roll.etcdctl, fmt.Sprint(roll.value, "-", i))
			fleet[0].signal(syscall.SIGINT)
			require.Zero(t, fleet[0].awaitEnd(), "a leader that is interrupted resigns")
			fleet, members = fleet[1:], members[1:]
			requireOneLeader()
		}
	}

	var seen [2][]string
	for i, o := range observers {
		text, _ := o.output()
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, name+"/") {
				seen[i] = append(seen[i], strings.TrimSpace(line))
			}
		}
	}
	require.Equal(t, []string{"original-0", "original-1", "original-2", "migrated-0", "migrated-1", "migrated-2", "back-0"}, seen[0])
	require.Equal(t, seen[0], seen[1], "both builds observe the same")
}

// TestAnElectThatIsInterruptedWhileItEntersLeavesTheQueue is where the two builds
// differ: the signal comes when the key is there, and its answer on the way, and
// the original may leave the key behind then.
func TestAnElectThatIsInterruptedWhileItEntersLeavesTheQueue(t *testing.T) {
	t.Parallel()
	programs := build(t)
	m := startMember(t)
	m.run(t, programs.original, "elect", "entering", "leader").awaitLine("leader")
	waiter := m.run(t, programs.migrated, "elect", "entering", "waiter")
	m.awaitQueue(t, "entering", 2)
	waiter.signal(syscall.SIGINT)
	require.Equal(t, 1, waiter.awaitEnd())
	require.Equal(t, []string{"leader"}, values(m.queue(t, "entering")))
}

// TestAnElectWhoseLeaseIsGoneEndsInsteadOfWaiting is where the two builds differ:
// the original waits on for a leadership that it cannot have.
func TestAnElectWhoseLeaseIsGoneEndsInsteadOfWaiting(t *testing.T) {
	t.Parallel()
	programs := build(t)
	m := startMember(t)
	m.run(t, programs.original, "elect", "revoked", "leader").awaitLine("leader")
	waiter := m.run(t, programs.migrated, "elect", "revoked", "waiter")
	lease := m.awaitQueue(t, "revoked", 2).Kvs[1].Lease
	_, err := m.client.Revoke(limit(t), clientv3.LeaseID(lease))
	require.NoError(t, err)
	require.Equal(t, 1, waiter.awaitEnd())
	require.True(t, waiter.hasSaid("Error: concurrency: key of the candidate was deleted"))
}

// TestBothBuildsWriteTheSame compares what is in etcd while each of them has won.
func TestBothBuildsWriteTheSame(t *testing.T) {
	t.Parallel()
	programs := build(t)
	m := startMember(t)
	for build, etcdctl := range programs.builds() {
		for command, args := range map[string][]string{"Elect": {"elect", build, "value"}, "Lock": {"lock", build}} {
			t.Run(command+build, func(t *testing.T) {
				winner := m.run(t, etcdctl, args...)
				resp := m.awaitQueue(t, build, 1)
				kv := resp.Kvs[0]
				winner.awaitLine(string(kv.Key))
				require.NotZero(t, kv.Lease)
				require.Equal(t, keyOf(build, kv.Lease), string(kv.Key))
				require.EqualValues(t, 1, kv.Version, "written once")
				require.Equal(t, strings.Join(args[2:], ""), string(kv.Value))
				require.Equal(t, kv.CreateRevision, resp.Header.Revision, "nothing else is written")
				winner.signal(syscall.SIGINT)
				require.Zero(t, winner.awaitEnd())
				m.awaitQueue(t, build, 0)
			})
		}
	}
}
