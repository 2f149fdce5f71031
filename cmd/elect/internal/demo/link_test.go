// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// echo returns the address of a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return ln.Addr().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ask sends a byte and returns what comes back, or why nothing does.
func ask(t *testing.T, c net.Conn, patience time.Duration) (string, error) {
	t.Helper()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	_, err := c.Write([]byte("x"))
	require.NoError(t, err)
	buf := make([]byte, 1)
	_, err = io.ReadFull(c, buf)
	return string(buf), err
}

func TestLink(t *testing.T) {
	already := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, already) })
	l, err := newLink([]string{echo(t)})
	require.NoError(t, err)
	defer l.close()
	address := l.addresses()[0]

	c := dial(t, address)
	got, err := ask(t, c, 5*time.Second)
	require.NoError(t, err)
	require.Equal(t, "x", got)

	l.silence()
	_, err = ask(t, c, 100*time.Millisecond)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "a cut link carries nothing and tells nothing")
	_, err = ask(t, dial(t, address), 100*time.Millisecond)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "nor do new connections")

	l.heal()
	require.NoError(t, c.SetDeadline(time.Now().Add(5*time.Second)))
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err, "a connection that has lost bytes is ended")
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	got, err = ask(t, dial(t, address), 5*time.Second)
	require.NoError(t, err)
	require.Equal(t, "x", got)

	l.close()
	_, err = net.Dial("tcp", address)
	require.Error(t, err, "the port is free again")
}
