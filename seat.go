// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
	"time"

	v3 "go.etcd.io/etcd/client/v3"
)

// A seat is what a session knows of one key: the one that all its Elections and
// Mutexes of the same name share. It is in the session's table for as long as
// anything about the key is under way, so that all who use the key meet there:
//
//   - calls that contend: they have sent, or will send, a transaction that enters
//     the key, and do not know yet where it stands;
//   - entering transactions whose answer is open, which may outlast the call that
//     sent them;
//   - the candidacy: the key as it was last seen to be created, and those who wait
//     or lead with it.
//
// When nobody contends and nobody uses the candidacy, the key is not wanted: it is
// swept, which deletes it. So nobody deletes a key that another one waits or leads
// with, and what is written by a transaction that is answered late is deleted when
// the answer comes. Until a sweep is answered new contenders wait: they could
// otherwise take over a key that is about to go.
//
// The fields behind stop are guarded by session.mu.
type seat struct {
	session *Session
	key     string
	lease   v3.LeaseID // that the key is named by
	ctx     context.Context
	stop    context.CancelCauseFunc // ends ctx, when the session is lost or nothing is under way

	contenders int
	contest    context.Context // of the contenders: Resign ends it
	endContest context.CancelCauseFunc
	open       int   // entering transactions without an answer
	unclear    bool  // one failed, and may have written the key all the same
	gone       int64 // all keys created up to this revision are gone
	current    *candidacy
	sweeping   bool
	trouble    error // why etcd refuses to sweep, nil if it does not
	doubting   bool  // a timer of doubt is set
	sweeps     int   // how many were answered
	withdrawn  event // all who contend, or wait to, have to give up
	changed    event // the seat has changed
}

// An event can be waited for. Its zero value is ready for use.
type event struct{ c chan struct{} }

// next returns a channel that is closed when the event happens next.
func (e *event) next() <-chan struct{} {
	if e.c == nil {
		e.c = make(chan struct{})
	}
	return e.c
}

func (e *event) happens() {
	if e.c != nil {
		close(e.c)
		e.c = nil
	}
}

// A candidacy is one life of a seat's key, from its creation on.
type candidacy struct {
	*seat
	rev  int64 // the key's create revision
	ctx  context.Context
	stop context.CancelCauseFunc // ends ctx: the key is gone, or the session lost

	// Guarded by session.mu.
	ended     bool // the key is known to be gone
	users     int
	resigning int    // calls under way to delete the key
	term      *Term  // of the leadership that was won last, nil before
	watch     *watch // of the key, since before it was won, for the term to take; nil if there is none
}

// contend returns the seat for key, as one more contender. It waits while the key
// is being swept.
func (s *Session) contend(ctx context.Context, key string) (*seat, error) {
	for {
		s.mu.Lock()
		if s.lost != nil {
			defer s.mu.Unlock()
			return nil, s.lost
		}
		st := s.seatLocked(key, s.id)
		// Nor does anybody join a contest that Resign has ended.
		if !st.sweeping && (st.contest == nil || st.contest.Err() == nil) {
			if st.contenders++; st.contest == nil {
				st.contest, st.endContest = context.WithCancelCause(st.ctx)
			}
			s.mu.Unlock()
			return st, nil
		}
		if st.sweeping && st.trouble != nil {
			defer s.mu.Unlock()
			return nil, st.trouble
		}
		changed, withdrawn := st.changed.next(), st.withdrawn.next()
		s.mu.Unlock()
		select {
		case <-withdrawn:
			return nil, ErrResigned
		case <-changed:
			select {
			case <-withdrawn:
				return nil, ErrResigned
			default:
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.client.Ctx().Done():
			return nil, errClientClosed
		}
	}
}

func (s *Session) seatLocked(key string, lease v3.LeaseID) *seat {
	st := s.seats[key]
	if st == nil {
		st = &seat{session: s, key: key, lease: lease}
		// Not of the client's context, which would keep the seats of orphaned sessions
		// that nobody closes for as long as the client lives.
		st.ctx, st.stop = context.WithCancelCause(context.Background())
		if s.lost != nil {
			st.stop(s.lost)
		}
		s.seats[key] = st
	}
	return st
}

// resume returns a candidacy that was won before, perhaps by another session,
// and makes the caller its user.
func (s *Session) resume(key string, lease v3.LeaseID, rev int64) *candidacy {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.seatLocked(key, lease)
	c := st.current
	if c == nil || c.rev != rev {
		c = st.newCandidacyLocked(rev)
		if st.current == nil {
			st.current = c
		}
	}
	c.users++
	c.leadLocked()
	return c
}

// newCandidacyLocked makes a candidacy without users.
func (st *seat) newCandidacyLocked(rev int64) *candidacy {
	c := &candidacy{seat: st, rev: rev}
	c.ctx, c.stop = context.WithCancelCause(st.ctx)
	return c
}

// begin counts one more entering transaction.
func (st *seat) begin() {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	st.open++
}

// answered takes note of what an entering transaction came to: the session's key
// is there with create revision rev, or (0) it is not, or, if unclear, who knows.
func (st *seat) answered(rev int64, unclear bool) {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	st.open--
	st.unclear = st.unclear || unclear
	c := st.current
	// An answer may be old, and tell of a key that is known to be gone. One that is
	// newer than the candidacy tells that the candidacy's key is gone.
	if rev > st.gone && (c == nil || rev > c.rev) {
		st.endLocked(c, ErrKeyDeleted)
		st.current = st.newCandidacyLocked(rev)
	}
	st.settleLocked()
}

// join makes a contender a user of the candidacy of revision rev; false if that
// is over already.
func (st *seat) join(rev int64) (*candidacy, bool) {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	c := st.current
	if c == nil || c.rev != rev {
		return nil, false
	}
	st.contenders--
	c.users++
	st.settleLocked()
	return c, true
}

// drop takes a contender off the seat.
func (st *seat) drop() {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	st.contenders--
	st.settleLocked()
}

// leave takes a user off the candidacy.
func (c *candidacy) leave() {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	c.users--
	c.settleLocked()
}

// keptFor is how long a watch waits for the term to take it. Nobody reads it until
// then, and the client piles up what it brings, which in the end is all that is
// told on the stream that it shares with other watches.
const keptFor = time.Second

// keep leaves an open watch of the key to the term that is won, for keptFor. It
// reports whether there is use for it.
func (c *candidacy) keep(own *watch) bool {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	if own == nil || c.watch != nil {
		return false
	}
	c.watch = own
	time.AfterFunc(keptFor, func() { c.takeWatch().close() })
	return true
}

// takeWatch returns the watch that was kept, nil if there is none.
func (c *candidacy) takeWatch() *watch {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	own := c.watch
	c.watch = nil
	return own
}

// isGone reports whether the candidacy's key is known to be gone.
func (c *candidacy) isGone() bool {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	return c.ended
}

// over ends the candidacy because its key is gone, and returns the cause.
func (c *candidacy) over() error {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	cause := ErrKeyDeleted
	if c.resigning > 0 {
		cause = ErrResigned // though its answer may still be under way
	}
	c.endLocked(c, cause)
	c.settleLocked()
	return context.Cause(c.ctx)
}

func (st *seat) endLocked(c *candidacy, cause error) {
	if c == nil {
		return
	}
	c.ended = true
	if st.current == c || st.current != nil && c.rev < st.current.rev {
		st.gone = max(st.gone, c.rev)
	}
	c.stop(cause)
	if c.term != nil {
		c.term.stop(cause)
	}
	if st.current == c {
		st.current = nil
	}
}

// settleLocked follows up on a change: it sweeps a key that is not wanted, and
// takes the seat out of the table when nothing is under way.
func (st *seat) settleLocked() {
	st.changed.happens()
	if st.contenders == 0 && st.contest != nil {
		st.endContest(nil)
		st.contest = nil // the next one begins a new contest
	}
	if st.wantedLocked() || st.sweeping {
		return
	}
	switch {
	case st.ctx.Err() != nil:
		// The session is lost, and the key goes with the lease.
	case st.current != nil || st.unclear && st.open == 0:
		st.sweeping = true
		go st.sweep()
		return
	case st.open > 0:
		// The answer decides. If it takes long, look whether there is a key.
		if !st.doubting {
			st.doubting = true
			time.AfterFunc(doubtAfter, st.doubt)
		}
		return
	}
	if st.open == 0 {
		st.endLocked(st.current, context.Cause(st.ctx))
		st.stop(nil)
		if st.session.seats[st.key] == st {
			delete(st.session.seats, st.key)
		}
	}
}

func (st *seat) wantedLocked() bool {
	return st.contenders > 0 || st.current != nil && st.current.users > 0
}
