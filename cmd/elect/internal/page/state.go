// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package page

import (
	"cmp"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/survey"
)

// What is kept, however much happens.
const (
	maxShown    = 50  // candidates of an election that browsers are told of; the others are counted
	maxReigns   = 200 // of an election; older ones are forgotten
	maxVacant   = 200 // elections that nobody is in any more
	maxAbsences = 100 // of etcd
)

// A state is what the page shows. Every change has a number, so that a browser can
// be told what has changed since the number that it has seen.
//
// All methods are safe for concurrent use.
type state struct {
	prefix string
	begun  time.Time
	now    func() time.Time

	mu        sync.Mutex
	version   int64
	table     *survey.Table
	known     bool                 // the table was filled once
	elections map[string]*election // all that there were since begun, but for maxVacant
	dropped   int64                // the version in which an election was forgotten last
	leases    map[clientv3.LeaseID]lease
	contact   bool // etcd answers
	answered  time.Time
	why       error // why not, once it was lost
	contacts  int64 // the version in which contact or absences changed last
	absences  []span
	wakes     map[chan struct{}]struct{} // of the browsers
}

// An election is who is in, which is in the table, and who led when.
type election struct {
	name    string
	version int64 // in which it changed last
	reigns  []reign
	older   int    // reigns that are forgotten
	frame   []byte // the election as JSON; nil if it has changed since
}

// A reign is one candidate's leadership.
type reign struct {
	leader concurrency.Candidate
	begin  time.Time
	end    time.Time // zero while it lasts
	seen   bool      // the beginning was; else it led already when first heard of
}

// A span is a time in which etcd was away.
type span struct{ begin, end time.Time }

type lease struct {
	survey.Lease
	version int64 // in which it changed last
}

func newState(prefix string, now func() time.Time) *state {
	return &state{
		prefix: prefix, begun: now(), now: now,
		table:     survey.NewTable(prefix, nil),
		elections: map[string]*election{},
		leases:    map[clientv3.LeaseID]lease{},
		wakes:     map[chan struct{}]struct{}{},
	}
}

// Snapshot replaces all that is known of who is in.
func (s *state) Snapshot(es []survey.Election) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changeLocked()
	s.table = survey.NewTable(s.prefix, es)
	for _, name := range s.table.Names() {
		s.settleLocked(name, s.known)
	}
	s.known = true
	for name := range s.elections {
		if len(s.table.Queue(name)) == 0 {
			s.settleLocked(name, true)
		}
	}
	s.forgetLocked()
}

// Events takes in what happened in one revision.
func (s *state) Events(events []*clientv3.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.table.Apply(events)
	if len(changed) == 0 {
		return
	}
	s.changeLocked()
	for _, name := range changed {
		s.settleLocked(name, true)
	}
	s.forgetLocked()
}

// settleLocked brings an election's reigns up to date with its queue. seen says
// that a reign which begins does so now.
func (s *state) settleLocked(name string, seen bool) {
	queue := s.table.Queue(name)
	e := s.elections[name]
	if e == nil {
		e = &election{name: name}
		s.elections[name] = e
	}
	e.version, e.frame = s.version, nil
	if last := len(e.reigns) - 1; last >= 0 && e.reigns[last].end.IsZero() {
		r := &e.reigns[last]
		if len(queue) > 0 && queue[0].Rev == r.leader.Rev && queue[0].Key == r.leader.Key {
			r.leader = queue[0]
			return
		}
		r.end = s.now()
	}
	if len(queue) == 0 {
		return
	}
	e.reigns = append(e.reigns, reign{leader: queue[0], begin: s.now(), seen: seen})
	if more := len(e.reigns) - maxReigns; more > 0 {
		e.reigns, e.older = slices.Delete(e.reigns, 0, more), e.older+more
	}
}

// forgetLocked drops the elections that have been vacant for longest, if there are
// too many.
func (s *state) forgetLocked() {
	more := len(s.elections) - len(s.table.Names()) - maxVacant
	if more <= 0 {
		return
	}
	var vacant []*election
	for _, e := range s.elections {
		if len(s.table.Queue(e.name)) == 0 {
			vacant = append(vacant, e)
		}
	}
	slices.SortFunc(vacant, func(a, b *election) int { return cmp.Compare(a.version, b.version) })
	// Some more than need be, so that it is not done each time.
	for _, e := range vacant[:min(len(vacant), more+maxVacant/4)] {
		delete(s.elections, e.name)
	}
	s.dropped = s.version
}

// Heard and Lost, but for the log, say whether they are news.

func (s *state) heard() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = s.now()
	if s.contact {
		return false
	}
	s.changeLocked()
	s.contacts = s.version
	if n := len(s.absences); n > 0 && s.absences[n-1].end.IsZero() {
		s.absences[n-1].end = s.now()
	}
	s.contact, s.why = true, nil
	return true
}

func (s *state) lost(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why != nil && s.why.Error() == err.Error() {
		return false
	}
	s.changeLocked()
	s.contacts = s.version
	if s.contact || s.why == nil {
		begin := s.begun
		if s.contact {
			begin = s.answered
		}
		s.absences = append(s.absences, span{begin: begin})
		if more := len(s.absences) - maxAbsences; more > 0 {
			s.absences = slices.Delete(s.absences, 0, more)
		}
	}
	s.contact, s.why = false, err
	return true
}

// changeLocked begins a change, and wakes the browsers for it.
func (s *state) changeLocked() {
	s.version++
	for wake := range s.wakes {
		select {
		case wake <- struct{}{}:
		default: // it will look
		}
	}
}

// follow returns a channel that brings something after each change, until the
// returned function is called.
func (s *state) follow() (<-chan struct{}, func()) {
	wake := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakes[wake] = struct{}{}
	return wake, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.wakes, wake)
	}
}

// candidate returns who has the given key and revision, if anybody has.
func (s *state) candidate(key string, rev int64) (concurrency.Candidate, bool) {
	name, _, _ := survey.SplitKey(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.table.Queue(name) {
		if c.Key == key && c.Rev == rev {
			return c, true
		}
	}
	return concurrency.Candidate{}, false
}

// watched returns the leases that browsers are told of, and whether there are any
// browsers.
func (s *state) watched() (ids []clientv3.LeaseID, anybody bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.table.Names() {
		for _, c := range shown(s.table.Queue(name)) {
			ids = append(ids, c.Lease)
		}
	}
	return ids, len(s.wakes) > 0
}

// setLeases takes in what is known of leases now, and forgets those that nobody is
// told of.
func (s *state) setLeases(news map[clientv3.LeaseID]survey.Lease, keep map[clientv3.LeaseID]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(news) > 0 {
		s.changeLocked()
	}
	for id, l := range news {
		s.leases[id] = lease{l, s.version}
	}
	for id := range s.leases {
		if !keep[id] {
			delete(s.leases, id)
		}
	}
}

func shown(queue []concurrency.Candidate) []concurrency.Candidate {
	return queue[:min(len(queue), maxShown)]
}
