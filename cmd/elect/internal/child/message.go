// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package child

import (
	"syscall"
	"time"
)

// marker is the first argument of a guard; the command and its arguments follow.
const marker = "__guard"

// The guard's files beside the standard three.
const (
	ordersFile  = 3
	reportsFile = 4
)

// An order is what the guard is told. Times are on the clock that all processes
// share; see now. Fields that are zero say nothing.
type order struct {
	Grace  time.Duration  `json:",omitempty"` // for what is left when the command itself has ended
	Term   time.Duration  `json:",omitempty"` // when to send SIGTERM, unless put off
	Kill   time.Duration  `json:",omitempty"` // when to send SIGKILL, unless put off
	Stop   bool           `json:",omitempty"` // send SIGTERM now
	Limit  time.Duration  `json:",omitempty"` // when to send SIGKILL; nothing puts it off
	Signal syscall.Signal `json:",omitempty"` // send this
}

// A report is what the guard tells.
type report struct {
	Pid     int                 `json:",omitempty"` // the command was started
	Errno   syscall.Errno       `json:",omitempty"` // the command could not be started
	Stopped syscall.Signal      `json:",omitempty"` // the command was stopped by this
	Expired bool                `json:",omitempty"` // nothing has put order.Term or order.Kill off
	Exited  *syscall.WaitStatus `json:",omitempty"` // the command has ended
	Gone    bool                `json:",omitempty"` // and so has all that it started
}

// at returns a time on the clock that all processes share. The shared clock is read
// first, so that a pause in between makes the time earlier, and not later.
func at(t time.Time) time.Duration {
	shared := now()
	return shared + time.Until(t)
}
