// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

// What a Runner knows of the others, in two ways. Who leads comes from a watch,
// at once and in order. The queue, with the own place in it, is read now and
// then: a watch does not tell one's place, and to read at every change what 5,000
// candidates wait in would cost the server more than the election.

// lookout returns an Election to observe by, whatever becomes of the sessions
// that the Runner campaigns with. Its session is over as it begins, so that nothing is
// sent for it, but for one renewal of the lease 1 at the most, which nobody has: it is
// no more than the way to name a client.
func lookout(client *clientv3.Client, name string) (*concurrency.Election, error) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	s, err := concurrency.NewSession(client, concurrency.WithLease(1), concurrency.WithContext(over))
	if err != nil {
		return nil, err
	}
	return concurrency.NewElection(s, name), nil
}

// followLeaders takes note of each leader.
func (r *Runner) followLeaders(ctx context.Context) {
	for ctx.Err() == nil && r.cfg.Client.Ctx().Err() == nil {
		for leader, err := range r.lookup.Leaders(ctx) {
			if err == nil {
				r.saw(leader)
			} else if ctx.Err() == nil && r.cfg.Client.Ctx().Err() == nil {
				r.failed(fmt.Errorf("leader: observe: %w", err))
			}
		}
		select {
		case <-time.After(r.cfg.TTL / 3):
		case <-ctx.Done():
		}
	}
}

// saw takes note of who leads: nobody, if it is the zero Candidate.
func (r *Runner) saw(leader concurrency.Candidate) {
	r.mu.Lock()
	before := r.view.Leader
	news := leader.Rev != before.Rev
	r.view.Leader, r.view.LastContact = leader, time.Now()
	if news {
		r.stats.succession(before, leader, r.view.Term, r.leaseLocked())
	}
	r.notifyLocked()
	r.mu.Unlock()

	if news {
		r.lookSoon()
	}
	if news && leader.Rev != 0 {
		r.log.Info("leader: new leader", "leader", leader.Value, "term", leader.Rev)
		if r.cfg.Hooks.NewLeader != nil {
			r.cfg.Hooks.NewLeader(leader)
		}
	}
}

// leaseLocked returns the lease of the candidacy, 0 if there is none.
func (r *Runner) leaseLocked() clientv3.LeaseID {
	if r.current == nil || r.current.session == nil {
		return 0
	}
	return r.current.session.Lease()
}

// perCandidate is the share of time that each candidate leaves to the others'
// reading of the queue: all of them together read it no more than 50 times a
// second.
const perCandidate = 20 * time.Millisecond

// firstLook is when the own key is first looked for, after the campaign has begun.
// Most campaigns that are not contested have won by then.
const firstLook = 5 * time.Millisecond

// lookSoon has followQueue look at the queue soon.
func (r *Runner) lookSoon() {
	select {
	case r.soon <- struct{}{}:
	default:
	}
}

// followQueue reads the queue, now and then, and soon after there is news.
func (r *Runner) followQueue(ctx context.Context) {
	hasty := 0 // looks for the own key so far
	var next time.Time
	for {
		if !time.Now().Before(next) {
			r.look(ctx)
			hasty++
			next = time.Now().Add(r.untilLook(hasty, false))
		}
		select {
		case <-time.After(time.Until(next)):
		case <-r.soon:
			hasty = 0
			if soon := time.Now().Add(r.untilLook(0, true)); soon.Before(next) {
				next = soon
			}
		case <-ctx.Done():
			return
		}
	}
}

// untilLook returns how long to wait before the next look.
func (r *Runner) untilLook(hasty int, news bool) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	spread := time.Duration(r.view.Candidates+1) * perCandidate
	regular := max(r.cfg.TTL/3, spread)
	regular = regular/2 + rand.N(regular/2)
	if c := r.current; c != nil && c.session != nil && !c.leads && !c.entered {
		return min(regular, firstLook<<min(hasty, 8)+rand.N(spread))
	}
	if news {
		return rand.N(spread)
	}
	return regular
}

// look reads the queue, and takes note of the own place.
func (r *Runner) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.TTL/3)
	defer cancel()
	queue, err := r.lookup.Candidates(ctx)
	if err != nil {
		return // the time of the last contact tells
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	place, own := 0, r.leaseLocked()
	for i, c := range queue {
		if c.Lease == own {
			place = i + 1
		}
	}
	r.view.LastContact = time.Now()
	changed := r.view.Candidates != len(queue)
	r.view.Candidates = len(queue)
	if c := r.current; place > 0 && c.ctx.Err() == nil && !c.leads {
		changed = changed || r.view.Place != place
		r.view.Place, c.entered = place, true
		r.setStateLocked(StateQueued, "")
	}
	if changed {
		r.notifyLocked()
	}
}
