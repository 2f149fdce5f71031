// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/seed-da5263fb/concurrency/chaos/internal/check"
	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
	"github.com/seed-da5263fb/concurrency/chaos/internal/lane"
)

// Markdown returns the summary.
func (r *Report) Markdown() string {
	var b strings.Builder
	held := "all that is promised held"
	if !r.Held() {
		held = "NOT ALL HELD"
	}
	fmt.Fprintf(&b, "# Chaos, seed %d: %s\n\n", r.Seed, held)
	fmt.Fprintf(&b, "`%s`, %s, for %v; TTL %v; %s.\n", r.Command, r.Began.UTC().Format(time.DateTime), r.Took.Round(time.Second), r.TTL, strings.Join(r.Versions, ", "))
	if r.Stalls > 0 {
		fmt.Fprintf(&b, "\nThe machine was short of CPU: %d times a process did not run for 0.2 s or more, the longest for %s. Such times are left out as pauses are.\n", r.Stalls, duration(r.Longest))
	}
	fmt.Fprintf(&b, "\nMembers revoked %d leases that they had found expired; at %d of these they were not raft's leader, or knew that the lease lived.\n", r.Revocations, r.Behind)
	if r.Aborted != "" {
		fmt.Fprintf(&b, "\nAborted: %s\n", r.Aborted)
	}
	b.WriteString("\n## Figures\n\n")
	r.figures(&b)
	b.WriteString("\n## Faults\n\n")
	r.faults(&b)
	b.WriteString("\n## Promises\n\n")
	r.promises(&b)
	return b.String()
}

// A row is one figure of every lane.
type row struct {
	what string
	of   func(l Lane) any // nil where it has no meaning
}

var rows = []row{
	{"leaders elected", func(l Lane) any { return l.Leaders }},
	{"elements acknowledged", func(l Lane) any { return l.Set.Acknowledged }},
	{"elements **lost**", func(l Lane) any { return len(l.Set.Lost) }},
	{"adds refused by the fence", func(l Lane) any { return l.Set.Refused }},
	{"adds without an answer", func(l Lane) any { return l.Set.Unknown }},
	{"writes of the register", func(l Lane) any { return l.Register.Writes }},
	{"of these refused", func(l Lane) any { return l.Register.Refused }},
	{"reads of the register", func(l Lane) any { return l.Register.Reads }},
	{"register linearizable, term after term", func(l Lane) any { return yesNo(l.Register.Linearizable) }},
	{"handovers judged", func(l Lane) any { return l.Slack.Handovers }},
	{"terms left out: paused, struck, or ended early", func(l Lane) any { return l.Slack.LeftOut }},
	{"of these ended early, by a member that had lost raft's leadership", func(l Lane) any { return l.Slack.Early }},
	{"**overlaps**", func(l Lane) any { return len(l.Slack.Overlaps) }},
	{"longest overlap", func(l Lane) any { return duration(l.Slack.Worst) }},
	{"leases **taken** without a reason", func(l Lane) any {
		if !strings.HasPrefix(l.Name, lane.This) {
			return nil // it does not tell
		}
		return len(l.Slack.Taken)
	}},
	{"smallest slack after a loss", func(l Lane) any {
		if l.Slack.Losses == 0 {
			return nil
		}
		return fmt.Sprintf("%s (of %d)", duration(l.Slack.AfterLoss), l.Slack.Losses)
	}},
	{"smallest slack after a resignation", func(l Lane) any {
		if l.Slack.Resignations == 0 {
			return nil
		}
		return fmt.Sprintf("%s (of %d)", duration(l.Slack.AfterResign), l.Slack.Resignations)
	}},
	{"**false victories**", func(l Lane) any { return len(l.Slack.False) }},
	{"calms without a leader in time", func(l Lane) any { return fmt.Sprintf("%d of %d", len(l.Calm.Leader), l.Calm.Calms) }},
	{"longest until somebody led", func(l Lane) any { return duration(l.Calm.Slowest) }},
	{"**ghosts** at the ends of calms", func(l Lane) any { return len(l.Calm.Ghosts) }},
	{"calls that failed", func(l Lane) any { return l.Hangs.Failed }},
	{"longest return after the context's end", func(l Lane) any { return duration(l.Hangs.Latest) }},
	{"**hung** calls", func(l Lane) any { return len(l.Hangs.Hung) }},
	{"observers", observed(func(o *check.ObserverReport) int { return o.Observers })},
	{"leaders and values that they saw", observed(func(o *check.ObserverReport) int { return o.Saw })},
	{"**missed**", observed(func(o *check.ObserverReport) int { return o.Missed })},
	{"compacted before they could see them", observed(func(o *check.ObserverReport) int { return o.Compacted })},
	{"passed over after a compaction before them", observed(func(o *check.ObserverReport) int { return o.Passed })},
}

// observed returns a figure of the lanes that have observers.
func observed(of func(*check.ObserverReport) int) func(Lane) any {
	return func(l Lane) any {
		if l.Observers == nil {
			return nil
		}
		return of(l.Observers)
	}
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// duration rounds for the eye.
func duration(d time.Duration) string {
	if d < 10*time.Millisecond && d > -10*time.Millisecond {
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

func (r *Report) figures(b *strings.Builder) {
	b.WriteString("| |")
	for _, l := range r.Lanes {
		b.WriteString(" " + strings.ReplaceAll(l.Name, "-", " ") + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|", len(r.Lanes)) + "\n")
	for _, row := range rows {
		fmt.Fprintf(b, "| %s |", row.what)
		for _, l := range r.Lanes {
			if v := row.of(l); v != nil {
				fmt.Fprintf(b, " %v |", v)
			} else {
				b.WriteString(" |")
			}
		}
		b.WriteString("\n")
	}
	lost := 0
	for _, l := range r.Lanes {
		if strings.HasPrefix(l.Name, lane.This) && strings.HasSuffix(l.Name, "unfenced") {
			lost += len(l.Set.Lost)
		}
	}
	if lost > 0 {
		fmt.Fprintf(b, "\nWithout the fence %d elements were lost under the same faults: the check bites.\n", lost)
	} else {
		b.WriteString("\nWithout the fence nothing was lost either: this trial does not show that the check bites.\n")
	}
}

func (r *Report) faults(b *strings.Builder) {
	b.WriteString("| kind | planned | done | failed | skipped |\n|---|--:|--:|--:|--:|\n")
	for _, k := range fault.Kinds() {
		planned, done, failed, skipped := 0, 0, 0, 0
		for _, s := range r.Plan {
			for _, f := range s.Faults {
				if f.Kind == k {
					planned++
				}
			}
		}
		for _, a := range r.Faults {
			switch {
			case a.Kind != k:
			case a.Skipped:
				skipped++
			case a.Failed != "":
				failed++
			default:
				done++
			}
		}
		fmt.Fprintf(b, "| %s | %d | %d | %d | %d |\n", k, planned, done, failed, skipped)
	}
}

func (r *Report) promises(b *strings.Builder) {
	b.WriteString("Those of the original, and those without a fence, are shown for comparison, and not required.\n\n")
	b.WriteString("| promise | lanes where it is required | kept | elsewhere |\n|---|--:|---|---|\n")
	var order []string
	type sum struct{ required, broken, others, brokenElsewhere int }
	sums := make(map[string]*sum)
	for _, v := range r.Verdicts {
		s := sums[v.Promise]
		if s == nil {
			s = &sum{}
			sums[v.Promise] = s
			order = append(order, v.Promise)
		}
		switch {
		case v.Required && v.Kept:
			s.required++
		case v.Required:
			s.required++
			s.broken++
		case v.Kept:
			s.others++
		default:
			s.others++
			s.brokenElsewhere++
		}
	}
	for _, p := range order {
		s := sums[p]
		kept := "yes"
		if s.broken > 0 {
			kept = fmt.Sprintf("**NO**, in %d", s.broken)
		}
		elsewhere := ""
		if s.others > 0 {
			elsewhere = fmt.Sprintf("kept in %d of %d", s.others-s.brokenElsewhere, s.others)
		}
		fmt.Fprintf(b, "| %s | %d | %s | %s |\n", p, s.required, kept, elsewhere)
	}
	for _, v := range r.Verdicts {
		if v.Required && !v.Kept {
			fmt.Fprintf(b, "\n%s, %s: %d problems\n\n", v.Lane, v.Promise, v.Count)
			for _, p := range v.Problems {
				fmt.Fprintf(b, "- %s\n", p)
			}
		}
	}
}
