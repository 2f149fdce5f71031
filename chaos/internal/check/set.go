// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package check

import (
	"fmt"

	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
)

// A SetReport is what became of the elements that were added to a set.
type SetReport struct {
	Acknowledged int      `json:"acknowledged"`
	Refused      int      `json:"refused"`
	Unknown      int      `json:"unknown"`
	Lost         []string `json:"lost,omitempty"`
}

// Set looks for elements of a lane's set that were acknowledged and are not there.
func (r *Record) Set(lane string) SetReport {
	var report SetReport
	there := make(map[string]bool)
	for _, e := range r.Sets[lane] {
		there[e] = true
	}
	for _, ev := range r.in(lane) {
		if ev.Kind != journal.Return || ev.What != journal.Add {
			continue
		}
		switch ev.Result {
		case journal.OK:
			report.Acknowledged++
			if !there[ev.Value] && !r.CutOff {
				report.Lost = append(report.Lost, fmt.Sprintf("%s, acknowledged to worker %d in the term of revision %d", ev.Value, ev.Worker, ev.Rev))
			}
		case journal.Refused:
			report.Refused++
		case journal.Unknown:
			report.Unknown++
		}
	}
	return report
}
