// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package check

import (
	"time"

	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
)

// Starved returns how often the trial or a worker did not run though no fault
// paused it, and the longest such time.
func (r *Record) Starved() (times int, longest time.Duration) {
	for _, s := range r.Stalls {
		times++
		longest = max(longest, s.To-s.From)
	}
	for _, ev := range r.Events {
		if ev.Kind == journal.Stalled && !r.faulty(ev) {
			times++
			longest = max(longest, ev.Late)
		}
	}
	return times, longest
}

// faulty reports whether a stall is that of a fault.
func (r *Record) faulty(stall journal.Event) bool {
	for _, f := range r.Faults {
		if f.Kind == fault.WorkerPause && !f.Skipped && f.Worker == stall.Worker && f.From < stall.At && stall.At-stall.Late < f.To {
			return true
		}
	}
	return false
}
