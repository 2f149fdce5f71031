// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	v3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/tests/v3/framework/integration"

	"github.com/seed-da5263fb/concurrency"
)

// newMutex returns a Mutex with a session of its own, named by the test.
func newMutex(t *testing.T, client *v3.Client) *concurrency.Mutex {
	t.Helper()
	return concurrency.NewMutex(newSession(t, client), t.Name())
}

// queued waits until n sessions hold or wait for the lock of the test.
func queued(t *testing.T, client *v3.Client, n int) {
	t.Helper()
	eventually(t, func() bool { return len(keys(t, client, t.Name()+"/")) == n }, fmt.Sprintf("%d in the queue", n))
}

func TestMutex(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)

	t.Run("LocksWithOneRequest", func(t *testing.T) {
		own := connect(t, clus)
		m, kv := newMutex(t, own), tapInto(own)
		require.NoError(t, m.Lock(bounded(t)))
		require.EqualValues(t, 1, kv.requests.Load())
		require.Equal(t, []string{m.Key()}, keys(t, client, t.Name()))
	})

	t.Run("PassesTheLockOnInOrderOfEntry", func(t *testing.T) {
		var mutexes []*concurrency.Mutex
		var locked []<-chan error
		for i := range 4 {
			m := newMutex(t, client)
			locked = append(locked, background(func() error { return m.Lock(bounded(t)) }))
			mutexes = append(mutexes, m)
			queued(t, client, i+1)
		}
		for i, m := range mutexes {
			require.NoError(t, receive(t, locked[i]))
			for _, later := range locked[i+1:] {
				require.Empty(t, later, "nobody else holds it")
			}
			require.NoError(t, m.Unlock(bounded(t)))
		}
		require.Empty(t, keys(t, client, t.Name()))
	})

	t.Run("ExcludesSessions", func(t *testing.T) {
		const sessions, rounds = 4, 10
		var all sync.WaitGroup
		held := make(chan struct{}, 1) // has room for one holder
		for range sessions {
			m := newMutex(t, client)
			all.Go(func() {
				for range rounds {
					if !noError(t, m.Lock(bounded(t))) {
						return
					}
					select {
					case held <- struct{}{}:
						<-held
					default:
						t.Error("two sessions hold the lock")
					}
					if !noError(t, m.Unlock(bounded(t))) {
						return
					}
				}
			})
		}
		all.Wait()
	})

	t.Run("CancelledLockLeavesNoKey", func(t *testing.T) {
		holder, waiter := newMutex(t, client), newMutex(t, client)
		require.NoError(t, holder.Lock(bounded(t)))
		ctx, cancel := context.WithCancel(t.Context())
		result := background(func() error { return waiter.Lock(ctx) })
		queued(t, client, 2)
		cancel()
		require.ErrorIs(t, receive(t, result), context.Canceled)
		require.Equal(t, []string{holder.Key()}, keys(t, client, t.Name()))
	})

	t.Run("TryLockTakesAFreeLock", func(t *testing.T) {
		m := newMutex(t, client)
		require.NoError(t, m.TryLock(bounded(t)))
		require.NotEmpty(t, m.Key())
	})

	t.Run("TryLockWritesNothingWhereAnotherSessionHoldsTheLock", func(t *testing.T) {
		holder, m := newMutex(t, client), newMutex(t, client)
		require.NoError(t, holder.Lock(bounded(t)))
		before := revision(t, client)
		require.ErrorIs(t, m.TryLock(bounded(t)), concurrency.ErrLocked)
		require.Equal(t, before, revision(t, client))
		require.Empty(t, m.Key())
	})

	t.Run("TryLockIsRefusedWhereAnotherSessionIsAboutToHoldTheLock", func(t *testing.T) {
		holder, waiter, m := newMutex(t, client), newMutex(t, client), newMutex(t, client)
		require.NoError(t, holder.Lock(bounded(t)))
		locked := background(func() error { return waiter.Lock(bounded(t)) })
		queued(t, client, 2)
		require.NoError(t, holder.Unlock(bounded(t)))
		require.ErrorIs(t, m.TryLock(bounded(t)), concurrency.ErrLocked)
		require.NoError(t, receive(t, locked))
	})

	t.Run("TryLockByTheHolderSucceeds", func(t *testing.T) {
		m := newMutex(t, client)
		require.NoError(t, m.Lock(bounded(t)))
		require.NoError(t, m.TryLock(bounded(t)))
	})

	t.Run("LockedAgainByItsHolderIsOneLock", func(t *testing.T) {
		m := newMutex(t, client)
		require.NoError(t, m.Lock(bounded(t)))
		require.NoError(t, m.Lock(bounded(t)))
		require.NoError(t, m.Unlock(bounded(t)))
		require.Empty(t, keys(t, client, t.Name()))
	})

	t.Run("UnlockNeedsALock", func(t *testing.T) {
		m := newMutex(t, client)
		require.ErrorIs(t, m.Unlock(bounded(t)), concurrency.ErrLockReleased)
		require.NoError(t, m.Lock(bounded(t)))
		require.NoError(t, m.Unlock(bounded(t)))
		require.ErrorIs(t, m.Unlock(bounded(t)), concurrency.ErrLockReleased)
	})

	t.Run("UnlockEndsALockThatWaits", func(t *testing.T) {
		holder, waiter := newMutex(t, client), newMutex(t, client)
		require.NoError(t, holder.Lock(bounded(t)))
		waiting := background(func() error { return waiter.Lock(bounded(t)) })
		queued(t, client, 2)
		require.NoError(t, waiter.Unlock(bounded(t)))
		require.ErrorIs(t, receive(t, waiting), concurrency.ErrResigned)
		require.Equal(t, []string{holder.Key()}, keys(t, client, t.Name()))
	})

	t.Run("StaleUnlockSparesTheNewerLock", func(t *testing.T) {
		s := newSession(t, client)
		stale, newer := concurrency.NewMutex(s, t.Name()), concurrency.NewMutex(s, t.Name())
		require.NoError(t, stale.Lock(bounded(t)))
		remove(t, client, stale.Key())
		require.NoError(t, newer.Lock(bounded(t)))
		require.NoError(t, stale.Unlock(bounded(t)), "there is nothing left to unlock")
		require.Equal(t, []string{newer.Key()}, keys(t, client, t.Name()))
		require.NoError(t, newer.Term().Err())
	})

	t.Run("FailedUnlockCanBeRepeated", func(t *testing.T) {
		own := connect(t, clus)
		m, kv := newMutex(t, own), tapInto(own)
		require.NoError(t, m.Lock(bounded(t)))
		key := m.Key()
		kv.interceptNext(func(func() error) error { return errLost })
		require.ErrorIs(t, m.Unlock(bounded(t)), errLost)
		require.Equal(t, key, m.Key(), "the state stands")
		require.NoError(t, m.Unlock(bounded(t)))
		require.Empty(t, keys(t, client, t.Name()))
	})

	t.Run("EndsWithItsLease", func(t *testing.T) {
		holder := newMutex(t, client)
		require.NoError(t, holder.Lock(bounded(t)))
		s := newSession(t, client)
		waiting := background(func() error { return concurrency.NewMutex(s, t.Name()).Lock(bounded(t)) })
		queued(t, client, 2)
		_, err := client.Revoke(bounded(t), s.Lease())
		require.NoError(t, err)
		require.ErrorIs(t, receive(t, waiting), concurrency.ErrSessionExpired)
	})

	t.Run("DoesNotLockForASessionThatIsClosed", func(t *testing.T) {
		s := newSession(t, client)
		require.NoError(t, s.Close())
		require.ErrorIs(t, concurrency.NewMutex(s, t.Name()).Lock(bounded(t)), concurrency.ErrSessionClosed)
		require.ErrorIs(t, concurrency.NewMutex(s, t.Name()).TryLock(bounded(t)), concurrency.ErrSessionClosed)
		require.Empty(t, keys(t, client, t.Name()))
	})

	t.Run("KnowsItsStateWhileAnotherSessionHoldsTheLock", func(t *testing.T) {
		holder, m := newMutex(t, client), newMutex(t, client)
		require.NoError(t, holder.Lock(bounded(t)))
		locked := background(func() error { return m.Lock(bounded(t)) })
		queued(t, client, 2)
		require.Empty(t, m.Key())
		require.Nil(t, m.Term())
		require.Nil(t, m.Header())
		require.NoError(t, holder.Unlock(bounded(t)))
		require.NoError(t, receive(t, locked))
		require.Equal(t, []string{m.Key()}, keys(t, client, t.Name()))
		require.GreaterOrEqual(t, m.Header().Revision, holder.Header().Revision)
	})

	t.Run("TermEndsWithTheLock", func(t *testing.T) {
		m := newMutex(t, client)
		require.NoError(t, m.Lock(bounded(t)))
		first := m.Term()
		require.NoError(t, first.Err())
		require.NoError(t, m.Unlock(bounded(t)))
		closes(t, first.Done())
		require.ErrorIs(t, first.Err(), concurrency.ErrResigned)
		require.NoError(t, m.Lock(bounded(t)))
		require.Greater(t, m.Term().Rev(), first.Rev())
	})
}

func TestMutexIsOwner(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)
	holds := func(t *testing.T, cmp v3.Cmp) bool {
		t.Helper()
		resp, err := client.Txn(bounded(t)).If(cmp).Commit()
		require.NoError(t, err)
		return resp.Succeeded
	}

	t.Run("HoldsWithTheLock", func(t *testing.T) {
		m := newMutex(t, client)
		require.NoError(t, m.Lock(bounded(t)))
		require.True(t, holds(t, m.IsOwner()))
	})

	t.Run("DoesNotHoldBeforeTheLock", func(t *testing.T) {
		require.False(t, holds(t, newMutex(t, client).IsOwner()))
	})

	t.Run("DoesNotHoldWhileWaiting", func(t *testing.T) {
		holder, m := newMutex(t, client), newMutex(t, client)
		require.NoError(t, holder.Lock(bounded(t)))
		locked := background(func() error { return m.Lock(bounded(t)) })
		queued(t, client, 2)
		require.False(t, holds(t, m.IsOwner()))
		require.NoError(t, holder.Unlock(bounded(t)))
		require.NoError(t, receive(t, locked))
	})

	t.Run("DoesNotHoldAfterTheLock", func(t *testing.T) {
		m := newMutex(t, client)
		require.NoError(t, m.Lock(bounded(t)))
		while := m.IsOwner()
		require.NoError(t, m.Unlock(bounded(t)))
		require.False(t, holds(t, m.IsOwner()))
		require.False(t, holds(t, while))
		require.NoError(t, m.Lock(bounded(t)))
		require.False(t, holds(t, while), "of the earlier lock")
		require.True(t, holds(t, m.IsOwner()))
	})

	t.Run("DoesNotHoldWhenTheKeyWasDeleted", func(t *testing.T) {
		m := newMutex(t, client)
		require.NoError(t, m.Lock(bounded(t)))
		remove(t, client, m.Key())
		require.False(t, holds(t, m.IsOwner()))
	})
}

func TestLocker(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)

	// exclude has goroutines add to a number without any synchronization but
	// the Locker of each, so that the race detector has its say as well.
	exclude := func(t *testing.T, lockers ...sync.Locker) {
		const rounds = 20
		n := 0
		var all sync.WaitGroup
		for _, l := range lockers {
			all.Go(func() {
				for range rounds {
					l.Lock()
					before := n
					_, _ = client.Get(bounded(t), "time for the others")
					n = before + 1
					l.Unlock()
				}
			})
		}
		all.Wait()
		require.Equal(t, rounds*len(lockers), n)
	}

	t.Run("ExcludesGoroutines", func(t *testing.T) {
		l := concurrency.NewLocker(newSession(t, client), t.Name())
		exclude(t, l, l, l)
	})

	t.Run("ExcludesLockersOfOneSession", func(t *testing.T) {
		s := newSession(t, client)
		exclude(t, concurrency.NewLocker(s, t.Name()), concurrency.NewLocker(s, t.Name()))
	})

	t.Run("ExcludesSessions", func(t *testing.T) {
		// Only etcd stands between these, which the race detector cannot know.
		lock := func() sync.Locker { return concurrency.NewLocker(newSession(t, client), t.Name()) }
		held := make(chan struct{}, 1)
		var all sync.WaitGroup
		for _, l := range []sync.Locker{lock(), lock(), lock()} {
			all.Go(func() {
				for range 20 {
					l.Lock()
					select {
					case held <- struct{}{}:
						<-held
					default:
						t.Error("two sessions hold the lock")
					}
					l.Unlock()
				}
			})
		}
		all.Wait()
	})

	t.Run("DoesNotExcludeOtherNames", func(t *testing.T) {
		s := newSession(t, client)
		a, b := concurrency.NewLocker(s, t.Name()+"/a"), concurrency.NewLocker(s, t.Name()+"/b")
		a.Lock()
		defer a.Unlock()
		b.Lock()
		defer b.Unlock()
	})

	t.Run("LockPanicsWhenTheClientIsClosed", func(t *testing.T) {
		own := connect(t, clus)
		l := concurrency.NewLocker(newSession(t, own), t.Name())
		require.NoError(t, own.Close())
		require.Panics(t, l.Lock)
		require.Panics(t, l.Lock, "and can be tried again")
	})

	t.Run("UnlockPanicsWhenTheClientIsClosed", func(t *testing.T) {
		own := connect(t, clus)
		l := concurrency.NewLocker(newSession(t, own), t.Name())
		l.Lock()
		require.NoError(t, own.Close())
		require.Panics(t, l.Unlock)
	})

	t.Run("UnlockPanicsWithoutALock", func(t *testing.T) {
		require.Panics(t, concurrency.NewLocker(newSession(t, client), t.Name()).Unlock)
	})
}

// noError reports a failure of a goroutine that is not the test's own, which must
// not end the test.
func noError(t *testing.T, err error) bool {
	if err != nil {
		t.Error(err)
	}
	return err == nil
}
