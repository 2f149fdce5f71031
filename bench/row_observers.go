// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	v3 "go.etcd.io/etcd/client/v3"
)

// observe measures how long it takes, from the deletion of the leader's key, until
// the last of m observers has the next leader, and what it costs. The candidates
// are bare keys, so that the contenders differ in nothing but their observers. The
// limit is that as many bare watches tell of the deletion.
func observe(l *lab) error {
	return l.each(3, func(c *cluster) error {
		for _, size := range l.size.observers {
			if size.mostMembers < len(c.members) {
				continue
			}
			if err := l.observeAll(c, size); err != nil {
				return err
			}
		}
		return nil
	})
}

// observeAll lets all contenders' observers see handovers in turn. Each
// contender's observe an election of their own.
func (l *lab) observeAll(c *cluster, size observerSize) error {
	var crowds []*crowd
	defer func() {
		for _, cr := range crowds {
			cr.close()
		}
	}()
	for _, name := range []string{nameThis, nameOriginal, nameLimit} {
		cr, err := l.newCrowd(c, name, size.observers)
		if err != nil {
			return err
		}
		crowds = append(crowds, cr)
	}
	m := measure{row: "observers", members: len(c.members), setting: fmt.Sprintf("%d observers", size.observers)}
	with := func(what, unit string) measure { m.what, m.unit = what, unit; return m }
	for turn := range size.handovers {
		for i := range crowds {
			cr := crowds[(i+turn)%len(crowds)]
			cpu := cpuTime()
			if err := cr.nextJoins(l.ctx); err != nil {
				return err
			}
			time.Sleep(afterglow(size.observers))
			l.addTime(with("CPU while a candidate joins", "ms"), cr.name, cpuTime()-cpu)

			sent := cr.requests.snapshot()
			cpu = cpuTime()
			took, err := cr.leaderGoes(l.ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", cr.name, err)
			}
			time.Sleep(afterglow(size.observers)) // the original opens new watches
			l.addTime(with("time until the last one knows", "ms"), cr.name, took)
			l.addTime(with("CPU of a handover", "ms"), cr.name, cpuTime()-cpu)
			l.add(with("requests of observers at a handover", "1"), cr.name, float64(cr.requests.since(sent).total()))
		}
	}
	return nil
}

// afterglow is how long m observers may be busy with what they have seen.
func afterglow(m int) time.Duration {
	return 100*time.Millisecond + time.Duration(m)*200*time.Microsecond
}

// A crowd is m observers of one election, on up to 20 clients.
type crowd struct {
	name     string
	election string
	clients  []*v3.Client
	requests *counter // of these clients
	stop     context.CancelFunc
	sessions []session

	candidates *v3.Client // makes leaders
	leader     string     // keys
	next       string

	m      int
	target atomic.Pointer[string] // the key that is waited for
	seen   atomic.Int64           // how many have it
	all    chan time.Time         // when the last one has it
}

func (l *lab) newCrowd(c *cluster, name string, m int) (*crowd, error) {
	cr := &crowd{name: name, election: l.name("observed"), requests: newCounter(), m: m, all: make(chan time.Time, 1)}
	var err error
	if cr.candidates, err = c.client(0); err != nil {
		return nil, err
	}
	if cr.clients, err = c.dialAll(min(m, mostClients), grpc.WithStatsHandler(cr.requests)); err != nil {
		return nil, err
	}
	if err := cr.nextJoins(l.ctx); err != nil {
		return nil, err
	}
	cr.leader = cr.next
	cr.target.Store(&cr.leader)
	ctx, cancel := context.WithCancel(l.ctx)
	cr.stop = cancel
	for _, of := range contenders {
		if of.name == name {
			if cr.sessions, err = openSessions(of, cr.clients, len(cr.clients), ttl); err != nil {
				return nil, err
			}
			for i := range m {
				updates := of.newElection(cr.sessions[i%len(cr.sessions)], cr.election).Observe(ctx)
				go func() {
					for resp := range updates {
						cr.saw(string(resp.Kvs[0].Key))
					}
				}()
			}
		}
	}
	if name == nameLimit {
		for i := range m {
			// Deletions alone: who is next is known by who was deleted.
			updates := cr.clients[i%len(cr.clients)].Watch(v3.WithRequireLeader(ctx), cr.election+"/", v3.WithPrefix(), v3.WithFilterPut())
			go func() {
				for resp := range updates {
					if len(resp.Events) > 0 {
						cr.saw(*cr.target.Load())
					}
				}
			}()
		}
	} else if _, err := await(cr.all, "for all observers to know the first leader"); err != nil {
		return nil, err
	}
	waitQuiet()
	return cr, nil
}

// saw counts the observers that have the key which is waited for.
func (cr *crowd) saw(key string) {
	if key == *cr.target.Load() && cr.seen.Add(1) == int64(cr.m) {
		cr.all <- time.Now()
	}
}

// nextJoins puts one more candidate behind the leader.
func (cr *crowd) nextJoins(ctx context.Context) error {
	b, err := newBareCandidate(ctx, cr.candidates, cr.election)
	if err != nil {
		return err
	}
	cr.next = b.key
	return b.enter(ctx)
}

// leaderGoes deletes the leader's key, and returns how long it took until the last
// observer had the next one.
func (cr *crowd) leaderGoes(ctx context.Context) (time.Duration, error) {
	next := cr.next
	cr.seen.Store(0)
	cr.target.Store(&next)
	begin := time.Now()
	if _, err := cr.candidates.Delete(ctx, cr.leader); err != nil {
		return 0, err
	}
	end, err := await(cr.all, fmt.Sprintf("for all %d observers to know the next leader", cr.m))
	cr.leader = next
	return end.Sub(begin), err
}

func (cr *crowd) close() {
	cr.stop()
	_ = closeSessions(cr.sessions)
	for _, client := range cr.clients {
		_ = client.Close()
	}
}
