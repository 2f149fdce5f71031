// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package child_test

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/child"
)

func TestMain(m *testing.M) {
	child.Main()
	goleak.VerifyTestMain(m)
}

// bound is much longer than anything takes here.
const bound = 20 * time.Second

// start runs a shell's script, which tells on the returned pipe when it is ready.
func start(t *testing.T, script string, change func(*child.Command)) (*child.Child, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close() })
	defer w.Close()
	c := child.Command{
		Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: os.Environ(),
		Stdout: w, Stderr: os.Stderr,
		Term: time.Now().Add(bound), Kill: time.Now().Add(bound), Grace: bound, Slack: bound,
	}
	if change != nil {
		change(&c)
	}
	running, err := child.Start(c)
	require.NoError(t, err)
	t.Cleanup(func() {
		running.Kill()
		<-running.Done()
	})
	return running, bufio.NewReader(r)
}

func requireDone(t *testing.T, c *child.Child) child.Result {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(bound):
		require.Fail(t, "the command has not ended")
	}
	return c.Result()
}

func ready(t *testing.T, r *bufio.Reader) {
	t.Helper()
	said, err := r.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", said)
}

func TestResult(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]child.Result{
		"exit 0":        {},
		"exit 200":      {Code: 200},
		"kill -USR1 $$": {Signal: syscall.SIGUSR1},
	} {
		c, _ := start(t, script, nil)
		require.Equal(t, want, requireDone(t, c), script)
	}
}

func TestACommandThatCannotBeStarted(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]error{"/nowhere": fs.ErrNotExist, "/etc/passwd": fs.ErrPermission, os.TempDir(): fs.ErrPermission} {
		_, err := child.Start(child.Command{Path: path, Args: []string{path}, Term: time.Now(), Kill: time.Now()})
		require.ErrorIs(t, err, want, path)
		require.ErrorContains(t, err, path)
	}
}

func TestStopEndsACommandThatHeedsIt(t *testing.T) {
	t.Parallel()
	c, out := start(t, "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done", nil)
	ready(t, out)
	c.Stop(time.Time{})
	require.Equal(t, child.Result{Code: 3}, requireDone(t, c))
}

func TestStopEndsACommandThatDoesNot(t *testing.T) {
	t.Parallel()
	c, out := start(t, "trap '' TERM; echo ready; while :; do sleep 0.01; done", nil)
	ready(t, out)
	c.Stop(time.Now().Add(50 * time.Millisecond))
	require.Equal(t, child.Result{Signal: syscall.SIGKILL}, requireDone(t, c))
}

func TestACommandEndsThatIsNotKept(t *testing.T) {
	t.Parallel()
	c, out := start(t, "trap '' TERM; echo ready; while :; do sleep 0.01; done", nil)
	ready(t, out)
	c.Keep(time.Now().Add(20*time.Millisecond), time.Now().Add(40*time.Millisecond))
	require.Equal(t, child.Result{Signal: syscall.SIGKILL, Expired: true}, requireDone(t, c))
}

func TestKeepPutsTheEndOff(t *testing.T) {
	t.Parallel()
	const step = 200 * time.Millisecond
	c, out := start(t, "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done", func(c *child.Command) {
		c.Term, c.Kill = time.Now().Add(5*step), time.Now().Add(bound)
	})
	ready(t, out)
	for range 10 {
		select {
		case <-c.Done():
			require.Fail(t, "the command has ended")
		case <-time.After(step):
			c.Keep(time.Now().Add(5*step), time.Now().Add(bound))
		}
	}
	require.Equal(t, child.Result{Code: 3, Expired: true}, requireDone(t, c))
}

func TestStoppedTellsWhatStopsTheCommand(t *testing.T) {
	t.Parallel()
	c, _ := start(t, "kill -STOP $$", nil)
	select {
	case sig := <-c.Stopped():
		require.Equal(t, syscall.SIGSTOP, sig)
	case <-time.After(bound):
		require.Fail(t, "not told")
	}
	c.Signal(syscall.SIGCONT)
	require.Equal(t, child.Result{}, requireDone(t, c))
}

// TestTheCommandIgnoresNoSignalThatIsNotIgnoredHere shows the command's own. Under
// nohup this process ignores one.
func TestTheCommandIgnoresNoSignalThatIsNotIgnoredHere(t *testing.T) {
	t.Parallel()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("needs /proc")
	}
	_, out := start(t, "grep -E 'Sig(Ign|Blk)' /proc/self/status", nil)
	for range 2 {
		said, err := out.ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, string(status), "\n"+said)
	}
}

// TestTheGuardsPipesStayClosed looks at the files of a command.
func TestTheGuardsPipesStayClosed(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("needs /proc")
	}
	c, out := start(t, "for n in 3 4; do test -e /proc/$$/fd/$n && echo open; done; echo ready", nil)
	ready(t, out)
	requireDone(t, c)
}

// TestManyProcessesThatForkAllTheTime ends a tree that grows while it is ended.
func TestManyProcessesThatForkAllTheTime(t *testing.T) {
	t.Parallel()
	script := "trap '' TERM; (while :; do setsid sleep 100 & sleep 0.001; done) & echo ready; wait"
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("needs setsid")
	}
	c, out := start(t, script, nil)
	ready(t, out)
	time.Sleep(100 * time.Millisecond) // so that there is something to end
	c.Kill()
	requireDone(t, c)
	// The pipe ends when all that hold it have.
	ended := make(chan error, 1)
	go func() {
		_, err := out.ReadString('\n')
		ended <- err
	}()
	select {
	case err := <-ended:
		require.EqualError(t, err, "EOF", fmt.Sprint(c.Pid()))
	case <-time.After(bound):
		require.Fail(t, "something lives on")
	}
}
