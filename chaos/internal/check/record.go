// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package check holds what a trial recorded against what was promised. All of it
// is judged after the fact, from times of one machine's clock, the journals of the
// workers and etcd's history.
package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
	"github.com/seed-da5263fb/concurrency/chaos/internal/history"
	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
	"github.com/seed-da5263fb/concurrency/chaos/internal/proc"
)

// A Record is all that a trial took down.
type Record struct {
	TTL         time.Duration
	Events      []journal.Event // of each life in its order
	Lives       []Life
	Changes     []history.Change // of etcd
	Gaps        []history.Gap
	Revocations []history.Revocation // that members asked for of themselves
	Faults      []fault.Applied
	Calms       []Calm
	Sets        map[string][]string // by lane: the elements at the end
	Left        []string            // keys that stood after all workers had stopped
	// CutOff: the trial ended before its time. Then the sets were not read, and
	// observers could not catch up.
	CutOff bool

	Stalls []proc.Stall // of the process that makes the trial

	// Made when they are needed.
	byLane map[string][]journal.Event
	pauses map[int][]proc.Stall
}

// A Life is one process of a worker.
type Life struct {
	Worker, Life int
	From, To     time.Duration
	// Killed: it was not asked to end. What it saw last nobody knows.
	Killed bool
}

// A Calm is a time without faults.
type Calm struct{ From, Until time.Duration }

type processID struct{ worker, life int }

func processOf(ev journal.Event) processID { return processID{ev.Worker, ev.Life} }

func (r *Record) life(of processID) Life {
	for _, l := range r.Lives {
		if l.Worker == of.worker && l.Life == of.life {
			return l
		}
	}
	return Life{Worker: of.worker, Life: of.life, To: 1<<63 - 1}
}

// pausedFor returns how long a worker did not run between two times: because of a
// fault, or because others had the CPUs.
func (r *Record) pausedFor(worker int, from, to time.Duration) time.Duration {
	if r.pauses == nil {
		r.pauses = make(map[int][]proc.Stall)
		for _, f := range r.Faults {
			if f.Kind == fault.WorkerPause && !f.Skipped {
				r.pauses[f.Worker] = append(r.pauses[f.Worker], proc.Stall{From: f.From, To: f.To})
			}
		}
		for _, ev := range r.Events {
			if ev.Kind == journal.Stalled {
				r.pauses[ev.Worker] = append(r.pauses[ev.Worker], proc.Stall{From: ev.At - ev.Late, To: ev.At})
			}
		}
		for _, p := range r.pauses {
			slices.SortFunc(p, func(a, b proc.Stall) int { return cmp.Compare(a.From, b.From) })
		}
	}
	return covered(r.pauses[worker], from, to)
}

// covered returns how much of the time between from and to the stalls cover, which
// are in order of From and may overlap.
func covered(stalls []proc.Stall, from, to time.Duration) time.Duration {
	var sum time.Duration
	for _, s := range stalls {
		sum += max(min(s.To, to)-max(s.From, from), 0)
		from = max(from, s.To)
	}
	return sum
}

// in returns the events of one lane.
func (r *Record) in(lane string) []journal.Event {
	if r.byLane == nil {
		r.byLane = make(map[string][]journal.Event)
		for _, ev := range r.Events {
			r.byLane[ev.Lane] = append(r.byLane[ev.Lane], ev)
		}
	}
	return r.byLane[lane]
}
