// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"slices"
	"time"
)

// sizes say how much a run measures.
type sizes struct {
	members []int

	uncontested int // pairs of Campaign and Resign
	fresh, old  int // handovers
	loaded      int // handovers of each age under foreign writes

	queues     []queueSize
	queueJoins int // rounds in which 1,000 join and others write

	observers []observerSize

	crashes    int           // of each TTL and contender
	crashTTLs  []int         // seconds
	cuts       int           // of each delay and contender
	sessions   []int         // of one client
	protected  []int         // the same with authentication by password
	sessionTTL int           // seconds
	watchFor   time.Duration // how long sessions are watched: a whole number of renewals, a third of the TTL apart

	calls     int   // of each small call
	contended []int // lockers
	cycles    int   // of Lock and Unlock while contended

	elections       int // on one session
	electionRounds  int // of each contender
	clientGo        int // handovers
	writesPerSecond int
}

// A queueSize is how many candidates queue up, and how often.
type queueSize struct{ candidates, rounds, mostMembers int }

// An observerSize is how many observers see how many handovers.
type observerSize struct{ observers, handovers, mostMembers int }

// full is a run of about a quarter of an hour on two cores.
var full = sizes{
	members:     []int{1, 3},
	uncontested: 600,
	fresh:       80,
	old:         120,
	loaded:      80,
	queues:      []queueSize{{10, 12, 3}, {100, 10, 3}, {1000, 3, 3}, {5000, 1, 1}},
	queueJoins:  3,
	observers:   []observerSize{{1, 10, 3}, {100, 8, 3}, {1000, 5, 3}, {5000, 3, 1}},
	crashes:     20,
	crashTTLs:   []int{2, 5, 10},
	cuts:        20,
	sessions:    []int{1, 100, 1000, 1000, 1000},
	protected:   []int{1000, 1000, 1000},
	sessionTTL:  10,
	watchFor:    10 * time.Second,

	calls:           150,
	contended:       []int{2, 10, 100},
	cycles:          40,
	elections:       10000,
	electionRounds:  3,
	clientGo:        20,
	writesPerSecond: 1000,
}

// quick is a run of about two minutes, for trying a change out.
var quick = sizes{
	members:     []int{1, 3},
	uncontested: 200,
	fresh:       30,
	old:         40,
	loaded:      40,
	queues:      []queueSize{{10, 5, 3}, {100, 2, 3}, {1000, 1, 1}},
	queueJoins:  1,
	observers:   []observerSize{{1, 5, 3}, {100, 5, 3}, {1000, 3, 1}},
	crashes:     5,
	crashTTLs:   []int{2},
	cuts:        5,
	sessions:    []int{1, 100},
	protected:   []int{100},
	sessionTTL:  3,
	watchFor:    3 * time.Second,

	calls:           60,
	contended:       []int{2, 10},
	cycles:          10,
	elections:       1000,
	electionRounds:  2,
	clientGo:        4,
	writesPerSecond: 1000,
}

// tiny is what the tests run: enough to see that the machinery works.
var tiny = sizes{
	members:     []int{1},
	uncontested: 3,
	fresh:       2,
	old:         2,
	loaded:      2,
	queues:      []queueSize{{4, 1, 1}},
	queueJoins:  1,
	observers:   []observerSize{{3, 2, 1}},
	crashes:     1,
	crashTTLs:   []int{2},
	cuts:        1,
	sessions:    []int{2},
	protected:   []int{2},
	sessionTTL:  5,
	watchFor:    time.Second,

	calls:           3,
	contended:       []int{2},
	cycles:          2,
	elections:       5,
	electionRounds:  1,
	clientGo:        1,
	writesPerSecond: 50,
}

// scaled returns sizes with so many times as many repetitions, one at the least.
func (s sizes) scaled(factor float64) sizes {
	for _, n := range []*int{&s.uncontested, &s.fresh, &s.old, &s.loaded, &s.queueJoins, &s.crashes, &s.cuts, &s.calls, &s.cycles, &s.clientGo} {
		*n = max(1, int(float64(*n)*factor))
	}
	s.queues, s.observers = slices.Clone(s.queues), slices.Clone(s.observers)
	for i := range s.queues {
		s.queues[i].rounds = max(1, int(float64(s.queues[i].rounds)*factor))
	}
	for i := range s.observers {
		s.observers[i].handovers = max(1, int(float64(s.observers[i].handovers)*factor))
	}
	return s
}

// setQueues changes how many candidates queue up, and leaves about the same work
// for each.
func (s *sizes) setQueues(ns []int) {
	s.queues = nil
	for _, n := range ns {
		s.queues = append(s.queues, queueSize{n, min(20, max(1, 3000/n)), 3})
	}
}

// setObservers does so for observers.
func (s *sizes) setObservers(ns []int) {
	s.observers = nil
	for _, n := range ns {
		s.observers = append(s.observers, observerSize{n, min(20, max(3, 7000/n)), 3})
	}
}
