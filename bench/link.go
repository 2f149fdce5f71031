// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// A link forwards connections to a member. It can bring the member's answers
// late, and it can be cut: then it brings nothing any more, in either direction,
// and says nothing about it.
type link struct {
	listener net.Listener
	to       string
	delay    time.Duration // of what comes from the member
	cut      chan struct{} // closed when it is cut
	cutOnce  sync.Once

	mu    sync.Mutex
	conns []net.Conn
	wg    sync.WaitGroup
}

func startLink(to string, delay time.Duration) (*link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &link{listener: listener, to: to, delay: delay, cut: make(chan struct{})}
	l.wg.Go(l.accept)
	return l, nil
}

func (l *link) addr() string { return l.listener.Addr().String() }

func (l *link) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		far, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", l.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		l.mu.Lock()
		l.conns = append(l.conns, near, far)
		l.mu.Unlock()
		l.forward(near, far, 0)
		l.forward(far, near, l.delay)
	}
}

// A packet is what was read at once, and when it is due at the other end.
type packet struct {
	data []byte
	due  time.Time
}

func (l *link) forward(from, to net.Conn, delay time.Duration) {
	packets := make(chan packet, 1<<16)
	l.wg.Go(func() {
		defer close(packets)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			if n > 0 {
				packets <- packet{buf[:n], time.Now().Add(delay)}
			}
			if err != nil {
				return
			}
		}
	})
	l.wg.Go(func() {
		for p := range packets {
			time.Sleep(time.Until(p.due))
			select {
			case <-l.cut: // read on, so that nobody notices
				continue
			default:
			}
			if _, err := to.Write(p.data); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
				continue
			}
		}
		select {
		case <-l.cut:
		default:
			_ = to.Close()
		}
	})
}

func (l *link) sever() { l.cutOnce.Do(func() { close(l.cut) }) }

func (l *link) stop() {
	_ = l.listener.Close()
	l.mu.Lock()
	for _, conn := range l.conns {
		_ = conn.Close()
	}
	l.mu.Unlock()
	l.wg.Wait()
}
