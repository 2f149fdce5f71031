// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// A link is the network between one candidate and the members: a TCP proxy
// with a listener for each member. It can be cut: then it swallows every byte in
// both directions and tells neither end, as a network does that loses packets.
type link struct {
	listeners []net.Listener
	targets   []string
	cut       atomic.Bool
	running   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

// newLink returns a link to the targets. Close it.
func newLink(targets []string) (*link, error) {
	l := &link{targets: targets, conns: make(map[net.Conn]bool)}
	for range targets {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			l.close()
			return nil, fmt.Errorf("make a link to the members: %w", err)
		}
		l.listeners = append(l.listeners, ln)
	}
	for i, ln := range l.listeners {
		l.running.Go(func() { l.accept(ln, targets[i]) })
	}
	return l, nil
}

// addresses returns where the members are reached over the link.
func (l *link) addresses() []string {
	var as []string
	for _, ln := range l.listeners {
		as = append(as, ln.Addr().String())
	}
	return as
}

// silence cuts the link. What a read has taken in at that moment may still pass;
// nothing after it does.
func (l *link) silence() { l.cut.Store(true) }

// heal lets new connections through again, and ends the old ones: they have lost
// bytes.
func (l *link) heal() {
	l.dropConns()
	l.cut.Store(false)
}

// close ends the link and all its connections, and waits until its ports are free.
func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	for _, ln := range l.listeners {
		_ = ln.Close()
	}
	l.dropConns()
	l.running.Wait()
}

func (l *link) dropConns() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Close()
	}
	clear(l.conns)
}

// keep remembers a connection, or closes it if the link is closed.
func (l *link) keep(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = c.Close()
		return
	}
	l.conns[c] = true
}

func (l *link) accept(ln net.Listener, target string) {
	for {
		near, err := ln.Accept()
		if err != nil {
			return
		}
		l.keep(near)
		far, err := net.Dial("tcp", target)
		if err != nil {
			_ = near.Close()
			continue
		}
		l.keep(far)
		l.running.Go(func() { l.pump(near, far) })
		l.running.Go(func() { l.pump(far, near) })
	}
}

// pump carries bytes one way. While the link is cut it does not tell that
// one end has closed either; heal and close do.
func (l *link) pump(from, to net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if l.cut.Load() {
			if err != nil {
				return
			}
			continue
		}
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				err = werr
			}
		}
		if err != nil {
			_ = from.Close()
			_ = to.Close()
			l.mu.Lock()
			delete(l.conns, from)
			delete(l.conns, to)
			l.mu.Unlock()
			return
		}
	}
}
