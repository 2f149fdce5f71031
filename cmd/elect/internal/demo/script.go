// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// breather is between a handover and the return of the one who was removed.
const breather = time.Second

// patience is by how much a handover may miss its bound before it is no longer
// waited for.
const patience = 5 * time.Second

// play runs the show from the start of the members to the last leader's exit.
func (s *show) play(ctx context.Context) error {
	s.scr.say(s.rec.now(), "etcd", "starts three members in this process")
	var err error
	if s.cluster, err = startCluster(ctx, s.cfg.Dir); err != nil {
		return err
	}
	s.scr.say(s.rec.now(), "etcd", "is ready at %s, data in %s", strings.Join(s.cluster.addresses(), " "), s.cluster.dir)
	if err := s.join(ctx); err != nil {
		return err
	}
	s.waiting, s.stopWaiting = context.WithCancel(ctx)
	defer s.stopWaiting()
	for _, c := range s.candidates {
		if err := c.boot(context.WithoutCancel(ctx), s.cluster.addresses()); err != nil {
			return err
		}
	}
	for _, c := range s.candidates {
		s.enter(ctx, c)
	}

	acts := []act{
		{resigned, "%s is to resign", s.resign, s.comeBack},
		{deleted, "an operator deletes the key of %s", s.deleteKey, s.comeBack},
		{crashed, "%s crashes: no goodbye, it just goes silent", s.crash, s.restart},
		{cutOff, "%s is cut off: the network swallows all it sends and is sent", s.cut, s.reconnect},
	}
	for i, a := range acts {
		if err := s.perform(ctx, i+1, a); err != nil {
			return err
		}
	}
	return s.finale(ctx, len(acts)+1)
}

// An act removes a leader, and brings it back as a candidate later.
type act struct {
	cause  cause
	title  string
	remove func(context.Context, *candidate) error
	back   func(context.Context, *candidate) error
}

// perform removes the nth leader and waits for the next one.
func (s *show) perform(ctx context.Context, n int, a act) error {
	old, err := s.awaitReign(ctx, n, 10*time.Second)
	if err != nil {
		return err
	}
	if err := s.sleepUntil(ctx, old.from+s.cfg.Hold); err != nil {
		return err
	}
	if err := s.stillLeads(old); err != nil {
		return err
	}
	c := s.byName(old.who)
	at := s.rec.now()
	s.scr.say(at, fmt.Sprintf("ACT %d", n), a.title, old.who)
	s.rec.removed(a.cause, old.who, at)
	if err := a.remove(ctx, c); err != nil {
		return fmt.Errorf("act %d: %w", n, err)
	}
	bound, _ := a.cause.vacancy(s.cfg.TTL)
	next, err := s.awaitReign(ctx, n+1, a.cause.lingering(s.cfg.TTL)+bound+patience)
	if err != nil {
		return fmt.Errorf("after %s %s: %w", old.who, a.cause, err)
	}
	// The old term has to be over too; by how much too late is judged later.
	if err := s.within(ctx, patience, func() bool { return old.why != nil && !s.inElection(old.who) }); err != nil {
		return fmt.Errorf("%s leads, and the term of %s is not over yet: %w", next.who, old.who, err)
	}
	if err := s.sleepUntil(ctx, next.from+breather); err != nil {
		return err
	}
	if err := a.back(ctx, c); err != nil {
		return fmt.Errorf("act %d: %w", n, err)
	}
	return nil
}

// stillLeads returns an error if a leader is gone that nobody has removed.
func (s *show) stillLeads(g *reign) error {
	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	if g.why != nil {
		return fmt.Errorf("%s stopped leading though nobody had removed it: %w", g.who, g.why)
	}
	return nil
}

func (s *show) resign(ctx context.Context, c *candidate) error {
	e, _ := c.leadership()
	return e.Resign(ctx)
}

func (s *show) deleteKey(ctx context.Context, c *candidate) error {
	_, term := c.leadership()
	_, err := s.audience.client.Delete(ctx, term.Key())
	return err
}

func (s *show) crash(_ context.Context, c *candidate) error {
	c.crash()
	return nil
}

func (s *show) cut(_ context.Context, c *candidate) error {
	c.link.silence()
	return nil
}

// comeBack lets a candidate queue up again with the session that it has.
func (s *show) comeBack(ctx context.Context, c *candidate) error {
	s.enter(ctx, c)
	return nil
}

// restart starts a crashed candidate's process again: it knows nothing of before.
func (s *show) restart(ctx context.Context, c *candidate) error {
	c.shutDown()
	if err := c.boot(context.WithoutCancel(ctx), s.cluster.addresses()); err != nil {
		return err
	}
	s.scr.say(s.rec.now(), c.name, "is started again")
	s.enter(ctx, c)
	return nil
}

// reconnect mends the network. Before the candidate enters the election again it
// tries to write in the name of the term that it has lost.
func (s *show) reconnect(ctx context.Context, c *candidate) error {
	c.link.heal()
	s.scr.say(s.rec.now(), c.name, "is connected again")
	_, term := c.leadership()
	applied, err := s.writeLate(ctx, c)
	if err != nil {
		return err
	}
	if applied {
		return fmt.Errorf("etcd took a write of %s, fenced by its term of revision %d, which was over", c.name, term.Rev())
	}
	s.scr.say(s.rec.now(), c.name, "tries a write that it was late with; etcd refuses it by the fence of revision %d", term.Rev())
	s.enter(ctx, c)
	return nil
}

// writeLate writes as soon as the client has found a member again.
func (s *show) writeLate(ctx context.Context, c *candidate) (applied bool, err error) {
	_, term := c.leadership()
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("no connection after the network was mended"))
	defer cancel()
	for {
		applied, err := c.write(ctx, term)
		if err == nil {
			return applied, nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return false, fmt.Errorf("%s: %w (%w)", c.name, context.Cause(ctx), err)
		}
	}
}

// finale lets the others leave the queue, and then the last leader resign.
func (s *show) finale(ctx context.Context, n int) error {
	last, err := s.awaitReign(ctx, n, patience)
	if err != nil {
		return err
	}
	if err := s.sleepUntil(ctx, last.from+s.cfg.Hold); err != nil {
		return err
	}
	s.scr.say(s.rec.now(), "END", "all others leave the queue, and %s resigns", last.who)
	s.stopWaiting()
	if err := s.within(ctx, patience, func() bool { return s.alone(last.who) }); err != nil {
		return fmt.Errorf("leave the queue: %w", err)
	}
	if err := s.resign(ctx, s.byName(last.who)); err != nil {
		return fmt.Errorf("resign: %w", err)
	}
	err = s.within(ctx, patience, func() bool {
		n := len(s.rec.sightings)
		return last.why != nil && n > 0 && s.rec.sightings[n-1].who == ""
	})
	if err != nil {
		return fmt.Errorf("the observer has not seen the last leader go: %w", err)
	}
	return nil
}

// inElection reports whether a candidacy of who lasts. It is for await's
// conditions, as alone is.
func (s *show) inElection(who string) bool {
	return slices.ContainsFunc(s.rec.stays, func(st *stay) bool { return !st.over && st.who == who })
}

// alone reports whether no candidacy but that of who lasts.
func (s *show) alone(who string) bool {
	return !slices.ContainsFunc(s.rec.stays, func(st *stay) bool { return !st.over && st.who != who })
}

var errTooLong = errors.New("waited too long")

// within waits for cond, but no longer than d.
func (s *show) within(ctx context.Context, d time.Duration, cond func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d, errTooLong)
	defer cancel()
	return s.rec.await(ctx, cond)
}

func (s *show) awaitReign(ctx context.Context, n int, d time.Duration) (*reign, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d, fmt.Errorf("nobody leads after %v", d))
	defer cancel()
	return s.rec.awaitReign(ctx, n)
}

// sleepUntil waits for a time since the start.
func (s *show) sleepUntil(ctx context.Context, at time.Duration) error {
	select {
	case <-time.After(at - s.rec.now()):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
