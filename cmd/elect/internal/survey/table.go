// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package survey

import (
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

// A Table is the elections as of a revision, brought up to date by what a watch
// tells. The zero Table has no elections and takes those of all names. It is not
// safe for concurrent use.
type Table struct {
	prefix string
	queues map[string][]concurrency.Candidate // by name; none is empty
}

// NewTable returns a Table of the elections whose names begin with prefix, as Read
// returned them. The Table keeps their queues.
func NewTable(prefix string, es []Election) *Table {
	t := &Table{prefix: prefix, queues: make(map[string][]concurrency.Candidate, len(es))}
	for _, e := range es {
		t.queues[e.Name] = e.Queue
	}
	return t
}

// Queue returns who is in, in order of succession. It is the Table's own, and
// holds until the next Apply.
func (t *Table) Queue(name string) []concurrency.Candidate { return t.queues[name] }

// Names returns the names of the elections that there are, in no order.
func (t *Table) Names() []string {
	names := make([]string, 0, len(t.queues))
	for name := range t.queues {
		names = append(names, name)
	}
	return names
}

// Apply brings the Table up to date by the events of one revision, and returns the
// names of the elections that changed.
func (t *Table) Apply(events []*clientv3.Event) []string {
	var changed []string
	for _, ev := range events {
		name, _, ok := SplitKey(string(ev.Kv.Key))
		if !ok || !strings.HasPrefix(name, t.prefix) {
			continue
		}
		_, c, ok := candidate(ev.Kv)
		ok = ok && ev.Type == mvccpb.Event_PUT
		if t.put(name, string(ev.Kv.Key), c, ok) && !slices.Contains(changed, name) {
			changed = append(changed, name)
		}
	}
	return changed
}

// put replaces what the queue has for key by c, or removes it if there is none. It
// returns whether that changed anything.
func (t *Table) put(name, key string, c concurrency.Candidate, ok bool) bool {
	queue := t.queues[name]
	at := slices.IndexFunc(queue, func(have concurrency.Candidate) bool { return have.Key == key })
	switch {
	case at < 0 && !ok:
		return false
	case at >= 0 && ok && queue[at].Rev == c.Rev:
		queue[at] = c
		return true
	case at >= 0:
		queue = slices.Delete(queue, at, at+1)
	}
	if ok {
		at, _ := slices.BinarySearchFunc(queue, c, byEntry)
		queue = slices.Insert(queue, at, c)
	}
	if len(queue) == 0 {
		delete(t.queues, name)
	} else {
		if t.queues == nil {
			t.queues = map[string][]concurrency.Candidate{}
		}
		t.queues[name] = queue
	}
	return true
}
