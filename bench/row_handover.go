// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"context"
	"time"

	v3 "go.etcd.io/etcd/client/v3"
)

const (
	freshAge = 8 * time.Millisecond
	oldAge   = 300 * time.Millisecond
	// pairs is how many leaders and waiters of each contender grow old together.
	pairs = 4
)

// A relay hands one leadership from a leader on one client to a waiter on another.
type relay interface {
	// ready makes the leader lead and the waiter wait.
	ready(ctx context.Context) error
	// handOver makes the leader resign, and returns how long it took from the call
	// until the waiter knew.
	handOver(ctx context.Context) (time.Duration, error)
}

// handover measures the time from Resign until the next Campaign returns, beside
// that from a bare deletion until an open watch tells of it.
func handover(l *lab) error {
	return l.each(3, func(c *cluster) error {
		return l.handovers(c, "handover", l.size.fresh, l.size.old)
	})
}

// handoverLoaded measures the same while other clients write.
func handoverLoaded(l *lab) error {
	return l.each(3, func(c *cluster) error {
		client, err := c.client(1)
		if err != nil {
			return err
		}
		w := startWriters(l.ctx, client, l.name("foreign"), l.size.writesPerSecond)
		err = l.handovers(c, "handover under writes", l.size.loaded, l.size.loaded)
		done := w.stop()
		l.add(measure{"handover under writes", len(c.members), "foreign writes", "writes per second", "1/s"}, "all", done.perSecond)
		return err
	})
}

func (l *lab) handovers(c *cluster, row string, fresh, old int) error {
	var names []string
	var relays [][]relay // of each contender
	for _, of := range contenders {
		names = append(names, of.name)
		relays = append(relays, nil)
	}
	names, relays = append(names, nameLimit), append(relays, nil)
	for i := range relays {
		from, err := c.client(0)
		if err != nil {
			return err
		}
		to, err := c.client(1)
		if err != nil {
			return err
		}
		for range pairs {
			var r relay
			if names[i] == nameLimit {
				r, err = newBareRelay(l.ctx, l.name(row), from, to)
			} else {
				r, err = newElectionRelay(contenders[i], l.name(row), from, to)
			}
			if err != nil {
				return err
			}
			relays[i] = append(relays[i], r)
		}
	}
	// Those of one contender after the other, each fresh by itself.
	m := measure{row, len(c.members), "fresh", "time", "ms"}
	for turn := -1; turn < fresh; turn++ {
		for i := range relays {
			i = (i + turn + 1) % len(relays)
			if err := l.relayed(m, turn, names[i], relays[i][0], freshAge); err != nil {
				return err
			}
		}
	}
	// All grow old together, and then hand over one after the other.
	m.setting = "old"
	for turn := -1; turn < old/pairs; turn++ {
		var all []relay
		var whose []string
		for p := range pairs {
			for i := range relays {
				i = (i + turn + 1 + p) % len(relays)
				all, whose = append(all, relays[i][p]), append(whose, names[i])
			}
		}
		for _, r := range all {
			if err := r.ready(l.ctx); err != nil {
				return err
			}
		}
		time.Sleep(oldAge)
		for i, r := range all {
			took, err := r.handOver(l.ctx)
			if err != nil {
				return err
			}
			if turn >= 0 {
				l.addTime(m, whose[i], took)
			}
		}
	}
	return nil
}

// relayed measures one handover after the waiter has waited for age; that of the
// turn -1 is to warm up.
func (l *lab) relayed(m measure, turn int, name string, r relay, age time.Duration) error {
	if err := r.ready(l.ctx); err != nil {
		return err
	}
	time.Sleep(age)
	took, err := r.handOver(l.ctx)
	if err == nil && turn >= 0 {
		l.addTime(m, name, took)
	}
	return err
}

// An electionRelay is a relay by one of the packages.
type electionRelay struct {
	from, to election
	won      <-chan outcome
}

func newElectionRelay(of contender, name string, from, to *v3.Client) (*electionRelay, error) {
	var r electionRelay
	for client, e := range map[*v3.Client]*election{from: &r.from, to: &r.to} {
		s, err := of.newSession(client, ttl)
		if err != nil {
			return nil, err
		}
		*e = of.newElection(s, name)
	}
	return &r, nil
}

func (r *electionRelay) ready(ctx context.Context) error {
	if err := r.from.Campaign(ctx, "leader"); err != nil {
		return err
	}
	r.won = won(ctx, r.to)
	return nil
}

func (r *electionRelay) handOver(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	if err := r.from.Resign(ctx); err != nil {
		return 0, err
	}
	o, err := await(r.won, "for the waiter to lead")
	if err != nil {
		return 0, err
	}
	if o.err != nil {
		return 0, o.err
	}
	return o.at.Sub(begin), r.to.Resign(ctx)
}

// A bareRelay is a deletion, and a watch that is open before it.
type bareRelay struct {
	leader *bareCandidate
	to     *v3.Client
	seen   <-chan outcome
	stop   context.CancelFunc
}

func newBareRelay(ctx context.Context, name string, from, to *v3.Client) (*bareRelay, error) {
	leader, err := newBareCandidate(ctx, from, name)
	return &bareRelay{leader: leader, to: to}, err
}

func (r *bareRelay) ready(ctx context.Context) error {
	if err := r.leader.enter(ctx); err != nil {
		return err
	}
	ctx, r.stop = context.WithCancel(ctx)
	var err error
	r.seen, err = deleted(v3.WithRequireLeader(ctx), r.to, r.leader.key)
	return err
}

func (r *bareRelay) handOver(ctx context.Context) (time.Duration, error) {
	defer r.stop()
	begin := time.Now()
	if err := r.leader.leave(ctx); err != nil {
		return 0, err
	}
	o, err := await(r.seen, "for the watch to tell of the deletion")
	if err != nil {
		return 0, err
	}
	return o.at.Sub(begin), o.err
}
