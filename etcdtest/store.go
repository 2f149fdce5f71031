// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"errors"
	"slices"
	"sort"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// store is the state that all members share: every version of every key, the leases, and the watchers. One mutex
// guards all of it, which makes each request atomic and gives requests one order, as the replicated log does in etcd.
// Nothing is called over the network while it is held: what watchers are to hear goes to queues (watch.go).
//
// Nothing is ever thrown away. A compaction only moves a bound that answers are checked against, so that a checker can
// still read the whole history, and so that a member cut off from its leader can go on answering from its old state.
type store struct {
	cfg   config
	start time.Time // the loops of the server (lease scan, watch catch-up, leader monitor) tick from here

	mu       sync.Mutex
	closed   bool
	rev      int64 // of the last write; an empty store is at 1
	compact  int64 // the last compaction; -1 before the first
	keys     map[string][]keyVersion
	names    []string // all keys that ever were, sorted
	history  []entry
	leases   map[int64]*lease
	leased   map[string]int64 // key to the lease that it is attached to
	leaseSeq int64
	scan     *time.Timer
	members  []*Member
	leader   int // index of the raft leader, -1 for none
	term     uint64
	promoted chan struct{} // closed and replaced when a leader takes over
	streams  []*watchStream
	watchers []*watcher // in the order of creation
	sync     *time.Timer
	rules    []*watchRule // faults in force on watches
}

// keyVersion is what one write left of a key. Invariant: the versions of a key are in the order of their revisions.
type keyVersion struct {
	main    int64
	deleted bool
	kv      *mvccpb.KeyValue // never changed once written: answers share it
}

type entry struct {
	ev *mvccpb.Event
	at time.Time
}

// view is how far a member has applied the log.
type view struct{ rev, compact int64 }

var (
	errCompacted = errors.New("mvcc: required revision has been compacted")
	errFutureRev = errors.New("mvcc: required revision is a future revision")
)

func newStore(cfg config) *store {
	return &store{
		cfg:      cfg,
		start:    time.Now(),
		rev:      1,
		compact:  -1,
		keys:     map[string][]keyVersion{},
		leases:   map[int64]*lease{},
		leased:   map[string]int64{},
		leader:   -1,
		term:     1,
		promoted: make(chan struct{}),
	}
}

// close stops the loops.
func (s *store) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, t := range []*time.Timer{s.scan, s.sync} {
		if t != nil {
			t.Stop()
		}
	}
}

func (s *store) viewLocked() view { return view{s.rev, s.compact} }

// atLocked returns the key as it was at a revision, or nil if it did not exist.
func (s *store) atLocked(name string, rev int64) *mvccpb.KeyValue {
	vs := s.keys[name]
	i := sort.Search(len(vs), func(i int) bool { return vs[i].main > rev })
	if i == 0 || vs[i-1].deleted {
		return nil
	}
	return vs[i-1].kv
}

// scanLocked returns the keys of a range that existed at a revision, by name. A nil end means the one key, an end of
// one zero byte everything from key on.
func (s *store) scanLocked(key, end []byte, rev int64) []*mvccpb.KeyValue {
	if len(end) == 0 {
		if kv := s.atLocked(string(key), rev); kv != nil {
			return []*mvccpb.KeyValue{kv}
		}
		return nil
	}
	var out []*mvccpb.KeyValue
	i, _ := slices.BinarySearch(s.names, string(key))
	for _, name := range s.names[i:] {
		if !openEnd(end) && name >= string(end) {
			break
		}
		if kv := s.atLocked(name, rev); kv != nil {
			out = append(out, kv)
		}
	}
	return out
}

func openEnd(end []byte) bool { return len(end) == 1 && end[0] == 0 }

// inRange tells whether a key is in the range that a request spells as key and end.
func inRange(name string, key, end []byte) bool {
	switch {
	case len(end) == 0:
		return name == string(key)
	case openEnd(end):
		return name >= string(key)
	default:
		return name >= string(key) && name < string(end)
	}
}

// eventsLocked returns the history from one revision to another, both included.
func (s *store) eventsLocked(from, to int64) []entry {
	lo := sort.Search(len(s.history), func(i int) bool { return s.history[i].ev.Kv.ModRevision >= from })
	hi := sort.Search(len(s.history), func(i int) bool { return s.history[i].ev.Kv.ModRevision > to })
	return s.history[lo:hi]
}

// write is one transaction's writes. All of them share one revision, the next one, and are told apart by their order.
type write struct {
	s      *store
	begin  int64
	events []*mvccpb.Event
}

func (s *store) writeLocked() *write { return &write{s: s, begin: s.rev} }

// rev is what the transaction reads at: the store as it was, until the transaction itself has written.
func (w *write) rev() int64 {
	if len(w.events) > 0 {
		return w.begin + 1
	}
	return w.begin
}

func (w *write) put(key, value []byte, leaseID int64) {
	s, name := w.s, string(key)
	kv := &mvccpb.KeyValue{
		Key: key, Value: value, Lease: leaseID,
		CreateRevision: w.begin + 1, ModRevision: w.begin + 1, Version: 1,
	}
	if old := s.atLocked(name, w.begin+1); old != nil {
		kv.CreateRevision, kv.Version = old.CreateRevision, old.Version+1
	}
	s.detachLocked(name)
	if leaseID != 0 {
		s.leases[leaseID].keys[name] = true
		s.leased[name] = leaseID
	}
	w.add(name, keyVersion{main: w.begin + 1, kv: kv}, mvccpb.Event_PUT)
}

func (w *write) delete(key, end []byte) (n int64) {
	for _, kv := range w.s.scanLocked(key, end, w.rev()) {
		w.s.detachLocked(string(kv.Key))
		gone := &mvccpb.KeyValue{Key: kv.Key, ModRevision: w.begin + 1}
		w.add(string(kv.Key), keyVersion{main: w.begin + 1, deleted: true, kv: gone}, mvccpb.Event_DELETE)
		n++
	}
	return n
}

func (w *write) add(name string, v keyVersion, t mvccpb.Event_EventType) {
	s := w.s
	if _, known := s.keys[name]; !known {
		i, _ := slices.BinarySearch(s.names, name)
		s.names = slices.Insert(s.names, i, name)
	}
	s.keys[name] = append(s.keys[name], v)
	w.events = append(w.events, &mvccpb.Event{Type: t, Kv: v.kv})
}

// commit makes the writes the next revision and tells the watchers. Without writes there is no new revision.
func (w *write) commit() {
	if len(w.events) == 0 {
		return
	}
	s := w.s
	s.rev++
	now := time.Now()
	for _, ev := range w.events {
		s.history = append(s.history, entry{ev, now})
	}
	s.notifyLocked(s.rev, w.events)
}

// compactLocked forbids reads before rev. Like etcd, it lets the first compaction be one at 0.
func (s *store) compactLocked(rev int64) error {
	switch {
	case rev <= s.compact:
		return errCompacted
	case rev > s.rev:
		return errFutureRev
	}
	s.compact = rev
	return nil
}
