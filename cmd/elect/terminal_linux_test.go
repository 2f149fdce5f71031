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

// openTerminal returns the two ends of a new terminal: that of who sits at it, who
// types and sees what is written, and that of the program.
func openTerminal(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { _ = user.Close() })
	fd := int(user.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = program.Close() })
	return user, program
}

func TestTheCommandHasTheTerminal(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	user, tty := openTerminal(t)
	go func() { _, _ = io.Copy(io.Discard, user) }() // the echo
	p := electAs(t, &syscall.SysProcAttr{Setsid: true, Setctty: true}, at(e.endpoint()), tty,
		"run", name(t), "--restart=always", "--", "ACTOR", "-echo")
	p.started()
	typed := func(keys string) {
		_, err := user.WriteString(keys)
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
