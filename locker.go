// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
	"sync"
)

// A locker is a Mutex as a sync.Locker. It excludes the goroutines of the session
// from one another first, and then the session from the others.
type locker struct{ m *Mutex }

// A turn is what the lockers of one session and key take turns with. It is in the
// session's table while one of them has it or waits for it.
type turn struct {
	token chan struct{} // has one while a goroutine of the session has the lock
	users int           // guarded by session.mu
}

// NewLocker returns a Mutex of the given name as a sync.Locker, which excludes
// goroutines of the same session as well, also those that use another Locker of
// that session and name. Its methods wait for as long as the client lives, and
// panic where those of the Mutex return an error: a service that wants to go on
// after it has lost etcd uses Mutex.
func NewLocker(s *Session, pfx string) sync.Locker {
	return &locker{NewMutex(s, pfx)}
}

// Lock waits for the lock.
func (l *locker) Lock() {
	s, key := l.m.session, l.m.key()
	ctx := s.client.Ctx()
	t := s.joinTurn(key)
	select {
	case t.token <- struct{}{}:
	case <-ctx.Done():
		s.leaveTurn(key)
		panic(context.Cause(ctx))
	}
	if err := l.m.Lock(ctx); err != nil {
		<-t.token
		s.leaveTurn(key)
		panic(err)
	}
}

// Unlock gives the lock up.
func (l *locker) Unlock() {
	s, key := l.m.session, l.m.key()
	if err := l.m.Unlock(s.client.Ctx()); err != nil {
		panic(err)
	}
	<-s.leaveTurn(key).token
}

func (s *Session) joinTurn(key string) *turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.turns[key]
	if t == nil {
		t = &turn{token: make(chan struct{}, 1)}
		s.turns[key] = t
	}
	t.users++
	return t
}

func (s *Session) leaveTurn(key string) *turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.turns[key]
	if t.users--; t.users == 0 {
		delete(s.turns, key)
	}
	return t
}
