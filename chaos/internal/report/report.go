// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package report tells what a trial showed.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-da5263fb/concurrency/chaos/internal/check"
	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
	"github.com/seed-da5263fb/concurrency/chaos/internal/history"
	"github.com/seed-da5263fb/concurrency/chaos/internal/lane"
	"github.com/seed-da5263fb/concurrency/chaos/internal/worker"
)

// A Report is of one trial. Durations are in nanoseconds, times since the machine
// started.
type Report struct {
	Command  string          `json:"command"`
	Seed     uint64          `json:"seed"`
	Began    time.Time       `json:"began"`
	Took     time.Duration   `json:"took"`
	Versions []string        `json:"versions"`
	TTL      time.Duration   `json:"ttl"`
	Plan     []fault.Storm   `json:"plan"`
	Faults   []fault.Applied `json:"faults"`
	Lanes    []Lane          `json:"lanes"`
	Verdicts []Verdict       `json:"verdicts"`
	// Stalls counts how often the trial or a worker did not run for a fifth of a
	// second for want of a CPU, and Longest is the longest such time: what is left
	// out because of it says nothing.
	Stalls  int           `json:"stalls"`
	Longest time.Duration `json:"longestStall"`
	// Revocations counts those of leases that members had found expired, Behind those
	// at which they were not raft's leader, or knew that the lease lived.
	Revocations int `json:"revocations"`
	Behind      int `json:"behind"`
	// Aborted says why the trial ended before its time, or could not be judged.
	Aborted string `json:"aborted,omitempty"`

	record check.Record
}

// A Lane is what one lane came to.
type Lane struct {
	Name      string                `json:"name"`
	Leaders   int                   `json:"leaders"`   // won
	InHistory int                   `json:"inHistory"` // by etcd's history
	Set       check.SetReport       `json:"set"`
	Register  check.RegisterReport  `json:"register"`
	Slack     check.SlackReport     `json:"slack"`
	Calm      check.CalmReport      `json:"calm"`
	Hangs     check.HangReport      `json:"hangs"`
	Observers *check.ObserverReport `json:"observers,omitempty"`

	terms []check.Term
}

// Judge checks all that was recorded.
func (r *Report) Judge(record check.Record) {
	r.record = record
	r.Stalls, r.Longest = record.Starved()
	r.Revocations = len(record.Revocations)
	for _, v := range record.Revocations {
		if !v.Leader || v.Left > 0 {
			r.Behind++
		}
	}
	leaders := history.Leaders(record.Changes)
	for _, l := range lane.All() {
		name := l.String()
		out := Lane{Name: name, terms: record.Terms(name, leaders[name])}
		reigns := make(map[int64]bool)
		for _, led := range leaders[name] {
			reigns[led.Create] = led.Key != ""
		}
		delete(reigns, 0)
		out.Leaders, out.InHistory = len(out.terms), len(reigns)
		out.Set = record.Set(name)
		out.Register = record.Register(name)
		out.Slack = check.Slack(out.terms)
		out.Calm = record.Calm(name, out.terms)
		out.Hangs = record.Hangs(name)
		this := l.Package == lane.This
		r.add("no acknowledged element is lost", name, this && l.Fenced, out.Set.Lost)
		r.add("the register is linearizable, term after term", name, this && l.Fenced, out.Register.Problems)
		r.add("no leader before the last one knows that it is over", name, this, out.Slack.Overlaps)
		r.add("no lease is taken before its term is over", name, this, out.Slack.Taken)
		r.add("no false victory", name, this, out.Slack.False)
		r.add("a leader within a TTL and 2 s after the faults", name, this, out.Calm.Leader)
		r.add("no ghosts after the faults", name, this, out.Calm.Ghosts)
		r.add("no call hangs", name, this, out.Hangs.Hung)
		r.add("no key is left after all have stopped", name, this, leftOf(record.Left, l))
		if !l.Mutex {
			o := record.Observers(name, leaders[name], worker.ByLeaders(l))
			out.Observers = &o
			r.add("observers agree with etcd's history", name, this, o.Wrong)
			r.add("observers miss nothing that was not compacted", name, this, o.Passings)
		}
		r.Lanes = append(r.Lanes, out)
	}
	var gaps []string
	for _, g := range record.Gaps {
		gaps = append(gaps, fmt.Sprintf("%s from revision %d to %d was compacted before it was recorded, and is not compared", g.Prefix, g.From, g.To))
	}
	r.add("the history is whole", "", true, gaps)
}

func leftOf(left []string, l lane.Lane) []string {
	var problems []string
	for _, key := range left {
		if name, _, _ := lane.Of(key); name == l.String() {
			problems = append(problems, key)
		}
	}
	return problems
}

// A Verdict is whether a promise was kept in a lane.
type Verdict struct {
	Promise  string   `json:"promise"`
	Lane     string   `json:"lane"`
	Kept     bool     `json:"kept"`
	Required bool     `json:"required"` // what is not required is shown for comparison
	Problems []string `json:"problems,omitempty"`
	Count    int      `json:"count"` // of all problems; not all of them are told
}

func (r *Report) add(promise, name string, required bool, problems []string) {
	r.Verdicts = append(r.Verdicts, Verdict{
		Promise: promise, Lane: name, Kept: len(problems) == 0, Required: required,
		Problems: problems[:min(len(problems), mostProblems)], Count: len(problems),
	})
}

// mostProblems is how many problems of a promise and lane are told.
const mostProblems = 20

// Held reports whether all that is promised was kept, as far as it was recorded,
// and the trial was whole.
func (r *Report) Held() bool {
	for _, v := range r.Verdicts {
		if v.Required && !v.Kept {
			return false
		}
	}
	return r.Aborted == "" && len(r.Verdicts) > 0
}

// WriteTo writes the report's files into a folder, which it makes if there is
// none.
func (r *Report) WriteTo(folder string) error {
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return fmt.Errorf("make the folder of the report: %w", err)
	}
	raw, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	errs := errors.Join(
		os.WriteFile(filepath.Join(folder, "report.json"), append(raw, '\n'), 0o666),
		os.WriteFile(filepath.Join(folder, "README.md"), []byte(r.Markdown()), 0o666),
		os.WriteFile(filepath.Join(folder, "timeline.svg"), []byte(r.Timeline()), 0o666),
	)
	for _, l := range r.Lanes {
		if !l.Register.Linearizable {
			errs = errors.Join(errs, l.Register.Draw(filepath.Join(folder, "register-"+l.Name+".html")))
		}
	}
	if !r.Held() {
		errs = errors.Join(errs, r.writeJournal(folder))
	}
	return errs
}

// writeJournal writes all events and changes, for whoever looks for the reason of
// a broken promise.
func (r *Report) writeJournal(folder string) error {
	f, err := os.Create(filepath.Join(folder, "journal.jsonl"))
	if err != nil {
		return err
	}
	defer f.Close()
	enc := json.NewEncoder(f)
	var errs error
	write := func(kind string, entry any) { errs = errors.Join(errs, enc.Encode(map[string]any{kind: entry})) }
	for _, ev := range r.record.Events {
		write("event", ev)
	}
	for _, c := range r.record.Changes {
		write("change", c)
	}
	for _, v := range r.record.Revocations {
		write("revocation", v)
	}
	for _, l := range r.record.Lives {
		write("life", l)
	}
	return errors.Join(errs, f.Close())
}
