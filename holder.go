// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
	"errors"
	"fmt"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// A holder is what an Election and a Mutex are made of: a queue, and the first
// place in it once it is won.
type holder struct {
	queue

	mu         sync.Mutex
	contending int   // how many calls are under way to win the place
	held       *seat // the place won, nil if there is none; the holder is a user of it
	hdr        *pb.ResponseHeader
}

// acquire takes a seat and runs win with it until the place that it returns is
// the first, and holds that. If win fails, the seat is given up.
func (h *holder) acquire(ctx context.Context, win func(context.Context, *seat) (place, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := context.Cause(h.session.alive); err != nil {
		return err
	}
	h.mu.Lock()
	h.contending++
	h.mu.Unlock()

	st, err := h.session.takeSeat(ctx, h.key())
	p := place{seat: st}
	if err == nil {
		p, err = win(ctx, st)
		if err == nil {
			err = context.Cause(p.seat.ctx) // won and lost again already
		}
		if err != nil {
			p.seat.giveUp()
		}
	}

	h.mu.Lock()
	h.contending--
	if err != nil {
		h.mu.Unlock()
		if errors.Is(err, rpctypes.ErrLeaseNotFound) {
			h.session.expire(fmt.Errorf("concurrency: lease %x: %w: %w", h.session.id, err, ErrSessionExpired))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	before := h.held
	h.held, h.hdr = p.seat, p.hdr
	p.seat.lead()
	h.mu.Unlock()
	if before != nil {
		before.leave()
	}
	return nil
}

// release gives the place up, or the candidacy for it. It reports whether there
// was any.
func (h *holder) release(ctx context.Context) (bool, error) {
	h.mu.Lock()
	held := h.held
	st := held
	if st == nil && h.contending > 0 {
		st = h.session.currentSeat(h.key())
	}
	h.mu.Unlock()
	if st == nil {
		return false, nil
	}
	hdr, err := st.resign(ctx)
	if err != nil {
		return true, err
	}
	h.mu.Lock()
	released := held != nil && h.held == held // and no other call was faster
	if released {
		h.held = nil
	}
	if hdr != nil {
		h.hdr = hdr
	}
	h.mu.Unlock()
	if released {
		held.leave()
	}
	return true, nil
}

// place returns the seat held, nil if there is none or its key is known to be
// gone.
func (h *holder) place() *seat {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held == nil || h.held.isGone() {
		return nil
	}
	return h.held
}

func (h *holder) term() *Term {
	if st := h.place(); st != nil {
		return st.lead()
	}
	return nil
}

func (h *holder) heldKey() string {
	if st := h.place(); st != nil {
		return st.key
	}
	return ""
}

func (h *holder) header() *pb.ResponseHeader {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hdr
}
