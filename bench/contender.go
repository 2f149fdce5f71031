// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"context"

	v3 "go.etcd.io/etcd/client/v3"
	original "go.etcd.io/etcd/client/v3/concurrency"

	this "github.com/seed-da5263fb/concurrency"
)

// The names of the contenders, as they stand in the results.
const (
	nameThis     = "this"
	nameOriginal = "original"
	nameLimit    = "limit" // the bare etcd operations that any implementation must make
	nameClientGo = "client-go"
)

// What the two packages have in common.
type (
	session interface {
		Lease() v3.LeaseID
		Done() <-chan struct{}
		Orphan()
		Close() error
	}
	election interface {
		Campaign(ctx context.Context, val string) error
		Resign(ctx context.Context) error
		Leader(ctx context.Context) (*v3.GetResponse, error)
		Observe(ctx context.Context) <-chan *v3.GetResponse
	}
	mutex interface {
		Lock(ctx context.Context) error
		TryLock(ctx context.Context) error
		Unlock(ctx context.Context) error
	}
)

// A contender is one of the packages.
type contender struct {
	name        string
	newSession  func(client *v3.Client, ttl int) (session, error)
	newElection func(s session, name string) election
	newMutex    func(s session, name string) mutex
}

// contenders are this package and the original. A row alternates between them,
// and the bare operations where there are any, as finely as what it measures
// allows.
var contenders = []contender{
	{
		name: nameThis,
		newSession: func(client *v3.Client, ttl int) (session, error) {
			return orNil(this.NewSession(client, this.WithTTL(ttl)))
		},
		newElection: func(s session, name string) election { return this.NewElection(s.(*this.Session), name) },
		newMutex:    func(s session, name string) mutex { return this.NewMutex(s.(*this.Session), name) },
	},
	{
		name: nameOriginal,
		newSession: func(client *v3.Client, ttl int) (session, error) {
			return orNil(original.NewSession(client, original.WithTTL(ttl)))
		},
		newElection: func(s session, name string) election { return original.NewElection(s.(*original.Session), name) },
		newMutex:    func(s session, name string) mutex { return original.NewMutex(s.(*original.Session), name) },
	},
}

// orNil keeps a nil pointer from becoming an interface that is not nil.
func orNil[S session](s S, err error) (session, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// rotate calls each of fs once, beginning with another one at each turn, so that
// none is always the one that comes after a certain other.
func rotate(turn int, fs ...func() error) error {
	for i := range fs {
		if err := fs[(turn+i)%len(fs)](); err != nil {
			return err
		}
	}
	return nil
}
