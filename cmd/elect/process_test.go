// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bound is much longer than anything takes here.
const bound = 25 * time.Second

// A process is the elect that was built, with what the actors that it runs tell.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr *text
	ended  chan struct{} // elect has
	silent chan struct{} // nobody is left who could tell anything

	mu    sync.Mutex
	lines []line
	other []string // what is no actor's
	news  chan struct{}
}

// text is a buffer that may be read while it is written.
type text struct {
	mu sync.Mutex
	b  strings.Builder
}

func (w *text) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *text) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// cleanEnv is the environment of the tests without what elect heeds.
func cleanEnv(extra ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "ETCDCTL_") && !strings.HasPrefix(v, "ELECT_") {
			env = append(env, v)
		}
	}
	return append(env, extra...)
}

// elect starts elect, with an endpoint of etcd and the given arguments. "ACTOR" among
// them stands for this test binary, as an actor.
func elect(t *testing.T, endpoint string, args ...string) *process {
	t.Helper()
	return electWith(t, at(endpoint), nil, args...)
}

// at is the environment by which an endpoint is reached, however loaded the machine is.
func at(endpoint string) []string {
	return []string{"ETCDCTL_ENDPOINTS=" + endpoint, "ETCDCTL_DIAL_TIMEOUT=" + bound.String(), "ETCDCTL_COMMAND_TIMEOUT=" + bound.String()}
}

func electWith(t *testing.T, env []string, stdin *os.File, args ...string) *process {
	t.Helper()
	return electAs(t, nil, env, stdin, args...)
}

func electAs(t *testing.T, attr *syscall.SysProcAttr, env []string, stdin *os.File, args ...string) *process {
	t.Helper()
	path, err := build()
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	for i, a := range args {
		if a == "ACTOR" {
			args[i] = self
		}
	}
	p := &process{
		t: t, stderr: new(text), ended: make(chan struct{}), silent: make(chan struct{}), news: make(chan struct{}),
		cmd: exec.Command(path, args...),
	}
	p.cmd.SysProcAttr = attr
	p.cmd.Env = cleanEnv(append(env, actorVariable+"=1")...)
	stdout, writer, err := os.Pipe()
	require.NoError(t, err)
	stderr, stderrWriter, err := os.Pipe()
	require.NoError(t, err)
	// Files, so that Wait waits for elect alone.
	p.cmd.Stdout, p.cmd.Stderr = writer, stderrWriter
	if stdin != nil {
		p.cmd.Stdin = stdin
	}
	require.NoError(t, p.cmd.Start())
	_, _ = writer.Close(), stderrWriter.Close()
	var reading sync.WaitGroup
	reading.Go(func() { p.read(bufio.NewScanner(stdout)) })
	reading.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, err := stderr.Read(buf)
			_, _ = p.stderr.Write(buf[:n])
			if err != nil {
				return
			}
		}
	})
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	go func() {
		reading.Wait()
		_, _ = stdout.Close(), stderr.Close()
		close(p.silent)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGCONT)
		_ = p.cmd.Process.Kill()
		<-p.ended
		select {
		case <-p.silent: // the guard ends the rest
		case <-time.After(bound):
			t.Error("an actor lives on")
		}
		if t.Failed() {
			t.Logf("elect %s\nstderr: %s", strings.Join(args, " "), p.stderr)
		}
	})
	return p
}

func (p *process) read(in *bufio.Scanner) {
	for in.Scan() {
		var l line
		err := json.Unmarshal(in.Bytes(), &l)
		p.mu.Lock()
		if err == nil && l.Pid != 0 {
			p.lines = append(p.lines, l)
		} else {
			p.other = append(p.other, in.Text())
		}
		close(p.news)
		p.news = make(chan struct{})
		p.mu.Unlock()
	}
}

// told returns what the actors have told.
func (p *process) told() []line {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines[:len(p.lines):len(p.lines)]
}

// await waits until an actor of a role has told something n times, and returns the
// last of them.
func (p *process) await(role, what string, n int) line {
	p.t.Helper()
	timeout := time.After(bound)
	for {
		p.mu.Lock()
		news, seen := p.news, 0
		for _, l := range p.lines {
			if l.Role == role && l.What == what {
				if seen++; seen == n {
					p.mu.Unlock()
					return l
				}
			}
		}
		p.mu.Unlock()
		select {
		case <-news:
		case <-timeout:
			require.Failf(p.t, "an actor did not tell", "%s %q for the %d. time; stderr: %s", role, what, n, p.stderr)
		}
	}
}

// started waits for the command, and returns its line.
func (p *process) started() line {
	p.t.Helper()
	return p.await("command", "start", 1)
}

// code waits for elect's end and returns its exit code, -1 after a signal.
func (p *process) code() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(bound):
		require.Failf(p.t, "elect has not ended", "%s", p.stderr)
	}
	return p.cmd.ProcessState.ExitCode()
}

// alone waits until all actors are gone.
func (p *process) alone() {
	p.t.Helper()
	select {
	case <-p.silent:
	case <-time.After(bound):
		require.Fail(p.t, "an actor lives on")
	}
}

// said waits until all is over, and returns what was written on standard error.
func (p *process) said() string {
	p.t.Helper()
	p.alone()
	return p.stderr.String()
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(sig))
}

// guard returns the process ID of the guard.
func (p *process) guard() int {
	p.t.Helper()
	return parentOf(p.t, p.started().Pid)
}

// lastSign returns when an actor told anything last.
func (p *process) lastSign() time.Time {
	var last time.Time
	for _, l := range p.told() {
		if l.At.After(last) {
			last = l.At
		}
	}
	return last
}

// told is what a run of elect wrote, and exited with.
type told struct {
	out, err string
	code     int
}

// result runs elect to its end, without actors.
func result(t *testing.T, env []string, args ...string) told {
	t.Helper()
	path, err := build()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = cleanEnv(env...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError))
	}
	return told{out.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}
