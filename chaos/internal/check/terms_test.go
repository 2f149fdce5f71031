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

func elected(worker int, rev int64, at time.Duration) journal.Event {
	return journal.Event{Lane: name, Kind: journal.Elected, Worker: worker, Life: 1, Key: "k", Rev: rev, At: at}
}

func over(worker int, rev int64, at time.Duration, why string) journal.Event {
	return journal.Event{Lane: name, Kind: journal.Over, Worker: worker, Life: 1, Key: "k", Rev: rev, At: at, Note: why}
}

// slack judges events, where etcd had the given revisions as leaders.
func slack(r *Record, revs ...int64) SlackReport {
	var leaders []history.Leader
	for _, rev := range revs {
		leaders = append(leaders, history.Leader{Key: "k", Create: rev})
	}
	return Slack(r.Terms(name, leaders))
}

func TestSlack(t *testing.T) {
	t.Run("IsTheTimeBetweenTwoTerms", func(t *testing.T) {
		report := slack(&Record{Events: []journal.Event{
			elected(0, 1, 10), over(0, 1, 20, "resigned"), elected(1, 2, 25), over(1, 2, 50, "done: expired"),
			elected(0, 3, 62), over(0, 3, 70, "done: expired"), elected(1, 4, 100),
		}}, 1, 2, 3, 4)
		require.Empty(t, report.Overlaps)
		require.Equal(t, SlackReport{Handovers: 3, AfterLoss: 12, Losses: 2, AfterResign: 5, Resignations: 1}, report)
	})
	t.Run("SeesAnOverlap", func(t *testing.T) {
		report := slack(&Record{Events: []journal.Event{
			elected(0, 1, 10), elected(1, 2, 25), over(0, 1, 30, "done: expired"), over(1, 2, 50, "resigned"),
		}}, 1, 2)
		require.Len(t, report.Overlaps, 1)
		require.EqualValues(t, 5, report.Worst)
	})
	t.Run("SeesAnOverlapWithATermBeforeTheLast", func(t *testing.T) {
		report := slack(&Record{Events: []journal.Event{
			elected(0, 1, 10), elected(1, 2, 100), over(1, 2, 110, "resigned"), elected(2, 3, 120), over(0, 1, 130, "done: expired"),
		}}, 1, 2, 3)
		require.Len(t, report.Overlaps, 2)
	})
	t.Run("SeesATermThatNeverEnds", func(t *testing.T) {
		report := slack(&Record{Events: []journal.Event{elected(0, 1, 10), elected(1, 2, 100)}}, 1, 2)
		require.Len(t, report.Overlaps, 1)
	})
	t.Run("TakesTheEndOfAProcessForThatOfItsTerm", func(t *testing.T) {
		report := slack(&Record{
			Events: []journal.Event{elected(0, 1, 10), elected(1, 2, 100)},
			Lives:  []Life{{Worker: 0, Life: 1, To: 50, Killed: true}, {Worker: 1, Life: 1, To: 200}},
		}, 1, 2)
		require.Empty(t, report.Overlaps)
		require.Equal(t, 1, report.Handovers)
	})
	t.Run("LeavesOutWhoWasPausedBeforeTheNextWasElected", func(t *testing.T) {
		report := slack(&Record{
			Events: []journal.Event{elected(0, 1, 10), elected(1, 2, 25), over(0, 1, 30, "done: expired")},
			Faults: []fault.Applied{{Fault: fault.Fault{Kind: fault.WorkerPause, Worker: 0}, From: 12, To: 29}},
		}, 1, 2)
		require.Empty(t, report.Overlaps)
		require.Equal(t, 1, report.LeftOut)
	})
	t.Run("JudgesWhoWasPausedInAnotherTerm", func(t *testing.T) {
		report := slack(&Record{
			Events: []journal.Event{elected(0, 1, 10), elected(1, 2, 25), over(0, 1, 30, "done: expired")},
			Faults: []fault.Applied{{Fault: fault.Fault{Kind: fault.WorkerPause, Worker: 0}, From: 40, To: 50}},
		}, 1, 2)
		require.Len(t, report.Overlaps, 1)
	})
	t.Run("LeavesOutATermThatAFaultEnded", func(t *testing.T) {
		for _, kind := range []fault.Kind{fault.Revoke, fault.DeleteKey} {
			report := slack(&Record{
				Events: []journal.Event{elected(0, 1, 10), elected(1, 2, 25), over(0, 1, 30, "done: deleted")},
				Faults: []fault.Applied{{Fault: fault.Fault{Kind: kind}, Key: "k", Rev: 1, From: 20}},
			}, 1, 2)
			require.Empty(t, report.Overlaps, kind)
		}
	})
	t.Run("LeavesOutALeaseThatWasRevokedBehindRaftsLeader", func(t *testing.T) {
		key := "queue/" + name + "/ab"
		report := func(revocations ...history.Revocation) SlackReport {
			events := []journal.Event{elected(0, 1, 10), elected(1, 2, 25), over(0, 1, 30, "done: key was deleted")}
			events[0].Key, events[2].Key = key, key
			return Slack((&Record{
				Events:      events,
				Changes:     []history.Change{{Key: key, Rev: 1, CreateRev: 1, Term: 6}, {Key: key, Rev: 3, Deleted: true, At: 22, Term: 7}},
				Revocations: revocations,
			}).Terms(name, nil))
		}
		before := history.Revocation{At: 15, Lease: 0xab, Term: 6, Leader: true}
		follower := history.Revocation{At: 20, Lease: 0xab, Term: 7}
		leader := history.Revocation{At: 19, Lease: 0xab, Term: 7, Leader: true}
		again := history.Revocation{At: 20, Lease: 0xab, Term: 7, Leader: true, Left: 2}
		another := history.Revocation{At: 20, Lease: 0xac, Term: 7}
		later := history.Revocation{At: 23, Lease: 0xab, Term: 7}
		for _, stale := range [][]history.Revocation{{before}, {follower}, {again}, {leader, follower}} {
			require.Equal(t, 1, report(stale...).Early, stale)
			require.Empty(t, report(stale...).Overlaps, stale)
		}
		for _, right := range [][]history.Revocation{{}, {leader}, {before, leader}, {another}, {leader, later}} {
			require.Zero(t, report(right...).Early, right)
			require.Len(t, report(right...).Overlaps, 1, right)
		}
	})
	t.Run("SeesALeaseThatWasTakenWithoutAReason", func(t *testing.T) {
		events := []journal.Event{elected(0, 1, 10), over(0, 1, 20, "done: key of the candidate was deleted"), elected(1, 2, 25)}
		require.Len(t, slack(&Record{Events: events}, 1, 2).Taken, 1)
		struck := []fault.Applied{{Fault: fault.Fault{Kind: fault.DeleteKey}, Key: "k", Rev: 1}}
		require.Empty(t, slack(&Record{Events: events, Faults: struck}, 1, 2).Taken)
	})
	t.Run("SeesAFalseVictory", func(t *testing.T) {
		report := slack(&Record{Events: []journal.Event{elected(0, 1, 10), over(0, 1, 20, "resigned"), elected(1, 2, 25)}}, 1)
		require.Len(t, report.False, 1)
	})
}
