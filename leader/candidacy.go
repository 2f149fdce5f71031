// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/seed-da5263fb/concurrency"
)

// A candidacy is one attempt at leading: one session, one Campaign, and at most one
// term. The next one begins with a lease of its own, so that nothing of what went
// wrong with the last one can matter, and its place is behind all others.
type candidacy struct {
	*Runner
	ctx  context.Context // ends with the candidacy; its cause is an *EndError
	stop context.CancelCauseFunc
	free func() bool   // undoes the tie to Run's context
	over chan struct{} // closes when the lease is given up

	// Guarded by Runner.mu.
	session *concurrency.Session // nil while it is being made
	leads   bool                 // from the win until the lease is given up
	entered bool                 // the key was seen in the queue
	began   time.Time            // of the campaign
}

// A result is what came of a candidacy.
type result struct {
	returned bool  // the function has returned while it led, and err is what it returned
	err      error // if it has not: what failed, nil if the candidacy ended on purpose or after a term
	led      bool
	lasted   time.Duration
}

func (r *Runner) newCandidacyLocked(ctx context.Context) *candidacy {
	c := &candidacy{Runner: r, over: make(chan struct{}), began: time.Now()}
	// The tie to Run's context is one by hand, for the sake of the cause.
	c.ctx, c.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	c.free = context.AfterFunc(ctx, func() { c.end(&EndError{Stopped, context.Cause(ctx)}) })
	r.current = c
	r.setStateLocked(StateConnecting, "")
	return c
}

// end ends the candidacy; the first end counts.
func (c *candidacy) end(why *EndError) { c.stop(why) }

// ended returns why the candidacy has ended. Nothing but end ends its context.
func (c *candidacy) ended() *EndError { return context.Cause(c.ctx).(*EndError) }

// run makes a session, campaigns, leads, and gives the lease up.
func (c *candidacy) run(fn Func) (res result) {
	defer c.free()
	session, release, err := c.newSession()
	if err != nil {
		defer c.leave()
		return c.without(fmt.Errorf("leader: get a lease: %w", err))
	}
	c.mu.Lock()
	c.session = session
	c.notifyLocked()
	c.mu.Unlock()
	c.lookSoon()

	election := concurrency.NewElection(session, c.cfg.Election)
	var watching sync.WaitGroup
	watching.Go(func() { c.timeRenewals(session) })
	var reign *reign
	defer func() { // also when fn panics
		release(election)
		watching.Wait()
		c.leave()
		if reign != nil {
			reign.lost()
		}
	}()

	if err := election.Campaign(c.ctx, c.cfg.Value); err != nil {
		return c.without(fmt.Errorf("leader: campaign: %w", err))
	}
	term := election.Term()
	if reign, err = c.newReign(session, term); err != nil {
		return c.without(fmt.Errorf("leader: won too late: %w", err))
	}
	return reign.run(fn)
}

// without is the result of a candidacy that has not led: a failure, unless the
// candidacy was to end.
func (c *candidacy) without(err error) result {
	res := result{lasted: time.Since(c.began)}
	if c.ctx.Err() == nil {
		res.err = err
	}
	return res
}

// leave takes note that the lease is given up.
func (c *candidacy) leave() {
	c.end(&EndError{Reason: SessionOver}) // releases the context; a term has ended by now
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = nil
	c.view.Place, c.view.Term = 0, nil
	if obstacle, _ := c.obstacleLocked(); obstacle != "" {
		c.setStateLocked(StatePaused, obstacle)
	} else {
		c.setStateLocked(StateConnecting, "")
	}
	close(c.over)
}

// newSession makes the candidacy's session, and returns what gives it up, with the
// leadership of an Election, within Margin.
//
// The session's own context is neither Run's nor the candidacy's: when those end,
// the function has yet to return, and the lease has to be renewed for as long
// as that takes, and then be revoked.
func (c *candidacy) newSession() (*concurrency.Session, func(*concurrency.Election), error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.ctx))
	inTime := context.AfterFunc(c.ctx, cancel)
	session, err := concurrency.NewSession(c.cfg.Client,
		concurrency.WithTTL(int(c.cfg.TTL/time.Second)),
		concurrency.WithStartTimeout(c.cfg.StartTimeout),
		concurrency.WithContext(ctx))
	if err != nil {
		inTime()
		cancel()
		return nil, nil, err
	}
	if !inTime() {
		// The candidacy ended while the answer was under way. Close can no longer
		// revoke a lease in this context.
		c.revoke(session)
		return nil, nil, context.Cause(c.ctx)
	}
	return session, func(election *concurrency.Election) {
		late := time.AfterFunc(c.cfg.Margin, cancel)
		defer cancel()
		defer late.Stop()
		defer context.AfterFunc(c.cfg.Client.Ctx(), cancel)()
		// To revoke the lease deletes the key as well, but to delete the key alone is
		// faster, and it is what the next leader waits for.
		if session.Err() == nil {
			_ = election.Resign(ctx) // Close has the last word
		}
		c.revoked(session, session.Close())
	}, nil
}

func (c *candidacy) revoke(session *concurrency.Session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), c.cfg.Margin)
	defer cancel()
	_, err := c.cfg.Client.Revoke(ctx, session.Lease())
	c.revoked(session, err)
}

// revoked tells if a lease could not be revoked.
func (c *candidacy) revoked(session *concurrency.Session, err error) {
	if err != nil {
		c.log.Warn("leader: the lease could not be revoked, and ends by itself", "lease", fmt.Sprintf("%x", session.Lease()), "err", err)
	}
}
