// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// How a lease is kept alive.
//
// The server counts a lease's TTL from when it receives a renewal. The client
// cannot know that moment, but knows one before it: when it sent the request. So
//
//	deadline = when the last answered request was sent + granted TTL
//
// is never after the lease's end, however slow the answer was. That needs each
// answer to be matched with its own request; see renewStream.
//
// A renewal is asked for every third of the TTL. When no answer has come within a
// sixth, another one is asked for on another stream, and so on, beside the ones
// that are under way: a late answer still counts, from its own send time.

const (
	renewalsPerTTL = 3 // how often a healthy lease is renewed
	attemptsPerTTL = 6 // how soon the next attempt joins a silent one
	// guardPerTTL is the share of the TTL, one in so many, by which Done closes
	// before the deadline: it covers a timer that fires late and clocks whose rates
	// differ by up to 1%.
	guardPerTTL = 100
	// slackPerTTL is the share of the TTL by which a renewal may be put off, to be
	// sent together with those of other sessions: 1,000 sessions with a TTL of 10 s
	// then send twice a second and not 300 times.
	slackPerTTL = 20
)

// A keeper keeps the lease of a session alive.
type keeper struct {
	*Session
	renewals *renewals
	answered chan struct{} // has a value when one under way may be answered
	underWay []*attempt
	last     *attempt // that was answered with success
	lastErr  error
	failures int

	ttl    time.Duration
	expiry time.Time // when the session is over if no answer comes
	due    time.Time // when to ask next
}

// keepAlive renews the lease until the session is over. While the deadline is
// unknown the session gets assumedTTL from now for its first answer.
func (s *Session) keepAlive(assumedTTL time.Duration) {
	k := keeper{Session: s, renewals: joinRenewals(s.client), answered: make(chan struct{}, 1)}
	defer k.leave()
	k.ttl, k.expiry, k.due = s.TTL(), s.Deadline(), time.Now()
	if k.ttl == 0 {
		k.ttl = assumedTTL
		k.expiry = k.due.Add(k.ttl)
	} else {
		k.due = k.expiry.Add(-k.ttl + k.ttl/renewalsPerTTL)
	}
	timer := time.NewTimer(k.ttl)
	defer timer.Stop()
	for {
		now := time.Now()
		if !now.Before(k.end()) {
			s.expire(endedBecause(fmt.Errorf("concurrency: no renewal of lease %x was answered within its TTL of %v: %w",
				s.id, k.ttl, ErrSessionExpired), k.lastErr))
			return
		}
		if !now.Before(k.due) {
			k.ask(now)
		}
		next := k.due
		if end := k.end(); end.Before(next) {
			next = end
		}
		timer.Reset(next.Sub(now))
		select {
		case <-timer.C:
		case <-k.answered:
		case <-s.ctx.Done():
			// Orphan or Close said why already; else the client is closed, or it is
			// the end of WithContext's.
			if s.client.Ctx().Err() == nil {
				s.end(fmt.Errorf("concurrency: the session's context ended: %w", context.Cause(s.ctx)))
				return
			}
			k.clientClosed()
			return
		case <-s.client.Ctx().Done():
			k.clientClosed()
			return
		}
		var answered []*attempt
		answered, k.underWay = k.renewals.sort(k.underWay)
		for i, a := range answered {
			if a.err == nil && a.ttl <= 0 {
				k.renewals.drop(answered[i:]...)
				s.expire(fmt.Errorf("concurrency: lease %x: %w: %w", s.id, rpctypes.ErrLeaseNotFound, ErrSessionExpired))
				return
			}
			k.take(a)
		}
	}
}

// end returns when the session is over if no answer comes.
func (k *keeper) end() time.Time { return k.expiry.Add(-k.ttl / guardPerTTL) }

// pace returns how long to wait for an answer before asking once more.
func (k *keeper) pace() time.Duration {
	if k.TTL() == 0 {
		return min(500*time.Millisecond<<len(k.underWay), k.ttl/attemptsPerTTL) // the lease may be a short one
	}
	return k.ttl / attemptsPerTTL
}

// ask asks for one more renewal, unless many are under way.
func (k *keeper) ask(now time.Time) {
	var slack time.Duration
	if k.TTL() != 0 && len(k.underWay) == 0 && k.failures == 0 {
		slack = k.ttl / slackPerTTL
	}
	if len(k.underWay) < maxOpen {
		k.underWay = append(k.underWay, k.renewals.ask(k.id, slack, k.last, k.underWay, k.answered))
	}
	k.due = now.Add(slack + k.pace())
}

// take takes note of an answer.
func (k *keeper) take(a *attempt) {
	if a.err != nil {
		k.renewals.drop(a)
		k.lastErr = a.err
		// The others may still answer. If none is left, ask again soon.
		if k.failures++; len(k.underWay) == 0 {
			k.due = time.Now().Add(min(retryDelay(k.failures), k.pace()))
		}
		return
	}
	if k.last != nil {
		k.renewals.drop(k.last)
	}
	k.last, k.lastErr, k.failures = a, nil, 0
	k.ttl = a.ttl
	// An answer of an earlier request cannot take back what a later one won.
	if e := a.sent.Add(k.ttl); e.After(k.expiry) || k.Deadline().IsZero() {
		k.expiry = e
	}
	k.renewed(k.ttl, k.expiry)
	// Those that were sent before have nothing to add. Those sent after it have: on
	// a slow link they are what keeps the session, and the next one can wait for them.
	k.underWay = k.renewals.dropSentBefore(a.sent, k.underWay)
	latest := k.expiry.Add(-k.ttl)
	for _, other := range k.underWay {
		latest = other.sent // the one asked for last; if another was sent later, the next renewal is early
	}
	k.due = latest.Add(k.ttl / renewalsPerTTL)
}

func (k *keeper) clientClosed() {
	k.expire(fmt.Errorf("concurrency: the session's client is closed: %w", context.Cause(k.client.Ctx())))
}

func (k *keeper) leave() {
	k.renewals.drop(k.underWay...)
	if k.last != nil {
		k.renewals.drop(k.last)
	}
	k.renewals.leave()
}

func (s *Session) renewed(ttl time.Duration, deadline time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ttl, s.deadline = ttl, deadline
}
