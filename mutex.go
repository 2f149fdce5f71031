// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
	"errors"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	v3 "go.etcd.io/etcd/client/v3"
)

// A Mutex is a lock that one session at a time holds. It is for sessions
// what sync.Mutex is for goroutines: within one session it does not exclude, and
// Mutexes of one session and name hold the lock together. To exclude
// goroutines of the session as well, use NewLocker.
//
// All methods are safe for concurrent use.
type Mutex struct{ holder }

// NewMutex returns a Mutex of the given name for session s. It asks etcd
// nothing.
func NewMutex(s *Session, pfx string) *Mutex {
	return &Mutex{holder{queue: queue{session: s, prefix: pfx + "/"}}}
}

// Lock waits in the queue for the lock and returns nil when the session holds
// it. An uncontested Lock is one request. When it returns an error, and what
// it leaves behind, is as with Election.Campaign, but for a key that was deleted
// while Lock waited: that is ErrSessionExpired.
func (m *Mutex) Lock(ctx context.Context) error {
	return m.acquire(ctx, func(ctx context.Context, st *seat) (place, error) {
		p, err := m.enter(ctx, st, "")
		if err == nil && !p.first {
			p.hdr, err = m.wait(ctx, p.candidacy)
		}
		if errors.Is(err, ErrKeyDeleted) {
			err = ErrSessionExpired
		}
		return p, err
	})
}

// TryLock takes the lock at once, or returns ErrLocked if another session holds
// it or is about to. A refused TryLock writes nothing; see TryCampaign.
func (m *Mutex) TryLock(ctx context.Context) error {
	return m.acquire(ctx, func(ctx context.Context, st *seat) (place, error) {
		p, _, err := m.try(ctx, st, "")
		if err == nil && !p.first {
			err = ErrLocked
		}
		return p, err
	})
}

// Unlock gives the lock to the next in the queue: it ends the Term, and deletes
// the key if it is still the one that was locked with. It ends Locks of the
// session that wait with the key, and returns ErrLockReleased if this Mutex
// neither holds the lock nor waits for it.
//
// After an error, ctx's end included, the key may stand, and Unlock can be called
// again; the Term is over in any case, since the request may have been applied.
func (m *Mutex) Unlock(ctx context.Context) error {
	released, err := m.release(ctx)
	if err == nil && !released {
		return ErrLockReleased
	}
	return err
}

// Term returns the holding of the lock that was won last, or nil if none was since
// the last Unlock. It may be over: ask its Err.
func (m *Mutex) Term() *Term { return m.term() }

// IsOwner returns a comparison that holds in a transaction exactly while this
// Mutex holds the lock, and never if it does not. Term.Fence is the same for
// one holding, whatever the Mutex does later.
func (m *Mutex) IsOwner() v3.Cmp {
	if c := m.place(); c != nil {
		return c.currentTerm().Fence()
	}
	return v3.Compare(v3.CreateRevision(m.key()), "=", -1)
}

// Key returns the key that the lock is held with, and "" if this Mutex does not
// hold it.
func (m *Mutex) Key() string { return m.heldKey() }

// Header returns the header of the last answer with which the lock was won or
// given up, nil before.
func (m *Mutex) Header() *pb.ResponseHeader { return m.header() }
