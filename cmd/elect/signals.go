// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/child"
)

// errInterrupted ends run and try when a signal asks them to.
var errInterrupted = exitError{exitInterrupted, errors.New("interrupted")}

// forwarded are the signals that a command gets as elect does.
var forwarded = []os.Signal{
	syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP,
	syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT,
}

// A forwarder passes signals on to the command while there is one. While there is
// none, those that mean to end end elect.
type forwarder struct {
	end context.CancelCauseFunc

	mu      sync.Mutex
	child   *child.Child
	told    bool // a signal that means to end was passed on
	stopped bool // SIGTSTP was passed on, and SIGCONT was not since
}

// forwardSignals returns a forwarder, and a context that ends when a signal asks
// elect to end while no command runs. Call the function when all is over.
func forwardSignals(parent context.Context) (*forwarder, context.Context, func()) {
	ctx, end := context.WithCancelCause(parent)
	f := &forwarder{end: end}
	signals := make(chan os.Signal, 16)
	for _, sig := range forwarded {
		if !signal.Ignored(sig) { // as nohup has it for SIGHUP
			signal.Notify(signals, sig)
		}
	}
	over := make(chan struct{})
	go func() {
		for {
			select {
			case sig := <-signals:
				if f.take(sig.(syscall.Signal)) {
					// The next one ends this process at once; the guard ends what it guards.
					signal.Stop(signals)
				}
			case <-over:
				return
			}
		}
	}()
	return f, ctx, func() {
		signal.Stop(signals)
		close(over)
		end(nil)
	}
}

// take does what a signal calls for, and reports whether elect ends by it.
func (f *forwarder) take(sig syscall.Signal) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.child != nil {
		switch sig {
		case syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT:
			f.told = true
		case syscall.SIGTSTP:
			f.stopped = true
		case syscall.SIGCONT:
			f.stopped = false
		}
		f.child.Signal(sig)
		return false
	}
	switch sig {
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP:
		f.end(errInterrupted)
		return true
	case syscall.SIGTSTP:
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) // as if it was not caught
	}
	return false
}

// start starts the command. A signal that arrives meanwhile goes to it.
func (f *forwarder) start(cmd child.Command) (*child.Child, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, err := child.Start(cmd)
	if err == nil {
		f.child = c
	}
	return c, err
}

func (f *forwarder) detach() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.child, f.stopped = nil, false
}

// endAfter takes note that elect is to end with the command.
func (f *forwarder) endAfter() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = true
}

// toldToEnd reports whether the command got a signal that means to end, which is
// meant for elect as well.
func (f *forwarder) toldToEnd() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told
}

// suspended reports whether the command was stopped by way of elect.
func (f *forwarder) suspended() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stopped
}
