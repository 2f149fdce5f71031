// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Revoke revokes a lease, as an operator would; it returns [rpctypes.ErrLeaseNotFound] if there is none. Like Put, Delete
// and Compact, it needs no member, client or leader.
func (e *Etcd) Revoke(id clientv3.LeaseID) error {
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	return rpctypes.Error(e.store.revokeLocked(int64(id)))
}

// Put writes a key, attached to no lease, and returns the revision.
func (e *Etcd) Put(key, value string) int64 {
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	w := e.store.writeLocked()
	w.put([]byte(key), []byte(value), 0)
	w.commit()
	return e.store.rev
}

// Delete deletes a key and tells whether it was there.
func (e *Etcd) Delete(key string) bool {
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	w := e.store.writeLocked()
	n := w.delete([]byte(key), nil)
	w.commit()
	return n > 0
}

// Compact compacts the store at a revision, or at the last one if rev is 0. Watches that have yet to be told of earlier
// revisions are cancelled.
func (e *Etcd) Compact(rev int64) error {
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	if rev == 0 {
		rev = e.store.rev
	}
	return rpctypes.Error(toStatus(e.store.compactLocked(rev)))
}
