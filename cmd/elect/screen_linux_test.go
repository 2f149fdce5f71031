// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// atTerminal runs elect at a terminal, and returns what it shows up to a text.
func atTerminal(t *testing.T, e *etcd, until string, env []string, args ...string) (user *os.File, shown string, cmd *exec.Cmd) {
	t.Helper()
	path, err := build()
	require.NoError(t, err)
	user, program := openTerminal(t)
	cmd = exec.Command(path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
	cmd.Env = cleanEnv(append(append(at(e.endpoint()), "TERM=xterm"), env...)...)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return user, readUntil(t, user, until), cmd
}

// readUntil returns what comes up to a text.
func readUntil(t *testing.T, from io.Reader, until string) string {
	t.Helper()
	got := make(chan string, 1)
	go func() {
		var all []byte
		buf := make([]byte, 4096)
		for !bytes.Contains(all, []byte(until)) {
			n, err := from.Read(buf)
			all = append(all, buf[:n]...)
			if err != nil {
				break
			}
		}
		got <- string(all)
	}()
	select {
	case text := <-got:
		require.Contains(t, text, until)
		return text
	case <-time.After(bound):
		require.FailNow(t, "never shown", until)
		panic("unreachable")
	}
}

func TestEvictAsksAtATerminal(t *testing.T) {
	e := sharedEtcd(t)
	client := e.connect(t)
	name := t.Name()
	key := queueUp(t, client, name, "host-1\x1b[2J")
	queueUp(t, client, name, "host-2")
	_, lease, _ := strings.Cut(key, "/")
	id := clientv3.LeaseID(0)
	_, err := fmt.Sscanf(lease, "%x", &id)
	require.NoError(t, err)

	user, shown, cmd := atTerminal(t, e, "[y/N] ", nil, "evict", name)
	require.Contains(t, shown, `"host-1\x1b[2J" leads `+name)
	require.Contains(t, shown, "next is host-2")
	_, err = io.WriteString(user, "\n")
	require.NoError(t, err)
	readUntil(t, user, "not confirmed: nothing was done")
	require.Error(t, cmd.Wait())
	require.Equal(t, "host-1\x1b[2J\n", inspect(t, e, "leader", name).out)

	// While the question stands, the candidate goes and comes back, with the same key
	// but as another candidacy. That one was not shown, and is spared.
	user, _, cmd = atTerminal(t, e, "[y/N] ", nil, "evict", name)
	_, err = client.Delete(t.Context(), key)
	require.NoError(t, err)
	_, err = client.Put(t.Context(), key, "back", clientv3.WithLease(id))
	require.NoError(t, err)
	_, err = io.WriteString(user, "y\n")
	require.NoError(t, err)
	readUntil(t, user, "is gone already: nothing was done")
	require.Error(t, cmd.Wait())
	require.Equal(t, exitFailed, cmd.ProcessState.ExitCode())

	user, _, cmd = atTerminal(t, e, "[y/N] ", nil, "evict", name)
	_, err = io.WriteString(user, "yes\n")
	require.NoError(t, err)
	readUntil(t, user, "evicted host-2")
	require.NoError(t, cmd.Wait())
	require.Equal(t, "back\n", inspect(t, e, "leader", name).out)
}

func TestColourIsForTerminalsOnly(t *testing.T) {
	e := sharedEtcd(t)
	client := e.connect(t)
	name := t.Name()
	queueUp(t, client, name, "host-1\x1b[2J")
	_, shown, _ := atTerminal(t, e, "of 600 s", nil, "list", name)
	require.Contains(t, shown, "\x1b[1;32m", "the leader's line")
	require.Contains(t, shown, `"host-1\x1b[2J"`)
	require.NotContains(t, shown, "\x1b[2J")
	_, shown, _ = atTerminal(t, e, "of 600 s", []string{"NO_COLOR=1"}, "list", name)
	require.NotContains(t, shown, "\x1b")
	require.NotContains(t, inspect(t, e, "list", name).out, "\x1b")
	_, shown, _ = atTerminal(t, e, "host-1", nil, "leader", name)
	require.Contains(t, shown, `"host-1\x1b[2J"`, "at a terminal the value is not printed as it is")
}
