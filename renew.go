// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	v3 "go.etcd.io/etcd/client/v3"
)

// How a lease is kept alive.
//
// The server counts a lease's TTL from when it receives a renewal. The client
// cannot know that moment, but knows one before it: when it sent the request. So
//
//	deadline = when the last answered request was sent + granted TTL
//
// is never after the lease's end, however slow the answer was. That needs each
// answer to be matched with its own request, and so one stream has one
// request under way at a time: the stream keeps requests and answers in order.
//
// A request goes out every third of the TTL. When no answer has come within a
// sixth, another request goes out on a stream of its own, which the client's
// balancer may open to another member, and so on, beside the ones that are under
// way: a late answer still counts, from its own send time. Whichever stream
// answers first is kept, the others are dropped. So at the most
// five are open, and in good times one.

const (
	renewalsPerTTL = 3 // how often a healthy lease is renewed
	attemptsPerTTL = 6 // how soon the next attempt joins a silent one
	// guardPerTTL is the share of the TTL, one in so many, by which Done closes
	// before the deadline: it covers a timer that fires late and clocks whose rates
	// differ by up to 1%.
	guardPerTTL = 100
)

// An answer is what became of one renewal request.
type answer struct {
	from *renewer
	sent time.Time
	ttl  time.Duration // 0: the lease is gone
	err  error
}

// A renewer makes one renewal at a time, each when asked to.
type renewer struct {
	ask    chan struct{}
	cancel context.CancelFunc
}

// keepAlive renews the lease until the session is over. While the deadline is
// unknown the session gets assumedTTL from now for its first answer.
func (s *Session) keepAlive(assumedTTL time.Duration) {
	rctx, stop := context.WithCancel(v3.WithRequireLeader(s.ctx))
	defer stop()

	answers := make(chan answer)
	underWay := make(map[*renewer]bool)
	var idle *renewer // the one that answered last
	var lastErr error
	failures := 0

	ttl, expiry, due := s.TTL(), s.Deadline(), time.Now()
	if ttl == 0 {
		ttl = assumedTTL
		expiry = due.Add(ttl)
	} else {
		due = expiry.Add(-ttl + ttl/renewalsPerTTL)
	}
	pace := func() time.Duration {
		if s.TTL() == 0 {
			return min(500*time.Millisecond<<len(underWay), ttl/attemptsPerTTL) // the lease may be a short one
		}
		return ttl / attemptsPerTTL
	}
	guarded := func() time.Time { return expiry.Add(-ttl / guardPerTTL) }

	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next := due
		if end := guarded(); end.Before(next) {
			next = end
		}
		timer.Reset(time.Until(next))
		select {
		case <-timer.C:
			now := time.Now()
			if !now.Before(guarded()) {
				s.expire(endedBecause(fmt.Errorf("concurrency: no renewal of lease %x was answered within its TTL of %v: %w",
					s.id, ttl, ErrSessionExpired), lastErr))
				return
			}
			if now.Before(due) {
				continue
			}
			r := idle
			if idle = nil; r == nil {
				r = s.newRenewer(rctx, answers)
			}
			r.ask <- struct{}{}
			underWay[r] = true
			due = now.Add(pace())

		case a := <-answers:
			if !underWay[a.from] {
				continue // it was dropped while it answered
			}
			delete(underWay, a.from)
			if a.err != nil {
				a.from.cancel()
				lastErr = a.err
				// The others may still answer. If none is left, ask again soon.
				if failures++; len(underWay) == 0 {
					due = time.Now().Add(min(retryDelay(failures), pace()))
				}
				continue
			}
			if a.ttl <= 0 {
				s.expire(fmt.Errorf("concurrency: lease %x: %w: %w", s.id, rpctypes.ErrLeaseNotFound, ErrSessionExpired))
				return
			}
			for r := range underWay {
				r.cancel()
			}
			clear(underWay)
			idle, lastErr, failures = a.from, nil, 0
			ttl = a.ttl
			// An answer of an earlier request cannot take back what a later one won.
			if e := a.sent.Add(ttl); e.After(expiry) || s.Deadline().IsZero() {
				expiry = e
			}
			due = a.sent.Add(ttl / renewalsPerTTL)
			s.renewed(ttl, expiry)

		case <-s.client.Ctx().Done():
			s.expire(fmt.Errorf("concurrency: the session's client is closed: %w", context.Cause(s.client.Ctx())))
			return
		case <-s.ctx.Done():
			// Orphan or Close said why already; else it is the end of WithContext's.
			s.end(fmt.Errorf("concurrency: the session's context ended: %w", context.Cause(s.ctx)))
			return
		}
	}
}

func (s *Session) renewed(ttl time.Duration, deadline time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ttl, s.deadline = ttl, deadline
}

// newRenewer starts a renewer. It ends after its first failure, or when ctx ends
// or it is cancelled.
func (s *Session) newRenewer(ctx context.Context, answers chan<- answer) *renewer {
	ctx, cancel := context.WithCancel(ctx)
	r := &renewer{ask: make(chan struct{}, 1), cancel: cancel}
	renew := s.renewOnStream
	if s.client.ActiveConnection() == nil {
		// Made by NewCtxClient: there is only the Lease field to go through.
		renew = s.renewByClient
	}
	go func() {
		defer cancel()
		renew(ctx, func(sent time.Time, ttl int64, err error) bool {
			select {
			case answers <- answer{from: r, sent: sent, ttl: time.Duration(ttl) * time.Second, err: err}:
				return err == nil
			case <-ctx.Done():
				return false
			}
		}, r.ask)
	}()
	return r
}

// renewOnStream makes each renewal on one stream. To open one for each would
// make a client with a password authenticate again every time.
func (s *Session) renewOnStream(ctx context.Context, report func(time.Time, int64, error) bool, ask <-chan struct{}) {
	var stream pb.Lease_LeaseKeepAliveClient
	for {
		select {
		case <-ask:
		case <-ctx.Done():
			return
		}
		sent := time.Now()
		var err error
		if stream == nil {
			stream, err = v3.RetryLeaseClient(s.client).LeaseKeepAlive(ctx)
		}
		if err == nil {
			err = stream.Send(&pb.LeaseKeepAliveRequest{ID: int64(s.id)})
		}
		var resp *pb.LeaseKeepAliveResponse
		if err == nil || stream != nil { // the reason of a failed Send is told by Recv
			resp, err = stream.Recv()
		}
		if !report(sent, resp.GetTTL(), v3.ContextError(ctx, err)) {
			return
		}
	}
}

// renewByClient makes each renewal through the client's Lease field.
func (s *Session) renewByClient(ctx context.Context, report func(time.Time, int64, error) bool, ask <-chan struct{}) {
	for {
		select {
		case <-ask:
		case <-ctx.Done():
			return
		}
		sent := time.Now()
		resp, err := s.client.KeepAliveOnce(ctx, s.id)
		var ttl int64
		switch {
		case err == nil:
			ttl = resp.TTL
		case err == rpctypes.ErrLeaseNotFound:
			err = nil
		}
		if !report(sent, ttl, err) {
			return
		}
	}
}
