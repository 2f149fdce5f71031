// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package proc

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Supported is nil where this package works.
func Supported() error { return nil }

// Now returns the time of the machine's monotonic clock, which all processes
// share: times taken in different processes can be compared.
func Now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("bug: no monotonic clock: " + err.Error())
	}
	return time.Duration(ts.Nano())
}

// launch starts cmd such that the kernel kills it when this process ends, however
// it ends. The kernel watches the thread that started the child and not the
// process, so all children are started on one thread that lasts.
func launch(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
		Setpgid:   true, // Ctrl-C in a terminal is for the parent, which ends its children in order
	}
	launcher.Do(func() {
		go func() {
			runtime.LockOSThread()
			for l := range launches {
				l.err <- l.cmd.Start()
			}
		}()
	})
	l := launching{cmd, make(chan error, 1)}
	launches <- l
	return <-l.err
}

type launching struct {
	cmd *exec.Cmd
	err chan error
}

var (
	launcher sync.Once
	launches = make(chan launching)
)
