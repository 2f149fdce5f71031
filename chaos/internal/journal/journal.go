// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package journal is what workers tell the trial: events, a line of JSON each,
// with the time of the machine's monotonic clock.
package journal

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/seed-da5263fb/concurrency/chaos/internal/proc"
)

// A Kind is what an event is about.
type Kind string

// The events of a worker, and which fields of an Event they set beside At.
const (
	Session   Kind = "session"   // Lane, Lease: a session was opened
	Contend   Kind = "contend"   // Lane, Lease: it begins to campaign or to wait for the lock
	Elected   Kind = "elected"   // Lane, Lease, Key, Rev: it leads
	Over      Kind = "over"      // Lane, Key, Rev: it no longer believes so; Note says why
	Idle      Kind = "idle"      // Lane, Lease: it has given up its place; Note says how, Late by how much a call overran its time
	Ended     Kind = "ended"     // Lane, Lease: the session was closed or lost
	Call      Kind = "call"      // Lane, Op, What, Value, Rev: an operation begins
	Return    Kind = "return"    // Lane, Op, What, Value, Result
	Observing Kind = "observing" // Lane: an observer begins
	Saw       Kind = "saw"       // Lane, Key (empty for a vacancy), Rev, ModRev, Value
	Deaf      Kind = "deaf"      // Lane, Note: an observer ended by itself
	Stalled   Kind = "stalled"   // Late: the process did not run for so long until now, paused or for want of a CPU
	Stopped   Kind = "stopped"   // all lanes are done, observers go on
)

// What an operation does.
const (
	Add   = "add"   // one element to the set
	Write = "write" // the register
	Read  = "read"  // the register
)

// How an operation ended.
const (
	OK      = "ok"
	Refused = "refused" // the fence did not hold
	Unknown = "unknown" // it may have been applied, or may be yet
	Failed  = "failed"  // it was not applied
)

// An Event is something that a worker did or saw.
type Event struct {
	At   time.Duration `json:"at"` // on the machine's monotonic clock
	Kind Kind          `json:"kind"`

	Worker int `json:"worker"` // from 0
	Life   int `json:"life"`   // from 1; one more each time the worker is started again

	Lane   string        `json:"lane,omitempty"`
	Lease  int64         `json:"lease,omitempty"`
	Key    string        `json:"key,omitempty"`
	Rev    int64         `json:"rev,omitempty"` // create revision of Key
	ModRev int64         `json:"modRev,omitempty"`
	Op     int64         `json:"op,omitempty"` // joins a call and its return
	What   string        `json:"what,omitempty"`
	Value  string        `json:"value,omitempty"`
	Result string        `json:"result,omitempty"`
	Note   string        `json:"note,omitempty"`
	Late   time.Duration `json:"late,omitempty"`
}

// A Writer writes events. It is safe for concurrent use. An event is one write,
// short enough to pass a pipe whole or not at all, also if the process is killed.
type Writer struct {
	worker, life int

	mu  sync.Mutex
	out io.Writer
}

// NewWriter returns a Writer for one life of a worker.
func NewWriter(out io.Writer, worker, life int) *Writer {
	return &Writer{out: out, worker: worker, life: life}
}

// maxNote keeps a line far below PIPE_BUF.
const maxNote = 300

// Write stamps ev with now, unless it has a time, and writes it. It blocks while
// nobody reads. What cannot be written has no reader any more.
func (w *Writer) Write(ev Event) {
	if ev.At == 0 {
		ev.At = proc.Now()
	}
	ev.Worker, ev.Life = w.worker, w.life
	if len(ev.Note) > maxNote {
		ev.Note = ev.Note[:maxNote]
	}
	line, err := json.Marshal(ev)
	if err != nil {
		panic("bug: an event that is no JSON: " + err.Error())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.out.Write(append(line, '\n'))
}

// Follow calls each with every event that in brings, until its end. A last line
// that was cut off is left out.
func Follow(in io.Reader, each func(Event)) error {
	r := bufio.NewReaderSize(in, 1<<16)
	for {
		line, err := r.ReadSlice('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a worker's events: %w", err)
		}
		var ev Event
		if err := json.Unmarshal(line, &ev); err != nil {
			return fmt.Errorf("a worker's event %q: %w", line, err)
		}
		each(ev)
	}
}
