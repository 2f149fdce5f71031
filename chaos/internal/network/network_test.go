// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package network

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const long = 20 * time.Second

// A world is a link to a server that answers each line with the same line.
type world struct {
	*testing.T
	link *Link
	got  chan string // what reached the server
}

func newWorld(t *testing.T) *world {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	w := &world{T: t, got: make(chan string, 100)}
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					w.got <- lines.Text()
					fmt.Fprintln(conn, lines.Text())
				}
			}()
		}
	}()
	n := New()
	t.Cleanup(n.Close)
	port, err := FreePort("127.0.0.1")
	require.NoError(t, err)
	w.link, err = n.Link("link", fmt.Sprintf("127.0.0.1:%d", port), server.Addr().String())
	require.NoError(t, err)
	return w
}

func (w *world) dial() net.Conn {
	w.Helper()
	conn, err := net.Dial("tcp", w.link.Address())
	require.NoError(w, err)
	w.Cleanup(func() { conn.Close() })
	require.NoError(w, conn.SetDeadline(time.Now().Add(long)))
	return conn
}

// echo sends a line and waits for the answer.
func (w *world) echo(conn net.Conn, line string) {
	w.Helper()
	_, err := fmt.Fprintln(conn, line)
	require.NoError(w, err)
	answer := make([]byte, len(line)+1)
	_, err = io.ReadFull(conn, answer)
	require.NoError(w, err)
	require.Equal(w, line+"\n", string(answer))
	require.Equal(w, line, <-w.got)
}

// silent requires that nothing comes for a moment.
func (w *world) silent(conn net.Conn) {
	w.Helper()
	require.NoError(w, conn.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err := conn.Read(make([]byte, 1))
	var timeout net.Error
	require.ErrorAs(w, err, &timeout)
	require.True(w, timeout.Timeout(), "the connection was ended: %v", err)
}

func TestLink(t *testing.T) {
	t.Run("PassesOn", func(t *testing.T) {
		w := newWorld(t)
		w.echo(w.dial(), "hello")
	})
	t.Run("EndsConnectionsAndRefusesNewOnesWhileItIsCut", func(t *testing.T) {
		w := newWorld(t)
		conn := w.dial()
		w.echo(conn, "hello")
		require.NoError(t, w.link.Cut())
		_, err := conn.Read(make([]byte, 1))
		require.Error(t, err)
		_, err = net.Dial("tcp", w.link.Address())
		require.Error(t, err)
		require.NoError(t, w.link.Heal())
		w.echo(w.dial(), "again")
	})
	t.Run("SwallowsRequests", func(t *testing.T) {
		w := newWorld(t)
		conn := w.dial()
		w.echo(conn, "hello")
		require.NoError(t, w.link.Silence(ToServer))
		_, err := fmt.Fprintln(conn, "lost")
		require.NoError(t, err)
		w.silent(conn)
		require.Empty(t, w.got)
	})
	t.Run("SwallowsAnswers", func(t *testing.T) {
		w := newWorld(t)
		conn := w.dial()
		w.echo(conn, "hello")
		require.NoError(t, w.link.Silence(ToClient))
		_, err := fmt.Fprintln(conn, "half lost")
		require.NoError(t, err)
		require.Equal(t, "half lost", <-w.got)
		w.silent(conn)
	})
	t.Run("EndsConnectionsThatHaveLostBytesWhenItHeals", func(t *testing.T) {
		w := newWorld(t)
		conn := w.dial()
		w.echo(conn, "hello")
		require.NoError(t, w.link.Silence(ToServer))
		require.NoError(t, w.link.Silence(ToClient))
		require.NoError(t, w.link.Heal())
		_, err := conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		w.echo(w.dial(), "again")
	})
	t.Run("IsSlow", func(t *testing.T) {
		w := newWorld(t)
		conn := w.dial()
		require.NoError(t, w.link.Slow(ToClient, 200*time.Millisecond, 50*time.Millisecond))
		begin := time.Now()
		w.echo(conn, "hello")
		require.Greater(t, time.Since(begin), 150*time.Millisecond)
		require.NoError(t, w.link.Heal())
		w.echo(conn, "the same connection")
	})
	t.Run("IsNarrow", func(t *testing.T) {
		w := newWorld(t)
		conn := w.dial()
		require.NoError(t, w.link.Narrow(ToServer, 10))
		begin := time.Now()
		w.echo(conn, string(make([]byte, 2000)))
		require.Greater(t, time.Since(begin), 150*time.Millisecond)
	})
}

func TestFreePort(t *testing.T) {
	seen := make(map[int]bool)
	for range 50 {
		port, err := FreePort("127.0.0.1")
		require.NoError(t, err)
		require.False(t, seen[port])
		seen[port] = true
	}
}
