// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader

import (
	"maps"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

// Stats is what has come about since the Runner was made, for metrics; package
// leaderprom brings it to Prometheus.
type Stats struct {
	// Terms counts the terms that are over, by why; every Reason is there.
	Terms map[Reason]uint64
	// Wait is how long candidacies that won took, from before they had a lease.
	Wait Histogram
	// Term is how long terms took, from the win to the return of the function.
	Term Histogram
	// RenewalLatency is how long answers to renewals took.
	RenewalLatency Histogram
	// LeaseLeft is how long the lease would still have lived when it was renewed:
	// by how much a leadership, or a place in the queue, was kept.
	LeaseLeft Histogram
	// HandoverGap is how long nobody led before this Runner did: from when the last
	// leader's key was seen to be gone until the function was called.
	HandoverGap Histogram
	// Overruns counts the functions that overran, and Overrun is for how long they
	// did, all in all, with the one that does so now.
	Overruns uint64
	Overrun  time.Duration
	// Errors counts the failures that the Runner went on after.
	Errors uint64
}

// A Histogram counts durations by upper bounds, in seconds.
type Histogram struct {
	// Bounds are the upper bounds, in increasing order.
	Bounds []float64
	// Counts are how many durations were no longer than each of Bounds.
	Counts []uint64
	// Count is how many there were, and Sum their sum in seconds.
	Count uint64
	Sum   float64
}

func (h *Histogram) observe(d time.Duration) {
	s := max(d, 0).Seconds()
	h.Count++
	h.Sum += s
	for i := len(h.Bounds) - 1; i >= 0 && s <= h.Bounds[i]; i-- {
		h.Counts[i]++
	}
}

func (h *Histogram) clone() Histogram {
	c := *h
	c.Bounds, c.Counts = slices.Clone(h.Bounds), slices.Clone(h.Counts)
	return c
}

func newHistogram(bounds ...float64) Histogram {
	return Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds))}
}

// stats is what a Runner counts, guarded by its mu.
type stats struct {
	Stats
	overrunning time.Time // since when a function overruns; zero if none does
	vacant      time.Time // since when nobody leads, or only this Runner, whose function has yet to be called
}

func newStats() stats {
	s := stats{Stats: Stats{
		Terms:          make(map[Reason]uint64),
		Wait:           newHistogram(.005, .025, .1, .5, 1, 5, 15, 60, 300, 1800, 7200, 28800, 86400),
		Term:           newHistogram(.1, 1, 5, 15, 60, 300, 1800, 7200, 28800, 86400, 604800),
		RenewalLatency: newHistogram(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10),
		LeaseLeft:      newHistogram(.25, .5, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 60),
		HandoverGap:    newHistogram(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 60),
	}}
	for _, r := range Reasons() {
		s.Terms[r] = 0
	}
	return s
}

// begin takes note that a term begins.
func (s *stats) begin(now, campaign time.Time) {
	s.Wait.observe(now.Sub(campaign))
	if !s.vacant.IsZero() {
		s.HandoverGap.observe(now.Sub(s.vacant))
		s.vacant = time.Time{}
	}
}

// end takes note that a term is over.
func (s *stats) end(why Reason, lasted time.Duration) {
	s.Terms[why]++
	s.Term.observe(lasted)
}

// renewed takes note of a renewal.
func (s *stats) renewed(latency, left time.Duration) {
	s.RenewalLatency.observe(latency)
	s.LeaseLeft.observe(left)
}

// succession takes note that one leader, or nobody, has followed on another. The
// own function may run already by the time that the watch tells of it: then there
// was no gap.
func (s *stats) succession(before, now concurrency.Candidate, own *concurrency.Term, lease clientv3.LeaseID) {
	switch {
	case before.Rev == 0: // somebody leads
		if now.Lease != lease {
			s.vacant = time.Time{}
		}
	case own != nil && before.Rev < own.Rev():
		s.HandoverGap.observe(0)
	case now.Rev == 0 || now.Lease == lease:
		s.vacant = time.Now()
	default: // another one leads
		s.vacant = time.Time{}
	}
}

func (s *stats) overrunBegins(now time.Time) {
	s.Overruns++
	s.overrunning = now
}

func (s *stats) overrunEnds(took time.Duration) {
	s.Overrun += took
	s.overrunning = time.Time{}
}

// Stats returns what has come about since the Runner was made.
func (r *Runner) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats.Stats
	s.Terms = maps.Clone(s.Terms)
	s.Wait, s.Term, s.RenewalLatency = s.Wait.clone(), s.Term.clone(), s.RenewalLatency.clone()
	s.LeaseLeft, s.HandoverGap = s.LeaseLeft.clone(), s.HandoverGap.clone()
	if !r.stats.overrunning.IsZero() {
		s.Overrun += time.Since(r.stats.overrunning)
	}
	return s
}
