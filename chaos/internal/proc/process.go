// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package proc runs this program again in child processes, which can be paused
// and killed.
package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// roleVar is the environment variable that tells a child what it is.
const roleVar = "CHAOS_ROLE"

// Role returns what this process was started as: empty for one that Start has not
// started.
func Role() string { return os.Getenv(roleVar) }

// A Process is a child.
type Process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	exited chan struct{} // closed when it was waited for and its output was read

	mu   sync.Mutex
	over bool
}

// Start runs this program again as a child of the given role, with one argument.
// read is called with what the child writes to its standard output, and has to
// read until the end. The child ends with this process, however that ends.
func Start(role, arg string, read func(io.Reader)) (*Process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program to start it again: %w", err)
	}
	cmd := exec.Command(exe, arg)
	// The links lead through the proxies of this program, and through no other.
	cmd.Env = append(os.Environ(), roleVar+"="+role, "NO_PROXY=*", "no_proxy=*")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := launch(cmd); err != nil {
		return nil, fmt.Errorf("start a %s: %w", role, err)
	}
	p := &Process{cmd: cmd, stdin: stdin, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		read(stdout)
		_, _ = io.Copy(io.Discard, stdout) // if read gave up
		_ = cmd.Wait()
		p.mu.Lock()
		p.over = true
		p.mu.Unlock()
	}()
	return p, nil
}

// ID returns the process's ID.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Exited returns a channel that closes when the process has ended and all that it
// wrote was read.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Pause stops the process where it stands.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return os.ErrProcessDone
	}
	return p.cmd.Process.Signal(s)
}

// Tell writes a line to the process's standard input.
func (p *Process) Tell(line string) error {
	_, err := io.WriteString(p.stdin, line+"\n")
	return err
}

// Kill ends the process at once, and returns when it is gone.
func (p *Process) Kill() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		fmt.Fprintf(os.Stderr, "chaos: kill process %d: %v\n", p.ID(), err)
	}
	<-p.exited
}

// Stop closes the process's standard input, which asks it to end, and kills it if
// it has not ended after grace.
func (p *Process) Stop(grace time.Duration) {
	_ = p.stdin.Close()
	select {
	case <-p.exited:
	case <-time.After(grace):
		p.Kill()
	}
}
