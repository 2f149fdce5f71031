// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A handover is from one reign to the next.
type handover struct {
	from, to reign
	cause    cause
	// lingered is how long after the removal began the old term was over.
	lingered time.Duration
	// vacant is how long nobody led: for a crash since the crash, which the term
	// of a dead process outlasts, and else since the old term was over.
	vacant time.Duration
	// slack is by how much the old term was over before the new leader's Campaign
	// returned. If it is negative, two led at once.
	slack time.Duration
}

// handovers pairs each reign with the next, and with what was done to its leader.
func handovers(h history) []handover {
	rs := inOrder(h.reigns)
	var hs []handover
	for i := 1; i < len(rs); i++ {
		o := handover{from: rs[i-1], to: rs[i]}
		o.slack = o.to.from - o.from.to
		since := o.from.to
		for _, r := range h.removals {
			if r.who == o.from.who && o.from.from <= r.at && r.at <= o.to.from {
				o.cause, o.lingered = r.cause, o.from.to-r.at
				if r.cause == crashed {
					since = r.at
				}
			}
		}
		o.vacant = max(0, o.to.from-since)
		hs = append(hs, o)
	}
	return hs
}

// inOrder returns the reigns in the order in which they began.
func inOrder(rs []reign) []reign {
	rs = slices.Clone(rs)
	slices.SortStableFunc(rs, func(a, b reign) int { return cmp.Compare(a.from, b.from) })
	return rs
}

// check tells what is wrong with a handover.
func (o handover) check(ttl time.Duration) error {
	bound, _ := o.cause.vacancy(ttl)
	lingering := o.cause.lingering(ttl)
	name := fmt.Sprintf("handover from %s to %s (%s)", o.from.who, o.to.who, o.cause)
	switch {
	case o.cause == unexplained:
		return fmt.Errorf("%s: %s stopped leading though nobody had removed it: %w", name, o.from.who, o.from.why)
	case !errors.Is(o.from.why, o.cause.why()):
		return fmt.Errorf("%s: the term ended with %q and not with %q", name, o.from.why, o.cause.why())
	case o.vacant > bound:
		return fmt.Errorf("%s: nobody led for %v, and the bound is %v", name, show3(o.vacant), bound)
	case o.lingered > lingering:
		return fmt.Errorf("%s: the old term lasted %v longer, and the bound is %v", name, show3(o.lingered), lingering)
	}
	return nil
}

// judge returns nil if no two led at once, the observer and the leaders' writes
// agree, and each handover came within its bound; else all that is wrong.
func judge(h history, hs []handover, ttl time.Duration) error {
	errs := []error{checkOverlap(h), checkObserver(h), checkDeeds(h)}
	seen := make(map[cause]bool)
	for _, o := range hs {
		errs = append(errs, o.check(ttl))
		seen[o.cause] = true
	}
	for _, c := range []cause{resigned, deleted, crashed, cutOff} {
		if !seen[c] {
			errs = append(errs, fmt.Errorf("there was no handover from a leader that was removed: %s", c))
		}
	}
	return errors.Join(errs...)
}

// checkOverlap tells whether two led at once, by the clock of this process, by
// more than the removal of the earlier one allows.
func checkOverlap(h history) error {
	var errs []error
	rs := inOrder(h.reigns)
	for i, later := range rs {
		for _, earlier := range rs[:i] {
			over := min(earlier.to, later.to) - later.from
			if over <= 0 {
				continue
			}
			var allowed time.Duration
			for _, r := range h.removals {
				if r.who == earlier.who && earlier.from <= r.at && r.at <= later.from {
					allowed = r.cause.overlap()
				}
			}
			if over > allowed {
				errs = append(errs, fmt.Errorf("%s and %s led at once for %v, from %v", earlier.who, later.who, show3(over), show3(later.from)))
			}
		}
	}
	return errors.Join(errs...)
}

// checkObserver tells whether those who took themselves for the leader were those
// whom etcd had lead, in etcd's order.
func checkObserver(h history) error {
	var believed, seen []string
	for _, g := range inOrder(h.reigns) {
		believed = append(believed, fmt.Sprintf("%s@%d", g.who, g.rev))
	}
	var last int64
	for _, s := range h.sightings {
		if s.who == "" {
			continue
		}
		if s.rev <= last {
			return fmt.Errorf("the observer saw %s lead by revision %d after one of revision %d", s.who, s.rev, last)
		}
		last = s.rev
		seen = append(seen, fmt.Sprintf("%s@%d", s.who, s.rev))
	}
	if !slices.Equal(believed, seen) {
		return fmt.Errorf("the candidates say that the leaders were %v, and the observer says %v", believed, seen)
	}
	return nil
}

// checkDeeds tells whether what leaders wrote under their fences is in the order of
// their terms: after the first write of a term there is none of an earlier one.
func checkDeeds(h history) error {
	if len(h.deeds) == 0 {
		return errors.New("no leader has written anything")
	}
	var last deed
	for _, d := range h.deeds {
		if d.rev <= last.rev || d.term < last.term {
			return fmt.Errorf("a write of term %d at revision %d came after one of term %d at revision %d", d.term, d.rev, last.term, last.rev)
		}
		if !slices.ContainsFunc(h.reigns, func(g reign) bool { return g.rev == d.term }) {
			return fmt.Errorf("a write at revision %d is of term %d, which nobody has won", d.rev, d.term)
		}
		last = d
	}
	return nil
}

// summary says what was found, where judge has found nothing wrong.
func summary(h history, hs []handover) string {
	least := hs[0]
	for _, o := range hs {
		if o.slack < least.slack {
			least = o
		}
	}
	text := fmt.Sprintf("%d leaders one after the other, each handover within its bound.\n"+
		"The observer saw the same leaders in the same order, and %d fenced writes, none out of its term.\n",
		len(h.reigns), len(h.deeds))
	if least.slack >= 0 {
		return text + fmt.Sprintf("By the clock no two led at once; the least slack was %s (%s).\n", show3(least.slack), least.cause)
	}
	return text + fmt.Sprintf("By the clock %s led for %s before %s had heard that its key was deleted; no write of %s came after the first of %s.\n",
		least.to.who, show3(-least.slack), least.from.who, least.from.who, least.to.who)
}
