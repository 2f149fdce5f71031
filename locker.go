// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
	"sync"
)

// A locker is a Mutex as a sync.Locker. It excludes the goroutines of the session
// from one another first, and then the session from the others.
type locker struct {
	m     *Mutex
	local chan struct{} // holds a token while a goroutine of the session has the lock
}

// NewLocker returns a Mutex of the given name as a sync.Locker, which excludes
// goroutines of the same session as well, also those that use another Locker of
// that session and name. Its methods wait for as long as the client lives, and
// panic where those of the Mutex return an error: a service that wants to go on
// after it has lost etcd uses Mutex.
func NewLocker(s *Session, pfx string) sync.Locker {
	m := NewMutex(s, pfx)
	s.mu.Lock()
	defer s.mu.Unlock()
	local := s.lockers[m.key()]
	if local == nil {
		local = make(chan struct{}, 1)
		s.lockers[m.key()] = local
	}
	return &locker{m, local}
}

// Lock waits for the lock.
func (l *locker) Lock() {
	ctx := l.m.session.client.Ctx()
	select {
	case l.local <- struct{}{}:
	case <-ctx.Done():
		panic(context.Cause(ctx))
	}
	if err := l.m.Lock(ctx); err != nil {
		<-l.local
		panic(err)
	}
}

// Unlock gives the lock up.
func (l *locker) Unlock() {
	if err := l.m.Unlock(l.m.session.client.Ctx()); err != nil {
		panic(err)
	}
	<-l.local
}
