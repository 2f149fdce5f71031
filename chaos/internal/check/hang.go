// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package check

import (
	"fmt"
	"time"

	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
)

const (
	// soonAfter is how long after its context's end a call may return.
	soonAfter = time.Second
	// longestCall is how long a worker lets a Campaign or a Lock try.
	longestCall = 10 * time.Second
)

// A HangReport is how calls kept to their time.
type HangReport struct {
	Failed int           `json:"failed"` // calls that returned an error
	Latest time.Duration `json:"latest"` // the longest that one took beyond its context's end
	Hung   []string      `json:"hung,omitempty"`
}

// Hangs looks for calls that returned long after their context had ended, or
// never. Pauses of the worker are taken off.
func (r *Record) Hangs(lane string) HangReport {
	var report HangReport
	waiting := make(map[processID]time.Duration)
	never := func(p processID, began, until time.Duration) {
		if took := until - began - r.pausedFor(p.worker, began, until); took > longestCall+soonAfter {
			report.Hung = append(report.Hung, fmt.Sprintf("worker %d: a call that began at %v had not returned at %v", p.worker, began, until))
		}
	}
	for _, ev := range r.in(lane) {
		p := processOf(ev)
		switch ev.Kind {
		case journal.Contend:
			waiting[p] = ev.At
		case journal.Elected, journal.Idle:
			if began, ok := waiting[p]; ok {
				never(p, began, ev.At)
				delete(waiting, p)
			}
		}
		if ev.Kind != journal.Idle {
			continue
		}
		if ev.Note != "" {
			report.Failed++
		}
		late := ev.Late - r.pausedFor(ev.Worker, ev.At-ev.Late, ev.At)
		report.Latest = max(report.Latest, late)
		if late > soonAfter {
			report.Hung = append(report.Hung, fmt.Sprintf("worker %d: a call returned %v after its context had ended (%s)", ev.Worker, late, ev.Note))
		}
	}
	for p, began := range waiting {
		never(p, began, r.life(p).To)
	}
	return report
}
