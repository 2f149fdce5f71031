// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"context"
	"fmt"
	"time"

	v3 "go.etcd.io/etcd/client/v3"
)

const (
	mostClients = 20
	// joinInterval is a pace that etcd keeps up with also where thousands queue up
	// already, and each read that sorts them takes it milliseconds.
	joinInterval = 4 * time.Millisecond
	// queueTTL is long enough for no renewal to be among what is measured.
	queueTTL = 5 * ttl
)

// queueUp measures a queue of n candidates that grows and is drained: each one
// that leads resigns at once.
func queueUp(l *lab) error {
	return l.each(3, func(c *cluster) error {
		for _, size := range l.size.queues {
			if size.mostMembers < len(c.members) {
				continue
			}
			for round := range size.rounds {
				err := rotate(round,
					func() error { return l.queueRound(c, contenders[0], size.candidates) },
					func() error { return l.queueRound(c, contenders[1], size.candidates) })
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// queueRound makes a queue and drains it.
func (l *lab) queueRound(c *cluster, of contender, n int) (err error) {
	q, err := l.newQueue(c, of, n)
	if err != nil {
		return err
	}
	defer func() {
		if e := q.close(); err == nil {
			err = e
		}
	}()
	m := measure{row: "queue", members: len(c.members), setting: fmt.Sprintf("%d candidates", n)}
	with := func(what, unit string) measure { m.what, m.unit = what, unit; return m }

	waitQuiet()
	before, asked, cpu := weigh(), c.requests.snapshot(), cpuTime()
	q.join(l.ctx, joinInterval)
	if err := q.allIn(l.ctx); err != nil {
		return err
	}
	waitQuiet()
	l.addTime(with("CPU per join", "ms"), of.name, (cpuTime()-cpu)/time.Duration(n))
	l.add(with("requests per join", "1"), of.name, float64(c.requests.since(asked).total())/float64(n))
	held := weigh().minus(before)
	l.add(with("bytes per waiter", "kB"), of.name, float64(held.bytes)/1e3/float64(n))
	l.add(with("client goroutines per waiter", "1"), of.name, float64(held.client)/float64(n))
	l.add(with("server goroutines per waiter", "1"), of.name, float64(held.server)/float64(n))

	asked, cpu = c.requests.snapshot(), cpuTime()
	took, err := q.drain(l.ctx)
	if err != nil {
		return err
	}
	l.addTime(with("time per handover", "ms"), of.name, took/time.Duration(n))
	l.addTime(with("CPU per handover", "ms"), of.name, (cpuTime()-cpu)/time.Duration(n))
	l.add(with("requests per handover", "1"), of.name, float64(c.requests.since(asked).total())/float64(n))
	return nil
}

// joinCost measures how long others wait for their writes while a thousand
// candidates join one queue, five hundred a second.
func joinCost(l *lab) error {
	const joining, perSecond, writesPerSecond = 1000, 500, 200
	return l.each(3, func(c *cluster) error {
		other, err := c.client(1)
		if err != nil {
			return err
		}
		n := min(joining, 100*l.size.calls)
		m := measure{"join", len(c.members), fmt.Sprintf("%d join", n), "time of others' writes", "ms"}
		write := func(name string, while func() error) error {
			w := startWriters(l.ctx, other, l.name("foreign"), writesPerSecond)
			err := while()
			l.add(m, name, w.stop().times...)
			return err
		}
		round := func(of contender) (err error) {
			q, err := l.newQueue(c, of, n)
			if err != nil {
				return err
			}
			defer func() {
				if e := q.close(); err == nil {
					err = e
				}
			}()
			err = write(of.name, func() error {
				q.join(l.ctx, time.Second/perSecond)
				return q.allIn(l.ctx)
			})
			if err != nil {
				return err
			}
			_, err = q.drain(l.ctx)
			return err
		}
		for i := range l.size.queueJoins {
			err := rotate(i,
				func() error { return round(contenders[0]) },
				func() error { return round(contenders[1]) },
				func() error {
					return write("nobody joins", func() error {
						time.Sleep(time.Duration(n) * time.Second / perSecond)
						return nil
					})
				})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// A queue is n candidates of one election, each with a session of its own, on up
// to 20 clients.
type queue struct {
	name      string
	clients   []*v3.Client
	sessions  []session
	elections []election
	outcomes  []chan outcome
}

func (l *lab) newQueue(c *cluster, of contender, n int) (*queue, error) {
	q := &queue{name: l.name("queue")}
	var err error
	if q.clients, err = c.dialAll(min(n, mostClients)); err != nil {
		return nil, err
	}
	if q.sessions, err = openSessions(of, q.clients, n, queueTTL); err != nil {
		return nil, err
	}
	for _, s := range q.sessions {
		q.elections = append(q.elections, of.newElection(s, q.name))
	}
	return q, nil
}

func (q *queue) close() error {
	if err := closeSessions(q.sessions); err != nil {
		return err
	}
	for _, client := range q.clients {
		_ = client.Close()
	}
	return nil
}

// join starts all Campaigns, one each so often.
func (q *queue) join(ctx context.Context, interval time.Duration) {
	begin := time.Now()
	for i, e := range q.elections {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * interval)))
		q.outcomes = append(q.outcomes, won(ctx, e))
	}
}

// allIn waits until all are in the queue.
func (q *queue) allIn(ctx context.Context) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		resp, err := q.clients[0].Get(ctx, q.name+"/", v3.WithPrefix(), v3.WithCountOnly())
		if err != nil {
			return err
		}
		if resp.Count == int64(len(q.elections)) {
			return nil
		}
		if err := q.failed(); err != nil {
			return fmt.Errorf("a candidate did not join: %w", err)
		}
	}
	return fmt.Errorf("%d candidates did not all join", len(q.elections))
}

// failed returns the error of a Campaign that failed, if one did.
func (q *queue) failed() error {
	for _, c := range q.outcomes {
		select {
		case o := <-c:
			c <- o
			if o.err != nil {
				return o.err
			}
		default:
		}
	}
	return nil
}

// drain lets each candidate resign when it leads, and returns how long it took
// until the last one had.
func (q *queue) drain(ctx context.Context) (time.Duration, error) {
	results := make(chan error, len(q.elections))
	begin := time.Now()
	for i, e := range q.elections {
		go func() {
			o := <-q.outcomes[i]
			if o.err == nil {
				o.err = e.Resign(ctx)
			}
			results <- o.err
		}()
	}
	for range q.elections {
		err, lost := await(results, "for the next one to lead")
		if lost != nil {
			return 0, lost
		}
		if err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}
