// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
	"errors"
	"sync"
	"time"

	v3 "go.etcd.io/etcd/client/v3"
)

// A Term is one uninterrupted leadership, or one holding of a lock. It is a
// handle that never changes: it stays over when its Election goes on to lead
// again.
//
// All methods are safe for concurrent use.
type Term struct {
	seat  *seat
	rev   int64
	ctx   context.Context
	stop  context.CancelCauseFunc
	guard sync.Once
}

// lead returns the term of the leadership that the seat has won.
func (st *seat) lead() *Term {
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	// A Resign that failed has ended the term, but not the candidacy.
	if st.term == nil || errors.Is(context.Cause(st.term.ctx), ErrResigned) && !st.gone {
		t := &Term{seat: st, rev: st.rev}
		t.ctx, t.stop = context.WithCancelCause(s.ctx)
		if st.gone {
			t.stop(context.Cause(st.ctx))
		}
		st.term = t
	}
	return st.term
}

// endTerm ends the seat's term: who asks etcd to delete the key no longer leads,
// whether or not an answer comes.
func (st *seat) endTerm() {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	if st.term != nil {
		st.term.stop(ErrResigned)
	}
}

// Key returns the key that the leadership is held by.
func (t *Term) Key() string { return t.seat.key }

// Rev returns the key's create revision. It grows from each leader to the next,
// and so is a fencing token for stores that are not etcd.
func (t *Term) Rev() int64 { return t.rev }

// Lease returns the lease that the key is attached to.
func (t *Term) Lease() v3.LeaseID { return t.seat.lease }

// Fence returns a comparison that holds in a transaction exactly while this term
// lasts in etcd. A write that is guarded by it is never applied after the
// leadership has passed on, however late it arrives and however long this
// process was paused:
//
//	client.Txn(ctx).If(term.Fence()).Then(clientv3.OpPut(key, value)).Commit()
func (t *Term) Fence() v3.Cmp { return v3.Compare(v3.CreateRevision(t.seat.key), "=", t.rev) }

// Done returns a channel that closes when the term is over: before etcd can give
// the lease up; when Resign, Unlock, Close or Orphan is called; and within a
// round trip when somebody else deletes the key. The first call of Done, Err or
// Context begins to watch the key.
func (t *Term) Done() <-chan struct{} {
	t.guard.Do(func() { go t.watchKey() })
	return t.ctx.Done()
}

// Err returns nil while the term lasts, and after that why it is over: an error
// for which errors.Is tells ErrSessionExpired, ErrSessionOrphaned,
// ErrSessionClosed, ErrResigned, ErrKeyDeleted, or the end of the session's
// context or client.
func (t *Term) Err() error {
	select {
	case <-t.Done():
		return context.Cause(t.ctx)
	default:
		return nil
	}
}

// Context returns a context that ends when parent ends, when the term is over, or
// when the returned function is called; context.Cause of it then tells why the
// term is over. Call the function when the context is no longer needed.
func (t *Term) Context(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	if err := t.Err(); err != nil {
		cancel(err)
		return ctx, func() {}
	}
	stop := context.AfterFunc(t.ctx, func() { cancel(context.Cause(t.ctx)) })
	return ctx, func() {
		stop()
		cancel(context.Canceled)
	}
}

// watchKey ends the term when its key is gone from etcd. It runs until the term
// is over. As in queue.wait, the watch comes first and the read after it, and
// a silent watch is not trusted for long.
func (t *Term) watchKey() {
	s, st := t.seat.session, t.seat
	for failures := 0; t.ctx.Err() == nil; {
		openCtx, cancel := context.WithTimeout(t.ctx, s.openPatience(failures))
		w, err := s.openDeletions(t.ctx, openCtx, st.key)
		cancel()
		for {
			resp, readErr := retry(t.ctx, s.patience(), transient, func(ctx context.Context) (*v3.TxnResponse, error) {
				return s.client.Txn(ctx).Then(v3.OpGet(st.key, v3.WithKeysOnly())).Commit()
			})
			if readErr == nil && !stands(resp, t.rev) {
				st.keyGone(ErrKeyDeleted)
			}
			if err != nil || readErr != nil || t.ctx.Err() != nil {
				break
			}
			failures = 0
			select {
			case resp, ok := <-w.events():
				err = watchErr(resp, ok)
			case <-time.After(s.recheck()):
			case <-t.ctx.Done():
			}
		}
		w.close()
		failures++
		_ = sleep(t.ctx, retryDelay(failures))
	}
}
