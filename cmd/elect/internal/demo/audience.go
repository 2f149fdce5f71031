// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"context"
	"fmt"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

// An audience is who looks on with a client of its own: an observer of the
// election, one who reads what leaders write, and the operator. They tell what
// happened in etcd's own order, whatever the candidates believe.
type audience struct {
	client  *clientv3.Client
	session *concurrency.Session
}

// join connects the audience and lets it look on until ctx ends.
func (s *show) join(ctx context.Context) error {
	a := &s.audience
	var err error
	if a.client, err = connect(context.WithoutCancel(ctx), s.cluster.addresses()); err != nil {
		return err
	}
	if a.session, err = concurrency.NewSession(a.client, concurrency.WithTTL(10), concurrency.WithContext(ctx)); err != nil {
		return fmt.Errorf("observer: %w", err)
	}
	s.running.Go(func() { s.observe(ctx) })
	deeds := a.client.Watch(ctx, deedsKey, clientv3.WithRev(1))
	s.running.Go(func() { s.readDeeds(ctx, deeds) })
	return nil
}

// observe records who leads, as Leaders tells.
func (s *show) observe(ctx context.Context) {
	e := concurrency.NewElection(s.audience.session, electionName)
	for c, err := range e.Leaders(ctx) {
		at := s.rec.now()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.fail(fmt.Errorf("observer: %w", err))
			return
		}
		s.rec.saw(sighting{c.Value, c.Rev, at})
		if c.Key == "" {
			s.scr.say(at, "observer", "sees that nobody leads")
		} else {
			s.scr.say(at, "observer", "sees %s lead, by its key of revision %d", c.Value, c.Rev)
		}
	}
}

// readDeeds records what leaders write, in the order in which etcd applied it.
func (s *show) readDeeds(ctx context.Context, events clientv3.WatchChan) {
	for resp := range events {
		if err := resp.Err(); err != nil && ctx.Err() == nil {
			s.fail(fmt.Errorf("watch the leaders' writes: %w", err))
			return
		}
		for _, ev := range resp.Events {
			term, err := strconv.ParseInt(string(ev.Kv.Value), 10, 64)
			if err != nil {
				s.fail(fmt.Errorf("read a leader's write: %w", err))
				return
			}
			s.rec.did(deed{term, ev.Kv.ModRevision})
		}
	}
}

// leave closes the audience's client; its leases go down with the members.
func (a *audience) leave() {
	if a.client != nil {
		_ = a.client.Close()
	}
}
