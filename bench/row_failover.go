// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	v3 "go.etcd.io/etcd/client/v3"
)

// A failover is an election whose leader is about to fail.
type failover struct {
	of      contender
	measure measure
	ttl     int           // seconds
	delay   time.Duration // of etcd's answers to the leader
	cut     bool          // else it crashes

	link   *link
	leader session
	client *v3.Client // of the leader
	next   <-chan outcome
}

// failovers measures, for leaders that crash, how long nobody leads, and for
// leaders that are cut off from etcd, how long before the next one leads they know
// that they do not: less than nothing would be two leaders at a time.
//
// All fail within the same seconds, each at a moment of its own between two
// renewals, so that what else the machine does meets all contenders alike.
func failovers(l *lab) error {
	return l.each(3, func(c *cluster) error {
		var all []*failover
		for _, of := range contenders {
			for _, seconds := range l.size.crashTTLs {
				m := measure{"crash", len(c.members), fmt.Sprintf("TTL %d s", seconds), "time without a leader", "s"}
				for range l.size.crashes {
					all = append(all, &failover{of: of, measure: m, ttl: seconds})
				}
			}
			for _, delay := range []time.Duration{0, 500 * time.Millisecond} {
				const seconds = 3
				m := measure{"crash", len(c.members), fmt.Sprintf("cut off, TTL %d s, answers %d ms late", seconds, delay.Milliseconds()), "time from stepping down to the next leader", "s"}
				for range l.size.cuts {
					all = append(all, &failover{of: of, measure: m, ttl: seconds, delay: delay, cut: true})
				}
			}
		}
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		defer func() {
			for _, f := range all {
				if f.link != nil {
					f.link.stop()
				}
			}
		}()
		waiters, err := c.dialAll(mostClients)
		if err != nil {
			return err
		}
		names := make([]string, len(all))
		for i := range all {
			names[i] = l.name("failover")
		}
		err = parallel(len(all), func(i int) error { return all[i].prepare(l, c, waiters[i%len(waiters)], names[i]) })
		if err != nil {
			return err
		}
		errs := make(chan error, len(all))
		figures := make(chan func(), len(all))
		for _, f := range all {
			go func() {
				add, err := f.fail(l)
				if err == nil {
					figures <- add
				}
				errs <- err
			}()
		}
		for range all {
			if err := <-errs; err != nil {
				return err
			}
		}
		for range all {
			(<-figures)()
		}
		return nil
	})
}

func (f *failover) prepare(l *lab, c *cluster, waiter *v3.Client, name string) error {
	addr := c.followers()[0]
	if f.cut {
		var err error
		if f.link, err = startLink(addr, f.delay); err != nil {
			return err
		}
		addr = f.link.addr()
	}
	var err error
	if f.client, err = c.dial(addr); err != nil {
		return err
	}
	if f.leader, err = f.of.newSession(f.client, f.ttl); err != nil {
		return err
	}
	if err := f.of.newElection(f.leader, name).Campaign(l.ctx, "leader"); err != nil {
		return err
	}
	// The next leader's session must not be what is measured.
	s, err := f.of.newSession(waiter, ttl)
	if err != nil {
		return err
	}
	f.next = won(l.ctx, f.of.newElection(s, name))
	return nil
}

// fail makes the leader fail after a few renewals, and returns what adds the
// figures to the results.
func (f *failover) fail(l *lab) (func(), error) {
	interval := time.Duration(f.ttl) * time.Second / 3
	time.Sleep(interval + rand.N(interval))
	begin := time.Now()
	steppedDown := make(chan time.Time, 1)
	if f.cut {
		f.link.sever()
		go func() {
			<-f.leader.Done()
			steppedDown <- time.Now()
		}()
	} else if err := f.client.ActiveConnection().Close(); err != nil { // as the end of a process closes it
		return nil, err
	}
	o, err := await(f.next, "for the next leader")
	if err == nil {
		err = o.err
	}
	if err != nil {
		return nil, err
	}
	if !f.cut {
		return func() { l.addTime(f.measure, f.of.name, o.at.Sub(begin)) }, nil
	}
	down, err := await(steppedDown, "for the leader that was cut off to step down")
	return func() {
		l.addTime(f.measure, f.of.name, o.at.Sub(down))
		m := f.measure
		m.what = "time from the cut to the next leader"
		l.addTime(m, f.of.name, o.at.Sub(begin))
	}, err
}
