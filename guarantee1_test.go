// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	v3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

var guarantee1 = &guarantee{1, "One leader per revision", []guaranteeCase{
	{
		says: "Rev grows from each leader to the next", on: onBoth,
		run: func(w *world) error {
			last := int64(0)
			a, b := w.rival("a"), w.rival("b")
			w.lead(a)
			for range 10 {
				if rev := a.election.Rev(); rev <= last {
					return fails(lies, "%d after %d", rev, last)
				}
				last = a.election.Rev()
				c := w.start(campaigning(b))
				w.eventually(func() bool { return slices.Contains(w.keys(w.name+"/"), b.key) }, "in the queue")
				w.resign(a)
				if err := c.wins(3 * time.Second); err != nil {
					return err
				}
				a, b = b, a
			}
			return nil
		},
		ours: "it is the create revision of the key, and so a fencing token",
	},
	{
		says: "A transaction that a fence guards is refused when a paused leader's term is over", on: onMemory,
		run: func(w *world) error {
			leader, next := w.rivalTTL("leader", 5), w.rival("next")
			w.lead(leader)
			f := fence(leader)
			c := w.campaign(next)
			w.etcd.Pause("leader")
			write := w.start(func(ctx context.Context) error {
				resp, err := leader.client.Txn(ctx).If(f).Then(v3.OpPut("data", "late")).Commit()
				if err == nil && resp.Succeeded {
					return errApplied
				}
				return nil
			})
			if err := c.wins(8 * time.Second); err != nil {
				return err
			}
			w.etcd.Resume("leader")
			if !write.within(5 * time.Second) {
				return fails(hangs, "the write")
			}
			if errors.Is(write.err, errApplied) {
				return fails(unfenced, "applied after another had won")
			}
			return nil
		},
		ours: "`Term.Fence` (with the original, from Key and Rev by hand)",
	},
	{
		says: "A fence of a term that is over does not hold in the next term of the same session", on: onBoth,
		run: func(w *world) error {
			r := w.rival("leader")
			w.lead(r)
			before := fence(r)
			w.resign(r)
			w.lead(r)
			if w.holds(before) {
				return fails(unfenced, "of the earlier term")
			}
			if !w.holds(fence(r)) {
				return fails(lies, "the fence of the leader does not hold")
			}
			return nil
		},
		ours: "a fence is one term's",
	},
	{
		says: "IsOwner does not hold for a Mutex that waits", on: onMemory,
		run: func(w *world) error {
			holder, waiter := w.rival("holder"), w.rival("waiter")
			w.lock(holder)
			w.locking(waiter)
			if w.holds(waiter.mutex.IsOwner()) {
				return fails(unfenced, "holds while another has the lock")
			}
			return nil
		},
		original: unfenced, does: "it holds from the moment of queueing up", ours: "it holds only for the one who has the lock",
	},
	{
		says: "IsOwner does not hold for a Mutex that was never locked", on: onBoth,
		run: func(w *world) error {
			cmp := w.rival("idle").mutex.IsOwner()
			resp, err := w.op.Txn(w.ctx()).If(cmp).Commit()
			if err != nil {
				return fails(misleads, "%v", err)
			}
			if resp.Succeeded {
				return fails(unfenced, "holds")
			}
			return nil
		},
		original: misleads, does: "the server refuses the transaction: `key is not provided`", ours: "it never holds",
	},
	{
		says: "Of many that try at once, exactly one locks", on: onBoth,
		run: func(w *world) error {
			var all sync.WaitGroup
			var mu sync.Mutex
			won := 0
			for i := range 8 {
				r := w.rival(string(rune('a' + i)))
				all.Go(func() {
					if r.mutex.TryLock(w.ctx()) == nil {
						mu.Lock()
						defer mu.Unlock()
						won++
					}
				})
			}
			all.Wait()
			if won != 1 {
				return fails(admits, "%d won", won)
			}
			return nil
		},
		ours: "one locks, the others write nothing",
	},
	{
		says: "Of many that try to lead at once, exactly one does", on: onBoth,
		run: func(w *world) error {
			var all sync.WaitGroup
			var mu sync.Mutex
			won := 0
			for i := range 8 {
				r := w.rival(string(rune('a' + i)))
				all.Go(func() {
					if r.election.(*concurrency.Election).TryCampaign(w.ctx(), r.who) == nil {
						mu.Lock()
						defer mu.Unlock()
						won++
					}
				})
			}
			all.Wait()
			if won != 1 {
				return fails(admits, "%d won", won)
			}
			return nil
		},
		original: lacks, does: "there is no TryCampaign", ours: "`TryCampaign`: one leads, the others are told who does",
	},
}}

var errApplied = errors.New("applied")

// fence returns the comparison that holds while r leads.
func fence(r *rival) v3.Cmp {
	if e, ok := r.election.(*concurrency.Election); ok {
		return e.Term().Fence()
	}
	return v3.Compare(v3.CreateRevision(r.election.Key()), "=", r.election.Rev())
}

// holds reports whether a comparison holds now.
func (w *world) holds(cmp v3.Cmp) bool {
	w.t.Helper()
	resp, err := w.op.Txn(w.ctx()).If(cmp).Commit()
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.Succeeded
}
