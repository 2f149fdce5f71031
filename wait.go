// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// wait returns nil when c's key is the first of the queue, as one linearizable
// read shows. It returns an error when ctx ends, the candidacy is over, or etcd
// refuses a request for good.
//
// It watches first and reads after: what is deleted before the watch is
// confirmed is missed by the watch and told by the read, and what is deleted
// after it is told by the watch. Two keys are watched: the one ahead,
// so that each deletion wakes only the candidate behind it, and the own one, so
// that a candidate whose lease is gone hears of it while the leader still leads.
// The latter watch is left to the term that is won. Whether the watches are open,
// opening or broken, no third of a TTL passes without a read.
func (q queue) wait(ctx context.Context, c *candidacy) (_ *pb.ResponseHeader, err error) {
	ctx, unbind := bind(ctx, c.ctx)
	defer unbind() // and with it close the watch of the key ahead
	w := waiter{queue: q, candidacy: c}
	defer func() {
		if err != nil || !c.keep(w.own) {
			w.own.close()
		}
	}()
	for {
		a, hdr, err := q.look(ctx, c, w.skip)
		if err != nil || a == nil {
			return hdr, err
		}
		if err := w.waitFor(ctx, a); err != nil {
			return nil, err
		}
	}
}

// A waiter is what one wait keeps from one predecessor to the next.
type waiter struct {
	queue
	*candidacy
	skip     map[string]bool // stray keys
	own      *watch          // of the own key, nil if it is not open
	failures int
}

// openingGap is how long the read after the watch of the key ahead is put off for
// the watch of the own key to open as well, which takes it a round trip.
const openingGap = 20 * time.Millisecond

// waitFor returns nil when there is reason to look anew: a deletion, or a watch
// that failed.
func (w *waiter) waitFor(ctx context.Context, a *ahead) error {
	s := w.queue.session
	over := make(chan struct{})
	defer close(over)
	opening := w.open(ctx, over, a)
	var front *watch
	defer func() { front.close() }()

	verified := false // by a read since the watch of the key ahead is open
	recheck := time.NewTimer(s.recheck())
	defer recheck.Stop()
	for {
		select {
		case o := <-opening:
			if o.err != nil {
				return w.failed(ctx)
			}
			if o.front != nil {
				front = o.front
			} else {
				w.own = o.own
			}
			if w.own == nil {
				recheck.Reset(openingGap) // it opens next: one read can serve both
				continue
			}
			w.failures, verified = 0, true
			recheck.Reset(s.recheck())
			if moved, err := w.reread(ctx, a); moved || err != nil {
				return err
			}
		case resp, ok := <-front.events():
			if watchErr(resp, ok) != nil {
				return w.failed(ctx)
			}
			if hasDeletion(resp, a.rev) {
				return nil
			}
		case resp, ok := <-w.own.events():
			if watchErr(resp, ok) != nil {
				w.closeOwn()
				return w.failed(ctx)
			}
			if hasDeletion(resp, w.candidacy.rev) {
				return nil
			}
		case <-recheck.C:
			recheck.Reset(s.recheck())
			moved, err := w.reread(ctx, a)
			if moved && verified {
				_ = front.suspect() // it has not said so
				w.closeOwn()
			}
			verified = front != nil
			if moved || err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// reread reports whether a no longer stands ahead, or never did: then it is a
// stray key, and from then on skipped, as are all that are there now.
func (w *waiter) reread(ctx context.Context, a *ahead) (moved bool, err error) {
	there, stray, err := w.check(ctx, w.candidacy, a)
	if err == nil && stray {
		w.skip, err = w.strays(ctx)
	}
	return !there || stray, err
}

// An opened is what came of opening the watches for a predecessor.
type opened struct {
	front, own *watch
	err        error
}

// open opens the watch of the key ahead, and that of the own key if it is not
// open, in the background: a silent member must not keep the waiter from reading.
// What opens when over is closed is closed again.
func (w *waiter) open(ctx context.Context, over <-chan struct{}, a *ahead) <-chan opened {
	c := make(chan opened)
	s := w.queue.session
	patience := s.openPatience(w.failures)
	needOwn := w.own == nil
	go func() {
		front, err := s.openDeletions(ctx, patience, a.key)
		select {
		case c <- opened{front: front, err: err}: // it is listened to while the other one opens
		case <-over:
			front.close()
			return
		}
		if err == nil && needOwn {
			own, err := s.openDeletions(w.candidacy.ctx, patience, w.candidacy.key)
			select {
			case c <- opened{own: own, err: err}:
			case <-over:
				own.close()
			}
		}
	}()
	return c
}

// failed waits a little after a watch has failed.
func (w *waiter) failed(ctx context.Context) error {
	w.failures++
	return sleep(ctx, retryDelay(w.failures))
}

func (w *waiter) closeOwn() {
	w.own.close()
	w.own = nil
}

// bind returns a context that ends with ctx, and with other and its cause.
func bind(ctx, other context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	unbind := context.AfterFunc(other, func() { cancel(context.Cause(other)) })
	return ctx, func() {
		unbind()
		cancel(nil)
	}
}
