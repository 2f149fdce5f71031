// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix && !linux

package child

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// executable returns what to start as a guard.
func executable() (string, error) { return os.Executable() }

// now returns the time on the clock that all processes share: that of the wall,
// for want of a portable one that nobody sets.
func now() time.Duration { return time.Duration(time.Now().UnixNano()) }

func adoptDescendants() {}

func onParentsDeath(attr *syscall.SysProcAttr) *syscall.SysProcAttr { return attr }

// anythingLeft reports whether the command's process group has members.
func (g *guard) anythingLeft() bool {
	return !errors.Is(syscall.Kill(-g.pid, 0), syscall.ESRCH)
}

func (g *guard) signalGroup(sig syscall.Signal) { _ = syscall.Kill(-g.pid, sig) }

// killBelow sends SIGKILL to the command's process group, and reports whether there
// was one.
func killBelow(_, group int) bool { return syscall.Kill(-group, syscall.SIGKILL) == nil }

// signalAll reaches no further than the process group.
func (g *guard) signalAll(sig syscall.Signal) { g.signalGroup(sig) }
