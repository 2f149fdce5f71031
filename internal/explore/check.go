// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package explore

import (
	"context"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/etcdtest"
)

// soon is what a TTL is exceeded by at the most before a victory or a loss is
// told. A candidate that reaches one member of three, while the other two are
// silent to it, needs several attempts for each of its requests.
const soon = 10 * time.Second

// checkCalm is for when all faults are over for a while: whoever is first in
// etcd knows it, and no key stands that nobody answers for.
func (w *world) checkCalm() {
	first := make(map[string]etcdtest.Event)
	for _, ev := range w.candidates() {
		name := electionOf(ev.Key)
		if f, ok := first[name]; !ok || ev.CreateRev < f.CreateRev {
			first[name] = ev
		}
	}
	w.mu.Lock()
	waiting := make(map[string]*campaign)
	for _, c := range w.campaigns {
		if c.end.IsZero() && time.Since(c.begin) > soon {
			waiting[c.key] = c
		}
	}
	w.mu.Unlock()
	for name, ev := range first {
		if c := waiting[ev.Key]; c != nil && time.Since(ev.Time) > c.ttl+soon {
			w.problem("calm for %v, and %s has not been told that it leads %q", calm, c.who, name)
		}
	}
	w.checkNoGhosts()
}

// checkNoGhosts sees that somebody answers for each candidate.
func (w *world) checkNoGhosts() {
	for _, ev := range w.ghosts() {
		w.problem("ghost: nobody answers for %s", ev.Key)
	}
}

// aWhile is how long a key that nobody answers for may stay, and what a TTL is
// exceeded by until a victory or a loss is told, while most of what is sent is lost:
// a network in which one of three members answers, and that one's answers are dropped
// now and then, takes more than 10 s (seeds 26654, 41702 and, with a stray key to
// find out about, 75554). More would let the mutant pass that withdraws nothing.
const aWhile = 15 * time.Second

// lookForGhosts is checkNoGhosts for the middle of the storm, where it may take a
// while until a key is gone: most requests and answers may be lost. When its
// session is over the key is its lease's, whose TTL begins anew whenever a cluster
// has a new leader (seeds 60147 and 63645).
func (w *world) lookForGhosts() {
	now := make(map[string]time.Time)
	for _, ev := range w.ghosts() {
		if s := w.sessionOf(ev.Key); s == nil || s.Err() != nil {
			continue
		}
		since, ok := w.unowned[ev.Key]
		if !ok {
			since = time.Now()
		}
		now[ev.Key] = since
		if time.Since(since) > aWhile {
			w.problem("ghost: nobody has answered for %s since %v", ev.Key, since.Sub(w.start))
		}
	}
	w.unowned = now
}

// sessionOf returns the session that a candidate's key is named by.
func (w *world) sessionOf(key string) *concurrency.Session {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sessions[path.Base(key)]
}

func (w *world) ghosts() []etcdtest.Event {
	keys := w.candidates()
	w.mu.Lock()
	defer w.mu.Unlock()
	var ghosts []etcdtest.Event
	for _, ev := range keys {
		if w.uses[ev.Key] == 0 {
			ghosts = append(ghosts, ev)
		}
	}
	return ghosts
}

// A span is the life of a key, from revision to revision.
type span struct {
	key        string
	rev        int64 // its create revision
	begin, end time.Time
	gone       int64 // the revision of its deletion, 0 if there was none
	led        time.Time
	ledRev     int64 // from which revision on it was first, 0 if never
}

// A change is a new leader or a new value of the leader, or a vacancy.
type change struct {
	rev      int64
	key      string // empty for a vacancy
	modRev   int64
	value    string
	at       time.Time
	election string
}

// story derives from the history who was candidate when, and who led.
func (w *world) story() (spans map[string]map[int64]*span, changes map[string][]change) {
	spans = make(map[string]map[int64]*span)
	changes = make(map[string][]change)
	type entry struct {
		etcdtest.Event
		s *span
	}
	tables := make(map[string]map[string]entry)
	last := make(map[string]change)
	for _, name := range names {
		tables[name] = make(map[string]entry)
	}
	history := w.etcd.History()
	for i := 0; i < len(history); {
		rev := history[i].Rev
		at := history[i].Time
		for ; i < len(history) && history[i].Rev == rev; i++ {
			ev := history[i]
			for _, name := range names {
				table := tables[name]
				if old, ok := table[ev.Key]; ok && ev.Deleted {
					old.s.end, old.s.gone = ev.Time, rev
					delete(table, ev.Key)
				} else if !ev.Deleted && isCandidate(name, ev.Key, ev.Lease) {
					s := table[ev.Key].s
					if s == nil {
						s = &span{key: ev.Key, rev: ev.CreateRev, begin: ev.Time}
						if spans[ev.Key] == nil {
							spans[ev.Key] = make(map[int64]*span)
						}
						spans[ev.Key][ev.CreateRev] = s
					}
					table[ev.Key] = entry{ev, s}
				}
			}
		}
		for _, name := range names {
			var leader entry
			for _, e := range tables[name] {
				if leader.s == nil || e.CreateRev < leader.CreateRev {
					leader = e
				}
			}
			if leader.s != nil && leader.s.ledRev == 0 {
				leader.s.ledRev, leader.s.led = rev, at
			}
			c := change{rev: rev, key: leader.Key, modRev: leader.Rev, value: leader.Value, at: at, election: name}
			if l := last[name]; l.key != c.key || l.modRev != c.modRev {
				changes[name] = append(changes[name], c)
				last[name] = c
			}
		}
	}
	return spans, changes
}

// checkHistory compares what everybody believed with the store's history.
func (w *world) checkHistory() {
	spans, changes := w.story()

	// No false victory: when a campaign returned nil, its key of that very term had
	// been first at some moment of the call.
	for _, c := range w.campaigns {
		if c.err == nil && c.rev != 0 && !c.end.IsZero() {
			s := spans[c.key][c.rev]
			switch {
			case s == nil:
				w.problem("false victory: %s won with %s of revision %d, which never was", c.who, c.key, c.rev)
			case s.ledRev == 0 || s.led.After(c.end):
				w.problem("false victory: %s won with %s of revision %d, which was not first", c.who, c.key, c.rev)
			case s.gone != 0 && s.end.Before(c.begin):
				w.problem("false victory: %s won with %s of revision %d, which was gone", c.who, c.key, c.rev)
			}
		}
		// Nothing hangs: neither a victory nor the loss of the candidacy is hidden for
		// longer than a TTL and a little.
		end := c.end
		if end.IsZero() {
			w.problem("%s: the campaign for %s never returned", c.who, c.key)
			continue
		}
		for _, s := range spans[c.key] {
			if s.gone != 0 && s.end.Before(end) && s.begin.After(c.begin) && end.Sub(s.end) > c.ttl+aWhile && !w.another(spans[c.key], s, c) {
				w.problem("%s: the key %s was gone at %v, and the campaign returned %v later", c.who, c.key, s.end.Sub(w.start), end.Sub(s.end))
			}
			if s.ledRev != 0 && s.led.After(c.begin) && s.led.Before(end) && (s.gone == 0 || s.end.After(s.led.Add(c.ttl+aWhile))) && end.Sub(s.led) > c.ttl+aWhile {
				w.problem("%s: the key %s led from %v, and the campaign returned %v later", c.who, c.key, s.led.Sub(w.start), end.Sub(s.led))
			}
		}
	}

	// Step down first: a term that etcd ended by itself was over before.
	for _, r := range w.reigns {
		s := spans[r.key][r.rev]
		if s == nil || s.gone == 0 {
			continue
		}
		if r.over.IsZero() {
			w.problem("%s: term %d of %s was never over, though its key is gone", r.who, r.rev, r.key)
			continue
		}
		late := r.over.Sub(s.end)
		if late > 0 && !w.struck[s.gone] && s.end.After(w.doubtful[r.key]) {
			w.problem("overlap: %s: term %d of %s was over %v after its key was gone", r.who, r.rev, r.key, late)
		}
		if late > 5*time.Second+soon {
			w.problem("%s: term %d of %s was over only %v after its key was deleted", r.who, r.rev, r.key, late)
		}
	}

	// Fenced writes happen within their term.
	for _, ev := range w.etcd.History() {
		var key string
		var rev int64
		if ev.Deleted || len(ev.Key) < 6 || ev.Key[:5] != "data/" {
			continue
		}
		key = ev.Key[5:]
		fmt.Sscan(ev.Value, &rev)
		if s := spans[key][rev]; s == nil || s.ledRev == 0 || s.ledRev > ev.Rev || s.gone != 0 && s.gone < ev.Rev {
			w.problem("fence: revision %d wrote for term %d of %s, which did not last then", ev.Rev, rev, key)
		}
	}

	for _, o := range w.observers {
		w.checkObserver(o, changes[o.name])
	}
}

// another reports whether the campaign went on with a later key than s.
func (w *world) another(spans map[int64]*span, s *span, c *campaign) bool {
	for _, other := range spans {
		if other.rev > s.rev && other.begin.Before(c.end) {
			return true
		}
	}
	return false
}

// An observed is what one observer saw.
type observed struct {
	world *world
	name  string
	who   string
	saw   []concurrency.Candidate
	err   error
	e     *concurrency.Election
}

func (w *world) newObserver(who, name string) *observed {
	s, err := concurrency.NewSession(w.etcd.Client(who))
	if err != nil {
		w.problem("observer's session: %v", err)
	}
	o := &observed{world: w, who: who, name: name, e: concurrency.NewElection(s, name)}
	w.observers = append(w.observers, o)
	return o
}

func (o *observed) run(ctx context.Context) {
	for c, err := range o.e.Leaders(ctx) {
		if err != nil {
			o.err = err
			return
		}
		o.saw = append(o.saw, c)
	}
}

// checkObserver sees that an observer saw all changes from some point on, in
// order, except for some of those before a compaction.
func (w *world) checkObserver(o *observed, changes []change) {
	if len(o.saw) == 0 {
		w.problem("observer %s of %q saw nothing", o.who, o.name)
		return
	}
	for len(changes) > 0 && changes[len(changes)-1].rev > w.watchedTo {
		changes = changes[:len(changes)-1]
	}
	next := 0
	if o.saw[0].Key == "" && (len(changes) == 0 || changes[0].key != "") {
		o.saw = o.saw[1:] // the vacancy from before the first candidate
	}
	for i, c := range o.saw {
		at := slices.IndexFunc(changes[next:], func(ch change) bool { return ch.key == c.Key && (c.Key == "" || ch.modRev == c.ModRev) })
		if at < 0 {
			w.problem("observer %s of %q saw %+v, which is not in the history or out of order", o.who, o.name, c)
			return
		}
		if at > 0 && i > 0 && changes[next+at-1].rev > w.compactedTo {
			w.problem("observer %s of %q missed %+v", o.who, o.name, changes[next+at-1])
			return
		}
		next += at + 1
	}
	if next != len(changes) {
		w.problem("observer %s of %q did not see the last %d changes", o.who, o.name, len(changes)-next)
	}
}
