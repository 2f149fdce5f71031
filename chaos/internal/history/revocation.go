// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package history

import "time"

// A Revocation is asked for by a member that has found a lease expired. Only raft's
// leader knows which leases were renewed, and the member may have found it
// in an earlier time as leader.
type Revocation struct {
	At     time.Duration `json:"at"` // when it was asked for, on the machine's clock
	Member int           `json:"member"`
	Lease  int64         `json:"lease"`
	Term   uint64        `json:"term"`           // raft's, as the member knows it
	Leader bool          `json:"leader"`         // whether the member takes itself for raft's leader
	Left   int64         `json:"left,omitempty"` // whole seconds of the lease that are left, as the same member knows
}

// Stale reports whether a revocation, which ended a key, was asked for by a member
// that did not lead, or no longer, or that knew the lease to live: it had found it
// expired before it last lost raft's leadership.
func (v Revocation) Stale(end Change) bool { return !v.Leader || v.Left > 0 || v.Term < end.Term }
