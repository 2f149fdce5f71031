// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"context"
	"sync"
	"time"
)

// A reign is a time in which a candidate took itself for the leader: from the
// return of Campaign until Done of its Term. Times are counted from the start.
type reign struct {
	who      string
	rev      int64 // of the candidate's key, as the Term says
	from, to time.Duration
	why      error // that the term is over; nil while it lasts
}

// A stay is a time in which a candidate was in the election, in the queue or at
// its head.
type stay struct {
	who      string
	from, to time.Duration
	over     bool
}

// A removal is what was done to a leader, and when it began.
type removal struct {
	cause cause
	who   string
	at    time.Duration
}

// A sighting is what the observer was told by Leaders: who leads, or, if who is
// empty, that nobody does.
type sighting struct {
	who string
	rev int64
	at  time.Duration
}

// A deed is a write in etcd that is guarded by its leader's fence.
type deed struct {
	term int64 // Rev of the Term that it was done in
	rev  int64 // at which etcd applied it
}

// A record is all that happens, as it is needed to draw and to judge it.
type record struct {
	began time.Time

	mu        sync.Mutex
	reigns    []*reign
	stays     []*stay
	removals  []removal
	sightings []sighting
	deeds     []deed
	changed   chan struct{} // closed at the next change
}

func newRecord() *record { return &record{began: time.Now(), changed: make(chan struct{})} }

// now returns the time since the start.
func (r *record) now() time.Duration { return time.Since(r.began) }

// change lets f change the record, and wakes those who wait for a change.
func (r *record) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.changed)
	r.changed = make(chan struct{})
}

// await returns when cond holds, or with the cause when ctx ends. cond may read
// the record.
func (r *record) await(ctx context.Context, cond func() bool) error {
	for {
		r.mu.Lock()
		ok, changed := cond(), r.changed
		r.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// enter records that a candidate enters the election. The returned function
// records that it is out again.
func (r *record) enter(who string) (leave func()) {
	s := &stay{who: who, from: r.now()}
	r.change(func() { r.stays = append(r.stays, s) })
	return func() {
		to := r.now()
		r.change(func() { s.to, s.over = to, true })
	}
}

// won records the beginning of a reign.
func (r *record) won(who string, rev int64, at time.Duration) *reign {
	g := &reign{who: who, rev: rev, from: at}
	r.change(func() { r.reigns = append(r.reigns, g) })
	return g
}

// lost records the end of a reign.
func (r *record) lost(g *reign, at time.Duration, why error) {
	r.change(func() { g.to, g.why = at, why })
}

func (r *record) removed(c cause, who string, at time.Duration) {
	r.change(func() { r.removals = append(r.removals, removal{c, who, at}) })
}

func (r *record) saw(s sighting) { r.change(func() { r.sightings = append(r.sightings, s) }) }

func (r *record) did(d deed) { r.change(func() { r.deeds = append(r.deeds, d) }) }

// reigningLocked returns the reign that lasts, or nil.
func (r *record) reigningLocked() *reign {
	for _, g := range r.reigns {
		if g.why == nil {
			return g
		}
	}
	return nil
}

// awaitReign waits for the nth reign (from 1) to begin.
func (r *record) awaitReign(ctx context.Context, n int) (*reign, error) {
	if err := r.await(ctx, func() bool { return len(r.reigns) >= n }); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reigns[n-1], nil
}

// A history is a copy of a record that no longer changes.
type history struct {
	reigns    []reign
	stays     []stay
	removals  []removal
	sightings []sighting
	deeds     []deed
	end       time.Duration
}

// history returns what is recorded so far. What lasts still ends now.
func (r *record) history() history {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := history{
		removals:  append([]removal(nil), r.removals...),
		sightings: append([]sighting(nil), r.sightings...),
		deeds:     append([]deed(nil), r.deeds...),
		end:       r.now(),
	}
	for _, g := range r.reigns {
		c := *g
		if c.why == nil {
			c.to = h.end
		}
		h.reigns = append(h.reigns, c)
	}
	for _, s := range r.stays {
		c := *s
		if !c.over {
			c.to = h.end
		}
		h.stays = append(h.stays, c)
	}
	return h
}
