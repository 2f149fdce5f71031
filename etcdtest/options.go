// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"math"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Option configures [New]. Without options, everything is as in an etcd that is started without flags.
type Option func(*config)

type config struct {
	members         int
	election        time.Duration
	minTTL          int64
	progress        time.Duration
	maxTxnOps       int
	maxRequestBytes int
	seed            uint64
	client          []func(*clientv3.Config)
}

func newConfig(opts []Option) config {
	cfg := config{
		members:         1,
		election:        time.Second,
		progress:        10 * time.Minute,
		maxTxnOps:       128,
		maxRequestBytes: 3 << 19, // 1.5 MiB
		seed:            1,
	}
	for _, opt := range opts {
		opt(&cfg)
	}
	if cfg.minTTL == 0 {
		cfg.minTTL = int64(math.Ceil(1.5 * cfg.election.Seconds()))
	}
	return cfg
}

// WithMembers sets the number of members, which is one by default.
func WithMembers(n int) Option {
	if n < 1 || n > 9 {
		panic("etcdtest: a cluster has one to nine members")
	}
	return func(c *config) { c.members = n }
}

// WithElectionTimeout sets raft's election timeout, which is a second by default. It decides the shortest time to live of
// a lease, how long the server waits for a leader, and when streams that require one end.
func WithElectionTimeout(d time.Duration) Option {
	return func(c *config) { c.election = d }
}

// WithMinTTL sets the shortest time to live that is granted, in seconds. By default it is one and a half election
// timeouts, rounded up: two seconds.
func WithMinTTL(seconds int64) Option {
	return func(c *config) { c.minTTL = seconds }
}

// WithProgressInterval sets how often watches with progress notifications are sent one; it is ten minutes by default.
func WithProgressInterval(d time.Duration) Option {
	return func(c *config) { c.progress = d }
}

// WithMaxTxnOps sets how many operations a transaction may have, which is 128 by default.
func WithMaxTxnOps(n int) Option {
	return func(c *config) { c.maxTxnOps = n }
}

// WithSeed seeds what is random in the network: the jitter of delays.
func WithSeed(seed uint64) Option {
	return func(c *config) { c.seed = seed }
}

// WithClientConfig changes the configuration of every client that is made, before the options of [Etcd.Client] do. Where
// neither sets Endpoints, all members are.
func WithClientConfig(f func(*clientv3.Config)) Option {
	return func(c *config) { c.client = append(c.client, f) }
}
