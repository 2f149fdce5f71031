// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
	"github.com/seed-da5263fb/concurrency/chaos/internal/history"
	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
)

// A CalmReport is what the calms after the storms showed.
type CalmReport struct {
	Calms   int           `json:"calms"`
	Slowest time.Duration `json:"slowest"` // until somebody led
	Leader  []string      `json:"leader,omitempty"`
	Ghosts  []string      `json:"ghosts,omitempty"`
}

// Calm looks whether somebody leads soon after the faults are over, and whether
// somebody answers for each key in the queue when the calm ends. Time in which
// the trial itself did not run for want of a CPU does not count.
func (r *Record) Calm(in string, terms []Term) CalmReport {
	report := CalmReport{Calms: len(r.Calms)}
	bound := r.TTL + fault.AfterTTL
	for _, calm := range r.Calms {
		waited := bound + 1
		for _, t := range terms {
			if !t.False && t.To > calm.From {
				took := max(t.From-calm.From, 0)
				waited = min(waited, took-covered(r.Stalls, calm.From, calm.From+took))
			}
		}
		if waited > bound {
			report.Leader = append(report.Leader, fmt.Sprintf("nobody led within %v after the faults were over at %v", bound, calm.From))
		}
		report.Slowest = max(report.Slowest, waited)
		report.Ghosts = append(report.Ghosts, r.ghosts(in, calm.Until)...)
	}
	return report
}

// slip is by how much the recorder and a worker's journal may be apart.
const slip = time.Second

// ghosts returns the keys in a lane's queue that nobody answers for at a time.
func (r *Record) ghosts(in string, at time.Duration) []string {
	queues := make(history.Queues)
	for _, c := range r.Changes {
		if c.At <= at {
			queues.Follow(c)
		}
	}
	var ghosts []string
	for _, c := range queues[in] {
		if who := r.owner(in, c.Lease, at); who != "" {
			ghosts = append(ghosts, fmt.Sprintf("at %v nobody answers for %s of revision %d: %s", at, c.Key, c.CreateRev, who))
		}
	}
	slices.Sort(ghosts)
	return ghosts
}

// owner returns why nobody answers for the key of a lease, empty if somebody does.
func (r *Record) owner(in string, lease int64, at time.Duration) string {
	var last *journal.Event
	events := r.in(in)
	for i := range events {
		if ev := &events[i]; ev.Lease == lease && ev.At <= at {
			last = ev
		}
	}
	if last == nil {
		return "no worker has told of its lease"
	}
	if life := r.life(processOf(*last)); life.To < at-slip {
		return fmt.Sprintf("worker %d ended %v before", last.Worker, at-life.To)
	}
	if (last.Kind == journal.Idle || last.Kind == journal.Ended || last.Kind == journal.Session) && last.At < at-slip {
		return fmt.Sprintf("worker %d had given it up %v before (%s)", last.Worker, at-last.At, last.Note)
	}
	return ""
}
