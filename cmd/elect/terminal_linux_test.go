// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openTerminal returns both sides of a new terminal: where somebody types, and
// where a program reads.
func openTerminal(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	keyboard = os.NewFile(uintptr(fd), "keyboard")
	t.Cleanup(func() { _ = keyboard.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tty.Close() })
	go func() { _, _ = io.Copy(io.Discard, keyboard) }() // the echo
	return keyboard, tty
}

func TestTheCommandHasTheTerminal(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	keyboard, tty := openTerminal(t)
	p := electAs(t, &syscall.SysProcAttr{Setsid: true, Setctty: true}, at(e.endpoint()), tty,
		"run", name(t), "--restart=always", "--", "ACTOR", "-echo")
	p.started()
	typed := func(keys string) {
		_, err := keyboard.WriteString(keys)
		require.NoError(t, err)
	}
	typed("hello\n")
	p.await("command", "read hello", 1)
	typed("\x1a") // Ctrl-Z
	typed("again\n")
	p.await("command", "read again", 1)
	typed("\x03") // Ctrl-C
	require.Equal(t, exitSignalled+int(syscall.SIGINT), p.code())
}
