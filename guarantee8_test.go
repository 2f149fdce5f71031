// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	v3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

var guarantee8 = &guarantee{8, "State tells the truth", []guaranteeCase{
	{
		// In memory only, as all that asks an original that campaigns: its
		// methods share fields.
		says: "A candidate that waits has no Key and no Rev", on: onMemory,
		run: func(w *world) error {
			leader, waiter := w.rival("leader"), w.rival("waiter")
			w.lead(leader)
			w.campaign(waiter)
			return w.noLeader(waiter)
		},
		original: lies, does: "Key and Rev are set from the moment of queueing up", ours: "both are empty until it has won",
	},
	{
		says: "A candidate that waits cannot proclaim", on: onMemory,
		run: func(w *world) error {
			leader, waiter := w.rival("leader"), w.rival("waiter")
			w.lead(leader)
			w.campaign(waiter)
			if err := waiter.election.Proclaim(w.ctx(), "v"); !errors.Is(err, w.pkg.notLeader) {
				return fails(lies, "Proclaim: %v", err)
			}
			return nil
		},
		original: lies, does: "Proclaim returns nil", ours: "Proclaim returns `ErrElectionNotLeader`",
	},
	{
		says: "A Mutex that waits has no Key", on: onMemory,
		run: func(w *world) error {
			holder, waiter := w.rival("holder"), w.rival("waiter")
			w.lock(holder)
			w.locking(waiter)
			if k := waiter.mutex.Key(); k != "" {
				return fails(lies, "Key %q", k)
			}
			return nil
		},
		original: lies, does: "Key is set from the moment of queueing up", ours: "it is empty until it has the lock",
	},
	{
		says: "A winner has its Key, Rev and Header", on: onBoth,
		run: func(w *world) error {
			r := w.rival("leader")
			if r.election.Header() != nil {
				return fails(lies, "a header before the first answer")
			}
			w.lead(r)
			resp, err := w.op.Get(w.ctx(), r.key)
			if err != nil || len(resp.Kvs) != 1 {
				return fails(falseVictory, "%v, %v", resp, err)
			}
			if r.election.Key() != r.key || r.election.Rev() != resp.Kvs[0].CreateRevision || r.election.Header() == nil {
				return fails(lies, "Key %q, Rev %d, Header %v", r.election.Key(), r.election.Rev(), r.election.Header())
			}
			return nil
		},
		ours: "as etcd has them",
	},
	{
		says: "One that has resigned has no Key and no Rev", on: onBoth,
		run: func(w *world) error {
			r := w.rival("leader")
			w.lead(r)
			w.resign(r)
			return w.noLeader(r)
		},
		original: lies, does: "Rev stays", ours: "both are empty",
	},
	{
		says: "A Campaign that was cancelled leaves no Key and no Rev", on: onBoth,
		run: func(w *world) error {
			leader, waiter := w.rival("leader"), w.rival("waiter")
			w.lead(leader)
			c := w.campaign(waiter)
			if err := c.ends(); err != nil {
				return err
			}
			return w.noLeader(waiter)
		},
		original: lies, does: "Rev stays", ours: "both are empty",
	},
	{
		says: "A Campaign that lost its watch leaves no Key unless it wins", on: onMemory,
		run: func(w *world) error {
			leader, waiter := w.rival("leader"), w.rival("waiter")
			w.lead(leader)
			c := w.campaign(waiter)
			w.etcd.Link("waiter").CutWatch()
			if !c.within(5 * time.Second) {
				w.resign(leader)
				return c.wins(time.Second)
			}
			return w.noLeader(waiter)
		},
		original: lies, does: "Key and Rev stay", ours: "watches anew, and wins",
	},
	{
		says: "After a failed Resign the state stands", on: onBoth,
		run: func(w *world) error {
			r := w.rival("leader")
			w.lead(r)
			rev := r.election.Rev()
			w.loseRequest(r)
			if err := r.election.Resign(w.ctx()); err == nil {
				return w.noLeader(r)
			}
			if r.election.Key() != r.key || r.election.Rev() != rev {
				return fails(lies, "Key %q, Rev %d, and the key stands", r.election.Key(), r.election.Rev())
			}
			return nil
		},
		original: lies, does: "Key is empty, as if it had resigned; the key leads on", ours: "Key and Rev stand, Resign can be called again; the term is over in any case",
	},
	{
		says: "After a failed Unlock the state stands", on: onBoth,
		run: func(w *world) error {
			r := w.rival("holder")
			w.lock(r)
			w.loseRequest(r)
			err := r.mutex.Unlock(w.ctx())
			if err != nil && r.mutex.Key() != r.key {
				return fails(lies, "Key %q, and the key stands", r.mutex.Key())
			}
			if err != nil {
				err = r.mutex.Unlock(w.ctx())
			}
			if err != nil {
				return fails(givesUp, "%v", err)
			}
			return w.onlyKeys(0)
		},
		ours: "Key stands, Unlock can be called again",
	},
	{
		says: "A leader that learns from Proclaim that its key is gone has no Key and no Rev", on: onBoth,
		run: func(w *world) error {
			r := w.rival("leader")
			w.lead(r)
			w.remove(r)
			if err := r.election.Proclaim(w.ctx(), "v"); err == nil {
				return fails(lies, "Proclaim returned nil")
			}
			return w.noLeader(r)
		},
		original: lies, does: "Rev stays", ours: "both are empty",
	},
	{
		says: "A refused TryLock leaves no Key", on: onBoth,
		run: func(w *world) error {
			holder, other := w.rival("holder"), w.rival("other")
			w.lock(holder)
			_ = other.mutex.TryLock(w.ctx())
			if k := other.mutex.Key(); k != "" {
				return fails(lies, "Key %q", k)
			}
			return nil
		},
		original: lies, does: "Key is a zero byte", ours: "it is empty",
	},
	{
		says: "A proclamation of a resumed election leaves the key on its lease", on: onBoth,
		run: func(w *world) error {
			leader, heir := w.rival("leader"), w.rival("heir")
			w.lead(leader)
			e := w.pkg.resume(heir.session, w.name, leader.election.Key(), leader.election.Rev())
			if err := e.Proclaim(w.ctx(), "v"); err != nil {
				return fails(givesUp, "%v", err)
			}
			resp, err := w.op.Get(w.ctx(), leader.key)
			if err != nil || len(resp.Kvs) != 1 || v3.LeaseID(resp.Kvs[0].Lease) != leader.session.Lease() {
				return fails(lies, "attached to another lease: %v, %v", resp, err)
			}
			return nil
		},
		original: lies, does: "attaches the key to a lease that it is not named by", ours: "the lease stays",
	},
	{
		says: "The term tells the truth before, during and after, and after errors", on: onBoth,
		run: func(w *world) error {
			leader, r := w.rival("leader"), w.rival("candidate")
			e := r.election.(*concurrency.Election)
			w.lead(leader)
			c := w.campaign(r)
			if e.Term() != nil {
				return fails(lies, "a term while it waits")
			}
			w.resign(leader)
			if err := c.wins(3 * time.Second); err != nil {
				return err
			}
			term := e.Term()
			if term.Err() != nil || term.Key() != r.key || term.Rev() != e.Rev() || term.Lease() != r.session.Lease() {
				return fails(lies, "%v %s %d", term.Err(), term.Key(), term.Rev())
			}
			w.loseRequest(r)
			if err := e.Resign(w.ctx()); err != nil && !errors.Is(term.Err(), concurrency.ErrResigned) {
				return fails(lies, "after a failed Resign: %v", term.Err())
			}
			if err := e.Resign(w.ctx()); err != nil || e.Term() != nil {
				return fails(lies, "after Resign: %v, %v", err, e.Term())
			}
			w.lead(r)
			if e.Term() == term || e.Term().Err() != nil || term.Err() == nil {
				return fails(lies, "a term came back")
			}
			return nil
		},
		original: lacks, does: "there is no Term", ours: "nil, then its own, then over for good",
	},
	{
		says: "Every method is safe to call from many goroutines during campaigns", on: onBoth,
		run:      storm,
		original: races, does: "Key, Rev, Header, Campaign, Proclaim, Resign, Lock and Unlock share fields that nothing guards", ours: "clean under the race detector",
	},
	{
		says: "A Locker excludes the goroutines of one process", on: onMemory,
		run: func(w *world) error {
			if raceDetector && w.pkg == original {
				return fails(admits, "not run: the race detector ends it")
			}
			l := w.pkg.locker(w.rival("holder").session, w.name)
			return w.excludes(l, l, l, l)
		},
		original: admits, does: "the second goroutine finds the session's key there and goes in", ours: "one goroutine at a time",
	},
	{
		says: "Two Lockers of one session and name exclude each other", on: onMemory,
		run: func(w *world) error {
			s := w.rival("holder").session
			return w.excludes(w.pkg.locker(s, w.name), w.pkg.locker(s, w.name))
		},
		original: admits, does: "the second Locker finds the session's key there and goes in", ours: "one goroutine at a time",
	},
	{
		says: "Lockers of several sessions exclude each other", on: onBoth,
		run: func(w *world) error {
			return w.excludes(w.pkg.locker(w.rival("a").session, w.name), w.pkg.locker(w.rival("b").session, w.name), w.pkg.locker(w.rival("c").session, w.name))
		},
		ours: "one at a time",
	},
}}

// noLeader judges that r claims nothing.
func (w *world) noLeader(r *rival) error {
	if r.election.Key() != "" || r.election.Rev() != 0 {
		return fails(lies, "Key %q, Rev %d", r.election.Key(), r.election.Rev())
	}
	return nil
}

// excludes has each of the lockers used by a goroutine, ten times. A Locker that
// admits two may panic when both unlock.
func (w *world) excludes(lockers ...sync.Locker) error {
	var all sync.WaitGroup
	var inside, most atomic.Int32
	for _, l := range lockers {
		all.Go(func() {
			defer func() {
				if recover() != nil {
					most.Store(max(2, most.Load()))
				}
			}()
			for range 10 {
				l.Lock()
				if n := inside.Add(1); n > most.Load() {
					most.Store(n)
				}
				time.Sleep(5 * time.Millisecond)
				inside.Add(-1)
				l.Unlock()
			}
		})
	}
	all.Wait()
	if n := most.Load(); n > 1 {
		return fails(admits, "%d inside", n)
	}
	return nil
}

// contenders are what one session contends with in a storm.
type contenders struct {
	e *concurrency.Election
	m *concurrency.Mutex
}

func ignoreReleased(err error) error {
	if errors.Is(err, concurrency.ErrLockReleased) {
		return nil
	}
	return err
}

// storm has many goroutines use the elections and locks of two sessions.
func storm(w *world) error {
	lasts := time.Second
	if w.etcd != nil {
		lasts /= 5 // there it is all work and no waiting
	}
	ctx, cancel := context.WithTimeout(w.ctx(), lasts)
	defer cancel()
	var all sync.WaitGroup
	var afterwards []contenders
	for _, who := range []string{"a", "b"} {
		r := w.rivalTTL(who, 5)
		e, m := r.election.(*concurrency.Election), concurrency.NewMutex(r.session.(*concurrency.Session), w.name+"-lock")
		s := r.session.(*concurrency.Session)
		afterwards = append(afterwards, contenders{e, m})
		again := func(f func(context.Context)) {
			all.Go(func() {
				for ctx.Err() == nil {
					once, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
					f(once)
					cancel()
					time.Sleep(time.Millisecond) // in a bubble, nothing else takes time
				}
			})
		}
		for range 2 {
			again(func(ctx context.Context) { _ = e.Campaign(ctx, who) })
			again(func(ctx context.Context) { _ = e.TryCampaign(ctx, who) })
			again(func(ctx context.Context) { _ = m.Lock(ctx) })
			again(func(ctx context.Context) { _ = m.TryLock(ctx) })
		}
		again(func(ctx context.Context) { time.Sleep(3 * time.Millisecond); _ = e.Resign(ctx) })
		again(func(ctx context.Context) { time.Sleep(3 * time.Millisecond); _ = m.Unlock(ctx) })
		again(func(ctx context.Context) { _ = e.Proclaim(ctx, who+"!") })
		again(func(ctx context.Context) {
			for range e.Observe(ctx) {
			}
		})
		again(func(ctx context.Context) {
			for range e.Leaders(ctx) {
			}
		})
		again(func(ctx context.Context) { _, _ = e.Leader(ctx); _, _ = e.Candidates(ctx) })
		again(func(ctx context.Context) {
			_, _, _, _ = e.Key(), e.Rev(), e.Header(), m.Key()
			_, _ = m.Header(), m.IsOwner()
			for _, t := range []*concurrency.Term{e.Term(), m.Term()} {
				if t != nil {
					_, _, _, _ = t.Key(), t.Rev(), t.Lease(), t.Err()
					c, cancel := t.Context(ctx)
					_ = c.Err()
					cancel()
				}
			}
		})
		again(func(context.Context) { _, _, _, _, _ = s.Lease(), s.TTL(), s.Deadline(), s.Err(), s.Ctx() })
	}
	all.Wait()

	// After all that, each of them can still have the place and the lock.
	for _, c := range afterwards {
		calm, cancel := context.WithTimeout(w.ctx(), 10*time.Second)
		defer cancel()
		for _, call := range []func(context.Context) error{
			c.e.Resign, func(ctx context.Context) error { return ignoreReleased(c.m.Unlock(ctx)) },
		} {
			if err := call(calm); err != nil {
				return fails(hangs, "give up after the storm: %v", err)
			}
		}
	}
	for _, c := range afterwards {
		calm, cancel := context.WithTimeout(w.ctx(), 10*time.Second)
		defer cancel()
		for _, call := range []func(context.Context) error{
			func(ctx context.Context) error { return c.e.Campaign(ctx, "calm") }, c.m.Lock, c.e.Resign, c.m.Unlock,
		} {
			if err := call(calm); err != nil {
				return fails(hangs, "after the storm: %v", err)
			}
		}
	}
	w.eventually(func() bool { return len(w.keys(w.name)) == 0 }, "no key is left after the storm")
	return nil
}
