// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// watchRule is a fault in force on the watches of one participant, those there are and those to come.
type watchRule struct {
	participant string
	members     []*Member
	keys        []string // none means all
	hold        bool     // do not confirm, instead of being silent
}

func (r *watchRule) applies(participant string, w *pb.WatchCreateRequest) bool {
	return r.participant == participant && watchesOneOf(w, r.keys)
}

func watchesOneOf(w *pb.WatchCreateRequest, keys []string) bool {
	return len(keys) == 0 || slices.ContainsFunc(keys, func(k string) bool { return inRange(k, w.Key, w.RangeEnd) })
}

func (s *store) silencedLocked(w *watcher) bool {
	return slices.ContainsFunc(s.rules, func(r *watchRule) bool {
		return !r.hold && slices.Contains(r.members, w.stream.member) && r.applies(w.stream.participant, w.req)
	})
}

// CutWatch makes the server cancel the participant's open watches that cover one of the keys, or all of them if no key is
// named, and returns how many that were. The etcd client closes the channel of such a watch without another response. The
// stream they were on stays, and new watches work.
func (l *Link) CutWatch(keys ...string) int {
	return l.cancelWatches(keys, func(*watcher) *pb.WatchResponse {
		return &pb.WatchResponse{CancelReason: "etcdtest: watch cut"}
	})
}

// CompactWatch makes the server cancel watches as CutWatch does, but as if the revisions they were waiting for had been
// compacted. The store is not compacted; [Etcd.Compact] does that.
func (l *Link) CompactWatch(keys ...string) int {
	return l.cancelWatches(keys, func(w *watcher) *pb.WatchResponse {
		return &pb.WatchResponse{CompactRevision: w.stream.member.viewLocked().rev}
	})
}

func (l *Link) cancelWatches(keys []string, response func(*watcher) *pb.WatchResponse) (n int) {
	s := l.etcd.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range slices.Clone(s.watchers) {
		if w.stream.participant == l.participant && l.covers(w.stream.member) && watchesOneOf(w.req, keys) {
			w.stream.cancelLocked(w.id, response(w))
			n++
		}
	}
	return n
}

// SilenceWatch makes the participant's watches that cover one of the keys, or all of them if no key is named, go quiet:
// they stay open and hear nothing. Watches that are opened later are confirmed and then quiet too. After Heal they are
// told, within a tenth of a second, all that they have missed.
func (l *Link) SilenceWatch(keys ...string) {
	s := l.etcd.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, &watchRule{participant: l.participant, members: l.members(), keys: keys})
	for _, w := range s.watchers {
		if !w.silent && s.silencedLocked(w) {
			w.silent = true
			if w.state == synced {
				w.minRev = max(w.minRev, w.stream.member.viewLocked().rev+1)
			}
		}
	}
}

// HoldWatch leaves the participant's new watches that cover one of the keys, or all new ones if no key is named,
// unconfirmed: the request is taken and nothing is answered, until Heal. Watches that are open stay as they are.
func (l *Link) HoldWatch(keys ...string) {
	s := l.etcd.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, &watchRule{participant: l.participant, members: l.members(), keys: keys, hold: true})
}

func (s *store) heldLocked(ws *watchStream, r *pb.WatchCreateRequest) bool {
	return slices.ContainsFunc(s.rules, func(rule *watchRule) bool {
		return rule.hold && slices.Contains(rule.members, ws.member) && rule.applies(ws.participant, r)
	})
}

// healWatches undoes SilenceWatch and HoldWatch.
func (l *Link) healWatches() {
	s := l.etcd.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = slices.DeleteFunc(s.rules, func(r *watchRule) bool {
		if r.participant != l.participant {
			return false
		}
		r.members = slices.DeleteFunc(r.members, l.covers)
		return len(r.members) == 0
	})
	for _, w := range s.watchers {
		if w.silent && !s.silencedLocked(w) {
			w.silent = false
			if w.minRev <= w.stream.member.viewLocked().rev {
				w.state = unsynced
			}
		}
	}
	for _, ws := range s.streams {
		held := ws.held
		ws.held = nil
		for _, r := range held {
			ws.createLocked(r) // holds it again if another rule applies
		}
	}
	s.armSyncLocked()
}
