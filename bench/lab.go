// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	v3 "go.etcd.io/etcd/client/v3"
)

// A lab is what the rows run in.
type lab struct {
	*results
	ctx  context.Context
	size sizes
	logf func(format string, args ...any)
	seq  int
}

// name returns an election name that nobody has used before.
func (l *lab) name(of string) string {
	l.seq++
	return fmt.Sprintf("%s-%d", of, l.seq)
}

// each runs f on a cluster of its own of each size that was asked for, up to
// most members.
func (l *lab) each(most int, f func(c *cluster) error) error {
	for _, members := range l.size.members {
		if members > most {
			continue
		}
		if err := onCluster(members, f); err != nil {
			return fmt.Errorf("%d members: %w", members, err)
		}
	}
	return nil
}

// parallel calls f for 0 to n-1, several at a time.
func parallel(n int, f func(i int) error) error {
	const atATime = 64
	var g errgroup.Group
	g.SetLimit(atATime)
	for i := range n {
		g.Go(func() error { return f(i) })
	}
	return g.Wait()
}

// ttl is that of sessions that are not to end by it: the default of both packages.
const ttl = 60

// openSessions opens n sessions of a contender, spread over clients.
func openSessions(of contender, clients []*v3.Client, n, ttl int) ([]session, error) {
	sessions := make([]session, n)
	err := parallel(n, func(i int) error {
		var err error
		sessions[i], err = of.newSession(clients[i%len(clients)], ttl)
		return err
	})
	return sessions, err
}

func closeSessions(sessions []session) error {
	return parallel(len(sessions), func(i int) error { return sessions[i].Close() })
}

// won starts a Campaign, and returns a channel that brings when it won.
func won(ctx context.Context, e election) chan outcome {
	c := make(chan outcome, 1)
	go func() {
		err := e.Campaign(ctx, "candidate")
		c <- outcome{time.Now(), err}
	}()
	return c
}

// An outcome is when something ended, and how.
type outcome struct {
	at  time.Time
	err error
}

// patience bounds each wait, so that a contender that hangs fails the run.
const patience = 2 * time.Minute

func await[T any](c <-chan T, what string) (T, error) {
	select {
	case v := <-c:
		return v, nil
	case <-time.After(patience):
		var none T
		return none, fmt.Errorf("gave up waiting: %s", what)
	}
}
