// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newTestScreen(out *bytes.Buffer, colour, live bool) *screen {
	return newScreen(out, colour, live, func() time.Duration { return 0 }, func(error) {})
}

func TestScreen(t *testing.T) {
	t.Run("LinesComeInTheOrderOfTheirTimes", func(t *testing.T) {
		var out bytes.Buffer
		s := newTestScreen(&out, false, false)
		s.say(2*time.Second, "ben", "LEADS")
		s.say(1*time.Second, "ada", "stops leading: it resigned")
		s.say(9*time.Second, "eve", "is later")
		s.show(5*time.Second, "a status that a file has no use for")
		require.Equal(t, "  1.000  ada       stops leading: it resigned\n  2.000  ben       LEADS\n", out.String())
	})
	t.Run("TheStatusStaysBelowTheLines", func(t *testing.T) {
		var out bytes.Buffer
		s := newTestScreen(&out, false, true)
		s.show(0, "first")
		s.say(0, "ada", "LEADS")
		s.show(0, "second")
		s.show(0, "")
		const erase, status, wrap = "\r\x1b[2K", "\x1b[?7l", "\x1b[?7h"
		require.Equal(t, erase+status+"first"+wrap+erase+"  0.000  ada       LEADS\n"+status+"second"+wrap+erase, out.String())
	})
	t.Run("ColoursOnlyWhereTheyAreWanted", func(t *testing.T) {
		var out bytes.Buffer
		s := newTestScreen(&out, true, false)
		s.say(0, "ada", "LEADS, by its key")
		s.show(0, "")
		require.Equal(t, "\x1b[2m  0.000\x1b[0m  \x1b[36mada     \x1b[0m  \x1b[1;32mLEADS\x1b[0m, by its key\n", out.String())
	})
}
