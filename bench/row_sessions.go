// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"fmt"
	"time"

	"google.golang.org/grpc"
)

// keepAlive measures what it costs to keep n sessions of one client alive, with
// and without authentication by password, beside a client that does nothing: its
// CPU is taken off that of the others.
func keepAlive(l *lab) error {
	err := onCluster(1, func(c *cluster) error { return l.keepAllAlive(c, l.size.sessions, "no password") })
	if err != nil {
		return err
	}
	return onCluster(1, func(c *cluster) error {
		if err := c.protect(l.ctx); err != nil {
			return err
		}
		return l.keepAllAlive(c, l.size.protected, "password")
	})
}

func (l *lab) keepAllAlive(c *cluster, ns []int, auth string) error {
	idle, err := l.idleCPU(c)
	if err != nil {
		return err
	}
	for _, n := range ns {
		if err := l.keepAliveRound(c, n, auth, idle); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) keepAliveRound(c *cluster, n int, auth string, idle float64) error {
	m := measure{row: "sessions", members: len(c.members), setting: fmt.Sprintf("%d sessions, %s", n, auth)}
	with := func(what, unit string) measure { m.what, m.unit = what, unit; return m }

	for _, of := range contenders {
		sent := newCounter()
		client, err := c.client(0, grpc.WithStatsHandler(sent))
		if err != nil {
			return err
		}
		waitQuiet()
		before := weigh()
		sessions := make([]session, n)
		// One after the other, and spread over a third of the TTL, as sessions of
		// processes that have run for a while are.
		begin, over := time.Now(), time.Duration(l.size.sessionTTL)*time.Second/3
		for i := range sessions {
			time.Sleep(time.Until(begin.Add(over * time.Duration(i) / time.Duration(n))))
			if sessions[i], err = of.newSession(client, l.size.sessionTTL); err != nil {
				return err
			}
		}
		time.Sleep(over) // the first renewal opens the stream
		held := weigh().minus(before)
		l.add(with("bytes per session", "kB"), of.name, float64(held.bytes)/1e3/float64(n))
		l.add(with("client goroutines per session", "1"), of.name, float64(held.client)/float64(n))
		l.add(with("server goroutines per session", "1"), of.name, float64(held.server)/float64(n))

		out, in, cpu := sent.snapshot(), c.requests.snapshot(), cpuTime()
		watched := time.Now()
		time.Sleep(l.size.watchFor)
		seconds := time.Since(watched).Seconds()
		used := (cpuTime() - cpu).Seconds()
		l.add(with("CPU", "ms/s"), of.name, (used/seconds-idle)*1e3)
		l.add(with("requests sent", "1/s"), of.name, float64(sent.since(out).total())/seconds)
		received := c.requests.since(in)
		l.add(with("requests received", "1/s"), of.name, float64(received.total())/seconds)
		l.add(with("Authenticate calls", "1"), of.name, float64(received["Authenticate"]))
		for _, s := range sessions {
			select {
			case <-s.Done():
				return fmt.Errorf("%s: a session ended", of.name)
			default:
			}
		}
		if err := closeSessions(sessions); err != nil {
			return err
		}
		if err := client.Close(); err != nil {
			return err
		}
	}
	return nil
}

// idleCPU returns what share of a CPU the process uses while a client is
// connected and nothing is asked.
func (l *lab) idleCPU(c *cluster) (float64, error) {
	client, err := c.client(0)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	cpu, begin := cpuTime(), time.Now()
	time.Sleep(l.size.watchFor / 3)
	return (cpuTime() - cpu).Seconds() / time.Since(begin).Seconds(), nil
}
