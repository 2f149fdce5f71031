// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package history

import "github.com/seed-da5263fb/concurrency/chaos/internal/lane"

// A Queue is the candidates of a lane, by key.
type Queue map[string]Change

// First returns the candidate that leads.
func (q Queue) First() (first Change, ok bool) {
	for _, c := range q {
		if !ok || c.CreateRev < first.CreateRev {
			first, ok = c, true
		}
	}
	return first, ok
}

// Queues are those of all lanes, by name.
type Queues map[string]Queue

// Follow makes a change, and returns the lane that it is of; ok tells whether it is
// of any. A key that is not attached to the lease that it is named by is no
// candidate's.
func (qs Queues) Follow(c Change) (name string, ok bool) {
	name, lease, ok := lane.Of(c.Key)
	if !ok {
		return "", false
	}
	if qs[name] == nil {
		qs[name] = make(Queue)
	}
	if delete(qs[name], c.Key); !c.Deleted && lease == c.Lease {
		qs[name][c.Key] = c
	}
	return name, true
}
