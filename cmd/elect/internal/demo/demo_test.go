// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// A tripwire collects output, and cuts once when a text has come by.
type tripwire struct {
	bytes.Buffer
	text string
	cut  func()
}

func (w *tripwire) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if w.cut != nil && strings.Contains(w.String(), w.text) {
		w.cut()
		w.cut = nil
	}
	return n, err
}

// membersConns are the connections among the members: etcd leaves them to their
// read timeout of five seconds.
var membersConns = []goleak.Option{
	goleak.IgnoreAnyFunction("net/http.(*conn).serve"),
	goleak.IgnoreAnyFunction("net/http.(*connReader).backgroundRead"),
	goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
	goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
}

func TestInterruptedRunLeavesNothingBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	for name, text := range map[string]string{
		"WhileTheMembersStart":    "starts three members",
		"WhileALeaderHasCrashed":  "crashes: no goodbye",
		"WhileTheCandidatesEnter": "enters the election",
	} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, append(slices.Clone(membersConns), goleak.IgnoreCurrent())...)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var cutAt time.Time
			out := &tripwire{text: text, cut: func() { cutAt = time.Now(); cancel() }}
			dir := t.TempDir()

			err := Run(ctx, Config{Out: out, Dir: dir, Hold: 200 * time.Millisecond})
			require.ErrorIs(t, err, ErrInterrupted)
			require.Contains(t, out.String(), text)
			require.Less(t, time.Since(cutAt), 6*time.Second)
			requireNothingLeft(t, out.String(), dir)
		})
	}
}

func TestRunEndsWhenItsOutputFails(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	broken := errors.New("broken pipe")
	err := Run(t.Context(), Config{Out: failingWriter{broken}, Dir: t.TempDir()})
	require.ErrorIs(t, err, broken)
	require.Equal(t, "write the output: broken pipe", err.Error())
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// requireNothingLeft checks that the ports which the output names are free, and
// the folder empty.
func requireNothingLeft(t *testing.T, out, dir string) {
	t.Helper()
	for _, address := range regexp.MustCompile(`127\.0\.0\.1:\d+`).FindAllString(out, -1) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		require.Error(t, err, "somebody still listens at %s", address)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}
