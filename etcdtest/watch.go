// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"bytes"
	"errors"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var (
	errEmptyRange  = errors.New("mvcc: watcher range is empty")
	errDuplicateID = errors.New("mvcc: duplicate watch ID provided on the WatchStream")
)

type watchState int

const (
	synced    watchState = iota // hears of each write as it happens
	unsynced                    // has something to catch up with; waits for the loop
	compacted                   // was cancelled, because what it asked for is gone; its id stays taken
)

// watcher is one watch on a stream. Invariant: it has been told of everything before minRev that it asked for.
type watcher struct {
	stream   *watchStream
	id       int64
	req      *pb.WatchCreateRequest
	startRev int64
	minRev   int64
	state    watchState
	silent   bool // by a fault: it is owed what happens from minRev on
	progress bool // a notification is due at the next tick
}

func (w *watcher) matches(name string) bool { return inRange(name, w.req.Key, w.req.RangeEnd) }

// watchStream is the server's end of one Watch call. Its queue is unbounded: the server's slow-watcher handling, which
// starts at 128 responses that the connection cannot take, is not modelled.
type watchStream struct {
	s           *store
	member      *Member
	participant string
	watchers    map[int64]*watcher
	nextID      int64
	queue       []*pb.WatchResponse
	wake        chan struct{} // holds one token when there is something in the queue
	held        []*pb.WatchCreateRequest
	closed      bool
}

func (s *store) newWatchStream(m *Member, participant string) *watchStream {
	ws := &watchStream{
		s: s, member: m, participant: participant,
		watchers: map[int64]*watcher{}, wake: make(chan struct{}, 1),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams = append(s.streams, ws)
	return ws
}

func (ws *watchStream) sendLocked(rev int64, r *pb.WatchResponse) {
	r.Header = ws.member.header(rev)
	ws.queue = append(ws.queue, r)
	select {
	case ws.wake <- struct{}{}:
	default:
	}
}

// createLocked opens a watch and confirms it. Watch and confirmation are made under one lock, so that no event can
// come before the confirmation.
func (ws *watchStream) createLocked(r *pb.WatchCreateRequest) {
	s, v := ws.s, ws.member.viewLocked()
	if s.heldLocked(ws, r) {
		ws.held = append(ws.held, r)
		return
	}
	refuse := func(err error) {
		ws.sendLocked(v.rev, &pb.WatchResponse{
			WatchId: clientv3.InvalidWatchID, Created: true, Canceled: true, CancelReason: err.Error(),
		})
	}
	if len(r.Key) == 0 {
		r.Key = []byte{0}
	}
	switch {
	case r.StartRevision < 0:
		refuse(rpctypes.ErrCompacted)
		return
	case len(r.RangeEnd) != 0 && !openEnd(r.RangeEnd) && bytes.Compare(r.Key, r.RangeEnd) >= 0:
		refuse(errEmptyRange)
		return
	case r.WatchId != clientv3.AutoWatchID && ws.watchers[r.WatchId] != nil:
		refuse(errDuplicateID)
		return
	}
	id := r.WatchId
	if id == clientv3.AutoWatchID {
		for ws.watchers[ws.nextID] != nil {
			ws.nextID++
		}
		id = ws.nextID
		ws.nextID++
	}
	w := &watcher{
		stream: ws, id: id, req: r, startRev: r.StartRevision, minRev: r.StartRevision,
		state: unsynced, progress: r.ProgressNotify,
	}
	if r.StartRevision == 0 || r.StartRevision > v.rev {
		w.state, w.minRev = synced, max(r.StartRevision, v.rev+1)
	}
	w.silent = s.silencedLocked(w)
	ws.watchers[id] = w
	s.watchers = append(s.watchers, w)
	ws.sendLocked(v.rev, &pb.WatchResponse{WatchId: id, Created: true})
	s.armSyncLocked()
}

func (ws *watchStream) cancelLocked(id int64, r *pb.WatchResponse) {
	w := ws.watchers[id]
	if w == nil {
		return
	}
	delete(ws.watchers, id)
	ws.s.forgetLocked(w)
	r.WatchId, r.Canceled = id, true
	ws.sendLocked(ws.member.viewLocked().rev, r)
}

func (ws *watchStream) close() {
	ws.s.mu.Lock()
	defer ws.s.mu.Unlock()
	ws.closed = true
	ws.s.streams = slices.DeleteFunc(ws.s.streams, func(other *watchStream) bool { return other == ws })
	for _, w := range ws.watchers {
		ws.s.forgetLocked(w)
	}
}

func (s *store) forgetLocked(w *watcher) {
	if i := slices.Index(s.watchers, w); i >= 0 {
		s.watchers = slices.Delete(s.watchers, i, i+1)
	}
}

// progressLocked answers a progress request for the watches given, which are one or all of a stream's. It says nothing
// unless each of them has heard everything, and nothing for a stream without watches.
func (ws *watchStream) progressLocked(id int64, watchers map[int64]*watcher) {
	rev := ws.member.viewLocked().rev
	for _, w := range watchers {
		if w.state != synced || w.silent || rev < w.startRev {
			return
		}
	}
	if len(watchers) > 0 {
		ws.sendLocked(rev, &pb.WatchResponse{WatchId: id})
	}
}

// tickLocked is the periodic progress notification: a watch that was sent events since the last one is left out.
func (ws *watchStream) tickLocked() {
	for _, w := range ws.s.watchers {
		if w.stream != ws || !w.req.ProgressNotify {
			continue
		}
		if w.progress {
			ws.progressLocked(w.id, map[int64]*watcher{w.id: w})
		}
		w.progress = true
	}
}
