// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package history

import (
	"cmp"
	"slices"
	"time"
)

// A Leader is who leads a lane from a revision on, or a new value of the same
// leader, or a vacancy.
type Leader struct {
	Rev    int64         // from when
	At     time.Duration // when that was heard of
	Key    string        // empty for a vacancy
	Create int64         // Key's create revision
	Mod    int64         // the revision of Value
	Value  string
}

// Leaders derives from the changes who led each lane.
func Leaders(changes []Change) map[string][]Leader {
	changes = slices.Clone(changes)
	slices.SortStableFunc(changes, func(a, b Change) int { return cmp.Compare(a.Rev, b.Rev) })
	leaders := make(map[string][]Leader)
	queues := make(Queues)
	for i := 0; i < len(changes); {
		rev, at := changes[i].Rev, changes[i].At
		touched := make(map[string]bool)
		// A transaction may change several keys, and only after all of them is it the
		// truth who leads.
		for ; i < len(changes) && changes[i].Rev == rev; i++ {
			if name, ok := queues.Follow(changes[i]); ok {
				touched[name] = true
			}
		}
		for name := range touched {
			now := Leader{Rev: rev, At: at}
			if c, ok := queues[name].First(); ok {
				now.Key, now.Create, now.Mod, now.Value = c.Key, c.CreateRev, c.Rev, c.Value
			}
			last := Leader{}
			if n := len(leaders[name]); n > 0 {
				last = leaders[name][n-1]
			}
			if now.Key != last.Key || now.Mod != last.Mod {
				leaders[name] = append(leaders[name], now)
			}
		}
	}
	return leaders
}
