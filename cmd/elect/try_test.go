// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestTryRunsIfNobodyLeads(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	client := e.connect(t)
	p := elect(t, e.endpoint(), "try", name(t), "--value", "me", "--", "ACTOR", "-environ", "-exit", "4", "-after", "100ms")
	p.await("command", "ELECT_VALUE=me", 1)
	p.await("command", "ELECT_REV="+p.started().Rev, 1)
	require.Equal(t, 4, p.code())
	require.Zero(t, keys(t, client, name(t)))
}

func TestTryExitsAtOnceIfSomebodyLeads(t *testing.T) {
	t.Parallel()
	e := startEtcd(t, nil) // where nobody else writes
	client := e.connect(t)
	first := elect(t, e.endpoint(), "run", name(t), "--value", "first", "--", "ACTOR")
	first.started()
	before, err := client.Get(t.Context(), "x")
	require.NoError(t, err)
	p := elect(t, e.endpoint(), "try", name(t), "--", "ACTOR")
	require.Equal(t, exitTaken, p.code())
	p.alone()
	require.Equal(t, "elect: first leads "+name(t)+"\n", p.said())
	require.Empty(t, p.told())
	after, err := client.Get(t.Context(), "x")
	require.NoError(t, err)
	require.Equal(t, before.Header.Revision, after.Header.Revision, "nothing was written")
	leases, err := client.Leases(t.Context())
	require.NoError(t, err)
	require.Len(t, leases.Leases, 1, "and no lease is left")
}

func TestTryEndsTheCommandWhenTheLeadIsTakenAway(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := elect(t, e.endpoint(), append([]string{"try", name(t)}, stubborn...)...)
	allStarted(p)
	_, err := e.connect(t).Delete(t.Context(), name(t)+"/", clientv3.WithPrefix())
	require.NoError(t, err)
	require.Equal(t, exitLost, p.code())
	require.Equal(t, "elect: the lead was lost while the command ran: key deleted\n", p.said())
}

func TestTryEndsTheCommandBeforeTheLeadIsLost(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	w := newWire(t, e.endpoint())
	p := elect(t, w.endpoint(), short(append([]string{"try", name(t)}, stubborn...)...)...)
	allStarted(p)
	gone := awaitDeletion(t, e.connect(t), name(t))
	w.silence()
	requireGoneBefore(t, p, gone)
	require.Equal(t, exitLost, p.code())
}

func TestTryKeepsTheLeadForLongerThanTheTTL(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := elect(t, e.endpoint(), "try", name(t), "--ttl", "3s", "--", "ACTOR", "-exit", "0", "-after", "5s")
	began := p.started().At
	require.Zero(t, p.code())
	require.GreaterOrEqual(t, time.Since(began), 5*time.Second)
}

func TestTryForwardsSignals(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := elect(t, e.endpoint(), "try", name(t), "--", "ACTOR", "-heed")
	p.started()
	p.signal(syscall.SIGHUP)
	p.await("command", syscall.SIGHUP.String(), 1)
	p.signal(syscall.SIGTERM)
	require.Equal(t, 7, p.code())
}
