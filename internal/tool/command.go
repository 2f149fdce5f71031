// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

// Package tool is what this repository's own checks share: starting commands that are sure to end, and reading what
// go test tells of a run.
package tool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// stopWithin is how long a command may take to end after it was asked to.
const stopWithin = 10 * time.Second

// Command returns a command that runs in dir with env added to the environment, in a process group of its own. When ctx
// ends, the group is interrupted, and killed if that is not enough.
//
// The group is there because the go command starts the compiler and the tests: a signal to the go command alone leaves
// them running, with their files in a folder that is about to be removed.
func Command(ctx context.Context, dir string, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = stopWithin
	return cmd
}

// Wait waits for a started command, and leaves none of its group behind if ctx, that of Command, ended it.
func Wait(ctx context.Context, cmd *exec.Cmd) error {
	err := cmd.Wait()
	if ctx.Err() != nil {
		// Those that did not heed the interrupt. ESRCH, nobody left, is the rule.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		return context.Cause(ctx)
	}
	return err
}

// Output runs a command and returns what it wrote to its standard output, without the white space around it. The error
// holds what it wrote to its standard error.
func Output(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := Command(ctx, dir, env, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Start()
	if err == nil {
		err = Wait(ctx, cmd)
	}
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w\n%s", err, bytes.TrimSpace(stderr.Bytes()))
		}
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(stdout.String()), nil
}
