// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package migration

import (
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// awaitValue waits for a line that begins with a word, and returns the rest.
func (p *process) awaitValue(word string) string {
	p.t.Helper()
	return strings.TrimPrefix(p.awaitMatch(func(line string) bool { return strings.HasPrefix(line, word+" ") }), word+" ")
}

func (m *member) electRun(t *testing.T, p programs, name, script string) *process {
	t.Helper()
	return start(t, p.elect, "run", "--endpoints", m.endpoint, name, "--value", "elect", "--", "sh", "-c", script)
}

func TestElectRunTakesTurnsWithEtcdctlElect(t *testing.T) {
	t.Parallel()
	programs := build(t)
	m := startMember(t)
	const name = "jobs"
	observers := []*process{
		m.run(t, programs.original, "elect", "--listen", name),
		start(t, programs.elect, "observe", "--endpoints", m.endpoint, name),
	}
	before := m.run(t, programs.original, "elect", name, "before")
	before.awaitLine("before")
	job := m.electRun(t, programs, name, "echo started; exec sleep 600")
	m.awaitQueue(t, name, 2)
	after := m.run(t, programs.original, "elect", name, "after")
	m.awaitQueue(t, name, 3)
	require.False(t, job.hasSaid("started"))

	before.signal(syscall.SIGINT)
	job.awaitLine("started")
	observers[0].awaitLine("elect")
	observers[1].awaitMatch(func(line string) bool { return strings.Contains(line, "elect") })
	require.False(t, after.hasSaid("after"))
	job.signal(syscall.SIGTERM)
	job.awaitEnd()
	after.awaitLine("after")
	observers[1].awaitMatch(func(line string) bool { return strings.Contains(line, "after") })
}

// TestElectRunTakesTurnsWithEtcdctlLock has an etcdctl lock wait in front of an
// elect run, so that it gets a later revision than that of the elect run's entry.
func TestElectRunTakesTurnsWithEtcdctlLock(t *testing.T) {
	t.Parallel()
	programs := build(t)
	m := startMember(t)
	const name = "locked"
	holder := m.run(t, programs.original, "lock", name)
	holder.awaitLine(string(m.awaitQueue(t, name, 1).Kvs[0].Key))
	lock := m.run(t, programs.original, "lock", name, "--", "sh", "-c", `echo "rev $ETCD_LOCK_REV"; exec sleep 600`)
	m.awaitQueue(t, name, 2)
	job := m.electRun(t, programs, name, `echo "rev $ELECT_REV"`)
	entry := m.awaitQueue(t, name, 3).Kvs[2].CreateRevision

	holder.signal(syscall.SIGINT)
	locked, err := strconv.ParseInt(lock.awaitValue("rev"), 10, 64)
	require.NoError(t, err)
	text, _ := job.output()
	require.NotContains(t, text, "rev")
	lock.signal(syscall.SIGKILL) // etcdctl lock hands signals on to nobody
	key := string(m.queue(t, name).Kvs[0].Key)
	_, err = m.client.Delete(limit(t), key)
	require.NoError(t, err)
	require.Equal(t, strconv.FormatInt(entry, 10), job.awaitValue("rev"))
	require.Greater(t, locked, entry, "ETCD_LOCK_REV and ELECT_REV are not of one sequence")
	require.Zero(t, job.awaitEnd())
}
