// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package check

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
	"github.com/seed-da5263fb/concurrency/chaos/internal/lane"
)

// A RegisterReport is what the history of a register came to.
type RegisterReport struct {
	Reads        int      `json:"reads"`
	Writes       int      `json:"writes"`
	Refused      int      `json:"refused"`
	Resolved     int      `json:"resolved"` // writes without an answer that etcd's history decided
	Linearizable bool     `json:"linearizable"`
	Problems     []string `json:"problems,omitempty"`

	info *porcupine.LinearizationInfo
}

// An access is a read or a write that was applied, within a term.
type access struct {
	write bool
	term  int64
	value string // written, or read
}

// A state is a register's: its value, and the newest term that has accessed it.
type state struct {
	term  int64
	value string
}

// fencedRegister is a register that nobody accesses after a later term has: that
// is what the fence adds to linearizability.
var fencedRegister = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(st, input, _ any) (bool, any) {
		s, a := st.(state), input.(access)
		if a.term < s.term || !a.write && a.value != s.value {
			return false, s
		}
		return true, state{a.term, a.value}
	},
	DescribeOperation: func(input, _ any) string {
		a := input.(access)
		if a.write {
			return fmt.Sprintf("term %d writes %s", a.term, a.value)
		}
		return fmt.Sprintf("term %d reads %q", a.term, a.value)
	},
	DescribeState: func(st any) string {
		s := st.(state)
		return fmt.Sprintf("%q of term %d", s.value, s.term)
	},
}

// checkTime bounds the search for an order.
const checkTime = time.Minute

// Register looks for an order of a register's reads and writes that explains all
// of them.
func (r *Record) Register(name string) RegisterReport {
	report, ops := r.accesses(name)
	result, info := porcupine.CheckOperationsVerbose(fencedRegister, ops, checkTime)
	report.Linearizable = result == porcupine.Ok
	report.info = &info
	switch result {
	case porcupine.Illegal:
		report.Problems = append(report.Problems, "no order of the reads and writes explains them all")
	case porcupine.Unknown:
		report.Problems = append(report.Problems, fmt.Sprintf("the search for an order took longer than %v", checkTime))
	}
	return report
}

// Draw writes porcupine's picture of the search to a file.
func (p RegisterReport) Draw(path string) error {
	return porcupine.VisualizePath(fencedRegister, *p.info, path)
}

// accesses returns the operations that were applied. Whether a write without
// an answer was, etcd's history says, since no two write the same value; it
// was then applied before the recorder heard of it.
func (r *Record) accesses(name string) (RegisterReport, []porcupine.Operation) {
	var report RegisterReport
	applied := make(map[string]time.Duration)
	for _, c := range r.Changes {
		if c.Key == lane.RegisterPrefix+name {
			applied[c.Value] = c.At
		}
	}
	type id struct {
		processID
		op int64
	}
	returns := make(map[id]journal.Event)
	events := r.in(name)
	for _, ev := range events {
		if ev.Kind == journal.Return {
			returns[id{processOf(ev), ev.Op}] = ev
		}
	}
	for _, gap := range r.Gaps {
		if gap.Prefix == lane.RegisterPrefix {
			report.Problems = append(report.Problems, fmt.Sprintf("revisions %d to %d of the registers were compacted before they were recorded", gap.From, gap.To))
		}
	}
	var ops []porcupine.Operation
	for _, call := range events {
		if call.Kind != journal.Call || call.What == journal.Add {
			continue
		}
		ret, answered := returns[id{processOf(call), call.Op}]
		heard, inHistory := applied[call.Value]
		a := access{write: call.What == journal.Write, term: call.Rev, value: call.Value}
		end := ret.At
		switch {
		case !a.write && answered && ret.Result == journal.OK:
			a.value = ret.Value
			report.Reads++
		case !a.write:
			continue
		case answered && ret.Result == journal.OK:
			report.Writes++
			if !inHistory {
				report.Problems = append(report.Problems, fmt.Sprintf("the write of %s was acknowledged and is not in etcd's history", call.Value))
			}
		case answered && ret.Result == journal.Refused:
			report.Refused++
			if inHistory {
				report.Problems = append(report.Problems, fmt.Sprintf("the write of %s was refused and is in etcd's history", call.Value))
			}
			continue
		case inHistory:
			report.Writes++
			report.Resolved++
			end = max(heard, call.At)
		default:
			report.Resolved++
			continue
		}
		ops = append(ops, porcupine.Operation{ClientId: call.Worker, Input: a, Call: int64(call.At), Return: int64(end)})
	}
	slices.SortStableFunc(ops, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	return report, ops
}
