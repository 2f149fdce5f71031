// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/seed-da5263fb/concurrency"
)

// A State is what a Runner is doing.
type State string

// The states of a Runner; see the package's documentation for how one follows
// the other.
const (
	// StateStopped: Run has not been called, or has returned.
	StateStopped State = "stopped"
	// StateConnecting: getting a lease and a place in the queue.
	StateConnecting State = "connecting"
	// StateQueued: in the queue, behind others.
	StateQueued State = "queued"
	// StateLeading: the function runs, and may go on.
	StateLeading State = "leading"
	// StateSteppingDown: the function's context has ended; the function has yet to
	// return, or the lease to be given up.
	StateSteppingDown State = "stepping down"
	// StatePaused: not in the queue, by Pause, ObserveOnly, HealthCheck or HoldOff.
	StatePaused State = "paused"
)

// A Status is what a Runner knows at one moment.
type Status struct {
	// Election and Value are as configured.
	Election, Value string
	// State is what the Runner is doing, since Since. Reason says why it is paused
	// or stepping down, and is empty in other states.
	State  State
	Reason string
	Since  time.Time
	// Place is the place in the queue: 1 for the leader, 2 for who is next. It is 0 out of
	// the queue. Place and Candidates, which is how many are in, were read a short
	// while ago, a third of the TTL or more if there are many.
	Place, Candidates int
	// Term is the leadership, nil if the Runner does not lead. It is there until
	// the lease is given up, and so also while stepping down.
	Term *concurrency.Term
	// Leader is who was last seen to lead; the zero Candidate if nobody does.
	Leader concurrency.Candidate
	// LeaseLeft is for how long the lease of the candidacy lives at least, 0 if there
	// is none.
	LeaseLeft time.Duration
	// LastContact is when etcd last answered, as far as the Runner can tell.
	LastContact time.Time
	// LastError is what failed last, at LastErrorAt; nil if nothing has.
	LastError   error
	LastErrorAt time.Time

	lost    bool // while stepping down: not on purpose
	problem error
}

// Health returns nil if the Runner does what it is there for: leads, waits for its
// turn, stays out on purpose or holds off, in touch with etcd. Else it returns why not: it
// does not run, has no lease or no place in the queue, has heard nothing from
// etcd for longer than the lease lives, has lost its term, or fails its health check.
func (s Status) Health() error { return s.problem }

// MarshalJSON returns the status as an object, with times in RFC 3339 and
// durations in seconds.
func (s Status) MarshalJSON() ([]byte, error) {
	type leader struct {
		Key   string `json:"key"`
		Value string `json:"value"`
		Term  int64  `json:"term"`
	}
	out := struct {
		Election    string     `json:"election"`
		Value       string     `json:"value"`
		State       State      `json:"state"`
		Reason      string     `json:"reason,omitempty"`
		Since       time.Time  `json:"since"`
		Healthy     bool       `json:"healthy"`
		Problem     string     `json:"problem,omitempty"`
		Leading     bool       `json:"leading"`
		Term        int64      `json:"term,omitempty"`
		Place       int        `json:"place,omitempty"`
		Candidates  int        `json:"candidates"`
		Leader      *leader    `json:"leader"`
		LeaseLeft   float64    `json:"leaseLeftSeconds"`
		LastContact *time.Time `json:"lastContact,omitempty"`
		LastError   string     `json:"lastError,omitempty"`
		LastErrorAt *time.Time `json:"lastErrorAt,omitempty"`
	}{
		Election: s.Election, Value: s.Value, State: s.State, Reason: s.Reason, Since: s.Since,
		Healthy: s.problem == nil, Leading: s.State == StateLeading, Place: s.Place, Candidates: s.Candidates,
		LeaseLeft: s.LeaseLeft.Seconds(),
	}
	if s.problem != nil {
		out.Problem = s.problem.Error()
	}
	if s.Term != nil {
		out.Term = s.Term.Rev()
	}
	if s.Leader.Rev != 0 {
		out.Leader = &leader{s.Leader.Key, s.Leader.Value, s.Leader.Rev}
	}
	if !s.LastContact.IsZero() {
		out.LastContact = &s.LastContact
	}
	if s.LastError != nil {
		out.LastError, out.LastErrorAt = s.LastError.Error(), &s.LastErrorAt
	}
	return json.Marshal(out)
}

// Status returns what the Runner knows now. It asks etcd nothing, and does not
// block.
func (r *Runner) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.statusLocked()
}

func (r *Runner) statusLocked() Status {
	s := r.view
	if c := r.current; c != nil && c.session != nil {
		deadline, ttl := c.session.Deadline(), c.session.TTL()
		if c.session.Err() == nil {
			s.LeaseLeft = max(0, time.Until(deadline))
		}
		if renewed := deadline.Add(-ttl); renewed.After(s.LastContact) {
			s.LastContact = renewed
		}
	}
	s.problem = r.problemLocked(s)
	return s
}

// problemLocked says why the Runner is not healthy, nil if it is.
func (r *Runner) problemLocked(s Status) error {
	silence := time.Since(s.LastContact)
	patience := max(r.cfg.TTL, 2*perCandidate*time.Duration(s.Candidates))
	switch {
	case s.State == StateStopped:
		return errors.New("not running")
	case s.State == StateConnecting && s.LastError != nil && !s.LastErrorAt.Before(s.LastContact):
		return fmt.Errorf("has no place in the queue: %w", s.LastError)
	case s.State == StateConnecting:
		return errors.New("has no place in the queue")
	case s.State == StateSteppingDown && s.lost:
		return fmt.Errorf("has lost its term: %s", s.Reason)
	case s.State == StatePaused && r.unfit != nil:
		return fmt.Errorf("health check: %w", r.unfit)
	case s.State != StateLeading && s.LastContact.IsZero():
		return errors.New("has not reached etcd")
	case s.State != StateLeading && silence > patience:
		return fmt.Errorf("has not heard from etcd for %v", silence.Round(time.Second))
	}
	return nil
}

// notLeading says who leads instead.
func notLeading(s Status) error {
	if s.Leader.Rev == 0 {
		return fmt.Errorf("%s; nobody is known to lead", s.State)
	}
	return fmt.Errorf("%s; %q leads", s.State, s.Leader.Value)
}

// Changes returns a channel that brings the status: first as it is, and then
// whenever it has changed in more than what passes with time. A reader that is
// slow gets the newest one, and holds nobody up. The channel closes when ctx
// ends.
func (r *Runner) Changes(ctx context.Context) <-chan Status {
	out := make(chan Status)
	go func() {
		defer close(out)
		for {
			r.mu.Lock()
			s, changed := r.statusLocked(), r.changed
			r.mu.Unlock()
			select {
			case out <- s:
			case <-changed:
				continue // with what is newer
			case <-ctx.Done():
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// setStateLocked goes over to a state, if that is a change.
func (r *Runner) setStateLocked(s State, reason string) {
	if r.view.State == s && r.view.Reason == reason {
		return
	}
	if r.view.State != s {
		r.view.Since = time.Now()
	}
	r.view.State, r.view.Reason, r.view.lost = s, reason, false
	r.notifyLocked()
}

// notifyLocked wakes those who wait for a change.
func (r *Runner) notifyLocked() {
	close(r.changed)
	r.changed = make(chan struct{})
}
