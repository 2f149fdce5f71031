// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package explore looks for schedules in which the guarantees of package
// concurrency do not hold. From a seed it draws participants, what they do and the
// faults they meet, runs them for a minute of virtual time against etcdtest, and
// judges what came of it by the store's whole history: see check.go for what must
// hold, faults.go for what goes wrong, and participant.go for what is done.
package explore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/etcdtest"
)

const (
	storm   = 60 * time.Second // of virtual time with faults
	calm    = 12 * time.Second // after the last fault: longer than any TTL plus 2 s
	tooMuch = 50_000           // log entries
	maxRT   = 800 * time.Millisecond
)

// names are the elections and locks. Two begin with the third's name.
var names = []string{"a", "ab", "a/b"}

// A world is one schedule.
type world struct {
	etcd  *etcdtest.Etcd
	start time.Time
	stop  context.Context // ends when no participant shall begin anything new

	watchedTo   int64 // the revision up to which the observers observed
	compactedTo int64 // the revision that etcd was compacted at last, 0 if never

	mu        sync.Mutex
	trace     []entry
	problems  []string
	reigns    []*reign
	campaigns []*campaign
	uses      map[string]int                  // by key: calls under way and places held
	sessions  map[string]*concurrency.Session // by the last part of their keys
	struck    map[int64]bool                  // revisions in which an operator took keys away
	doubtful  map[string]time.Time            // by key: until when a request to delete it may be applied
	observers []*observed
	unowned   map[string]time.Time // by key: since when nobody answers for it
}

type entry struct {
	at   time.Time
	text string
}

// Run runs the schedule of a seed in a bubble of its own, and returns what it
// found wrong, with the trace.
func Run(t *testing.T, seed uint64) (problems []string, trace string) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, seed)
		w.run(t, seed)
		problems, trace = w.problems, w.traceText()
	})
	return problems, trace
}

func newWorld(t *testing.T, seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 0))
	members := 1
	if rng.IntN(3) == 0 {
		members = 3
	}
	return &world{
		etcd:     etcdtest.New(t, etcdtest.WithMembers(members), etcdtest.WithSeed(seed)),
		start:    time.Now(),
		uses:     make(map[string]int),
		sessions: make(map[string]*concurrency.Session),
		struck:   make(map[int64]bool),
		doubtful: make(map[string]time.Time),
	}
}

func (w *world) run(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	stop, halt := context.WithCancel(t.Context())
	w.stop = stop

	var participants, observers sync.WaitGroup
	n := 2 + rng.IntN(5)
	var all []*participant
	for i := range n {
		p := &participant{
			world:   w,
			name:    participantName(i),
			rng:     rand.New(rand.NewPCG(seed, uint64(100+i))),
			ttl:     2 + rng.IntN(4),
			client:  w.etcd.Client(participantName(i)),
			holders: new(sync.WaitGroup),
		}
		all = append(all, p)
		participants.Go(p.run)
	}
	watching, unwatch := context.WithCancel(t.Context())
	for i := range 2 {
		o := w.newObserver(fmt.Sprintf("O%d", i), names[rng.IntN(len(names))])
		observers.Go(func() { o.run(watching) })
	}

	w.faults(rng, n)
	time.Sleep(calm)
	w.checkCalm()
	halt()
	participants.Wait()
	time.Sleep(calm)
	w.checkNoGhosts()
	w.watchedTo = w.etcd.Rev()
	unwatch()
	observers.Wait()
	for _, p := range all {
		p.closeSessions()
	}
	synctest.Wait()
	w.checkHistory()
}

func (e entry) String() string { return fmt.Sprintf("\n%s %s", e.at.Format("05.000"), e.text) }

func (w *world) log(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, entry{time.Now(), fmt.Sprintf(format, args...)})
	if len(w.trace) == tooMuch {
		panic(fmt.Sprintf("a schedule that goes in circles: %v", w.trace[tooMuch-50:]))
	}
}

func (w *world) problem(format string, args ...any) {
	w.log("PROBLEM: "+format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

// traceText returns the trace and the store's history as one story.
func (w *world) traceText() string {
	all := slices.Clone(w.trace)
	for _, ev := range w.etcd.History() {
		all = append(all, entry{ev.Time, "    etcd: " + ev.String()})
	}
	slices.SortStableFunc(all, func(a, b entry) int { return a.at.Compare(b.at) })
	var b strings.Builder
	for _, e := range all {
		fmt.Fprintf(&b, "%9.3fs %s\n", e.at.Sub(w.start).Seconds(), e.text)
	}
	return b.String()
}
