// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build linux

package proc

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const long = 20 * time.Second

// The roles of the children of these tests.
const (
	clock   = "clock"   // answers each line with the time
	parent  = "parent"  // starts a clock, tells its ID, and waits
	stalled = "stalled" // tells its stalls, a line each
)

func TestMain(m *testing.M) {
	switch Role() {
	case clock:
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			fmt.Println(int64(Now()))
		}
	case parent:
		p, err := Start(clock, "", func(io.Reader) {})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(p.ID())
		_, _ = io.Copy(io.Discard, os.Stdin)
		select {} // does not end of itself
	case stalled:
		WatchStalls(context.Background(), func(s Stall) { fmt.Println(int64(s.From), int64(s.To)) })
	default:
		os.Exit(m.Run())
	}
}

// start starts a child whose lines come on the channel.
func start(t *testing.T, role string) (*Process, chan string) {
	lines := make(chan string, 100)
	p, err := Start(role, "", func(r io.Reader) {
		defer close(lines)
		for in := bufio.NewScanner(r); in.Scan(); {
			lines <- in.Text()
		}
	})
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	return p, lines
}

func number(t *testing.T, lines chan string) int64 {
	t.Helper()
	select {
	case line := <-lines:
		n, err := strconv.ParseInt(line, 10, 64)
		require.NoError(t, err)
		return n
	case <-time.After(long):
		require.Fail(t, "the child did not answer")
		return 0
	}
}

func TestProcess(t *testing.T) {
	t.Run("SharesTheClock", func(t *testing.T) {
		p, lines := start(t, clock)
		for range 20 {
			before := Now()
			require.NoError(t, p.Tell(""))
			there := time.Duration(number(t, lines))
			require.LessOrEqual(t, before, there)
			require.LessOrEqual(t, there, Now())
		}
	})
	t.Run("StandsStillWhileItIsPaused", func(t *testing.T) {
		p, lines := start(t, clock)
		require.NoError(t, p.Tell(""))
		number(t, lines)
		require.NoError(t, p.Pause())
		require.Eventually(t, func() bool { return state(t, p.ID()) == "T" }, long, time.Millisecond)
		require.NoError(t, p.Tell(""))
		before := Now()
		require.NoError(t, p.Resume())
		require.GreaterOrEqual(t, time.Duration(number(t, lines)), before)
	})
	t.Run("EndsWhenItsInputCloses", func(t *testing.T) {
		p, _ := start(t, clock)
		p.Stop(long)
		require.True(t, p.cmd.ProcessState.Success())
	})
	t.Run("IsKilledWhenItDoesNotEnd", func(t *testing.T) {
		p, lines := start(t, parent)
		number(t, lines)
		p.Stop(10 * time.Millisecond)
		require.Equal(t, syscall.SIGKILL, p.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
	})
	t.Run("IsKilledAlsoWhilePaused", func(t *testing.T) {
		p, _ := start(t, clock)
		require.NoError(t, p.Pause())
		p.Kill()
		require.ErrorIs(t, p.Resume(), os.ErrProcessDone)
	})
	t.Run("EndsWithItsParentHoweverThatEnds", func(t *testing.T) {
		p, lines := start(t, parent)
		child := int(number(t, lines))
		require.NotEmpty(t, state(t, child))
		p.Kill()
		require.Eventually(t, func() bool { s := state(t, child); return s == "" || s == "Z" }, long, time.Millisecond)
	})
}

func TestWatchStalls(t *testing.T) {
	p, lines := start(t, stalled)
	// A pause before the child has begun to watch is not told: then the next one is.
	for deadline := time.Now().Add(long); time.Now().Before(deadline); {
		paused := Now()
		require.NoError(t, p.Pause())
		time.Sleep(2 * longStall) // the pause itself
		resumed := Now()
		require.NoError(t, p.Resume())
		for told := true; told; {
			select {
			case line := <-lines:
				var from, to time.Duration
				_, err := fmt.Sscan(line, &from, &to)
				require.NoError(t, err)
				if from < paused+longStall && to > resumed {
					return
				}
			case <-time.After(longStall):
				told = false
			}
		}
	}
	require.Fail(t, "no pause was told")
}

// state returns what the kernel says of a process, empty if there is none.
func state(t *testing.T, id int) string {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
	if err != nil {
		return ""
	}
	_, rest, found := strings.Cut(string(status), ") ")
	require.True(t, found)
	return rest[:1]
}
