// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

// names are those of the candidates. They begin with different letters, which
// the timeline uses.
var names = []string{"ada", "ben", "cleo", "dan", "eve"}

const (
	electionName = "demo/leader"
	// deedsKey is what leaders write, each guarded by its term's fence.
	deedsKey = "demo/deeds"
	// deedEvery is how often a leader writes.
	deedEvery = 50 * time.Millisecond
)

// A candidate is one that wants to lead, with a client and a network of its own.
type candidate struct {
	name string
	ttl  time.Duration
	rec  *record
	scr  *screen

	// Of the process that the candidate stands for; replaced when it crashes.
	link   *link
	client *clientv3.Client

	mu       sync.Mutex
	session  *concurrency.Session
	election *concurrency.Election
	term     *concurrency.Term // the latest
	dead     bool              // the process has crashed
}

// boot gives the candidate a network and a client.
func (c *candidate) boot(ctx context.Context, members []string) error {
	l, err := newLink(members)
	if err != nil {
		return err
	}
	client, err := connect(ctx, l.addresses())
	if err != nil {
		l.close()
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link, c.client, c.session, c.dead = l, client, nil, false
	return nil
}

// closeSession ends the session and its lease.
func (c *candidate) closeSession() {
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s != nil {
		_ = s.Close() // failing that, the lease goes down with the members
	}
}

// shutDown ends the client and the network. It sends nothing to etcd on behalf of
// the candidate.
func (c *candidate) shutDown() {
	if c.client != nil {
		_ = c.client.Close()
		c.link.close()
	}
}

// contend enters the election, leads when its turn comes, and returns when the
// term is over, or, without an error, when waiting ends before.
func (c *candidate) contend(ctx, waiting context.Context) error {
	for {
		e, err := c.enlist()
		if err != nil {
			return err
		}
		again, err := c.campaign(ctx, waiting, e)
		if !again || err != nil {
			return err
		}
	}
}

// enlist returns an Election of a session that lasts: the old one if it does.
func (c *candidate) enlist() (*concurrency.Election, error) {
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s == nil || s.Err() != nil {
		var err error
		s, err = concurrency.NewSession(c.client, concurrency.WithTTL(int(c.ttl.Seconds())), concurrency.WithStartTimeout(10*time.Second))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	e := concurrency.NewElection(s, electionName)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session, c.election = s, e
	return e, nil
}

// campaign is one candidacy. It reports whether there should be another one at
// once.
func (c *candidate) campaign(ctx, waiting context.Context, e *concurrency.Election) (again bool, err error) {
	leave := c.rec.enter(c.name)
	defer leave()
	c.scr.say(c.rec.now(), c.name, "enters the election")
	err = e.Campaign(waiting, c.name)
	won := c.rec.now()
	switch {
	case err != nil && waiting.Err() != nil:
		return false, nil
	case errors.Is(err, concurrency.ErrSessionExpired):
		// On a machine so busy that a whole TTL passes without a renewal.
		c.scr.say(won, c.name, "has lost its place in the queue, and queues again: %v", err)
		return true, nil
	case err != nil:
		return false, fmt.Errorf("%s: campaign: %w", c.name, err)
	}
	term := e.Term()
	if term == nil {
		return false, fmt.Errorf("%s: has won and lost the election in one instant", c.name)
	}
	c.mu.Lock()
	c.term = term
	c.mu.Unlock()
	g := c.rec.won(c.name, term.Rev(), won)
	c.scr.say(won, c.name, "LEADS, by its key of revision %d", term.Rev())

	var working sync.WaitGroup
	working.Go(func() { c.work(ctx, term) })
	select {
	case <-term.Done():
		lost := c.rec.now()
		c.rec.lost(g, lost, term.Err())
		c.sayLost(lost, term.Err())
	case <-ctx.Done():
	}
	working.Wait()
	return false, nil
}

func (c *candidate) sayLost(at time.Duration, why error) {
	var reason string
	switch {
	case errors.Is(why, concurrency.ErrResigned):
		reason = "it resigned"
	case errors.Is(why, concurrency.ErrKeyDeleted):
		reason = "its key was deleted"
	case errors.Is(why, concurrency.ErrSessionExpired) && c.isDead():
		c.scr.say(at, c.name, "is dead, but if it was only frozen its term would be over by now, by its own deadline")
		return
	case errors.Is(why, concurrency.ErrSessionExpired):
		reason = "no renewal was answered, and its own deadline has come"
	default:
		reason = why.Error()
	}
	c.scr.say(at, c.name, "stops leading: %s", reason)
}

// work is what a leader does: it writes, guarded by its fence, for as long as the
// term lasts and the process lives.
func (c *candidate) work(ctx context.Context, term *concurrency.Term) {
	ctx, cancel := term.Context(ctx)
	defer cancel()
	for ctx.Err() == nil && !c.isDead() {
		_, _ = c.write(ctx, term)
		select {
		case <-time.After(deedEvery):
		case <-ctx.Done():
		}
	}
}

// write does one deed in the name of a term, and reports whether etcd let it.
func (c *candidate) write(ctx context.Context, term *concurrency.Term) (bool, error) {
	resp, err := c.client.Txn(ctx).
		If(term.Fence()).
		Then(clientv3.OpPut(deedsKey, strconv.FormatInt(term.Rev(), 10))).
		Commit()
	if err != nil {
		return false, err
	}
	return resp.Succeeded, nil
}

// crash makes the process go silent: nothing is resigned, closed or revoked, and
// nothing it sends arrives. The session is left as it is, so that it shows when
// the term would have ended.
func (c *candidate) crash() {
	c.mu.Lock()
	c.dead = true
	c.mu.Unlock()
	c.link.silence()
}

func (c *candidate) isDead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// leadership returns the latest election and term.
func (c *candidate) leadership() (*concurrency.Election, *concurrency.Term) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.election, c.term
}

// leaseLeft returns for how long the lease is certainly alive.
func (c *candidate) leaseLeft() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == nil {
		return 0
	}
	return max(0, time.Until(c.session.Deadline()))
}
