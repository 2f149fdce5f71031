// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
	"errors"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	v3 "go.etcd.io/etcd/client/v3"
)

// A seat is a session's place in one queue: the one key that every Election and
// Mutex of the session with the same name share. It lasts from the first that
// enters until the key is known to be gone.
//
// Each Campaign or Lock under way, each leadership or lock held, and each
// entering transaction whose answer is still open, counts as a user of the seat.
// The last one out deletes the key, so that
//   - nobody deletes a key that another one waits or leads with, and
//   - a transaction that is answered after its Campaign has gone leaves no ghost.
//
// Until the deletion is answered the seat stays in the session's table, and a
// new candidacy under the same key waits for it: it could otherwise take over
// a key that is about to go.
type seat struct {
	session *Session
	key     string
	lease   v3.LeaseID // that the key is attached to

	// ctx ends when the candidacy is over: the key is gone or given up, or the
	// session is no longer alive. The cause tells.
	ctx  context.Context
	stop context.CancelCauseFunc
	left chan struct{} // closed when nothing of the seat is left in etcd

	// Guarded by session.mu.
	users    int
	entering int   // how many of the users are entering transactions
	rev      int64 // the key's create revision, 0 while unknown
	gone     bool  // the key of revision rev is gone, or was taken back
	unclear  bool  // a request failed that may have written the key all the same
	leaving  bool  // the last user is out, the key is being deleted
	term     *Term // of the seat's leadership, if it has won
}

// takeSeat returns the seat for key with one more user. It waits while an
// earlier seat is being given back.
func (s *Session) takeSeat(ctx context.Context, key string) (*seat, error) {
	for {
		s.mu.Lock()
		st := s.seats[key]
		if st == nil {
			st = s.newSeatLocked(key)
		}
		if !st.leaving {
			st.users++
			s.mu.Unlock()
			return st, nil
		}
		s.mu.Unlock()
		select {
		case <-st.left:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Session) newSeatLocked(key string) *seat {
	st := &seat{session: s, key: key, lease: s.id, left: make(chan struct{})}
	st.ctx, st.stop = context.WithCancelCause(s.alive)
	s.seats[key] = st
	return st
}

// resumeSeat returns a seat whose key was created at rev, perhaps by another
// session.
func (s *Session) resumeSeat(key string, lease v3.LeaseID, rev int64) *seat {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.seats[key]; st != nil && st.rev == rev && !st.leaving {
		st.users++
		return st
	}
	st := &seat{session: s, key: key, lease: lease, left: make(chan struct{}), users: 1, rev: rev}
	st.ctx, st.stop = context.WithCancelCause(s.alive)
	if s.seats[key] == nil {
		s.seats[key] = st
	}
	return st
}

// bind returns a context that ends with ctx, and with the candidacy and its cause.
func (st *seat) bind(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	unbind := context.AfterFunc(st.ctx, func() { cancel(context.Cause(st.ctx)) })
	return ctx, func() {
		unbind()
		cancel(nil)
	}
}

// currentSeat returns the seat for key, or nil.
func (s *Session) currentSeat(key string) *seat {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seats[key]
}

// createRevision returns the revision at which the seat's key was created, 0
// while unknown.
func (st *seat) createRevision() int64 {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	return st.rev
}

func (st *seat) isGone() bool {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	return st.gone
}

// beginEntering counts one more entering transaction as a user.
func (st *seat) beginEntering() {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	st.users++
	st.entering++
}

// entered takes note of an entering transaction's answer: the key stands with
// create revision rev (0: it does not stand), or, if unclear, it may. It returns
// the seat that the transaction's user is now a user of, which is another one if
// the key that this seat knew is gone and has been made anew.
func (st *seat) entered(rev int64, unclear bool) *seat {
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	st.entering--
	st.unclear = st.unclear || unclear
	if rev == 0 || rev == st.rev {
		return st
	}
	if st.rev == 0 && !st.gone {
		st.rev = rev
		return st
	}
	// Another key of the same name: the candidacy of this seat ended unseen.
	s.goneLocked(st, ErrKeyDeleted)
	next := s.seats[st.key]
	switch {
	case next == nil:
		next = s.newSeatLocked(st.key)
	case next.leaving:
		next.unclear = true // whoever cleans up there finds it
		return st
	case next.rev != 0 && next.rev != rev:
		return st // an old answer: that key is gone as well
	}
	st.users--
	next.users++
	next.rev = rev
	return next
}

// leave takes one user off the seat; the last one out deletes the key. The
// channel closes when no key is left that the caller would have to answer for.
func (st *seat) leave() <-chan struct{} {
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	st.users--
	if st.users > st.entering {
		return closedChan // another one holds the seat
	}
	if st.users > 0 {
		return st.left // when the open transactions have been answered
	}
	if st.rev != 0 && !st.gone || st.unclear {
		st.leaving = true
		go st.clear()
		return st.left
	}
	st.closeLocked()
	return st.left
}

// goneLocked ends the seat because its key is gone.
func (s *Session) goneLocked(st *seat, cause error) {
	st.gone = true
	st.stop(cause)
	if st.term != nil {
		st.term.stop(cause)
	}
	if s.seats[st.key] == st {
		delete(s.seats, st.key)
	}
}

// keyGone ends the seat because its key is gone.
func (st *seat) keyGone(cause error) {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	st.session.goneLocked(st, cause)
}

func (st *seat) closeLocked() {
	st.session.goneLocked(st, errLeft)
	close(st.left)
}

// clear deletes what the seat has, or may have, written, and tries until etcd
// has answered or the lease is over and the key with it.
func (st *seat) clear() {
	s := st.session
	for {
		s.mu.Lock()
		rev, unclear := st.rev, st.unclear
		if st.gone {
			rev = 0
		}
		st.unclear = false
		s.mu.Unlock()

		// An error here means that the session is no longer alive.
		if rev != 0 {
			_, _ = retry(s.alive, s.patience(), always, func(ctx context.Context) (*v3.TxnResponse, error) {
				return deleteAt(ctx, s.client, st.key, rev)
			})
		}
		if unclear {
			_, _ = retry(s.alive, s.patience(), always, func(ctx context.Context) (*v3.TxnResponse, error) {
				resp, err := s.client.Get(ctx, st.key)
				if err != nil || len(resp.Kvs) == 0 || v3.LeaseID(resp.Kvs[0].Lease) != s.id {
					return nil, err
				}
				return deleteAt(ctx, s.client, st.key, resp.Kvs[0].CreateRevision)
			})
		}

		s.mu.Lock()
		if st.unclear && s.alive.Err() == nil {
			st.gone = true
			s.mu.Unlock()
			continue
		}
		st.closeLocked()
		s.mu.Unlock()
		return
	}
}

// resign deletes the seat's key for all of its users, and ends their candidacies
// when that is done. Until etcd has answered only the term is over.
func (st *seat) resign(ctx context.Context) (*pb.ResponseHeader, error) {
	st.endTerm()
	rev := st.createRevision()
	if rev == 0 {
		// The key is being written. Those who do it stop, and the last of them
		// deletes what came of it.
		st.session.mu.Lock()
		st.leaving = true
		st.session.mu.Unlock()
		st.stop(ErrResigned)
		select {
		case <-st.left:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	resp, err := deleteAt(ctx, st.session.client, st.key, rev)
	if err != nil {
		return nil, err
	}
	st.keyGone(ErrResigned)
	return header(resp), nil
}

// deleteAt deletes key if it is still the one that was created at rev.
func deleteAt(ctx context.Context, c *v3.Client, key string, rev int64) (*v3.TxnResponse, error) {
	return c.Txn(ctx).If(v3.Compare(v3.CreateRevision(key), "=", rev)).Then(v3.OpDelete(key)).Commit()
}

// leaveGrace is how long a Campaign or Lock that failed waits for its key to be
// deleted, before it returns and leaves that to the background.
const leaveGrace = 500 * time.Millisecond

// giveUp leaves the seat, and waits a moment for the key to be gone.
func (st *seat) giveUp() {
	left := st.leave()
	t := time.NewTimer(leaveGrace)
	defer t.Stop()
	select {
	case <-left:
	case <-t.C:
	case <-st.session.client.Ctx().Done():
	}
}

// errLeft ends the context of a seat that nobody uses any more.
var errLeft = errors.New("concurrency: seat was left")

func always(error) bool { return true }

var closedChan = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
