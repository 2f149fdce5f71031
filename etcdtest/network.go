// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"
)

// direction is one of the two ways along a path.
type direction int

const (
	requests direction = iota // from the participant to the member
	replies                   // from the member to the participant
)

// network is all paths. Its mutex guards the faults of each path and every byte on it; it is never held while the
// store's is being taken.
type network struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced when a fault changes, for dials that wait
	paths   []*path
	dialled int
	rand    *rand.Rand
	closed  bool
}

// path is the way between one participant and one member.
type path struct {
	net         *network
	participant string
	member      *Member

	cut   bool
	ways  [2]way
	who   *participant
	conns map[*conn]*conn // each open end to its other end
}

// way is the state of one direction of a path.
type way struct {
	swallow bool
	delay   time.Duration
	jitter  time.Duration
}

func newNetwork(seed uint64) *network {
	return &network{changed: make(chan struct{}), rand: rand.New(rand.NewPCG(seed, 0))}
}

// frozen tells whether an end of the path stands still: nothing on it arrives, and nothing is lost.
func (p *path) frozen() bool { return p.who.paused || p.member.paused }

func (p *path) latencyLocked(d direction) time.Duration {
	w := p.ways[d]
	if w.jitter > 0 {
		return w.delay + time.Duration(p.net.rand.Int64N(int64(w.jitter)+1))
	}
	return w.delay
}

// dial connects, as a network would: refused on a cut path, and without an answer on a silent one.
func (p *path) dial(ctx context.Context) (net.Conn, error) {
	p.net.mu.Lock()
	wait := p.latencyLocked(requests) + p.latencyLocked(replies)
	p.net.mu.Unlock()
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	for {
		c, changed, err := p.tryDial()
		if changed == nil {
			return c, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tryDial returns a connection, or an error, or what to wait for before the next try.
func (p *path) tryDial() (net.Conn, <-chan struct{}, error) {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	switch {
	case p.net.closed || p.cut || p.member.listener == nil && !p.frozen():
		return nil, nil, fmt.Errorf("dial %s: %w", p.member.host, syscall.ECONNREFUSED)
	case p.frozen() || p.ways[requests].swallow || p.ways[replies].swallow:
		return nil, p.net.changed, nil
	}
	p.net.dialled++
	addr := &clientAddr{path: p, n: p.net.dialled}
	c, s := newConnPair(p, addr, memberAddr{p.member})
	addr.conn = s
	p.conns[c], p.conns[s] = s, c
	p.member.listener.offer(s)
	return c, nil, nil
}

// set changes a fault.
func (n *network) set(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
	n.changeLocked()
}

// changeLocked wakes all who wait for the network to be other than it is.
func (n *network) changeLocked() {
	close(n.changed)
	n.changed = make(chan struct{})
	for _, p := range n.paths {
		for c := range p.conns {
			c.in.cond.Broadcast()
		}
	}
}

// breakLocked resets all connections of a path.
func (p *path) breakLocked() {
	for len(p.conns) > 0 {
		for c := range p.conns {
			c.resetLocked()
			break
		}
	}
}

// mendLocked resets the connections that have lost bytes, now that others could get through.
func (p *path) mendLocked() {
	for c, peer := range p.conns {
		if c.out.lost || peer.out.lost {
			c.resetLocked()
		}
	}
}

// close refuses all dials from now on and resets every connection.
func (n *network) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for _, p := range n.paths {
		p.breakLocked()
	}
	n.changeLocked()
}

// listener hands a member the connections that were dialled.
type listener struct {
	addr  net.Addr
	mu    sync.Mutex
	queue []net.Conn
	wake  chan struct{}
	done  chan struct{}
	once  sync.Once
}

func newListener(addr net.Addr) *listener {
	return &listener{addr: addr, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

func (l *listener) offer(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, c)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Accept returns the next connection, or an error once the listener is closed.
func (l *listener) Accept() (net.Conn, error) {
	for {
		l.mu.Lock()
		if len(l.queue) > 0 {
			c := l.queue[0]
			l.queue = l.queue[1:]
			l.mu.Unlock()
			return c, nil
		}
		l.mu.Unlock()
		select {
		case <-l.wake:
		case <-l.done:
			return nil, net.ErrClosed
		}
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }
