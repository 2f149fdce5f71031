// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// conn is one end of a connection in memory. Bytes that one end writes pass through a half, where the faults of the
// path are: they are held back, delayed, or lost.
type conn struct {
	path    *path
	in, out *half
	local   net.Addr
	remote  net.Addr
}

// half is one direction of a connection. Everything in it is guarded by the network's mutex.
type half struct {
	path  *path
	dir   direction
	cond  *sync.Cond
	queue []chunk
	due   time.Time // of the last chunk: none may overtake it
	// lost is set when bytes were swallowed. What comes after a hole means nothing, so nothing is delivered any more, and
	// the connection is reset when the silence ends.
	lost     bool
	finished bool  // the reading end has closed
	err      error // what reads return once the queue is empty or, for a reset, at once
	deadline time.Time
	timer    *time.Timer
}

// chunk is what one write wrote; the last one has no data and says that the writer has closed.
type chunk struct {
	due  time.Time
	data []byte
}

func newConnPair(p *path, client, server net.Addr) (*conn, *conn) {
	there := &half{path: p, dir: requests, cond: sync.NewCond(&p.net.mu)}
	back := &half{path: p, dir: replies, cond: sync.NewCond(&p.net.mu)}
	c := &conn{path: p, in: back, out: there, local: client, remote: server}
	s := &conn{path: p, in: there, out: back, local: server, remote: client}
	return c, s
}

// Read returns bytes whose time has come, in order.
func (c *conn) Read(b []byte) (int, error) {
	h := c.in
	h.path.net.mu.Lock()
	defer h.path.net.mu.Unlock()
	for {
		now := time.Now()
		switch {
		case h.finished:
			return 0, net.ErrClosed
		case h.err != nil:
			return 0, h.err
		case !h.deadline.IsZero() && !now.Before(h.deadline):
			return 0, os.ErrDeadlineExceeded
		case len(h.queue) > 0 && !h.path.frozen() && !h.queue[0].due.After(now):
			head := &h.queue[0]
			if head.data == nil {
				return 0, io.EOF
			}
			n := copy(b, head.data)
			if head.data = head.data[n:]; len(head.data) == 0 {
				h.queue = h.queue[1:]
			}
			return n, nil
		}
		h.cond.Wait()
	}
}

// Write never blocks. It reports success when the bytes are on their way, whether or not they arrive.
func (c *conn) Write(b []byte) (int, error) {
	h := c.out
	h.path.net.mu.Lock()
	defer h.path.net.mu.Unlock()
	switch {
	case c.in.finished:
		return 0, net.ErrClosed
	case h.err != nil:
		return 0, h.err
	case h.finished && !h.path.ways[requests].swallow && !h.path.ways[replies].swallow:
		return 0, syscall.EPIPE
	}
	if len(b) > 0 {
		h.pushLocked(append([]byte(nil), b...))
	}
	return len(b), nil
}

// pushLocked puts data on its way; nil data is the end of it.
func (h *half) pushLocked(data []byte) {
	way := &h.path.ways[h.dir]
	if way.swallow || h.lost {
		h.lost = true
		return
	}
	now := time.Now()
	due := now.Add(h.path.latencyLocked(h.dir))
	if due.Before(h.due) {
		due = h.due
	}
	h.due = due
	h.queue = append(h.queue, chunk{due, data})
	if due.After(now) {
		time.AfterFunc(due.Sub(now), h.wake)
		return
	}
	h.cond.Broadcast()
}

func (h *half) wake() {
	h.path.net.mu.Lock()
	defer h.path.net.mu.Unlock()
	h.cond.Broadcast()
}

// Close ends both directions. The other end hears of it as it hears of everything else: in order, late, or never.
func (c *conn) Close() error {
	c.path.net.mu.Lock()
	defer c.path.net.mu.Unlock()
	if c.in.finished {
		return nil
	}
	c.in.finished = true
	c.in.queue = nil
	c.in.stopLocked()
	if c.out.err == nil && !c.out.finished {
		c.out.pushLocked(nil)
	}
	if peer := c.peer(); c.out.finished {
		delete(c.path.conns, c)
		delete(c.path.conns, peer)
	}
	c.in.cond.Broadcast()
	return nil
}

func (c *conn) peer() *conn { return c.path.conns[c] }

// resetLocked ends both directions at once for both ends; what was under way is lost.
func (c *conn) resetLocked() {
	for _, h := range []*half{c.in, c.out} {
		h.err = syscall.ECONNRESET
		h.queue = nil
		h.stopLocked()
		h.cond.Broadcast()
	}
	delete(c.path.conns, c.peer())
	delete(c.path.conns, c)
}

func (h *half) stopLocked() {
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
}

// SetReadDeadline makes reads fail from t on.
func (c *conn) SetReadDeadline(t time.Time) error {
	h := c.in
	h.path.net.mu.Lock()
	defer h.path.net.mu.Unlock()
	h.stopLocked()
	h.deadline = t
	if !t.IsZero() {
		h.timer = time.AfterFunc(time.Until(t), h.wake)
	}
	h.cond.Broadcast()
	return nil
}

// SetWriteDeadline does nothing: writes never block.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }
func (c *conn) SetDeadline(t time.Time) error    { return c.SetReadDeadline(t) }
func (c *conn) LocalAddr() net.Addr              { return c.local }
func (c *conn) RemoteAddr() net.Addr             { return c.remote }

// memberAddr is a member's address.
type memberAddr struct{ *Member }

func (memberAddr) Network() string  { return "memory" }
func (a memberAddr) String() string { return a.host }

// clientAddr is the address of a client's end of a connection. A request carries it as its peer, which tells the server
// whose it is and what to break.
type clientAddr struct {
	path *path
	n    int
	conn *conn
}

func (*clientAddr) Network() string  { return "memory" }
func (a *clientAddr) String() string { return fmt.Sprintf("%s#%d", a.path.participant, a.n) }
func (a *clientAddr) participant() string {
	return a.path.participant
}

func (a *clientAddr) reset() {
	a.path.net.mu.Lock()
	defer a.path.net.mu.Unlock()
	if a.path.conns[a.conn] != nil {
		a.conn.resetLocked()
	}
}
