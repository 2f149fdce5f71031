// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package child

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// Main takes a process over that Start has made a guard, and does not return then.
// A program that uses Start calls it first thing.
func Main() {
	if len(os.Args) < 4 || os.Args[1] != marker {
		return
	}
	os.Exit(guardMain(os.Args[2], os.Args[3:]))
}

// discarded are the signals that a guard does not heed: it ends when the command
// and all that it has started is gone.
//
// They are caught and not ignored, because what is ignored stays so in the command.
var discarded = []os.Signal{
	syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2,
	syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGCONT, syscall.SIGWINCH,
}

// A guard is the parent of a command.
type guard struct {
	pid     int // of the command, and of its process group
	reports *json.Encoder
	reaped  bool // the command itself has ended

	grace      time.Duration
	term, kill time.Duration // as told last by order.Term and order.Kill
	limit      time.Duration // of order.Limit
	rest       time.Duration // when to end what the command has left behind
	terminated bool          // SIGTERM was sent
	expired    bool          // by term or kill
}

// never is a time that does not come.
const never = time.Duration(1<<63 - 1)

// again is how long to wait before SIGKILL is sent again, to what was born between
// the look and the signal.
const again = 5 * time.Millisecond

// settle is how long to wait, when the command has ended, to see whether it has left
// anything behind.
const settle = 5 * time.Millisecond

func guardMain(path string, args []string) int {
	// The kernel ties what onParentsDeath asks for to the thread that starts the
	// command.
	runtime.LockOSThread()
	for _, sig := range discarded {
		if !signal.Ignored(sig) { // by nohup, say
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
	syscall.CloseOnExec(ordersFile)
	syscall.CloseOnExec(reportsFile)
	g := &guard{
		reports: json.NewEncoder(os.NewFile(reportsFile, "reports")),
		term:    never, kill: never, limit: never, rest: never,
	}
	adoptDescendants()

	pid, err := syscall.ForkExec(path, args, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
		Sys:   onParentsDeath(&syscall.SysProcAttr{Setpgid: true}),
	})
	if err != nil {
		errno := syscall.EINVAL
		_ = errors.As(err, &errno)
		g.tell(report{Errno: errno})
		return 1
	}
	g.pid = pid
	g.tell(report{Pid: pid})
	g.watch(readOrders(os.NewFile(ordersFile, "orders")), reap())
	g.tell(report{Gone: true})
	return 0
}

// tell sends a report. Whether somebody reads it is seen by the orders' end.
func (g *guard) tell(r report) { _ = g.reports.Encode(r) }

// watch returns when the command and all that it has started is gone.
func (g *guard) watch(orders <-chan order, ends <-chan end) {
	timer := time.NewTimer(0)
	for {
		wait := g.next() - now()
		if g.next() == never {
			wait = time.Hour
		}
		timer.Reset(wait)
		select {
		case o, ok := <-orders:
			if !ok {
				// Nobody is there to put anything off any more.
				orders = nil
				g.obey(order{Stop: true})
				if g.kill == never {
					g.kill = 0
				}
				continue
			}
			g.obey(o)
		case e, ok := <-ends:
			if !ok {
				if !g.anythingLeft() {
					return
				}
				ends = nil // where the group's members are not the guard's to reap
				continue
			}
			g.ended(e)
		case <-timer.C:
			g.due()
			if ends == nil && !g.anythingLeft() {
				return
			}
		}
	}
}

// next returns when something is due.
func (g *guard) next() time.Duration {
	next := min(g.kill, g.limit, g.rest)
	if !g.terminated {
		next = min(next, g.term)
	}
	if next <= now() || g.reaped && g.terminated {
		return now() + again
	}
	return next
}

// due does what it is time for.
func (g *guard) due() {
	t := now()
	leftovers := t >= g.rest
	if leftovers {
		g.rest, g.limit = never, min(g.limit, t+g.grace)
	}
	if !g.expired && (t >= g.kill || !g.terminated && t >= g.term) {
		g.expired = true
		g.tell(report{Expired: true})
	}
	if !g.terminated && (leftovers || t >= g.term) {
		g.terminate()
	}
	if t >= g.kill || t >= g.limit {
		g.signalAll(syscall.SIGKILL)
	}
}

func (g *guard) obey(o order) {
	if o.Grace != 0 {
		g.grace = o.Grace
	}
	if o.Kill != 0 {
		g.term, g.kill = o.Term, o.Kill
	}
	if o.Limit != 0 {
		g.limit = min(g.limit, o.Limit)
	}
	if o.Stop {
		g.terminate()
	}
	if o.Signal != 0 {
		g.signalGroup(o.Signal)
	}
}

// terminate asks everything to end, also what is stopped.
func (g *guard) terminate() {
	g.terminated = true
	g.signalAll(syscall.SIGTERM)
	g.signalAll(syscall.SIGCONT)
}

// ended takes note that a process has ended, or was stopped.
func (g *guard) ended(e end) {
	if e.pid != g.pid {
		return
	}
	if e.status.Stopped() {
		g.tell(report{Stopped: e.status.StopSignal()})
		return
	}
	g.reaped = true
	g.rest = now() + settle
	g.tell(report{Exited: &e.status})
}

// An end is what the kernel tells of a process.
type end struct {
	pid    int
	status syscall.WaitStatus
}

// reap waits for the guard's children, own and adopted. The channel closes when there
// are none.
func reap() <-chan end {
	ends := make(chan end)
	go func() {
		defer close(ends)
		for {
			var e end
			pid, err := syscall.Wait4(-1, &e.status, syscall.WUNTRACED, nil)
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			if err != nil {
				return
			}
			e.pid = pid
			ends <- e
		}
	}()
	return ends
}

// readOrders reads orders until there are no more, which is when this guard's
// program has died.
func readOrders(r io.Reader) <-chan order {
	orders := make(chan order)
	go func() {
		defer close(orders)
		for told := json.NewDecoder(r); ; {
			var o order
			if told.Decode(&o) != nil {
				return
			}
			orders <- o
		}
	}()
	return orders
}
