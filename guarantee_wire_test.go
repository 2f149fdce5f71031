// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.etcd.io/etcd/tests/v3/framework/integration"
)

// A wire is a TCP proxy between one client and one member. It can be slow on the
// way back, and it can fall silent: then it swallows every byte and tells neither
// end, as a network does that loses packets.
type wire struct {
	listener net.Listener
	target   net.Addr
	delay    atomic.Int64 // of what the member says
	silent   atomic.Bool
	carried  atomic.Int64 // bytes, both ways
	running  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  []net.Conn
}

// newWire returns a wire to a member, that is closed when the test ends.
func newWire(t *testing.T, m *integration.Member) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{listener: l, target: m.GRPCListener.Addr()}
	w.running.Go(w.accept)
	t.Cleanup(w.close)
	return w
}

func (w *wire) endpoint() string { return w.listener.Addr().String() }

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial(w.target.Network(), w.target.String())
		if err != nil {
			near.Close()
			continue
		}
		w.mu.Lock()
		w.conns = append(w.conns, near, far)
		if w.closed {
			near.Close()
			far.Close()
		}
		w.mu.Unlock()
		w.running.Go(func() { w.pump(near, far, func() time.Duration { return 0 }) })
		w.running.Go(func() { w.pump(far, near, func() time.Duration { return time.Duration(w.delay.Load()) }) })
	}
}

// pump carries bytes one way, each after a delay of its own.
func (w *wire) pump(from, to net.Conn, delay func() time.Duration) {
	type chunk struct {
		bytes []byte
		due   time.Time
	}
	chunks := make(chan chunk, 1024)
	w.running.Go(func() {
		defer to.Close()
		for c := range chunks {
			time.Sleep(time.Until(c.due))
			if !w.silent.Load() {
				_, _ = to.Write(c.bytes)
			}
		}
	})
	defer close(chunks)
	for {
		buf := make([]byte, 16<<10)
		n, err := from.Read(buf)
		w.carried.Add(int64(n))
		if n > 0 && !w.silent.Load() {
			chunks <- chunk{buf[:n], time.Now().Add(delay())}
		}
		if err != nil {
			return
		}
	}
}

func (w *wire) close() {
	w.listener.Close()
	w.mu.Lock()
	w.closed = true
	for _, c := range w.conns {
		c.Close()
	}
	w.mu.Unlock()
	w.running.Wait()
}
