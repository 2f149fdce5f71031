// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
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
	candidacy *candidacy
	ctx       context.Context
	stop      context.CancelCauseFunc
	guard     sync.Once
}

// lead makes the candidacy's users leaders, if it is not over.
func (c *candidacy) lead() error {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	if err := context.Cause(c.ctx); err != nil {
		return err
	}
	if c.resigning > 0 {
		return ErrResigned
	}
	c.leadLocked()
	return nil
}

func (c *candidacy) leadLocked() {
	// A term that is over while the session is not was ended by a Resign that
	// failed; since then the place was won anew.
	if c.term != nil && (c.term.ctx.Err() == nil || c.session.err != nil) {
		return
	}
	t := &Term{candidacy: c}
	t.ctx, t.stop = context.WithCancelCause(c.session.ctx)
	c.term = t
}

func (c *candidacy) currentTerm() *Term {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	return c.term
}

// Key returns the key that the leadership is held by.
func (t *Term) Key() string { return t.candidacy.key }

// Rev returns the key's create revision. It grows from each leader to the next,
// and so is a fencing token for stores that are not etcd.
func (t *Term) Rev() int64 { return t.candidacy.rev }

// Lease returns the lease that the key is attached to.
func (t *Term) Lease() v3.LeaseID { return t.candidacy.lease }

// Fence returns a comparison that holds in a transaction exactly while this term
// lasts in etcd. A write that is guarded by it is never applied after the
// leadership has passed on, however late it arrives and however long this
// process was paused:
//
//	client.Txn(ctx).If(term.Fence()).Then(clientv3.OpPut(key, value)).Commit()
func (t *Term) Fence() v3.Cmp {
	return v3.Compare(v3.CreateRevision(t.candidacy.key), "=", t.candidacy.rev)
}

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
	c, s := t.candidacy, t.candidacy.session
	w := c.takeWatch()
	defer func() { w.close() }() // also that of a term which is over already
	for failures := 0; t.ctx.Err() == nil; {
		var err error
		if w == nil {
			w, err = s.openDeletions(t.ctx, min(s.openPatience(failures), s.recheck()), c.key)
		}
		for t.ctx.Err() == nil {
			resp, readErr := retry(t.ctx, s.patience(), transient, func(ctx context.Context) (*v3.TxnResponse, error) {
				return s.client.Txn(ctx).Then(v3.OpGet(c.key, v3.WithKeysOnly())).Commit()
			})
			if readErr == nil && !stands(resp, c.rev) {
				_ = c.over()
			}
			if err != nil || readErr != nil || t.ctx.Err() != nil {
				break
			}
			failures = 0
			err = t.listen(w)
		}
		w.close()
		w = nil
		failures++
		_ = sleep(t.ctx, retryDelay(failures))
	}
}

// listen returns nil when the key has to be read again, or the term is over, and
// an error when w has failed.
func (t *Term) listen(w *watch) error {
	c := t.candidacy
	due := time.After(c.session.recheck()) // whatever else the watch's stream brings
	for {
		select {
		case resp, ok := <-w.events():
			// A deletion after the read is that of this key: no need to ask, while
			// the next leader takes over.
			if hasDeletion(resp, c.rev) {
				_ = c.over()
			}
			if err := watchErr(resp, ok); err != nil {
				return err
			}
		case <-due:
			return nil
		case <-t.ctx.Done():
			return nil
		}
	}
}
