// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"fmt"
	"time"

	v3 "go.etcd.io/etcd/client/v3"
)

// manyElections measures how long it takes, when a session that leads in very many
// elections is closed, until the candidate that waited in each leads.
func manyElections(l *lab) error {
	return onCluster(1, func(c *cluster) error {
		for round := range l.size.electionRounds {
			err := rotate(round,
				func() error { return l.handOverMany(c, contenders[0], l.size.elections) },
				func() error { return l.handOverMany(c, contenders[1], l.size.elections) })
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *lab) handOverMany(c *cluster, of contender, n int) error {
	clients, err := c.dialAll(2)
	if err != nil {
		return err
	}
	sessions, err := openSessions(of, clients, 2, ttl)
	if err != nil {
		return err
	}
	name := l.name("many")
	err = parallel(n, func(i int) error {
		return of.newElection(sessions[0], fmt.Sprintf("%s/%d", name, i)).Campaign(l.ctx, "leader")
	})
	if err != nil {
		return err
	}
	outcomes := make([]<-chan outcome, n)
	joining := time.Now()
	for i := range outcomes {
		time.Sleep(time.Until(joining.Add(time.Duration(i) * time.Millisecond / 2)))
		outcomes[i] = won(l.ctx, of.newElection(sessions[1], fmt.Sprintf("%s/%d", name, i)))
	}
	if err := allWaiting(l, clients[0], name, 2*n); err != nil {
		return err
	}
	waitQuiet()

	cpu, asked, begin := cpuTime(), c.requests.snapshot(), time.Now()
	if err := sessions[0].Close(); err != nil {
		return err
	}
	var last time.Time
	for _, won := range outcomes {
		o, err := await(won, "for all candidates to lead")
		if err != nil {
			return err
		}
		if o.err != nil {
			return o.err
		}
		if o.at.After(last) {
			last = o.at
		}
	}
	m := measure{"many elections", len(c.members), fmt.Sprintf("%d elections", n), "time until the last one leads", "s"}
	l.addTime(m, of.name, last.Sub(begin))
	m.what = "CPU"
	l.addTime(m, of.name, cpuTime()-cpu)
	m.what, m.unit = "requests", "1"
	l.add(m, of.name, float64(c.requests.since(asked).total()))
	if err := sessions[1].Close(); err != nil {
		return err
	}
	for _, client := range clients {
		_ = client.Close()
	}
	return nil
}

// allWaiting waits until so many keys are under name.
func allWaiting(l *lab, client *v3.Client, name string, n int) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		resp, err := client.Get(l.ctx, name+"/", v3.WithPrefix(), v3.WithCountOnly())
		if err != nil {
			return err
		}
		if resp.Count == int64(n) {
			return nil
		}
	}
	return fmt.Errorf("%d candidates did not all join", n)
}
