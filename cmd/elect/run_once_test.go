// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

func TestOnceRunsInOnePlaceOfAFleet(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	client := e.connect(t)
	var fleet []*process
	for range 4 {
		fleet = append(fleet, elect(t, e.endpoint(), "run", name(t), "--once", "monday", "--", "ACTOR", "-exit", "0", "-after", "200ms"))
	}
	var ran []line
	for _, p := range fleet {
		require.Zero(t, p.code())
		p.alone()
		ran = append(ran, p.told()...)
	}
	require.Len(t, ran, 1, "one has run it, and the others nothing")

	resp, err := client.Get(t.Context(), name(t)+".once/monday")
	require.NoError(t, err)
	require.Len(t, resp.Kvs, 1)
	require.Zero(t, resp.Kvs[0].Lease, "it stays for good")
	var m marker
	require.NoError(t, json.Unmarshal(resp.Kvs[0].Value, &m))
	require.Equal(t, rev(t, ran[0]), m.Rev)
	require.Zero(t, keys(t, client, name(t)+"/"), "no candidate is left")

	late := elect(t, e.endpoint(), "run", name(t), "--once", "monday", "--", "ACTOR", "-exit", "1")
	require.Zero(t, late.code())
	late.alone()
	require.Empty(t, late.told())

	tuesday := elect(t, e.endpoint(), "run", name(t), "--once", "tuesday", "--", "ACTOR", "-exit", "0")
	require.Zero(t, tuesday.code())
	tuesday.started()
}

func TestOnceLeavesAFailureToTheNext(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	fixed := filepath.Join(t.TempDir(), "fixed")
	args := []string{"run", name(t), "--once", "a", "--", "ACTOR", "-exit", "9", "-unless-file", fixed}
	require.Equal(t, 9, elect(t, e.endpoint(), append([]string(nil), args...)...).code())
	require.Zero(t, keys(t, e.connect(t), name(t)), "nothing is marked")
	require.NoError(t, os.WriteFile(fixed, nil, 0o600))
	require.Zero(t, elect(t, e.endpoint(), append([]string(nil), args...)...).code())
	require.EqualValues(t, 1, keys(t, e.connect(t), name(t)))
}

func TestOnceTriesUntilItSucceedsWithRestartAlways(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	fixed := filepath.Join(t.TempDir(), "fixed")
	p := elect(t, e.endpoint(), "run", name(t), "--once", "a", "--restart=always", "--", "ACTOR", "-exit", "9", "-unless-file", fixed)
	p.await("command", "start", 2)
	require.NoError(t, os.WriteFile(fixed, nil, 0o600))
	require.Zero(t, p.code())
}

func TestOnceKeepEndsTheMarkerWithALease(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	client := e.connect(t)
	p := elect(t, e.endpoint(), "run", name(t), "--once", "a", "--once-keep", "2h", "--", "ACTOR", "-exit", "0")
	require.Zero(t, p.code())
	resp, err := client.Get(t.Context(), name(t)+".once/a")
	require.NoError(t, err)
	require.Len(t, resp.Kvs, 1)
	lease, err := client.TimeToLive(t.Context(), clientv3.LeaseID(resp.Kvs[0].Lease))
	require.NoError(t, err)
	require.EqualValues(t, 2*60*60, lease.GrantedTTL)
}

// TestAMarkerIsFenced marks in a term whose holder has not heard that it is over.
func TestAMarkerIsFenced(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	client := e.connect(t)
	session, err := concurrency.NewSession(client)
	require.NoError(t, err)
	defer session.Close()
	election := concurrency.NewElection(session, name(t))
	require.NoError(t, election.Campaign(t.Context(), ""))
	term := election.Term()
	s := &slot{client: client, key: onceKey(name(t), "a")}
	require.NoError(t, s.mark(t.Context(), term, "me"))
	require.NoError(t, s.mark(t.Context(), term, "me"), "when the answer to the first was lost")
	_, err = client.Delete(t.Context(), name(t)+"/", clientv3.WithPrefix())
	require.NoError(t, err)
	s.key = onceKey(name(t), "b")
	require.ErrorIs(t, s.mark(t.Context(), term, "me"), errNotMarked)
	require.EqualValues(t, 1, keys(t, client, name(t)+".once/"))
}

func TestOnceMarksNothingAfterTheLeadWasLost(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	client := e.connect(t)
	p := elect(t, e.endpoint(), "run", name(t), "--once", "a", "--", "ACTOR", "-exit", "0", "-after", "100ms")
	start := p.started()
	// While elect is stopped it cannot see that it no longer leads.
	p.signal(syscall.SIGSTOP)
	require.Eventually(t, func() bool { return stateOf(t, start.Pid) == "" }, bound, time.Millisecond)
	_, err := client.Delete(t.Context(), name(t)+"/", clientv3.WithPrefix())
	require.NoError(t, err)
	p.signal(syscall.SIGCONT)
	require.Equal(t, exitLost, p.code())
	require.Zero(t, keys(t, client, name(t)+".once/"))
}
