// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// stateOf returns the state of a process as ps has it, "" if there is none.
func stateOf(t *testing.T, pid int) string {
	t.Helper()
	return ps(t, "state=", pid)
}

func parentOf(t *testing.T, pid int) int {
	t.Helper()
	parent, err := strconv.Atoi(ps(t, "ppid=", pid))
	require.NoError(t, err)
	return parent
}

func ps(t *testing.T, what string, pid int) string {
	t.Helper()
	out, err := exec.Command("ps", "-o", what, "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}
