// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

// How watches come by events: a synced one hears of each write as it happens, one that has something to catch up with
// hears of it from a loop.

const (
	syncInterval = 100 * time.Millisecond // how often the server looks after unsynced watchers
	syncBatch    = 1000                   // revisions that an unsynced watcher is given at once
)

// deliverLocked sends a watch those of the events that it asked for. If none are left after its filters, it hears nothing.
func (s *store) deliverLocked(w *watcher, rev int64, events []*mvccpb.Event) {
	var out []*mvccpb.Event
	for _, ev := range events {
		if filtered(w.req.Filters, ev) {
			continue
		}
		if w.req.PrevKv && !(ev.Type == mvccpb.Event_PUT && ev.Kv.CreateRevision == ev.Kv.ModRevision) {
			if prev := ev.Kv.ModRevision - 1; prev >= w.stream.member.viewLocked().compact {
				ev = &mvccpb.Event{Type: ev.Type, Kv: ev.Kv, PrevKv: s.atLocked(string(ev.Kv.Key), prev)}
			}
		}
		out = append(out, ev)
	}
	if len(out) == 0 {
		return
	}
	w.progress = false
	w.stream.sendLocked(rev, &pb.WatchResponse{WatchId: w.id, Events: out})
}

func filtered(filters []pb.WatchCreateRequest_FilterType, ev *mvccpb.Event) bool {
	for _, f := range filters {
		if f == pb.WatchCreateRequest_NOPUT && ev.Type == mvccpb.Event_PUT ||
			f == pb.WatchCreateRequest_NODELETE && ev.Type == mvccpb.Event_DELETE {
			return true
		}
	}
	return false
}

// notifyLocked tells the synced watchers of a new revision. Members without a leader do not hear of it.
func (s *store) notifyLocked(rev int64, events []*mvccpb.Event) {
	for _, w := range s.watchers {
		if w.state != synced || w.silent || w.stream.member.frozen != nil {
			continue
		}
		s.tellLocked(w, rev, events)
	}
}

func (s *store) tellLocked(w *watcher, rev int64, events []*mvccpb.Event) {
	if rev < w.minRev {
		return
	}
	var own []*mvccpb.Event
	for _, ev := range events {
		if w.matches(string(ev.Kv.Key)) {
			own = append(own, ev)
		}
	}
	w.minRev = rev + 1
	s.deliverLocked(w, rev, own)
}

// thawLocked tells the synced watchers of a member what it has missed, a revision at a time, as a member does that
// applies the log.
func (s *store) thawLocked(m *Member, from int64) {
	for _, w := range s.watchers {
		if w.stream.member != m || w.state != synced || w.silent {
			continue
		}
		missed := s.eventsLocked(from+1, s.rev)
		for len(missed) > 0 {
			rev := missed[0].ev.Kv.ModRevision
			var events []*mvccpb.Event
			for len(missed) > 0 && missed[0].ev.Kv.ModRevision == rev {
				events = append(events, missed[0].ev)
				missed = missed[1:]
			}
			s.tellLocked(w, rev, events)
		}
	}
}

// armSyncLocked sets the timer for the loop that looks after unsynced watchers, if there are any.
func (s *store) armSyncLocked() {
	if s.sync != nil || s.closed {
		return
	}
	for _, w := range s.watchers {
		if w.state == unsynced && !w.silent {
			// The next tick, not one that is now: the loop has just been by.
			at := s.tickAfter(time.Now().Add(1), syncInterval)
			s.sync = time.AfterFunc(time.Until(at), s.syncWatchers)
			return
		}
	}
}

func (s *store) syncWatchers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sync = nil
	for _, w := range slices.Clone(s.watchers) {
		if w.state == unsynced && !w.silent {
			s.catchUpLocked(w)
		}
	}
	s.armSyncLocked()
}

func (s *store) catchUpLocked(w *watcher) {
	v := w.stream.member.viewLocked()
	if w.minRev < v.compact {
		w.state = compacted
		s.forgetLocked(w)
		w.stream.sendLocked(0, &pb.WatchResponse{WatchId: w.id, Canceled: true, CompactRevision: v.compact})
		return
	}
	var events []*mvccpb.Event
	revs, last, next := 0, int64(0), v.rev+1
	for _, e := range s.eventsLocked(w.minRev, v.rev) {
		kv := e.ev.Kv
		if !w.matches(string(kv.Key)) || kv.ModRevision == v.compact && s.overwrittenLocked(kv) {
			continue
		}
		if kv.ModRevision > last {
			if revs++; revs > syncBatch {
				next = kv.ModRevision
				break
			}
			last = kv.ModRevision
		}
		events = append(events, e.ev)
	}
	w.minRev = max(next, w.minRev)
	if next > v.rev {
		w.state = synced
	}
	s.deliverLocked(w, v.rev, events)
}

// overwrittenLocked tells whether the same transaction wrote the key again. Compaction at that revision keeps only the last.
func (s *store) overwrittenLocked(kv *mvccpb.KeyValue) bool {
	for _, v := range slices.Backward(s.keys[string(kv.Key)]) {
		if v.main == kv.ModRevision {
			return v.kv != kv
		}
	}
	return false
}
