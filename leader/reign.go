// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader

import (
	"errors"
	"fmt"
	"time"

	"github.com/seed-da5263fb/concurrency"
)

// A reign is one term of this Runner, with the function that runs in it.
type reign struct {
	*candidacy
	session  *concurrency.Session
	term     *concurrency.Term
	since    time.Time
	returned chan struct{} // closes when the function has returned
}

// newReign takes the lead, unless the candidacy has ended or the term is about to: a
// win that was answered late is no reason to call the function.
func (c *candidacy) newReign(session *concurrency.Session, term *concurrency.Term) (*reign, error) {
	k := &reign{candidacy: c, session: session, term: term, since: time.Now(), returned: make(chan struct{})}
	if time.Until(k.cut()) <= 0 {
		return nil, &EndError{Reason: LeaseAtRisk}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil { // since Campaign returned: no test can come between the two
		return nil, c.ended()
	}
	c.leads, c.failing = true, ""
	c.stats.begin(k.since, c.began)
	c.view.Place, c.view.Term = 1, term
	c.setStateLocked(StateLeading, "")
	return k, nil
}

// cut returns when the function's context has to end, as things stand: Margin
// before the lease can be lost, and a hundredth of the TTL before that, for
// a timer that fires late and clocks that run at different rates. Each renewal puts
// it off.
func (k *reign) cut() time.Time {
	return k.session.Deadline().Add(-k.cfg.Margin - k.session.TTL()/100)
}

// run calls the function, and waits for it.
func (k *reign) run(fn Func) (res result) {
	guarded := make(chan struct{})
	go func() { // first, so that neither a log nor a hook that blocks can hold it up
		defer close(guarded)
		k.guard()
	}()
	k.log.Info("leader: elected", "term", k.term.Rev())
	if k.cfg.Hooks.Elected != nil {
		k.cfg.Hooks.Elected(k.term)
	}
	err := errPanicked
	defer func() {
		// Which end came first decides: the return, or what the function was to
		// return because of.
		if err == nil {
			k.end(&EndError{Reason: Done})
		} else {
			k.end(&EndError{Failed, err})
		}
		close(k.returned)
		<-guarded
		res = k.concluded(err)
	}()
	if k.ctx.Err() != nil { // the log or the hook took that long
		err = k.ended()
		return
	}
	err = fn(k.ctx, k.term)
	return
}

// errPanicked is what a function that has panicked counts as having returned.
var errPanicked = errors.New("leader: the function panicked")

// concluded says what came of the term.
func (k *reign) concluded(err error) result {
	end, lasted := k.ended(), time.Since(k.since)
	res := result{led: true, lasted: lasted}
	if end.Reason == Done || end.Reason == Failed {
		res.returned, res.err = true, err
	} else if err != nil && !errors.Is(err, k.ctx.Err()) && !errors.Is(err, end) {
		k.log.Warn("leader: the function returned an error after its term", "err", err)
	}

	k.mu.Lock()
	defer k.mu.Unlock()
	k.stats.end(end.Reason, lasted)
	if end.Reason == Failed || end.Reason.Lost() && lasted < k.cfg.MinTerm {
		k.holdUntil = time.Now().Add(k.cfg.HoldOff)
	}
	return res
}

// lost tells the world that the term is over, and handed over.
func (k *reign) lost() {
	end := k.ended()
	say := k.log.Info
	if end.Reason.Lost() {
		say = k.log.Warn
	}
	say("leader: term ended", "term", k.term.Rev(), "reason", string(end.Reason), "err", end.Err)
	if k.cfg.Hooks.Lost != nil {
		k.cfg.Hooks.Lost(k.term, end)
	}
}

// guard ends the function's context when the term is about to be over, and then
// sees to it that the function returns.
func (k *reign) guard() {
	timer := time.NewTimer(time.Until(k.cut()))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			// It was set for the deadline of then.
			if wait := time.Until(k.cut()); wait > 0 {
				timer.Reset(wait)
				continue
			}
			k.end(&EndError{LeaseAtRisk, fmt.Errorf("leader: no renewal was answered for %v; the lease can be lost in %v",
				(k.session.TTL() - time.Until(k.session.Deadline())).Round(time.Millisecond), k.cfg.Margin)})
		case <-k.term.Done():
			k.end(termOver(k.term.Err()))
		case <-k.ctx.Done():
			k.awaitReturn()
			return
		}
	}
}

func (k *reign) steppingDown(end *EndError) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current == k.candidacy {
		k.setStateLocked(StateSteppingDown, string(end.Reason))
		k.view.lost = end.Reason.Lost()
	}
}
