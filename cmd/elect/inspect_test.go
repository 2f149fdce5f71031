// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

// inspect runs elect to its end, with an etcd that it reaches.
func inspect(t *testing.T, e *etcd, args ...string) told {
	t.Helper()
	return result(t, at(e.endpoint()), args...)
}

// nominate makes a candidate that leads, if nobody else does, until the test ends.
func nominate(t *testing.T, client *clientv3.Client, name, value string) *concurrency.Election {
	t.Helper()
	s, err := concurrency.NewSession(client, concurrency.WithTTL(60))
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	el := concurrency.NewElection(s, name)
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	require.NoError(t, el.Campaign(ctx, value))
	return el
}

// queueUp puts a key into the queue until the test ends, as a candidate that waits
// does, and returns it.
func queueUp(t *testing.T, client *clientv3.Client, name, value string) string {
	t.Helper()
	lease, err := client.Grant(t.Context(), 600)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		_, err := client.Revoke(ctx, lease.ID)
		require.NoError(t, err)
	})
	key := fmt.Sprintf("%s/%x", name, int64(lease.ID))
	_, err = client.Put(t.Context(), key, value, clientv3.WithLease(lease.ID))
	require.NoError(t, err)
	return key
}

// objects returns the objects of a stream of JSON lines.
func objects(t *testing.T, lines string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(lines) {
		var o map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &o), line)
		all = append(all, o)
	}
	return all
}

func TestLeader(t *testing.T) {
	e := sharedEtcd(t)
	client := e.connect(t)
	name := t.Name()
	t.Run("NobodyHasACodeOfItsOwn", func(t *testing.T) {
		require.Equal(t, told{"", "elect: nobody leads " + name + "\n", exitNoLeader}, inspect(t, e, "leader", name))
	})
	nominate(t, client, name, "host-1\x1b[2J")
	queueUp(t, client, name, "host-2")
	t.Run("IsPrintedByteForByteIntoAPipe", func(t *testing.T) {
		require.Equal(t, told{"host-1\x1b[2J\n", "", exitOK}, inspect(t, e, "leader", name))
	})
	t.Run("IsAnObjectInJSON", func(t *testing.T) {
		got := inspect(t, e, "leader", name, "-o", "json")
		require.Equal(t, exitOK, got.code, got.err)
		o := objects(t, got.out)
		require.Len(t, o, 1)
		require.Equal(t, "host-1\x1b[2J", o[0]["value"])
		require.Contains(t, o[0]["key"], name+"/")
	})
	t.Run("OfAnEtcdThatIsNotThereIsAnErrorOfOneLine", func(t *testing.T) {
		begin := time.Now()
		nowhere, err := freeURL()
		require.NoError(t, err)
		got := inspect(t, &etcd{client: nowhere}, "leader", name, "--dial-timeout", "300ms")
		require.Equal(t, exitEtcd, got.code)
		require.Equal(t, 1, strings.Count(got.err, "\n"), got.err)
		require.Contains(t, got.err, "--endpoints")
		require.Less(t, time.Since(begin), 5*time.Second)
	})
}

func TestList(t *testing.T) {
	e := sharedEtcd(t)
	client := e.connect(t)
	name := t.Name()
	require.Equal(t, told{"PLACE  VALUE  LEASE  LEFT  ENTERED\n", "", exitOK}, inspect(t, e, "list", name))

	leader := nominate(t, client, name, "host-1")
	queueUp(t, client, name, "two\nlines")
	queueUp(t, client, name, "host-3")
	_, err := client.Put(t.Context(), name+"/stray", "")
	require.NoError(t, err)

	got := inspect(t, e, "list", name)
	require.Equal(t, exitOK, got.code, got.err)
	lines := strings.Split(got.out, "\n")
	require.Len(t, lines, 5)
	require.Regexp(t, `^PLACE  VALUE +LEASE +LEFT  ENTERED$`, lines[0])
	require.Regexp(t, fmt.Sprintf(`^    1  host-1 +%x  +[56]\d of 60 s +%d$`, int64(leader.Term().Lease()), leader.Rev()), lines[1])
	require.Regexp(t, `^    2  "two\\nlines" +[0-9a-f]+ +\d+ of 600 s +\d+$`, lines[2])
	require.Regexp(t, `^    3  host-3 +[0-9a-f]+ +\d+ of 600 s +\d+$`, lines[3])

	got = inspect(t, e, "list", name, "-o", "json")
	all := objects(t, got.out)
	require.Len(t, all, 3)
	require.Equal(t, float64(1), all[0]["place"])
	require.Equal(t, leader.Key(), all[0]["key"])
	require.Equal(t, float64(leader.Rev()), all[0]["revision"])
	require.Equal(t, float64(60), all[0]["lease_ttl_seconds"])
	require.Equal(t, "two\nlines", all[1]["value"])
}

func TestNames(t *testing.T) {
	e := sharedEtcd(t)
	client := e.connect(t)
	prefix := t.Name() + "/"
	require.Equal(t, told{"NAME  LEADER  CANDIDATES  SINCE REVISION\n", "", exitOK}, inspect(t, e, "names", prefix))

	queueUp(t, client, prefix+"b", "host-1")
	queueUp(t, client, prefix+"b", "host-2")
	queueUp(t, client, prefix+"a", "")
	queueUp(t, client, prefix+"\x1b]0;title\x07", "\x1b[31m")
	queueUp(t, client, prefix[:len(prefix)-1], "its name does not begin so")

	got := inspect(t, e, "names", prefix)
	require.Equal(t, exitOK, got.code, got.err)
	require.NotContains(t, got.out, "\x1b")
	lines := strings.Split(got.out, "\n")
	require.Len(t, lines, 5)
	require.Regexp(t, `^"TestNames/\\x1b\]0;title\\a"  "\\x1b\[31m"           1 +\d+$`, lines[1])
	require.Regexp(t, `^TestNames/a +"" +1 +\d+$`, lines[2])
	require.Regexp(t, `^TestNames/b +host-1 +2 +\d+$`, lines[3])

	got = inspect(t, e, "names", prefix, "-o", "json")
	require.NotContains(t, got.out, "\x1b")
	all := objects(t, got.out)
	require.Len(t, all, 3)
	require.Equal(t, prefix+"b", all[2]["name"])
	require.Equal(t, float64(2), all[2]["candidates"])
	require.Equal(t, "host-1", all[2]["leader"].(map[string]any)["value"])
}

func TestEvict(t *testing.T) {
	e := sharedEtcd(t)
	client := e.connect(t)

	t.Run("TakesTheLeadAway", func(t *testing.T) {
		leader := nominate(t, client, t.Name(), "host-1")
		queueUp(t, client, t.Name(), "host-2")
		term, key, rev := leader.Term(), leader.Key(), leader.Rev()
		got := inspect(t, e, "evict", t.Name(), "--yes")
		require.Equal(t, told{fmt.Sprintf("evicted host-1 (%s, revision %d)\n", key, rev), "", exitOK}, got)
		select {
		case <-term.Done():
		case <-time.After(bound):
			require.FailNow(t, "the leader does not hear of it")
		}
		require.Equal(t, "host-2\n", inspect(t, e, "leader", t.Name()).out)
	})
	t.Run("TakesAnotherCandidateOutOfTheQueue", func(t *testing.T) {
		queueUp(t, client, t.Name(), "host-1")
		key := queueUp(t, client, t.Name(), "host-2")
		_, lease, _ := strings.Cut(key[len(t.Name()):], "/")
		got := inspect(t, e, "evict", t.Name(), "--yes", "--candidate", key, "-o", "json")
		require.Equal(t, exitOK, got.code, got.err)
		o := objects(t, got.out)[0]
		require.Equal(t, float64(2), o["place"])
		require.Equal(t, lease, o["evicted"].(map[string]any)["lease"])
		got = inspect(t, e, "evict", t.Name(), "--yes", "--candidate", lease)
		require.Equal(t, exitFailed, got.code)
		require.Contains(t, got.err, "is no candidate of "+t.Name())
		require.Equal(t, "host-1\n", inspect(t, e, "leader", t.Name()).out)
	})
	t.Run("OfNobodyHasACodeOfItsOwn", func(t *testing.T) {
		require.Equal(t, told{"", "elect: nobody leads " + t.Name() + "\n", exitNoLeader}, inspect(t, e, "evict", t.Name(), "--yes"))
	})
	t.Run("WithoutATerminalAsksForYes", func(t *testing.T) {
		queueUp(t, client, t.Name(), "host-1")
		require.Equal(t, told{"", "elect: there is no terminal to ask for a confirmation: give --yes\n", exitUsage},
			inspect(t, e, "evict", t.Name()))
		require.Equal(t, "host-1\n", inspect(t, e, "leader", t.Name()).out)
	})
}

// A watcher is elect as a process whose lines are read as they come.
type watcher struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
}

func startWatcher(t *testing.T, e *etcd, args ...string) *watcher {
	t.Helper()
	path, err := build()
	require.NoError(t, err)
	w := &watcher{t: t, cmd: exec.Command(path, args...), lines: make(chan string, 100)}
	w.cmd.Env = cleanEnv(at(e.endpoint())...)
	pipe, err := w.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, w.cmd.Start())
	go func() {
		defer close(w.lines)
		var rest []byte
		buf := make([]byte, 4096)
		for {
			n, err := pipe.Read(buf)
			rest = append(rest, buf[:n]...)
			for {
				line, more, found := bytes.Cut(rest, []byte("\n"))
				if !found {
					break
				}
				w.lines <- string(line)
				rest = more
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = w.cmd.Process.Kill(); _ = w.cmd.Wait() })
	return w
}

func (w *watcher) next() string {
	w.t.Helper()
	return w.nextWithin(bound)
}

func (w *watcher) nextWithin(d time.Duration) string {
	w.t.Helper()
	select {
	case line, ok := <-w.lines:
		require.True(w.t, ok, "it has ended")
		return line
	case <-time.After(d):
		require.FailNow(w.t, "no line came")
		panic("unreachable")
	}
}

// interrupt ends it as Ctrl-C does, and returns the exit code.
func (w *watcher) interrupt() int {
	w.t.Helper()
	require.NoError(w.t, w.cmd.Process.Signal(syscall.SIGINT))
	for range w.lines {
	}
	_ = w.cmd.Wait()
	return w.cmd.ProcessState.ExitCode()
}

func TestObserve(t *testing.T) {
	t.Parallel()
	e := startEtcd(t, nil)
	client := e.connect(t)
	name := t.Name()
	w := startWatcher(t, e, "observe", name)
	j := startWatcher(t, e, "observe", name, "-o", "json")
	require.Regexp(t, `^\d\d:\d\d:\d\d\.\d{3}  vacant$`, w.next())
	seen := []string{j.next()} // both are there before anything happens

	leader := nominate(t, client, name, "host-1")
	require.Regexp(t, fmt.Sprintf(`^\S+  leads   host-1  revision %d, lease %x$`, leader.Rev(), int64(leader.Term().Lease())), w.next())
	require.NoError(t, leader.Proclaim(t.Context(), "with\x1b[2J news"))
	require.Regexp(t, `^\S+  says    "with\\x1b\[2J news"  revision `, w.next())
	second := queueUp(t, client, name, "host-2")
	require.NoError(t, leader.Resign(t.Context()))
	require.Regexp(t, `^\S+  leads   host-2  revision `, w.next())

	e.stop()
	require.NoError(t, e.start())
	_, err := client.Delete(t.Context(), second)
	require.NoError(t, err)
	// A watch that is still there but silent is doubted after a third of a minute.
	require.Regexp(t, `^\S+  vacant$`, w.nextWithin(time.Minute), "after a restart of etcd")
	require.Equal(t, exitOK, w.interrupt())

	for _, want := range []struct{ change, value string }{{"vacant", ""}, {"leads", "host-1"}, {"says", "with\x1b[2J news"}, {"leads", "host-2"}, {"vacant", ""}} {
		if len(seen) == 0 {
			seen = append(seen, j.nextWithin(time.Minute))
		}
		line := seen[0]
		seen = nil
		require.NotContains(t, line, "\x1b")
		o := objects(t, line)[0]
		require.Equal(t, want.change, o["change"], line)
		require.Equal(t, name, o["name"])
		if want.value == "" {
			require.Nil(t, o["leader"])
		} else {
			require.Equal(t, want.value, o["leader"].(map[string]any)["value"])
		}
	}
	require.Equal(t, exitOK, j.interrupt())
}

func TestServe(t *testing.T) {
	e := sharedEtcd(t)
	w := startWatcher(t, e, "serve", t.Name(), "--listen", "127.0.0.1:0")
	require.Regexp(t, `^serving http://127\.0\.0\.1:\d+$`, w.next())
	require.Equal(t, exitOK, w.interrupt())

	w = startWatcher(t, e, "serve", t.Name(), "--listen", "127.0.0.1:0", "-o", "json")
	url := objects(t, w.next())[0]["url"].(string)
	got := inspect(t, e, "serve", "--listen", strings.TrimPrefix(url, "http://"))
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "give another address by --listen")
	require.Equal(t, exitOK, w.interrupt())

	require.Contains(t, inspect(t, e, "serve", "--help").out, "no TLS and no login")
}

func TestInspectCommandsRefuseWhatMakesNoSense(t *testing.T) {
	e := sharedEtcd(t)
	for _, args := range [][]string{
		{"observe"}, {"list"}, {"list", "a", "b"}, {"leader"}, {"evict"}, {"names", "a", "b"}, {"serve", "a", "b"},
		{"list", "a", "-o", "yaml"}, {"evict", "a", "--candidate"},
	} {
		got := inspect(t, e, args...)
		require.Equal(t, exitUsage, got.code, "%v: %s", args, got.err)
		require.Equal(t, 1, strings.Count(got.err, "\n"), got.err)
		require.Empty(t, got.out)
	}
}
