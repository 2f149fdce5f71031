// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"errors"
	"time"

	"github.com/seed-da5263fb/concurrency/etcdtest"
)

var guarantee4 = &guarantee{4, "No ghosts", []guaranteeCase{
	{
		says: "A Campaign whose entering transaction loses its answer leaves no key unless it wins", on: onBoth,
		run:      func(w *world) error { return enterWith(w, w.loseReply, campaigning) },
		original: ghost, does: "Campaign returns an error; its key stands and, as the session lives, leads for good", ours: "asks again, and wins",
	},
	{
		says: "A Lock whose entering transaction loses its answer leaves no key unless it wins", on: onBoth,
		run:      func(w *world) error { return enterWith(w, w.loseReply, locking) },
		original: ghost, does: "Lock returns an error; its key locks everybody out", ours: "asks again, and wins",
	},
	{
		says: "A TryLock whose entering transaction loses its answer leaves no key unless it wins", on: onBoth,
		run:      func(w *world) error { return enterWith(w, w.loseReply, tryLocking) },
		original: ghost, does: "TryLock returns an error; its key locks everybody out", ours: "asks again, and wins",
	},
	{
		says: "A Campaign that is cancelled when its entering transaction has lost its answer leaves no key", on: onMemory,
		run: func(w *world) error {
			r := w.rival("candidate")
			trap := w.etcd.Link("candidate").DropReplySilently(etcdtest.Method("Txn"))
			c := w.start(func(ctx context.Context) error { return r.election.Campaign(ctx, "v") })
			<-trap.Sprung()
			time.Sleep(10 * time.Millisecond) // it is applied
			return first(c.ends(), w.onlyKeys(5*time.Second))
		},
		original: ghost, does: "returns the context's error; the key stands", ours: "the key is looked for and deleted in the background",
	},
	{
		says: "A Campaign whose entering transaction is never delivered leaves no key unless it wins", on: onBoth,
		run:  func(w *world) error { return enterWith(w, w.loseRequest, campaigning) },
		ours: "asks again, and wins",
	},
	{
		says: "A Lock whose entering transaction is never delivered leaves no key unless it wins", on: onBoth,
		run:  func(w *world) error { return enterWith(w, w.loseRequest, locking) },
		ours: "asks again, and wins",
	},
	{
		says: "A TryLock whose entering transaction is never delivered leaves no key unless it wins", on: onBoth,
		run:  func(w *world) error { return enterWith(w, w.loseRequest, tryLocking) },
		ours: "asks again, and wins",
	},
	{
		says: "A Campaign whose watch breaks wins, or leaves no key", on: onMemory,
		run: func(w *world) error {
			return watchBroken(w, campaigning, func(l *etcdtest.Link) { l.CutWatch() })
		},
		original: ghost, does: "Campaign returns an error; its key stands, and Resign does nothing about it", ours: "watches anew, and wins",
	},
	{
		says: "A Campaign whose watch is compacted away wins, or leaves no key", on: onMemory,
		run: func(w *world) error {
			return watchBroken(w, campaigning, func(l *etcdtest.Link) { l.CompactWatch() })
		},
		original: ghost, does: "Campaign returns an error; its key stands, and Resign does nothing about it", ours: "watches anew, and wins",
	},
	{
		says: "A Lock whose watch breaks wins, or leaves no key", on: onMemory,
		run: func(w *world) error {
			return watchBroken(w, locking, func(l *etcdtest.Link) { l.CutWatch() })
		},
		ours: "watches anew, and wins",
	},
	{
		says: "A Campaign that is cancelled at any step leaves no key", on: onMemory,
		run:      func(w *world) error { return cancelledAtEachStep(w, campaigning) },
		original: ghost, does: "the entering transaction was applied, and the key stands, if the context ends before its answer", ours: "the key is deleted, at once or when the late answer comes",
	},
	{
		says: "A Lock that is cancelled at any step leaves no key", on: onMemory,
		run:      func(w *world) error { return cancelledAtEachStep(w, locking) },
		original: ghost, does: "as Campaign", ours: "as Campaign",
	},
	{
		says: "A Campaign that is cancelled at any step while no member answers leaves no key when they are back", on: onMemory, members: 3,
		run:      func(w *world) error { return cancelledInSilence(w, campaigning) },
		original: ghost, does: "the key stands when the members are back; from later steps it does not return at all", ours: "returns within a second; the key is deleted when a member answers",
	},
	{
		says: "A Lock that is cancelled at any step while no member answers leaves no key when they are back", on: onMemory, members: 3,
		run:      func(w *world) error { return cancelledInSilence(w, locking) },
		original: ghost, does: "as Campaign", ours: "as Campaign",
	},
	{
		says: "A Campaign that is cancelled while all members are stopped leaves no key when they are back", on: onBoth, own: true,
		run: func(w *world) error {
			leader, waiter := w.rival("leader"), w.rival("waiter")
			w.lead(leader)
			c := w.campaign(waiter)
			w.stopMembers()
			w.settle()
			if err := c.ends(); err != nil {
				return err
			}
			w.restartMembers()
			return w.onlyKeys(bound, leader.key)
		},
		original: hangs, does: "returns only when the members are back", ours: "returns within a second, the key is deleted when the members are back",
	},
	{
		says: "Resign whose request was lost is finished by a second Resign", on: onBoth,
		run: func(w *world) error {
			r := w.rival("leader")
			w.lead(r)
			w.loseRequest(r)
			if err := r.election.Resign(w.ctx()); err == nil {
				return w.onlyKeys(time.Second) // it asked again
			}
			if err := r.election.Resign(w.ctx()); err != nil {
				return fails(givesUp, "%v", err)
			}
			return w.onlyKeys(time.Second)
		},
		original: ghost, does: "the second Resign returns nil and does nothing; the key leads on", ours: "the second Resign deletes the key",
	},
	{
		says: "Resign whose answer was lost is finished by a second Resign", on: onBoth,
		run: func(w *world) error {
			r := w.rival("leader")
			w.lead(r)
			w.loseReply(r)
			if err := r.election.Resign(w.ctx()); err == nil {
				return w.onlyKeys(time.Second)
			}
			if err := r.election.Resign(w.ctx()); err != nil {
				return fails(givesUp, "%v", err)
			}
			return w.onlyKeys(time.Second)
		},
		ours: "the second Resign returns nil",
	},
	{
		says: "Resign whose context was over is finished by a second Resign", on: onBoth,
		run: func(w *world) error {
			r := w.rival("leader")
			w.lead(r)
			ctx, cancel := context.WithCancel(w.ctx())
			cancel()
			if err := r.election.Resign(ctx); err == nil {
				return w.onlyKeys(time.Second)
			}
			if err := r.election.Resign(w.ctx()); err != nil {
				return fails(givesUp, "%v", err)
			}
			return w.onlyKeys(time.Second)
		},
		original: ghost, does: "the second Resign returns nil and does nothing; the key leads on", ours: "the second Resign deletes the key",
	},
	{
		says: "A Proclaim that finds the key gone returns ErrElectionNotLeader, and a Resign after it nil", on: onBoth,
		run: func(w *world) error {
			r := w.rival("leader")
			w.lead(r)
			w.remove(r)
			if err := r.election.Proclaim(w.ctx(), "v"); !errors.Is(err, w.pkg.notLeader) {
				return fails(misleads, "Proclaim: %v", err)
			}
			if err := r.election.Resign(w.ctx()); err != nil {
				return fails(misleads, "Resign: %v", err)
			}
			return w.onlyKeys(0)
		},
		original: misleads, does: "Resign returns the server's `key is not provided`", ours: "`ErrElectionNotLeader`, then nil",
	},
	{
		says: "A stale Unlock does not delete a newer lock of the same session", on: onBoth,
		run: func(w *world) error {
			stale := w.rival("holder")
			newer := w.sibling(stale)
			w.lock(stale)
			w.remove(stale)
			w.lock(newer)
			_ = stale.mutex.Unlock(w.ctx())
			return w.onlyKeys(0, newer.key)
		},
		original: harms, does: "deletes it, by name alone", ours: "deletes only the key that was locked with",
	},
	{
		says: "A refused TryLock writes nothing", on: onBoth,
		run: func(w *world) error {
			holder, other := w.rival("holder"), w.rival("other")
			w.lock(holder)
			events := w.op.Watch(w.ctx(), w.name+"/"+other.key[len(w.name)+1:])
			if err := other.mutex.TryLock(w.ctx()); !errors.Is(err, w.pkg.locked) {
				return fails(misleads, "%v", err)
			}
			select {
			case ev := <-events:
				return fails(writes, "%v", ev.Events)
			case <-time.After(500 * time.Millisecond):
				return nil
			}
		},
		original: writes, does: "writes its key, and deletes it again: everybody behind it wakes up", ours: "one transaction that is refused",
	},
	{
		says: "A refused TryLock spares a sibling of the same session that waits", on: onBoth,
		run: func(w *world) error {
			holder, waiter := w.rival("holder"), w.rival("waiter")
			w.lock(holder)
			c := w.locking(waiter)
			_ = w.sibling(waiter).mutex.TryLock(w.ctx())
			if err := w.onlyKeys(0, holder.key, waiter.key); err != nil {
				return err
			}
			if err := holder.mutex.Unlock(w.ctx()); err != nil {
				return fails(givesUp, "%v", err)
			}
			return c.wins(3 * time.Second)
		},
		original: harms, does: "deletes the key that the sibling waits with", ours: "the sibling's key stays, and it wins in its turn",
	},
	{
		says: "A cancelled Lock spares a sibling of the same session that waits", on: onBoth,
		run: func(w *world) error {
			holder, waiter := w.rival("holder"), w.rival("waiter")
			w.lock(holder)
			stays, leaves := w.locking(waiter), w.locking(w.sibling(waiter))
			if err := leaves.ends(); err != nil {
				return err
			}
			if err := w.onlyKeys(0, holder.key, waiter.key); err != nil {
				return err
			}
			if err := holder.mutex.Unlock(w.ctx()); err != nil {
				return fails(givesUp, "%v", err)
			}
			return stays.wins(3 * time.Second)
		},
		original: harms, does: "deletes the key that the sibling waits with", ours: "the sibling's key stays, and it wins in its turn",
	},
}}

func campaigning(r *rival) func(context.Context) error {
	return func(ctx context.Context) error { return r.election.Campaign(ctx, r.who) }
}
func locking(r *rival) func(context.Context) error    { return r.mutex.Lock }
func tryLocking(r *rival) func(context.Context) error { return r.mutex.TryLock }

// enterWith has a rival enter an empty queue while a fault waits for its first
// transaction.
func enterWith(w *world, fault func(*rival), enter func(*rival) func(context.Context) error) error {
	r := w.rival("candidate")
	fault(r)
	c := w.start(enter(r))
	switch {
	case !c.within(5 * time.Second):
		return fails(hangs, "no return")
	case c.err == nil:
		return w.onlyKeys(0, r.key) // it won
	}
	return w.onlyKeys(time.Second)
}

// watchBroken breaks the watches of a waiter.
func watchBroken(w *world, enter func(*rival) func(context.Context) error, breakIt func(*etcdtest.Link)) error {
	holder, waiter := w.rival("holder"), w.rival("waiter")
	w.lock(holder)
	c := w.start(enter(waiter))
	w.entered(waiter)
	breakIt(w.etcd.Link("waiter"))
	if c.within(5 * time.Second) {
		if err := w.onlyKeys(5*time.Second, holder.key); err != nil || c.err != nil {
			return err
		}
		return fails(falseVictory, "returned nil while another holds the lock")
	}
	if err := holder.mutex.Unlock(w.ctx()); err != nil {
		return fails(givesUp, "%v", err)
	}
	return c.wins(time.Second)
}

// cancelledAtEachStep cancels calls on a slow link, each a little later in its
// course.
func cancelledAtEachStep(w *world, enter func(*rival) func(context.Context) error) error {
	holder, waiter := w.rival("holder"), w.rival("waiter")
	w.lock(holder)
	w.etcd.Link("waiter").Delay(50*time.Millisecond, 0)
	for after := time.Duration(0); after < 800*time.Millisecond; after += 25 * time.Millisecond {
		c := w.start(enter(waiter))
		time.Sleep(after)
		if err := c.ends(); err != nil {
			return err
		}
		if c.err == nil {
			return fails(falseVictory, "cancelled after %v: returned nil", after)
		}
		if err := w.onlyKeys(5*time.Second, holder.key); err != nil {
			return fails(ghost, "cancelled after %v: %v", after, err)
		}
	}
	return nil
}

// cancelledInSilence is cancelledAtEachStep where all members fall silent as the
// call is cancelled. A ghost at one step counts for more than a call that hangs at
// another.
func cancelledInSilence(w *world, enter func(*rival) func(context.Context) error) error {
	holder, waiter := w.rival("holder"), w.rival("waiter")
	w.lock(holder)
	link := w.etcd.Link("waiter")
	var hung error
	for after := time.Duration(0); after < 800*time.Millisecond; after += 25 * time.Millisecond {
		link.Delay(50*time.Millisecond, 0)
		c := w.start(enter(waiter))
		time.Sleep(after)
		link.Swallow()
		hung = first(hung, c.ends())
		time.Sleep(5 * time.Second)
		link.Heal()
		if err := w.onlyKeys(20*time.Second, holder.key); err != nil {
			return fails(ghost, "cancelled after %v: %v", after, err)
		}
		if !c.within(20 * time.Second) {
			return fails(hangs, "cancelled after %v, for good", after)
		}
	}
	return hung
}
