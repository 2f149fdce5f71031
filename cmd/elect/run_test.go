// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// names holds a number for each test that has asked for a name.
var names struct {
	sync.Mutex
	of map[*testing.T]int
}

// name returns an election's name that no other test has, and the same test not when
// it runs again.
func name(t *testing.T) string {
	names.Lock()
	defer names.Unlock()
	if names.of == nil {
		names.of = make(map[*testing.T]int)
	}
	if names.of[t] == 0 {
		names.of[t] = len(names.of) + 1
	}
	return fmt.Sprintf("test/%s-%d", t.Name(), names.of[t])
}

func TestRunTellsTheCommandWhatItLeads(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	client := e.connect(t)
	p := elect(t, e.endpoint(), "run", name(t), "--value", "me", "--", "ACTOR", "-environ")
	start := p.started()
	resp, err := client.Get(t.Context(), name(t)+"/", clientv3.WithPrefix())
	require.NoError(t, err)
	require.Len(t, resp.Kvs, 1)
	kv := resp.Kvs[0]
	require.Equal(t, strconv.FormatInt(kv.CreateRevision, 10), start.Rev)
	require.Equal(t, "me", string(kv.Value))
	for _, v := range []string{
		"ELECT_NAME=" + name(t), "ELECT_KEY=" + string(kv.Key), "ELECT_VALUE=me",
		"ELECT_REV=" + start.Rev, "ELECT_ENDPOINTS=" + e.endpoint(), "ETCDCTL_ENDPOINTS=" + e.endpoint(),
	} {
		p.await("command", v, 1)
	}
}

func TestRunPassesTheExitCodeOn(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	for want, args := range map[int][]string{
		0:   {"ACTOR", "-exit", "0"},
		3:   {"ACTOR", "-exit", "3"},
		137: {"ACTOR", "-suicide", "9"},
		143: {"ACTOR", "-suicide", "15"},
	} {
		t.Run(strconv.Itoa(want), func(t *testing.T) {
			t.Parallel()
			p := elect(t, e.endpoint(), append([]string{"run", name(t), "--"}, args...)...)
			require.Equal(t, want, p.code())
			require.Empty(t, p.said())
			require.Zero(t, keys(t, e.connect(t), name(t)), "the lead was given up")
		})
	}
}

func TestRunSaysWhenTheCommandCannotBeStarted(t *testing.T) {
	t.Parallel()
	got := result(t, nil, "run", "x", "--", "no-such-command")
	require.Equal(t, exitNotFound, got.code)
	require.Equal(t, "elect: no-such-command is not found: check the name and PATH\n", got.err)

	got = result(t, nil, "run", "x", "--", "/etc/passwd")
	require.Equal(t, exitCannotRun, got.code)
	require.Equal(t, "elect: /etc/passwd cannot be started: permission denied\n", got.err)
}

func TestRunRefusesAWrongCommandLine(t *testing.T) {
	t.Parallel()
	for advice, args := range map[string][]string{
		"NAME is missing":            {"run"},
		"COMMAND is missing":         {"run", "x"},
		"-- is missing":              {"run", "x", "true"},
		"several names":              {"run", "x", "y", "--", "true"},
		"NAME is empty":              {"run", "", "--", "true"},
		"give whole seconds":         {"run", "x", "--ttl=1500ms", "--", "true"},
		"give from 500ms to 5s":      {"run", "x", "--ttl=10s", "--margin=6s", "--", "true"},
		"never, on-loss or always":   {"run", "x", "--restart=sometimes", "--", "true"},
		"--once-keep without":        {"run", "x", "--once-keep=1h", "--", "true"},
		"a minute at least":          {"run", "x", "--once=a", "--once-keep=1s", "--", "true"},
		"tells this one run":         {"run", "x", "--once=", "--", "true"},
		"and --health":               {"run", "x", "--health-interval=1s", "--", "true"},
		"--grace=0s":                 {"run", "x", "--grace=0s", "--", "true"},
		"unknown flag":               {"run", "x", "--hurry", "--", "true"},
		"NAME is missing: give":      {"try"},
		"give table or json":         {"run", "x", "-o", "xml", "--", "true"},
		"--cert and --key go togeth": {"run", "x", "--cert=a", "--", "true"},
	} {
		t.Run(advice, func(t *testing.T) {
			t.Parallel()
			got := result(t, nil, args...)
			require.Equal(t, exitRunUsage, got.code)
			require.Contains(t, got.err, advice)
			require.Equal(t, 1, strings.Count(got.err, "\n"), "one line: %s", got.err)
		})
	}
}

func TestRunForwardsSignals(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := elect(t, e.endpoint(), "run", name(t), "--", "ACTOR", "-heed")
	p.started()
	for _, sig := range forwarded {
		if sig == syscall.SIGTERM {
			continue
		}
		p.signal(sig.(syscall.Signal))
		p.await("command", sig.String(), 1)
	}
	p.signal(syscall.SIGTERM)
	p.await("command", syscall.SIGTERM.String(), 1)
	require.Equal(t, 7, p.code(), "what the command made of SIGTERM")
}

func TestRunForwardsSignalsToAllOfTheGroup(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := elect(t, e.endpoint(), "run", name(t), "--", "ACTOR", "-heed", "-heedful", "1")
	p.started()
	p.await("heedful", "start", 1)
	p.signal(syscall.SIGUSR1)
	p.await("command", syscall.SIGUSR1.String(), 1)
	p.await("heedful", syscall.SIGUSR1.String(), 1)
}

func TestRunEndsWhatIsStopped(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := elect(t, e.endpoint(), "run", name(t), "--grace", "300ms", "--", "ACTOR", "-spawn", "1", "-daemon")
	p.started()
	for _, role := range []string{"child", "daemon"} {
		require.NoError(t, syscall.Kill(p.await(role, "start", 1).Pid, syscall.SIGSTOP))
	}
	p.signal(syscall.SIGTERM)
	require.Equal(t, 143, p.code())
	p.alone()
}

func TestRunKeepsTheLeadOfACommandThatIsSuspended(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := elect(t, e.endpoint(), "run", name(t), "--ttl", "3s", "--", "ACTOR", "-beat")
	pid := p.started().Pid
	gone := awaitDeletion(t, e.connect(t), name(t))
	p.signal(syscall.SIGTSTP)
	require.Eventually(t, func() bool { return stateOf(t, pid) == "T" }, bound, time.Millisecond)
	select {
	case <-gone:
		require.Fail(t, "the lead is given up")
	case <-time.After(3500 * time.Millisecond): // longer than the TTL
	}
	p.signal(syscall.SIGCONT)
	require.Eventually(t, func() bool { return stateOf(t, pid) != "T" }, bound, time.Millisecond)
	p.signal(syscall.SIGTERM)
	require.Equal(t, 143, p.code())
}

func TestRunEndsWhatTheCommandLeavesBehind(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	client := e.connect(t)
	p := elect(t, e.endpoint(), "run", name(t), "--grace", "300ms", "--",
		"ACTOR", "-spawn", "2", "-daemon", "-exit", "5", "-after", "300ms")
	p.started()
	gone := awaitDeletion(t, client, name(t))
	require.Equal(t, 5, p.code())
	p.alone()
	require.True(t, p.lastSign().Before(<-gone), "the lead was given up only after that")
	p.await("daemon", "start", 1)
	p.await("child", "start", 2)
}

func TestRunThatWaitsEndsByASignal(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	client := e.connect(t)
	first := elect(t, e.endpoint(), "run", name(t), "--", "ACTOR")
	first.started()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		p := elect(t, e.endpoint(), "run", name(t), "--", "ACTOR")
		awaitKeys(t, client, name(t), 2)
		p.signal(sig)
		require.Equal(t, exitInterrupted, p.code())
		require.Equal(t, "elect: interrupted\n", p.said())
		require.EqualValues(t, 1, keys(t, client, name(t)), "its key is gone")
		require.Empty(t, p.told(), "and its command was not run")
	}
}

func TestRunRestartsAlways(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := elect(t, e.endpoint(), "run", name(t), "--restart=always", "--", "ACTOR", "-exit", "1", "-after", "1ms")
	last := int64(0)
	for i := range 3 {
		rev, err := strconv.ParseInt(p.await("command", "start", i+1).Rev, 10, 64)
		require.NoError(t, err)
		require.Greater(t, rev, last, "each in a term of its own")
		last = rev
	}
	p.signal(syscall.SIGTERM)
	require.Contains(t, []int{exitInterrupted, 143, 1}, p.code(), "between two commands, or in one")
}

func TestRunDoesNotRestartAfterASignalToEnd(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := elect(t, e.endpoint(), "run", name(t), "--restart=always", "--", "ACTOR", "-heed")
	p.started()
	p.signal(syscall.SIGTERM)
	require.Equal(t, 7, p.code())
}

func TestRunPassesStandardInputOn(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	in, w := pipe(t)
	p := electWith(t, at(e.endpoint()), in, "run", name(t), "--", "ACTOR", "-echo", "-exit", "0")
	_, err := w.WriteString("hello\n")
	require.NoError(t, err)
	p.await("command", "read hello", 1)
	require.NoError(t, w.Close())
	require.Zero(t, p.code())
}
