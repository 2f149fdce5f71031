// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/child"
)

// A terminal is the one that elect was started from, if its command may have it.
type terminal struct{ lent bool }

// lendTerminal makes the command's process group the one that may read the terminal,
// if standard input is one and elect may read it.
func lendTerminal(c *child.Child) *terminal {
	foreground, err := unix.IoctlGetInt(int(os.Stdin.Fd()), unix.TIOCGPGRP)
	if err != nil || foreground != unix.Getpgrp() {
		return &terminal{}
	}
	if err := giveTerminal(c.Pid()); err != nil {
		return &terminal{}
	}
	// It may have been stopped for reading before it was allowed to.
	c.Signal(syscall.SIGCONT)
	return &terminal{lent: true}
}

// takeBack undoes lendTerminal.
func (t *terminal) takeBack() {
	if t.lent {
		_ = giveTerminal(unix.Getpgrp())
	}
}

// giveTerminal makes a process group the one that may read the terminal. A process
// that may not do so itself is stopped for that by SIGTTOU, unless it ignores it.
func giveTerminal(group int) error {
	signal.Ignore(syscall.SIGTTOU)
	defer signal.Reset(syscall.SIGTTOU)
	return unix.IoctlSetPointerInt(int(os.Stdin.Fd()), unix.TIOCSPGRP, group)
}
