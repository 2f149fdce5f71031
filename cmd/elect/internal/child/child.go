// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package child

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// A Command is what to run.
type Command struct {
	Path string   // of the program
	Args []string // with the program's name first
	Env  []string

	Stdin, Stdout, Stderr *os.File

	// Term and Kill are what Keep is told at first; see there.
	Term, Kill time.Time
	// Grace is how long what the command leaves behind when it ends may go on after
	// SIGTERM.
	Grace time.Duration
	// Slack is how long after the guard should have sent SIGKILL this program does
	// so itself.
	Slack time.Duration
}

// A Result is how a command ended.
type Result struct {
	Code   int            // what it exited with, if Signal is 0
	Signal syscall.Signal // what ended it
	// Expired says that Keep was not called in time, and the guard has acted.
	Expired bool
	// Unguarded says that the guard was killed, upon which the command was.
	Unguarded bool
}

// A Child is a command that runs, with all that it has started. All methods are safe
// for concurrent use.
type Child struct {
	guard   *exec.Cmd
	pid     int
	slack   time.Duration
	orders  *os.File
	stopped chan syscall.Signal
	done    chan struct{}

	mu     sync.Mutex
	keep   time.Time // of the last Keep
	limit  time.Time // of Stop
	late   *time.Timer
	result Result
}

// Start starts a command, and returns when it runs, or with an error that wraps the
// system's when it cannot be started.
func Start(c Command) (*Child, error) {
	guardOrders, orders, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer guardOrders.Close()
	reports, guardReports, err := os.Pipe()
	if err != nil {
		_ = orders.Close()
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer guardReports.Close()

	self, err := executable()
	if err != nil {
		return nil, err
	}
	guard := exec.Command(self)
	guard.Args = append([]string{os.Args[0], marker, c.Path}, c.Args...)
	guard.Env = c.Env
	guard.Stdin, guard.Stdout, guard.Stderr = c.Stdin, c.Stdout, c.Stderr
	guard.ExtraFiles = []*os.File{guardOrders, guardReports}
	// In a group of its own, so that what is sent to this program's group does not
	// reach the guard: it has to outlive this program.
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := guard.Start(); err != nil {
		_, _ = orders.Close(), reports.Close()
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	child := &Child{
		guard: guard, slack: c.Slack, orders: orders,
		stopped: make(chan syscall.Signal, 1), done: make(chan struct{}),
	}
	child.send(order{Grace: c.Grace, Term: at(c.Term), Kill: at(c.Kill)})
	told := json.NewDecoder(reports)
	var first report
	if err := told.Decode(&first); err != nil || first.Pid == 0 {
		_, _ = orders.Close(), reports.Close()
		if exit := guard.Wait(); err != nil {
			return nil, fmt.Errorf("the guard has ended: %w", errors.Join(err, exit))
		}
		return nil, &os.PathError{Op: "start", Path: c.Path, Err: first.Errno}
	}
	child.pid = first.Pid
	child.mu.Lock()
	child.keep = c.Kill
	child.watchLocked()
	child.mu.Unlock()
	go func() {
		defer reports.Close()
		child.listen(told)
	}()
	return child, nil
}

// Pid returns the command's process ID, which is that of its process group as well.
func (c *Child) Pid() int { return c.pid }

// Done returns a channel that closes when the command and all that it has started
// is gone.
func (c *Child) Done() <-chan struct{} { return c.done }

// Stopped returns a channel that tells of signals that have stopped the command,
// which has not ended then.
func (c *Child) Stopped() <-chan syscall.Signal { return c.stopped }

// Result returns how the command itself ended. It waits for Done.
func (c *Child) Result() Result {
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.result
}

// Keep lets the command run on: the guard sends SIGTERM at the one time and SIGKILL
// at the other, unless Keep is called again before.
func (c *Child) Keep(term, kill time.Time) {
	c.mu.Lock()
	c.keep = kill
	c.watchLocked()
	c.mu.Unlock()
	c.send(order{Term: at(term), Kill: at(kill)})
}

// Stop sends SIGTERM now, and SIGKILL at the given time, which nothing puts off, or
// when Keep has it, if the time is zero.
func (c *Child) Stop(kill time.Time) {
	o := order{Stop: true}
	if !kill.IsZero() {
		o.Limit = at(kill)
		c.mu.Lock()
		if c.limit.IsZero() || kill.Before(c.limit) {
			c.limit = kill
		}
		c.watchLocked()
		c.mu.Unlock()
	}
	c.send(o)
}

// Kill sends SIGKILL now.
func (c *Child) Kill() { c.Stop(time.Now()) }

// Signal sends a signal to the command's process group.
func (c *Child) Signal(sig syscall.Signal) { c.send(order{Signal: sig}) }

// send tells the guard. An order that it does not take within a second, because it
// is stopped or gone, is dropped: watchLocked sees to the rest.
func (c *Child) send(o order) {
	line, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprintf("bug: an order that is no JSON: %v", err))
	}
	_ = c.orders.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = c.orders.Write(append(line, '\n'))
}

// watchLocked sees to it that the command ends also when the guard does nothing: see
// overdue.
func (c *Child) watchLocked() {
	when := c.keep
	if !c.limit.IsZero() && (when.IsZero() || c.limit.Before(when)) {
		when = c.limit
	}
	wait := time.Until(when) + c.slack
	if c.late == nil {
		c.late = time.AfterFunc(wait, c.overdue)
		return
	}
	c.late.Reset(wait)
}

// overdue does the work of a guard that is stopped or starved. Only when nothing is
// left below the guard does it kill the guard itself: what has left the process group
// would get out from under it.
func (c *Child) overdue() {
	for wait := again; ; wait = min(2*wait, 100*time.Millisecond) {
		select {
		case <-c.done:
			return
		default:
		}
		if !killBelow(c.guard.Process.Pid, c.pid) {
			break
		}
		select {
		case <-c.done:
			return
		case <-time.After(wait):
		}
	}
	select {
	case <-c.done:
	case <-time.After(c.slack):
		_ = c.guard.Process.Kill()
	}
}

// listen takes the guard's reports until there are no more.
func (c *Child) listen(told *json.Decoder) {
	gone, expired := false, false
	// Without a report of its end, the command was killed together with the guard.
	result := Result{Signal: syscall.SIGKILL}
	for {
		var r report
		if told.Decode(&r) != nil {
			break
		}
		expired = expired || r.Expired
		if r.Exited != nil {
			result = Result{Code: r.Exited.ExitStatus()}
			if r.Exited.Signaled() {
				result = Result{Signal: r.Exited.Signal()}
			}
		}
		if r.Stopped != 0 {
			select {
			case c.stopped <- r.Stopped:
			default: // whoever reads hears of the first one
			}
		}
		gone = gone || r.Gone
	}
	_ = c.guard.Wait()
	result.Expired, result.Unguarded = expired, !gone
	for !gone {
		// The guard was killed.
		if err := syscall.Kill(-c.pid, syscall.SIGKILL); err != nil && errors.Is(err, syscall.ESRCH) {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result = result
	if c.late != nil {
		c.late.Stop()
	}
	_ = c.orders.Close()
	close(c.done)
}
