// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package check

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
)

func TestHangs(t *testing.T) {
	contend := journal.Event{Lane: name, Kind: journal.Contend, Life: 1, At: 10 * time.Second}
	idle := func(at, late time.Duration) journal.Event {
		return journal.Event{Lane: name, Kind: journal.Idle, Life: 1, At: at, Late: late, Note: "context deadline exceeded"}
	}
	pause := func(from, to time.Duration) []fault.Applied {
		return []fault.Applied{{Fault: fault.Fault{Kind: fault.WorkerPause}, From: from, To: to}}
	}
	t.Run("AcceptsACallThatReturnsSoon", func(t *testing.T) {
		report := (&Record{Events: []journal.Event{contend, idle(15*time.Second, 500*time.Millisecond)}}).Hangs(name)
		require.Equal(t, HangReport{Failed: 1, Latest: 500 * time.Millisecond}, report)
	})
	t.Run("SeesACallThatReturnsLate", func(t *testing.T) {
		require.Len(t, (&Record{Events: []journal.Event{contend, idle(15*time.Second, 1100*time.Millisecond)}}).Hangs(name).Hung, 1)
	})
	t.Run("TakesAPauseOff", func(t *testing.T) {
		r := &Record{
			Events: []journal.Event{contend, idle(20*time.Second, 5*time.Second)},
			Faults: pause(15*time.Second, 19900*time.Millisecond),
		}
		require.Empty(t, r.Hangs(name).Hung)
	})
	t.Run("TakesAStallOff", func(t *testing.T) {
		stall := journal.Event{Kind: journal.Stalled, Life: 1, At: 19900 * time.Millisecond, Late: 4900 * time.Millisecond}
		r := &Record{Events: []journal.Event{contend, stall, idle(20*time.Second, 5*time.Second)}}
		require.Empty(t, r.Hangs(name).Hung)
	})
	t.Run("TakesAPauseThatIsAlsoAStallOffOnce", func(t *testing.T) {
		stall := journal.Event{Kind: journal.Stalled, Life: 1, At: 17 * time.Second, Late: 2 * time.Second}
		r := &Record{
			Events: []journal.Event{contend, stall, idle(20*time.Second, 5*time.Second)},
			Faults: pause(15*time.Second, 17*time.Second),
		}
		require.Len(t, r.Hangs(name).Hung, 1)
	})
	t.Run("SeesACallThatNeverReturns", func(t *testing.T) {
		r := &Record{Events: []journal.Event{contend}, Lives: []Life{{Life: 1, To: 40 * time.Second}}}
		require.Len(t, r.Hangs(name).Hung, 1)
	})
	t.Run("AcceptsACallThatAKilledProcessHadNotFinished", func(t *testing.T) {
		r := &Record{Events: []journal.Event{contend}, Lives: []Life{{Life: 1, To: 15 * time.Second, Killed: true}}}
		require.Empty(t, r.Hangs(name).Hung)
	})
}
