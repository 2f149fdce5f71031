// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package history

import "time"

// A Revocation is asked for by a member that takes a lease for expired. Only
// raft's leader knows which leases were renewed, so only what it asks for in the
// term of raft in which it is carried out is right.
type Revocation struct {
	At     time.Duration `json:"at"` // when it was asked for, on the machine's clock
	Member int           `json:"member"`
	Lease  int64         `json:"lease"`
	Term   uint64        `json:"term"`   // raft's, as the member knows it
	Leader bool          `json:"leader"` // whether the member takes itself for raft's leader
}

// Stale reports whether a revocation that ended a key was asked for by a member
// that no longer was raft's leader.
func (v Revocation) Stale(end Change) bool { return !v.Leader || v.Term < end.Term }
