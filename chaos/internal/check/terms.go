// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
	"github.com/seed-da5263fb/concurrency/chaos/internal/history"
	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
	"github.com/seed-da5263fb/concurrency/chaos/internal/lane"
)

// A Term is one time that a worker believed itself leader.
type Term struct {
	Worker, Life int
	Key          string
	Rev          int64
	From, To     time.Duration
	Why          string // it ended
	Paused       bool   // the worker was paused while it lasted
	Struck       bool   // the key was deleted or the lease revoked by a fault
	Early        bool   // etcd ended the lease before its time
	False        bool   // in etcd's history it never was
}

// LeftOut reports whether the worker could not know in time that its term was over:
// because it did not run, or because the term was ended in etcd, where both sides
// hear of it at the same moment. Only the fence helps then.
func (t Term) LeftOut() bool { return t.Paused || t.Struck || t.Early }

// Terms returns the terms of a lane, in the order of their revisions.
func (r *Record) Terms(in string, leaders []history.Leader) []Term {
	type place struct {
		key string
		rev int64
	}
	real := make(map[place]bool)
	for _, l := range leaders {
		real[place{l.Key, l.Create}] = true
	}
	deleted := make(map[place]history.Change)
	created := make(map[string]int64)
	for _, c := range r.Changes {
		if c.Deleted {
			deleted[place{c.Key, created[c.Key]}] = c
		} else {
			created[c.Key] = c.CreateRev
		}
	}
	var terms []Term
	events := r.in(in)
	for i, ev := range events {
		if ev.Kind != journal.Elected {
			continue
		}
		life := r.life(processOf(ev))
		t := Term{Worker: ev.Worker, Life: ev.Life, Key: ev.Key, Rev: ev.Rev, From: ev.At, To: life.To, Why: "its process ended"}
		for _, later := range events[i+1:] {
			if later.Kind == journal.Over && processOf(later) == processOf(ev) && later.Rev == ev.Rev && later.Key == ev.Key {
				t.To, t.Why = later.At, later.Note
				break
			}
		}
		p := place{t.Key, t.Rev}
		t.Struck, t.False = r.struck(t), !real[p]
		if end, ok := deleted[p]; ok {
			t.Early = r.early(t, end)
		}
		t.Paused = r.pausedFor(t.Worker, t.From, t.To) > 0
		terms = append(terms, t)
	}
	slices.SortStableFunc(terms, func(a, b Term) int { return cmp.Or(cmp.Compare(a.Rev, b.Rev), cmp.Compare(a.From, b.From)) })
	return terms
}

// struck reports whether a fault may have ended the term in etcd. A deletion is of
// one candidacy, but a lease that is revoked may have another one by then.
func (r *Record) struck(t Term) bool {
	for _, f := range r.Faults {
		switch {
		case f.Key != t.Key:
		case f.Kind == fault.DeleteKey && f.Rev == t.Rev, f.Kind == fault.Revoke && f.From <= t.To:
			return true
		}
	}
	return false
}

// early reports whether a term was ended by a member that had lost raft's leadership
// after it had found the lease expired: etcd's own mistake. end is the deletion of
// the term's key.
func (r *Record) early(t Term, end history.Change) bool {
	if end.At >= t.To && !strings.Contains(t.Why, "deleted") {
		return false // it was over before
	}
	_, lease, _ := lane.Of(t.Key)
	var last history.Revocation
	for _, v := range r.Revocations {
		if v.Lease == lease && v.At <= end.At && v.At > last.At {
			last = v
		}
	}
	return last.At > 0 && last.Stale(end)
}

// A SlackReport is how much time was between the end of one term and the begin of
// the next.
type SlackReport struct {
	Handovers int `json:"handovers"` // that were judged
	LeftOut   int `json:"leftOut"`
	Early     int `json:"early"` // of those left out
	// The smallest time from when a leader knew that it was over, to when the next
	// knew that it leads: where the leader had lost its lease or could no longer
	// trust it, and where it resigned.
	AfterLoss    time.Duration `json:"afterLoss"`
	Losses       int           `json:"losses"`
	AfterResign  time.Duration `json:"afterResign"`
	Resignations int           `json:"resignations"`
	Overlaps     []string      `json:"overlaps,omitempty"`
	Worst        time.Duration `json:"worst"` // the longest overlap
	False        []string      `json:"false,omitempty"`
	// Taken: terms that ended because etcd had deleted the key, which are not left out:
	// the worker could have trusted its lease for longer than etcd did.
	Taken []string `json:"taken,omitempty"`
}

// Slack looks for two workers that believed themselves leaders at a time, by the
// machine's clock, among the terms that are not left out.
func Slack(terms []Term) SlackReport {
	var report SlackReport
	var before *Term // of those judged, the one that ended last
	for i := range terms {
		t := &terms[i]
		if t.False {
			report.False = append(report.False, fmt.Sprintf("worker %d was told that it leads with %s of revision %d, which etcd never had as first", t.Worker, t.Key, t.Rev))
		}
		if before != nil && before.Rev != t.Rev {
			slack := t.From - before.To
			report.Handovers++
			switch {
			case strings.HasPrefix(before.Why, "done"):
				if report.Losses++; report.Losses == 1 || slack < report.AfterLoss {
					report.AfterLoss = slack
				}
			case before.Why == "resigned":
				if report.Resignations++; report.Resignations == 1 || slack < report.AfterResign {
					report.AfterResign = slack
				}
			}
			if slack < 0 {
				report.Worst = max(report.Worst, -slack)
				report.Overlaps = append(report.Overlaps, fmt.Sprintf(
					"worker %d led with revision %d until %v (%s), worker %d with revision %d from %v: %v earlier",
					before.Worker, before.Rev, before.To, before.Why, t.Worker, t.Rev, t.From, -slack))
			}
		}
		if t.Early {
			report.Early++
		}
		if !t.LeftOut() && strings.Contains(t.Why, "deleted") {
			report.Taken = append(report.Taken, fmt.Sprintf("worker %d led with %s of revision %d until %v, when etcd had taken the key (%s)", t.Worker, t.Key, t.Rev, t.To, t.Why))
		}
		if t.LeftOut() {
			report.LeftOut++
			continue
		}
		if before == nil || t.To > before.To {
			before = t
		}
	}
	return report
}
