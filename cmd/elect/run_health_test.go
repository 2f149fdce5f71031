// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHealthDecidesWhoLeads(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	client := e.connect(t)
	sick, other := filepath.Join(t.TempDir(), "sick"), filepath.Join(t.TempDir(), "sick")
	start := func(ill string) *process {
		return elect(t, e.endpoint(), "run", name(t), "--ttl", "3s", "--restart=on-loss", "--grace", "300ms",
			"--health", "test $ELECT_NAME = "+name(t)+" && test ! -e "+ill, "--health-interval", "50ms",
			"--", "ACTOR", "-beat", "-ignore")
	}
	first := start(sick)
	first.started()
	second := start(other)
	awaitKeys(t, client, name(t), 2)
	require.NoError(t, os.WriteFile(sick, nil, 0o600))
	took := second.started()
	require.True(t, first.lastSign().Before(took.At), "the first one's command was gone")
	awaitKeys(t, client, name(t), 1)

	require.NoError(t, os.Remove(sick))
	awaitKeys(t, client, name(t), 2)
	second.signal(syscall.SIGKILL)
	first.await("command", "start", 2)
}

func TestHealthKeepsOneOutThatHasNeverBeenFit(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := elect(t, e.endpoint(), "run", name(t), "--health", "echo no disk; false", "--status-listen", "127.0.0.1:0", "--", "ACTOR")
	url := statusURL(t, p)
	require.Eventually(t, func() bool {
		_, s := stateAt(t, url)
		return s.State == "paused" && s.Problem == "health check: echo no disk; false: exit status 1: no disk"
	}, bound, 10*time.Millisecond)
	require.Zero(t, keys(t, e.connect(t), name(t)))
	p.signal(syscall.SIGINT)
	require.Equal(t, exitInterrupted, p.code())
}

func TestStatusListenTellsTheStateAndMetrics(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := elect(t, e.endpoint(), "run", name(t), "--value", "me", "--status-listen", "127.0.0.1:0", "--", "ACTOR")
	p.started()
	url := statusURL(t, p)
	code, s := stateAt(t, url+"?leader=1")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "leading", s.State)
	require.Equal(t, rev(t, p.started()), s.Term)

	resp, err := http.Get(url + "metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), `leader_is_leader{candidate="me",election="`+name(t)+`"} 1`)

	got := result(t, at(e.endpoint()), "run", "x", "--status-listen", "127.0.0.1:99999", "--", "true")
	require.Equal(t, exitRunFailed, got.code)
	require.Contains(t, got.err, "--status-listen")
}

// statusURL returns where p says that it serves its status.
func statusURL(t *testing.T, p *process) string {
	t.Helper()
	said := regexp.MustCompile(`status at (http://\S+/),`)
	require.Eventually(t, func() bool { return said.MatchString(p.stderr.String()) }, bound, time.Millisecond)
	return said.FindStringSubmatch(p.stderr.String())[1]
}

type state struct {
	State   string
	Problem string
	Term    int64
}

func stateAt(t *testing.T, url string) (int, state) {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	var s state
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&s))
	return resp.StatusCode, s
}
