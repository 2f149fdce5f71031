// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package check

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
	"github.com/seed-da5263fb/concurrency/chaos/internal/history"
	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
)

// An ObserverReport is what observers saw of a lane.
type ObserverReport struct {
	Observers int `json:"observers"`
	Saw       int `json:"saw"`
	// Compacted counts changes that an observer missed because they were compacted
	// before it could have them.
	Compacted int `json:"compacted"`
	// Passed counts changes that were missed because an earlier revision, which the
	// observer had yet to hear of, was compacted: etcd still had them.
	Passed   int      `json:"passed"`
	Missed   int      `json:"missed"` // for no such reason
	Wrong    []string `json:"wrong,omitempty"`
	Passings []string `json:"passings,omitempty"`
}

// Observers compares what the observers of a lane saw with who led by etcd's
// history: the same, in the same order, from when they began. Changes may be
// missing only where a compaction got ahead of the observer.
// vacancies tells whether they see that nobody leads.
func (r *Record) Observers(lane string, leaders []history.Leader, vacancies bool) ObserverReport {
	var report ObserverReport
	if !vacancies {
		leaders = slices.DeleteFunc(slices.Clone(leaders), func(l history.Leader) bool { return l.Key == "" })
	}
	byProcess := make(map[processID][]journal.Event)
	for _, ev := range r.in(lane) {
		switch ev.Kind {
		case journal.Observing, journal.Saw, journal.Deaf:
			byProcess[processOf(ev)] = append(byProcess[processOf(ev)], ev)
		}
	}
	var processes []processID
	for p := range byProcess {
		processes = append(processes, p)
	}
	slices.SortFunc(processes, func(a, b processID) int {
		return cmp.Or(cmp.Compare(a.worker, b.worker), cmp.Compare(a.life, b.life))
	})
	for _, p := range processes {
		events := byProcess[p]
		for len(events) > 0 {
			begin := events[0]
			n := 1
			for n < len(events) && events[n].Kind != journal.Observing {
				n++
			}
			o := observer{Record: r, report: &report, who: fmt.Sprintf("worker %d, life %d", p.worker, p.life), leaders: leaders}
			o.check(begin.At, events[1:n], r.CutOff || r.life(p).Killed || n < len(events))
			events = events[n:]
		}
	}
	return report
}

// An observer is one that is being checked.
type observer struct {
	*Record
	report  *ObserverReport
	who     string
	leaders []history.Leader
}

func (o observer) wrong(format string, args ...any) {
	o.report.Wrong = append(o.report.Wrong, o.who+": "+fmt.Sprintf(format, args...))
}

func (o observer) check(begin time.Duration, events []journal.Event, cutOff bool) {
	o.report.Observers++
	next := -1 // index into leaders of what is due; -1 until it is known
	vacant := false
	for _, ev := range events {
		if ev.Kind == journal.Deaf {
			o.wrong("it ended by itself: %s", ev.Note)
			continue
		}
		o.report.Saw++
		if next < 0 && ev.Key == "" {
			vacant = true // which vacancy that was, the next sighting tells
			continue
		}
		at := o.find(next, ev)
		switch {
		case at < 0:
			o.wrong("it saw %q with %q of revision %d at %v, which is not in the history after what it saw before", ev.Key, ev.Value, ev.ModRev, ev.At)
			return
		case next >= 0:
			o.missed(next, at)
		case vacant:
			before := at
			for before > 0 && o.leaders[before-1].Key != "" {
				before--
			}
			o.missed(before, at)
		case at+1 < len(o.leaders) && o.leaders[at+1].At < begin:
			// The recorder hears of a change after it was made.
			o.wrong("it began at %v with %q of revision %d, which was over by then", begin, ev.Key, ev.ModRev)
		}
		next = at + 1
	}
	if !cutOff && max(next, 0) < len(o.leaders) && !(vacant && next < 0) {
		o.missed(max(next, 0), len(o.leaders))
	}
}

// find returns the index of what was seen, -1 if it is not in the history after
// what was seen before. One vacancy looks like another: it is the one that leaves
// the least to explain, and of several the first.
func (o observer) find(next int, ev journal.Event) int {
	best, worst := -1, 0
	for at := max(next, 0); at < len(o.leaders); at++ {
		l := o.leaders[at]
		if l.Key != ev.Key || l.Key != "" && (l.Mod != ev.ModRev || l.Value != ev.Value || l.Create != ev.Rev) {
			continue
		}
		if l.Key != "" || next < 0 {
			return at
		}
		unexplained := at - next
		if gone, passed := o.compacted(next, at); passed {
			unexplained -= gone
		}
		if best < 0 || unexplained < worst {
			best, worst = at, unexplained
		}
		if unexplained == 0 {
			break
		}
	}
	return best
}

// missed accounts for the changes from index from on that were not seen before
// the one of index to was.
func (o observer) missed(from, to int) {
	if from >= to {
		return
	}
	gone, passed := o.compacted(from, to)
	switch n := to - from; {
	case !passed:
		o.report.Missed += n
		o.wrong("it missed %d changes from revision %d on", n, o.leaders[from].Rev)
	default:
		o.report.Compacted += gone
		if n > gone {
			o.report.Passed += n - gone
			o.report.Passings = append(o.report.Passings, fmt.Sprintf(
				"%s: it missed %d changes from revision %d on that no compaction had taken, after one of an earlier revision",
				o.who, n-gone, o.leaders[from+gone].Rev))
		}
	}
}

// compacted tells how many of the changes from index from on were compacted when
// the observer learnt of that of index to, and whether any compaction can have
// made it pass over them: then it was refused the revision that it asked for,
// which comes after that of the last change that it had seen.
func (o observer) compacted(from, to int) (gone int, passed bool) {
	if to == len(o.leaders) {
		return 0, false // it has to catch up in the end
	}
	ledUntil, seen := int64(1<<63-1), int64(0)
	if to+1 < len(o.leaders) {
		ledUntil = o.leaders[to+1].Rev
	}
	if from > 0 {
		seen = o.leaders[from-1].Rev
	}
	for _, f := range o.Faults {
		// What is told instead is who led at the revision that was compacted up to, or
		// later.
		if f.Kind != fault.Compact || f.Rev <= seen || f.Rev >= ledUntil {
			continue
		}
		passed = true
		for i := from; i < to && o.leaders[i].Rev < f.Rev; i++ {
			gone = max(gone, i+1-from)
		}
	}
	return gone, passed
}

// CaughtUp reports whether every observer of a lane that lasts, or was not killed,
// has seen the last change.
func (r *Record) CaughtUp(lane string, leaders []history.Leader, vacancies bool) bool {
	if !vacancies {
		leaders = slices.DeleteFunc(slices.Clone(leaders), func(l history.Leader) bool { return l.Key == "" })
	}
	if len(leaders) == 0 {
		return true
	}
	last := make(map[processID]journal.Event)
	for _, ev := range r.in(lane) {
		if ev.Kind == journal.Observing || ev.Kind == journal.Saw {
			last[processOf(ev)] = ev
		}
	}
	due := leaders[len(leaders)-1]
	for p, ev := range last {
		if !r.life(p).Killed && (ev.Key != due.Key || ev.ModRev != due.Mod) {
			return false
		}
	}
	return true
}
