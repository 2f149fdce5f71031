// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Event is one write of one key. Events of one revision are one transaction's, or one lease's end.
type Event struct {
	Rev       int64
	Deleted   bool
	Key       string
	Value     string           // empty for a delete, as are the rest
	CreateRev int64            // the revision in which the key came into being
	Version   int64            // how often it was written since
	Lease     clientv3.LeaseID // the lease it was attached to, or zero
	Time      time.Time
}

// String is one line of a trace.
func (e Event) String() string {
	if e.Deleted {
		return fmt.Sprintf("%d delete %s", e.Rev, e.Key)
	}
	s := fmt.Sprintf("%d put %s=%q", e.Rev, e.Key, e.Value)
	if e.Lease != 0 {
		s += fmt.Sprintf(" lease %x", int64(e.Lease))
	}
	return s
}

// History returns every write since the store was empty, in order. Compaction takes nothing away from it.
func (e *Etcd) History() []Event {
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	out := make([]Event, len(e.store.history))
	for i, h := range e.store.history {
		out[i] = eventOf(h.ev.Kv, h.ev.Type == mvccpb.Event_DELETE, h.at)
	}
	return out
}

func eventOf(kv *mvccpb.KeyValue, deleted bool, at time.Time) Event {
	return Event{
		Rev: kv.ModRevision, Deleted: deleted, Key: string(kv.Key), Value: string(kv.Value),
		CreateRev: kv.CreateRevision, Version: kv.Version, Lease: clientv3.LeaseID(kv.Lease), Time: at,
	}
}

// Rev returns the revision of the last write.
func (e *Etcd) Rev() int64 {
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	return e.store.rev
}

// Keys returns, in order, the keys that exist now and begin with prefix, each as its last write.
func (e *Etcd) Keys(prefix string) []Event {
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	last := map[string]time.Time{}
	for _, h := range e.store.history {
		last[string(h.ev.Kv.Key)] = h.at
	}
	var out []Event
	for _, name := range e.store.names {
		if kv := e.store.atLocked(name, e.store.rev); kv != nil && strings.HasPrefix(name, prefix) {
			out = append(out, eventOf(kv, false, last[name]))
		}
	}
	return out
}

// Lease is a lease that has not been revoked.
type Lease struct {
	ID          clientv3.LeaseID
	Participant string // who asked for it
	TTL         time.Duration
	Granted     time.Time
	Expires     time.Time // the next half-second scan after it revokes the lease
	Keys        []string
}

// Leases returns the leases that there are, those that expire first coming first.
func (e *Etcd) Leases() []Lease {
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	var out []Lease
	for _, l := range e.store.leasesLocked() {
		out = append(out, Lease{
			ID: clientv3.LeaseID(l.id), Participant: l.participant, TTL: time.Duration(l.ttl) * time.Second,
			Granted: l.granted, Expires: l.expiry, Keys: l.sortedKeys(),
		})
	}
	return out
}

// Watch is a watch that is open.
type Watch struct {
	Participant string
	Member      int
	Key, End    string // as in the request
	Silent      bool
}

// Watches returns the watches that are open, in the order in which they were opened.
func (e *Etcd) Watches() []Watch {
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	var out []Watch
	for _, w := range e.store.watchers {
		out = append(out, Watch{
			Participant: w.stream.participant, Member: w.stream.member.index,
			Key: string(w.req.Key), End: string(w.req.RangeEnd), Silent: w.silent,
		})
	}
	return out
}

// counters counts the requests by participant and method.
type counters struct {
	mu sync.Mutex
	n  map[string]map[string]int
}

func newCounters() *counters { return &counters{n: map[string]map[string]int{}} }

func (c *counters) add(call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n[call.Participant] == nil {
		c.n[call.Participant] = map[string]int{}
	}
	c.n[call.Participant][call.Method]++
}

// Requests returns how many requests of each method have reached a member from a participant, or from all of them if
// the name is empty. The names of the methods are those of [Call]. Dropped requests count.
func (e *Etcd) Requests(participant string) map[string]int {
	e.counters.mu.Lock()
	defer e.counters.mu.Unlock()
	out := map[string]int{}
	for name, methods := range e.counters.n {
		if participant != "" && participant != name {
			continue
		}
		for method, n := range methods {
			out[method] += n
		}
	}
	return out
}
