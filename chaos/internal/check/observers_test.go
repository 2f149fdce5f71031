// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package check

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
	"github.com/seed-da5263fb/concurrency/chaos/internal/history"
	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
)

// led is the history: a, b, nobody, c, d; each of its own revision.
var led = []history.Leader{
	{Rev: 10, At: 10, Key: "a", Create: 10, Mod: 10, Value: "va"},
	{Rev: 20, At: 20, Key: "b", Create: 15, Mod: 15, Value: "vb"},
	{Rev: 30, At: 30},
	{Rev: 40, At: 40, Key: "c", Create: 40, Mod: 40, Value: "vc"},
	{Rev: 50, At: 50, Key: "d", Create: 45, Mod: 45, Value: "vd"},
}

// sees makes the events of one observer: the indexes in led of what it saw.
func sees(begin time.Duration, indexes ...int) []journal.Event {
	events := []journal.Event{{Lane: name, Kind: journal.Observing, Life: 1, At: begin}}
	for _, i := range indexes {
		l := led[i]
		events = append(events, journal.Event{Lane: name, Kind: journal.Saw, Life: 1, At: l.At + 1, Key: l.Key, Rev: l.Create, ModRev: l.Mod, Value: l.Value})
	}
	return events
}

func compaction(rev int64) []fault.Applied {
	return []fault.Applied{{Fault: fault.Fault{Kind: fault.Compact}, Rev: rev}}
}

func TestObservers(t *testing.T) {
	killed := []Life{{Life: 1, To: 100, Killed: true}}
	forged := sees(5, 0, 1, 2, 3, 4)
	forged[2].Value = "another value"
	deaf := append(sees(5, 0, 1, 2, 3, 4), journal.Event{Lane: name, Kind: journal.Deaf, Life: 1})
	for _, c := range []struct {
		name                    string
		r                       Record
		wrong, missed           int
		compacted, passed, told int
	}{
		{name: "AcceptsWhatIsExact", r: Record{Events: sees(5, 0, 1, 2, 3, 4)}},
		{name: "AcceptsALateBegin", r: Record{Events: sees(35, 2, 3, 4)}},
		{name: "AcceptsABeginWithTheLeaderOfThen", r: Record{Events: sees(25, 1, 2, 3, 4)}},
		{name: "SeesABeginWithWhoWasOver", r: Record{Events: sees(25, 0, 1, 2, 3, 4)}, wrong: 1},
		{name: "SeesAMissedLeader", r: Record{Events: sees(5, 0, 2, 3, 4)}, wrong: 1, missed: 1},
		{name: "SeesAMissedVacancy", r: Record{Events: sees(5, 0, 1, 3, 4)}, wrong: 1, missed: 1},
		{name: "SeesAMissedEnd", r: Record{Events: sees(5, 0, 1, 2)}, wrong: 1, missed: 2},
		{name: "LetsAKilledObserverMissTheEnd", r: Record{Events: sees(5, 0, 1, 2), Lives: killed}},
		{name: "LetsAnObserverMissTheEndOfATrialThatWasCutOff", r: Record{Events: sees(5, 0, 1, 2), CutOff: true}},
		{name: "SeesAStepBack", r: Record{Events: sees(5, 0, 1, 0, 2, 3, 4)}, wrong: 1},
		{name: "SeesALeaderTwice", r: Record{Events: sees(5, 0, 0, 1, 2, 3, 4)}, wrong: 1},
		{name: "SeesAValueThatNobodyProclaimed", r: Record{Events: forged}, wrong: 1},
		{name: "SeesAnObserverThatEndsByItself", r: Record{Events: deaf}, wrong: 1},
		{name: "ExcusesWhatWasCompacted", r: Record{Events: sees(5, 0, 3, 4), Faults: compaction(35)}, compacted: 2},
		{name: "DoesNotExcuseByACompactionOfBefore", r: Record{Events: sees(5, 0, 3, 4), Faults: compaction(10)}, wrong: 1, missed: 2},
		{name: "DoesNotExcuseByACompactionThatWouldHaveToldMore", r: Record{Events: sees(5, 0, 3, 4), Faults: compaction(55)}, wrong: 1, missed: 2},
		{name: "TellsWhatWasPassedOverAfterACompaction", r: Record{Events: sees(5, 0, 3, 4), Faults: compaction(15)}, passed: 2, told: 1},
		{name: "TellsWhatWasCompactedFromWhatWasPassedOver", r: Record{Events: sees(5, 0, 3, 4), Faults: compaction(25)}, compacted: 1, passed: 1, told: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			report := c.r.Observers(name, led, true)
			require.Len(t, report.Wrong, c.wrong, report.Wrong)
			require.Equal(t, c.missed, report.Missed)
			require.Equal(t, c.compacted, report.Compacted)
			require.Equal(t, c.passed, report.Passed)
			require.Len(t, report.Passings, c.told)
		})
	}
	t.Run("DoesNotAskForVacanciesOfWhoIsNotToldThem", func(t *testing.T) {
		r := Record{Events: sees(5, 0, 1, 3, 4)}
		require.Empty(t, r.Observers(name, led, false).Wrong)
	})
	t.Run("TakesAVacancyForTheOneThatACompactionExplains", func(t *testing.T) {
		leaders := []history.Leader{led[0], led[1], led[2], {Rev: 33, At: 33, Key: "x", Create: 33, Mod: 33}, {Rev: 36, At: 36}, led[3]}
		r := Record{Events: sees(5, 0, 2, 3), Faults: append(compaction(15), compaction(37)...)}
		require.Equal(t, ObserverReport{Observers: 1, Saw: 3, Compacted: 3}, r.Observers(name, leaders, true))
	})
	t.Run("JudgesEachLifeByItself", func(t *testing.T) {
		second := sees(45, 3)
		for i := range second {
			second[i].Life = 2
		}
		r := Record{Events: append(sees(5, 0, 1), second...), Lives: killed}
		report := r.Observers(name, led, true)
		require.Equal(t, 2, report.Observers)
		require.Len(t, report.Wrong, 1) // the second was not killed, and missed d
	})
}

func TestCaughtUp(t *testing.T) {
	late := &Record{Events: sees(5, 0, 1)}
	require.False(t, late.CaughtUp(name, led, true))
	late.Lives = []Life{{Life: 1, Killed: true}}
	require.True(t, late.CaughtUp(name, led, true))
	require.True(t, (&Record{Events: sees(5, 4)}).CaughtUp(name, led, true))
}
