// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build linux

package trial

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
)

var (
	seed     = flag.Uint64("seed", 0, "what TestTrial draws its faults from; 0 draws a seed")
	duration = flag.Duration("duration", time.Minute, "how long TestTrial lasts")
)

func TestMain(m *testing.M) {
	if Child() {
		return
	}
	flag.Parse()
	os.Exit(m.Run())
}

// inOwnFolder makes trials use a temporary folder that nobody else does, and
// requires that they leave nothing in it.
func inOwnFolder(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	t.Cleanup(func() {
		left, err := os.ReadDir(folder)
		require.NoError(t, err)
		require.Empty(t, left, "a trial left files")
		require.Empty(t, children(t), "a trial left processes")
	})
}

func TestTrial(t *testing.T) {
	inOwnFolder(t)
	s := *seed
	if s == 0 {
		s = rand.Uint64()>>33 + 1
	}
	t.Logf("repeat it with: go test ./internal/trial -run TestTrial -seed=%d -duration=%v", s, *duration)
	folder := t.TempDir()
	rep, err := Run(t.Context(), Config{Seed: s, Duration: *duration, Faults: fault.Kinds(), Command: "go test", Logs: folder, Logf: t.Logf})
	require.NoError(t, err)
	require.True(t, rep.Held(), rep.Markdown())
	t.Log(rep.Markdown())

	// That all held means nothing where nothing was done.
	for _, l := range rep.Lanes {
		require.NotZero(t, l.Leaders, l.Name)
		require.NotZero(t, l.Set.Acknowledged, l.Name)
		require.NotZero(t, l.Register.Writes, l.Name)
		require.NotZero(t, l.Slack.Handovers, l.Name)
		require.NotZero(t, l.Calm.Calms, l.Name)
		if l.Observers != nil {
			require.NotZero(t, l.Observers.Saw, l.Name)
		}
	}
	done := 0
	for _, f := range rep.Faults {
		if !f.Skipped && f.Failed == "" {
			done++
		}
	}
	require.Greater(t, done, len(rep.Faults)/2)
	require.NotZero(t, rep.Revocations, "workers were paused and killed, and lost no lease?")

	require.NoError(t, rep.WriteTo(folder))
	for file, part := range map[string]string{
		"README.md": "| leaders elected |", "report.json": `"verdicts": [`, "timeline.svg": "</svg>",
		"m0.log": "elected leader", "m1.log": "elected leader", "m2.log": "elected leader",
	} {
		text, err := os.ReadFile(filepath.Join(folder, file))
		require.NoError(t, err)
		require.Contains(t, string(text), part)
	}
}

func TestTrialThatIsInterrupted(t *testing.T) {
	inOwnFolder(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	rep, err := Run(ctx, Config{Seed: 1, Duration: time.Hour, Faults: fault.Kinds(), Command: "go test", Logf: t.Logf})
	if err != nil { // the cluster took so long to start
		require.True(t, errors.Is(err, context.DeadlineExceeded), err)
		return
	}
	require.False(t, rep.Held())
	require.Equal(t, "it was interrupted", rep.Aborted)
	for _, v := range rep.Verdicts {
		require.True(t, v.Kept || !v.Required, "what was not seen to the end is judged: %v", v)
	}
}

// children returns the processes that this one has started and that are not gone.
func children(t *testing.T) []string {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	var found []string
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // gone by now
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		var state string
		var parent int
		if _, err := fmt.Sscan(rest, &state, &parent); err == nil && parent == os.Getpid() && state != "Z" {
			found = append(found, string(stat))
		}
	}
	return found
}
