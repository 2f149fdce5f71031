// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package check

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
)

// name is the lane of all tests here.
const name = "this-election-fenced"

func added(value, result string) journal.Event {
	return journal.Event{Lane: name, Kind: journal.Return, What: journal.Add, Value: value, Result: result}
}

func TestSet(t *testing.T) {
	t.Run("MissesAnAcknowledgedElement", func(t *testing.T) {
		r := &Record{
			Events: []journal.Event{added("a", journal.OK), added("b", journal.OK)},
			Sets:   map[string][]string{name: {"b"}},
		}
		report := r.Set(name)
		require.Equal(t, 2, report.Acknowledged)
		require.Len(t, report.Lost, 1)
		require.Contains(t, report.Lost[0], "a, acknowledged")
	})
	t.Run("LetsAnElementBeMissingThatWasNotAcknowledged", func(t *testing.T) {
		r := &Record{
			Events: []journal.Event{added("a", journal.OK), added("b", journal.Refused), added("c", journal.Unknown), added("d", journal.Failed)},
			Sets:   map[string][]string{name: {"a"}},
		}
		require.Equal(t, SetReport{Acknowledged: 1, Refused: 1, Unknown: 1}, r.Set(name))
	})
	t.Run("IsNotJudgedWhereItWasNotRead", func(t *testing.T) {
		r := &Record{Events: []journal.Event{added("a", journal.OK)}, CutOff: true}
		require.Empty(t, r.Set(name).Lost)
	})
	t.Run("LooksAtItsOwnLaneOnly", func(t *testing.T) {
		other := added("a", journal.OK)
		other.Lane = "this-mutex-fenced"
		r := &Record{Events: []journal.Event{other}}
		require.Empty(t, r.Set(name).Lost)
		require.Len(t, r.Set(other.Lane).Lost, 1)
	})
}
