// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	v3 "go.etcd.io/etcd/client/v3"
)

var guarantee9 = &guarantee{9, "Names are apart", []guaranteeCase{
	apart("a", "ab", passes),
	apart("a", "a/b", mixes),
	apart("a/b", "a/b/", mixes),
	apart("a", "a/b/", mixes),
	apart("", "/a", mixes),
	apart("", "a", passes),
	apart("ä", "ä世", passes),
	apart("世界", "世界/\xff\xfe", mixes),
	{
		says: "Names may hold any bytes", on: onBoth,
		run: func(w *world) error {
			for _, name := range []string{w.name, w.name + " ", w.name + "ä世界", w.name + "\xff\xfe", w.name + "\x00", w.name + "/"} {
				a, b := w.rival("a"), w.rival("b")
				first, next := w.pkg.election(a.session, name), w.pkg.election(b.session, name)
				if err := first.Campaign(w.ctx(), "first"); err != nil {
					return fails(givesUp, "%q: %v", name, err)
				}
				c := w.start(func(ctx context.Context) error { return next.Campaign(ctx, "next") })
				w.eventually(func() bool { return len(w.keys(candidateKeyOf(name, b.session.Lease()))) == 1 }, "queued")
				if first.Key() != candidateKeyOf(name, a.session.Lease()) {
					return fails(lies, "Key %q", first.Key())
				}
				if err := first.Resign(w.ctx()); err != nil {
					return fails(givesUp, "%q: %v", name, err)
				}
				if err := c.wins(3 * time.Second); err != nil {
					return err
				}
				if err := next.Resign(w.ctx()); err != nil {
					return fails(givesUp, "%q: %v", name, err)
				}
			}
			return nil
		},
		ours: "they are bytes to etcd, and here",
	},
	strayCase("A stray key without a lease does not keep a candidate out", "config", false, mixes),
	strayCase("A stray key in the form of a candidate's, without a lease, does not keep a candidate out", "7a59", false, mixes),
	strayCase("A stray key in the form of a candidate's, on another lease, does not keep a candidate out", "7a59", true, mixes),
	{
		says: "A stray key does not keep a lock from anybody", on: onBoth,
		run: func(w *world) error {
			w.putStrays()
			return w.start(w.rival("holder").mutex.Lock).winsApart()
		},
		original: mixes, does: "Lock waits for the stray key to go", ours: "Lock returns nil",
	},
	{
		says: "A stray key does not refuse a TryLock", on: onBoth,
		run: func(w *world) error {
			w.putStrays()
			if err := w.rival("holder").mutex.TryLock(w.ctx()); err != nil {
				return fails(mixes, "%v", err)
			}
			return nil
		},
		original: mixes, does: "`ErrLocked`", ours: "TryLock returns nil",
	},
	{
		says: "A stray key is no leader", on: onBoth,
		run: func(w *world) error {
			w.putStrays()
			r := w.rival("reader")
			if resp, err := r.election.Leader(w.ctx()); err == nil {
				return fails(mixes, "the leader is %s", resp.Kvs[0].Key)
			}
			return nil
		},
		original: mixes, does: "Leader returns it", ours: "`ErrElectionNoLeader`",
	},
	{
		says: "A stray key is not observed", on: onBoth,
		run: func(w *world) error {
			r := w.rival("leader")
			seen := r.election.Observe(w.ctx())
			w.settle()
			w.putStrays()
			c := w.start(campaigning(r))
			resp := <-seen
			if string(resp.Kvs[0].Key) != r.key {
				return fails(mixes, "observed %s", resp.Kvs[0].Key)
			}
			return c.wins(3 * time.Second)
		},
		original: mixes, does: "the first key under the name is told as the leader", ours: "only candidates are told",
	},
	{
		says: "Those behind a stray key succeed in their order", on: onBoth,
		run: func(w *world) error {
			leader, next := w.rival("leader"), w.rival("next")
			w.lead(leader)
			w.putStrays()
			c := w.campaign(next)
			w.resign(leader)
			return c.winsApart()
		},
		original: mixes, does: "waits for the stray key to go", ours: "Campaign returns nil",
	},
	{
		says: "A resumed election reads the leader under its own name only", on: onBoth,
		run: func(w *world) error {
			other, r := w.rival("other"), w.rival("reader")
			if err := w.pkg.election(other.session, w.name+"2").Campaign(w.ctx(), "of another election"); err != nil {
				return err
			}
			w.lead(r)
			resp, err := w.pkg.resume(r.session, w.name, r.election.Key(), r.election.Rev()).Leader(w.ctx())
			if err != nil || value(resp) != "reader" {
				return fails(mixes, "%v, %v", resp, err)
			}
			return nil
		},
		original: mixes, does: "Leader returns that of an election whose name only begins alike", ours: "Leader returns its own",
	},
	{
		says: "A resumed election campaigns under its own name only", on: onBoth,
		run: func(w *world) error {
			r := w.rival("leader")
			w.lead(r)
			e := w.pkg.resume(r.session, w.name, r.election.Key(), r.election.Rev())
			if err := e.Resign(w.ctx()); err != nil {
				return fails(givesUp, "%v", err)
			}
			if err := e.Campaign(w.ctx(), "again"); err != nil {
				return fails(givesUp, "%v", err)
			}
			if e.Key() != r.key {
				return fails(mixes, "with key %s instead of %s", e.Key(), r.key)
			}
			return nil
		},
		original: mixes, does: "the slash is missing from its key, which no other candidate sees: two lead", ours: "with the same key as before",
	},
	{
		says: "A resumed election that is given its name with the slash is the same election", on: onBoth,
		run: func(w *world) error {
			r := w.rival("leader")
			w.lead(r)
			e := w.pkg.resume(r.session, w.name+"/", r.election.Key(), r.election.Rev())
			if err := e.Resign(w.ctx()); err != nil {
				return fails(givesUp, "%v", err)
			}
			if err := e.Campaign(w.ctx(), "again"); err != nil || e.Key() != r.key {
				return fails(mixes, "with key %s instead of %s: %v", e.Key(), r.key, err)
			}
			return nil
		},
		ours: "as users of the original have learned to write it",
	},
	{
		says: "Resigning from one name leaves the others of the session alone", on: onBoth,
		run: func(w *world) error {
			r := w.rival("leader")
			nested := w.pkg.election(r.session, w.name+"/b")
			w.lead(r)
			if err := nested.Campaign(w.ctx(), "b"); err != nil {
				return fails(givesUp, "%v", err)
			}
			w.resign(r)
			return w.onlyKeys(0, nested.Key())
		},
		ours: "each key is its own candidacy",
	},
}}

// apart is the case of two elections whose names begin alike.
func apart(outer, inner string, original kind) guaranteeCase {
	c := guaranteeCase{
		says: fmt.Sprintf("Elections %q and %q both have a leader", outer, inner), on: onBoth,
		run: func(w *world) error {
			prefix := strings.ReplaceAll(w.name, "/", "-")
			if w.etcd != nil {
				prefix = "" // nobody else is there
			}
			if w.clus != nil && outer == "" {
				// The empty name cannot be used by two at a time.
				prefix = ""
			}
			a, b := w.rival("a"), w.rival("b")
			out, in := w.pkg.election(a.session, prefix+outer), w.pkg.election(b.session, prefix+inner)
			if err := in.Campaign(w.ctx(), inner); err != nil {
				return fails(givesUp, "%v", err)
			}
			call := w.start(func(ctx context.Context) error { return out.Campaign(ctx, outer) })
			if err := call.winsApart(); err != nil {
				return err
			}
			resp, err := out.Leader(w.ctx())
			if err != nil || value(resp) != outer {
				return fails(mixes, "%v, %v", resp, err)
			}
			return errors.Join(out.Resign(w.ctx()), in.Resign(w.ctx()))
		},
		original: original, ours: "both lead",
	}
	if outer == "" {
		c.on = onMemory
	}
	if original != passes {
		c.does = fmt.Sprintf("a candidate of %q waits for the leader of %q", outer, inner)
	}
	return c
}

// strayCase is a candidate that meets a key that is nobody's candidacy.
func strayCase(says, key string, leased bool, original kind) guaranteeCase {
	return guaranteeCase{
		says: says, on: onBoth,
		run: func(w *world) error {
			var opts []v3.OpOption
			if leased {
				opts = append(opts, v3.WithLease(w.rival("other").session.Lease()))
			}
			put(w.t, w.op, w.name+"/"+key, "stray", opts...)
			return w.start(campaigning(w.rival("candidate"))).winsApart()
		},
		original: original, does: "Campaign waits for the stray key to go", ours: "Campaign returns nil",
	}
}

// putStrays writes a stray key of each sort.
func (w *world) putStrays() {
	w.t.Helper()
	other := w.rival("other")
	put(w.t, w.op, w.name+"/config", "no lease in its name")
	put(w.t, w.op, w.name+"/7a59", "no lease")
	put(w.t, w.op, w.name+"/7a5a", "another lease", v3.WithLease(other.session.Lease()))
	put(w.t, w.op, fmt.Sprintf("%s/0%x", w.name, other.session.Lease()), "not as candidates write it", v3.WithLease(other.session.Lease()))
	put(w.t, w.op, w.name+"/b/7a5b", "of another election")
}

// winsApart judges that a call for which nothing but others' keys is in the way wins.
func (c *call) winsApart() error {
	if err := c.wins(time.Second); err != nil {
		return fails(mixes, "%v", err)
	}
	return nil
}
