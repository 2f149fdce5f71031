// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package check

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency/chaos/internal/history"
	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
)

func TestCalm(t *testing.T) {
	const ttl = 3 * time.Second
	calm := Calm{From: 100 * time.Second, Until: 107 * time.Second}
	led := func(from, to time.Duration) CalmReport {
		r := &Record{TTL: ttl, Calms: []Calm{calm}}
		return r.Calm(name, []Term{{From: from, To: to}})
	}
	t.Run("IsContentWithALeaderWhoStays", func(t *testing.T) {
		report := led(90*time.Second, 110*time.Second)
		require.Empty(t, report.Leader)
		require.Zero(t, report.Slowest)
	})
	t.Run("IsContentWithANewLeaderInTime", func(t *testing.T) {
		report := led(104*time.Second, 110*time.Second)
		require.Empty(t, report.Leader)
		require.Equal(t, 4*time.Second, report.Slowest)
	})
	t.Run("MissesALeader", func(t *testing.T) {
		require.Len(t, led(106*time.Second, 110*time.Second).Leader, 1)
		require.Len(t, led(90*time.Second, 99*time.Second).Leader, 1)
	})
	t.Run("DoesNotCountAFalseVictory", func(t *testing.T) {
		r := &Record{TTL: ttl, Calms: []Calm{calm}}
		require.Len(t, r.Calm(name, []Term{{From: 90 * time.Second, To: 110 * time.Second, False: true}}).Leader, 1)
	})
}

func TestGhosts(t *testing.T) {
	const at = 100 * time.Second
	key := history.Change{Key: "queue/" + name + "/ab", Lease: 0xab, Rev: 7, CreateRev: 7, At: 50 * time.Second}
	event := func(kind journal.Kind, at time.Duration) journal.Event {
		return journal.Event{Lane: name, Lease: 0xab, Kind: kind, Life: 1, At: at}
	}
	ghosts := func(r Record) []string {
		if r.Changes == nil {
			r.Changes = []history.Change{key}
		}
		return r.ghosts(name, at)
	}
	t.Run("AreKeysOfWhoHasGivenUp", func(t *testing.T) {
		require.Len(t, ghosts(Record{Events: []journal.Event{event(journal.Contend, 49*time.Second), event(journal.Idle, 60*time.Second)}}), 1)
	})
	t.Run("AreKeysOfAProcessThatIsGone", func(t *testing.T) {
		require.Len(t, ghosts(Record{
			Events: []journal.Event{event(journal.Contend, 49*time.Second)},
			Lives:  []Life{{Life: 1, To: 80 * time.Second, Killed: true}},
		}), 1)
	})
	t.Run("AreKeysOfALeaseThatNobodyHas", func(t *testing.T) {
		require.Len(t, ghosts(Record{}), 1)
	})
	t.Run("AreNotKeysOfWhoContends", func(t *testing.T) {
		require.Empty(t, ghosts(Record{Events: []journal.Event{event(journal.Idle, 40*time.Second), event(journal.Contend, 49*time.Second)}}))
	})
	t.Run("AreNotKeysThatAreJustBeingGivenUp", func(t *testing.T) {
		require.Empty(t, ghosts(Record{Events: []journal.Event{event(journal.Contend, 49*time.Second), event(journal.Idle, at-slip/2)}}))
	})
	t.Run("AreNotKeysThatWereDeletedInTime", func(t *testing.T) {
		gone := history.Change{Key: key.Key, Deleted: true, Rev: 8, At: 60 * time.Second}
		require.Empty(t, ghosts(Record{
			Events:  []journal.Event{event(journal.Contend, 49*time.Second), event(journal.Idle, 60*time.Second)},
			Changes: []history.Change{key, gone},
		}))
	})
}
