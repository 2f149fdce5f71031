// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"slices"
	"time"
)

var guarantee3 = &guarantee{3, "No false victory", []guaranteeCase{
	{
		says: "A waiter whose lease is revoked does not win when the leader resigns", on: onBoth,
		run: func(w *world) error {
			leader, waiter := w.rival("leader"), w.rival("waiter")
			w.lead(leader)
			c := w.campaign(waiter)
			w.revoke(waiter)
			w.resign(leader)
			return c.loses(3 * time.Second)
		},
		original: falseVictory, does: "Campaign returns nil; there is no key", ours: "Campaign returns `ErrKeyDeleted`",
	},
	{
		says: "A Lock whose lease is revoked does not win when the holder unlocks", on: onBoth,
		run: func(w *world) error {
			holder, waiter := w.rival("holder"), w.rival("waiter")
			w.lock(holder)
			c := w.locking(waiter)
			w.revoke(waiter)
			if err := holder.mutex.Unlock(w.ctx()); err != nil {
				return fails(givesUp, "%v", err)
			}
			return c.loses(3 * time.Second)
		},
		ours: "Lock returns `ErrSessionExpired`",
	},
	{
		says: "A waiter whose key an operator deletes does not win when the leader resigns", on: onBoth,
		run: func(w *world) error {
			leader, waiter := w.rival("leader"), w.rival("waiter")
			w.lead(leader)
			c := w.campaign(waiter)
			w.remove(waiter)
			w.resign(leader)
			return c.loses(3 * time.Second)
		},
		original: falseVictory, does: "Campaign returns nil; there is no key", ours: "Campaign returns `ErrKeyDeleted`",
	},
	{
		says: "A waiter whose key is deleted, and put back by another Campaign of the session, does not win in its old place", on: onBoth,
		run: func(w *world) error {
			leader, waiter, third := w.rival("leader"), w.rival("waiter"), w.rival("third")
			w.lead(leader)
			before := w.campaign(waiter)
			thirdWon := w.campaign(third)
			w.remove(waiter)
			after := w.campaign(w.sibling(waiter))
			w.resign(leader)
			if err := thirdWon.wins(3 * time.Second); err != nil {
				return err
			}
			if before.within(time.Second) && before.err == nil || w.closesBefore(after.done, 0) && after.err == nil {
				return fails(falseVictory, "returned nil while the third leads")
			}
			w.resign(third)
			return first(after.wins(3*time.Second), before.loses(0))
		},
		original: falseVictory, does: "the first Campaign returns nil while another session leads", ours: "the first Campaign returns `ErrKeyDeleted`, the second one wins in its turn",
	},
	{
		// In memory only: the original's Resign and Campaign share fields.
		says: "Resign from another goroutine ends a Campaign that waits", on: onMemory,
		run: func(w *world) error {
			leader, waiter := w.rival("leader"), w.rival("waiter")
			w.lead(leader)
			c := w.campaign(waiter)
			w.resign(waiter)
			returned := c.within(time.Second)
			w.resign(leader)
			if err := c.loses(3 * time.Second); err != nil || returned {
				return err
			}
			return fails(hangs, "the Campaign goes on waiting after Resign")
		},
		original: falseVictory, does: "Campaign waits on without a key, and returns nil when the leader resigns", ours: "Campaign returns `ErrResigned`",
	},
	{
		says: "Of two Elections of a session and name, cancelling one leaves the other its key", on: onBoth,
		run: func(w *world) error {
			leader, a := w.rival("leader"), w.rival("waiter")
			b := w.sibling(a)
			b.who = "sibling"
			w.lead(leader)
			stays, leaves := w.campaign(a), w.campaign(b)
			leaves.cancel()
			if err := leaves.loses(time.Second); err != nil {
				return err
			}
			stood := slices.Contains(w.keys(w.name+"/"), a.key)
			w.resign(leader)
			err := stays.wins(3 * time.Second)
			switch {
			case err == nil && !stood:
				return fails(falseVictory, "the key was deleted, and the other Election won without it")
			case !stood:
				return fails(harms, "the key was deleted")
			}
			return err
		},
		original: falseVictory, does: "deletes the key that the other waits with, which then wins without one", ours: "the key stays for as long as somebody waits with it",
	},
	{
		says: "A waiter that was cut off until its lease ended does not win when it is back", on: onMemory,
		run: func(w *world) error {
			leader, waiter := w.rival("leader"), w.rivalTTL("waiter", 5)
			w.lead(leader)
			c := w.campaign(waiter)
			w.etcd.Link("waiter").Swallow()
			time.Sleep(10 * time.Second)
			w.resign(leader)
			time.Sleep(10 * time.Second)
			w.etcd.Link("waiter").Heal()
			return c.loses(5 * time.Second)
		},
		original: falseVictory, does: "Campaign returns nil as soon as the watch is back", ours: "Campaign returned `ErrSessionExpired` when its lease ended",
	},
	{
		says: "A paused waiter does not win with a key that went while it was paused", on: onMemory,
		run: func(w *world) error {
			leader, waiter, third := w.rival("leader"), w.rivalTTL("waiter", 5), w.rival("third")
			w.lead(leader)
			c := w.campaign(waiter)
			w.etcd.Pause("waiter")
			time.Sleep(10 * time.Second)
			thirdWon := w.campaign(third)
			w.resign(leader)
			if err := thirdWon.wins(time.Second); err != nil {
				return err
			}
			w.etcd.Resume("waiter")
			return c.loses(5 * time.Second)
		},
		original: falseVictory, does: "Campaign returns nil while another session leads", ours: "Campaign returns `ErrSessionExpired`",
	},
	{
		says: "A session whose lease is gone does not win", on: onBoth,
		run: func(w *world) error {
			r := w.rival("late")
			w.revoke(r)
			c := w.start(func(ctx context.Context) error { return r.election.Campaign(ctx, "late") })
			if err := c.loses(time.Second); err != nil {
				return err
			}
			return w.start(r.mutex.Lock).loses(time.Second)
		},
		ours: "Campaign and Lock return the server's error",
	},
	{
		says: "Campaigning again with another value proclaims it", on: onBoth,
		run: func(w *world) error {
			r := w.rival("leader")
			w.lead(r)
			rev := r.election.Rev()
			if err := r.election.Campaign(w.ctx(), "again"); err != nil {
				return fails(givesUp, "%v", err)
			}
			resp, err := r.election.Leader(w.ctx())
			if err != nil || value(resp) != "again" || resp.Kvs[0].CreateRevision != rev {
				return fails(lies, "leader %v, %v", resp, err)
			}
			return nil
		},
		ours: "the key stays, the value is set",
	},
}}
