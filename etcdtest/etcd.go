// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// Etcd is a cluster of members before one store, in memory. All methods are safe for concurrent use.
type Etcd struct {
	t        testing.TB
	store    *store
	network  *network
	traps    *trapSet
	counters *counters

	mu           sync.Mutex
	participants map[string]*participant
	clients      []*clientv3.Client
}

// participant is one of those who use etcd: it may have several clients, and has one path to each member.
type participant struct {
	name   string
	paths  []*path
	paused bool // guarded by the network's mutex
}

// New starts an etcd that ends with the test. Inside a bubble of testing/synctest it must be made in that bubble, with
// its t; then its time is the bubble's.
func New(t testing.TB, opts ...Option) *Etcd {
	t.Helper()
	cfg := newConfig(opts)
	e := &Etcd{
		t: t, store: newStore(cfg), network: newNetwork(cfg.seed), traps: &trapSet{}, counters: newCounters(),
		participants: map[string]*participant{},
	}
	for i := range cfg.members {
		e.store.members = append(e.store.members, &Member{
			etcd: e, s: e.store, index: i, host: hostOf(i), streams: map[*serverStream]bool{},
		})
	}
	for _, m := range e.store.members {
		m.start()
	}
	t.Cleanup(e.close)
	return e
}

// close ends everything. The network goes first, so that neither clients nor servers wait for anything that is still
// under way.
func (e *Etcd) close() {
	e.network.close()
	e.mu.Lock()
	clients := e.clients
	e.mu.Unlock()
	for _, c := range clients {
		c.Close() // fails if the test has closed it, which is fine
	}
	for _, m := range e.store.members {
		m.Stop()
	}
	e.store.close()
}

// Client returns a new client for a participant, with all members as its endpoints; it is closed with the test. Clients
// of the same participant share its [Link]; each has connections of its own. The options change the client's
// configuration.
func (e *Etcd) Client(participant string, opts ...func(*clientv3.Config)) *clientv3.Client {
	e.t.Helper()
	p := e.participant(participant)
	cfg := clientv3.Config{
		Logger: zap.NewNop(),
		// Retries wait as they do by default, but without randomness.
		BackoffJitterFraction: 1e-9,
	}
	for _, f := range append(e.store.cfg.client, opts...) {
		f(&cfg)
	}
	if cfg.Endpoints == nil {
		for _, m := range e.store.members {
			cfg.Endpoints = append(cfg.Endpoints, m.Endpoint())
		}
	}
	steady := backoff.DefaultConfig
	steady.Jitter = 0
	cfg.DialOptions = append([]grpc.DialOption{
		grpc.WithContextDialer(p.dial),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: steady, MinConnectTimeout: 20 * time.Second}),
	}, cfg.DialOptions...)
	c, err := clientv3.New(cfg)
	if err != nil {
		e.t.Fatalf("etcdtest: client of %q: %v", participant, err)
	}
	e.mu.Lock()
	e.clients = append(e.clients, c)
	e.mu.Unlock()
	return c
}

func (e *Etcd) participant(name string) *participant {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.participants[name]; p != nil {
		return p
	}
	p := &participant{name: name}
	n := e.network
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range e.store.members {
		p.paths = append(p.paths, &path{net: n, participant: name, member: m, who: p, conns: map[*conn]*conn{}})
	}
	n.paths = append(n.paths, p.paths...)
	e.participants[name] = p
	return p
}

func (p *participant) dial(ctx context.Context, addr string) (net.Conn, error) {
	for _, path := range p.paths {
		if path.member.host == addr {
			return path.dial(ctx)
		}
	}
	return nil, fmt.Errorf("etcdtest: no member has the address %q", addr)
}

// Link is the network between a participant and the members, or only those that are named by their index.
func (e *Etcd) Link(participant string, members ...int) *Link {
	p := e.participant(participant)
	l := &Link{etcd: e, participant: participant, paths: p.paths}
	if len(members) > 0 {
		l.paths = nil
		for _, i := range members {
			l.paths = append(l.paths, p.paths[i])
		}
	}
	return l
}

// Pause freezes a participant's traffic both ways: nothing arrives until Resume, and then everything does, in order. It
// is how a paused process looks from outside. Its goroutines cannot be stopped: they run on and wait for answers, and
// clocks run on as well.
func (e *Etcd) Pause(participant string) {
	p := e.participant(participant)
	e.network.set(func() { p.paused = true })
}

// Resume ends Pause.
func (e *Etcd) Resume(participant string) {
	p := e.participant(participant)
	e.network.set(func() { p.paused = false })
}

// Member returns a member by its index, from zero.
func (e *Etcd) Member(index int) *Member { return e.store.members[index] }

// Members returns how many members there are.
func (e *Etcd) Members() int { return len(e.store.members) }
