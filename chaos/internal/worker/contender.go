// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package worker

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	original "go.etcd.io/etcd/client/v3/concurrency"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/chaos/internal/lane"
)

// A session is what the sessions of both packages have in common.
type session interface {
	Lease() clientv3.LeaseID
	Done() <-chan struct{}
	Close() error
}

// A contender is a candidate of an election or for a lock, of either package.
type contender interface {
	acquire(ctx context.Context, value string) error
	reign() reign // after acquire
	proclaim(ctx context.Context, value string) error
	release(ctx context.Context) error
}

// A reign is one leadership or one holding of a lock.
type reign struct {
	key   string
	rev   int64
	fence clientv3.Cmp
	done  <-chan struct{} // when the package says that it is over
	why   func() error
}

// startTimeout is how long a session may take to be there.
const startTimeout = 5 * time.Second

// newSession opens a session of the package.
func newSession(pkg string, client *clientv3.Client, ttl int) (session, error) {
	if pkg == lane.This {
		return orNil(concurrency.NewSession(client, concurrency.WithTTL(ttl), concurrency.WithStartTimeout(startTimeout)))
	}
	// The original has no bound for the start alone: its context is the session's.
	ctx, cancel := context.WithCancel(client.Ctx())
	late := time.AfterFunc(startTimeout, cancel)
	s, err := original.NewSession(client, original.WithTTL(ttl), original.WithContext(ctx))
	if !late.Stop() || err != nil {
		cancel()
	}
	return orNil(s, err)
}

func orNil[S session](s S, err error) (session, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

func newContender(l lane.Lane, s session) contender {
	switch s := s.(type) {
	case *concurrency.Session:
		if l.Mutex {
			return thisMutex{concurrency.NewMutex(s, l.Queue())}
		}
		return thisElection{concurrency.NewElection(s, l.Queue())}
	case *original.Session:
		if l.Mutex {
			return originalMutex{original.NewMutex(s, l.Queue()), s}
		}
		return originalElection{original.NewElection(s, l.Queue()), s}
	}
	panic("bug: a session of a third package")
}

func ofTerm(t *concurrency.Term) reign {
	return reign{key: t.Key(), rev: t.Rev(), fence: t.Fence(), done: t.Done(), why: t.Err}
}

type thisElection struct{ *concurrency.Election }

func (c thisElection) acquire(ctx context.Context, v string) error  { return c.Campaign(ctx, v) }
func (c thisElection) reign() reign                                 { return ofTerm(c.Term()) }
func (c thisElection) proclaim(ctx context.Context, v string) error { return c.Proclaim(ctx, v) }
func (c thisElection) release(ctx context.Context) error            { return c.Resign(ctx) }

type thisMutex struct{ *concurrency.Mutex }

func (c thisMutex) acquire(ctx context.Context, _ string) error { return c.Lock(ctx) }
func (c thisMutex) reign() reign                                { return ofTerm(c.Term()) }
func (c thisMutex) proclaim(context.Context, string) error      { return nil }
func (c thisMutex) release(ctx context.Context) error           { return c.Unlock(ctx) }

// The original has no terms. What its users can do instead is to take the end of
// the session for the end of the leadership, and to compare the key's create
// revision by hand.
type originalElection struct {
	*original.Election
	s *original.Session
}

func (c originalElection) acquire(ctx context.Context, v string) error  { return c.Campaign(ctx, v) }
func (c originalElection) proclaim(ctx context.Context, v string) error { return c.Proclaim(ctx, v) }
func (c originalElection) release(ctx context.Context) error            { return c.Resign(ctx) }
func (c originalElection) reign() reign {
	return reign{
		key: c.Key(), rev: c.Rev(), done: c.s.Done(), why: sessionOver,
		fence: clientv3.Compare(clientv3.CreateRevision(c.Key()), "=", c.Rev()),
	}
}

type originalMutex struct {
	*original.Mutex
	s *original.Session
}

func (c originalMutex) acquire(ctx context.Context, _ string) error { return c.Lock(ctx) }
func (c originalMutex) proclaim(context.Context, string) error      { return nil }
func (c originalMutex) release(ctx context.Context) error           { return c.Unlock(ctx) }
func (c originalMutex) reign() reign {
	fence := c.IsOwner()
	rev := fence.GetCompare().GetCreateRevision() // it has no method that tells
	return reign{key: c.Key(), rev: rev, fence: fence, done: c.s.Done(), why: sessionOver}
}

func sessionOver() error { return concurrency.ErrSessionExpired }
