// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package child

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// executable returns what to start as a guard: this program as it runs, also when
// its file was replaced since.
func executable() (string, error) { return "/proc/self/exe", nil }

// now returns the time on the clock that all processes share.
func now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(fmt.Sprintf("bug: no monotonic clock: %v", err))
	}
	return time.Duration(ts.Nano())
}

// adoptDescendants makes this process the parent of every descendant whose own
// parent ends. So as long as this process has no children, it has no descendants.
func adoptDescendants() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// onParentsDeath has the kernel kill the command when the guard dies.
func onParentsDeath(attr *syscall.SysProcAttr) *syscall.SysProcAttr {
	attr.Pdeathsig = syscall.SIGKILL
	return attr
}

// anythingLeft reports whether something lives that the guard cannot reap: nothing
// does.
func (g *guard) anythingLeft() bool { return false }

// signalGroup sends a signal to the command's process group, if there is one: the
// group's number may belong to somebody else after its end.
func (g *guard) signalGroup(sig syscall.Signal) {
	if g.reaped {
		for _, p := range descendants(os.Getpid()) {
			if p.group == g.pid {
				_ = syscall.Kill(p.pid, sig)
			}
		}
		return
	}
	_ = syscall.Kill(-g.pid, sig)
}

// signalAll sends a signal to all descendants: to the group at once, so that none of
// its members can fork in between, and to the others one by one.
func (g *guard) signalAll(sig syscall.Signal) {
	g.signalGroup(sig)
	for _, p := range descendants(os.Getpid()) {
		if p.group != g.pid {
			_ = syscall.Kill(p.pid, sig)
		}
	}
}

// killBelow sends SIGKILL to all descendants of a guard, as signalAll does, and
// reports whether there were any that had not ended.
func killBelow(guard, group int) bool {
	alive, grouped := false, false
	for _, p := range descendants(guard) {
		switch {
		case p.ended:
			continue
		case p.group != group:
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		case !grouped:
			_ = syscall.Kill(-group, syscall.SIGKILL)
			grouped = true
		}
		alive = true
	}
	return alive
}

type process struct {
	pid, parent, group int
	ended              bool // and not reaped yet
}

// descendants returns a process's children, their children, and so on. None of them
// is gone by the time that it is sent a signal, or at least not reaped, unless its
// parent is another process than this one.
func descendants(of int) []process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	children := make(map[int][]process)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// 12 (name) S 1 12 …: the name may have blanks and brackets in it.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 3 {
			continue
		}
		parent, _ := strconv.Atoi(string(fields[1]))
		group, _ := strconv.Atoi(string(fields[2]))
		ended := fields[0][0] == 'Z' || fields[0][0] == 'X'
		children[parent] = append(children[parent], process{pid, parent, group, ended})
	}
	all := children[of]
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i].pid]...)
	}
	return all
}
