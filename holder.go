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
// place in it once that is won.
type holder struct {
	queue

	mu         sync.Mutex
	contending int        // how many calls are under way to win the place
	held       *candidacy // that the place is held with, nil if it is not; the holder is a user of it
	hdr        *pb.ResponseHeader
}

// acquire contends for the first place with win, and holds it. If win fails, the
// place that it has reached is given up.
func (h *holder) acquire(ctx context.Context, win func(context.Context, *seat) (place, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h.mu.Lock()
	h.contending++
	h.mu.Unlock()
	p, err := h.win(ctx, win)
	h.mu.Lock()
	h.contending--
	before := h.held
	if err == nil {
		h.held, h.hdr = p.candidacy, p.hdr
	}
	h.mu.Unlock()
	if err == nil {
		if before != nil {
			before.leave()
		}
		return nil
	}

	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		h.session.expire(fmt.Errorf("concurrency: lease %x: %w: %w", h.session.id, err, ErrSessionExpired))
	}
	switch lost := h.session.lostErr(); {
	case ctx.Err() != nil:
		return ctx.Err()
	case lost != nil && !refused(err) && err != ErrSessionExpired:
		return lost
	}
	return err
}

func (h *holder) win(ctx context.Context, win func(context.Context, *seat) (place, error)) (place, error) {
	st, err := h.session.contend(ctx, h.key())
	if err != nil {
		return place{}, err
	}
	// An orphaned session's candidacy lives on when the client is closed.
	ctx, unbind := bind(ctx, h.session.client.Ctx())
	defer unbind()
	p, err := win(ctx, st)
	if err == nil {
		if err = p.lead(); err == nil {
			return p, nil
		}
	}
	if p.candidacy != nil {
		p.candidacy.leave()
	} else {
		st.drop()
	}
	st.settledSoon()
	return p, err
}

// release gives the place up, or the candidacy for it. It reports whether there
// was any.
func (h *holder) release(ctx context.Context) (bool, error) {
	h.mu.Lock()
	held := h.held
	contending := h.contending > 0
	h.mu.Unlock()
	if held == nil && !contending {
		return false, nil
	}
	var hdr *pb.ResponseHeader
	var err error
	if held != nil {
		hdr, err = held.resign(ctx)
	}
	if err == nil && contending {
		// The place that is contended for may be another one than that held.
		var withdrawn *pb.ResponseHeader
		if withdrawn, err = h.session.withdraw(ctx, h.key()); withdrawn != nil {
			hdr = withdrawn
		}
	}
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

// place returns the candidacy held, nil if there is none or its key is known to
// be gone.
func (h *holder) place() *candidacy {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held == nil || h.held.isGone() {
		return nil
	}
	return h.held
}

func (h *holder) term() *Term {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held == nil {
		return nil
	}
	return h.held.currentTerm()
}

func (h *holder) heldKey() string {
	if c := h.place(); c != nil {
		return c.key
	}
	return ""
}

func (h *holder) header() *pb.ResponseHeader {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hdr
}
