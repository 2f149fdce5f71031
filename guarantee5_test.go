// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	v3 "go.etcd.io/etcd/client/v3"
)

var guarantee5 = &guarantee{5, "Nothing hangs", append(stoppedCases(), []guaranteeCase{
	{
		says: "With all members stopped, every call of a fleet returns within a second of its context's end", on: onCluster, own: true,
		run: func(w *world) error {
			var calls []*call
			var names []string
			stop := w.stoppedCalls(&names, &calls)
			stop()
			return endAll(names, calls)
		},
		original: hangs, does: "Campaign and Lock do not return while they wait", ours: "all return",
	},
	{
		says: "With all members silent, every call of a fleet returns within a second of its context's end", on: onMemory, members: 3,
		run: func(w *world) error {
			var calls []*call
			var names []string
			w.stopped = func() {
				for i := range w.members() {
					w.etcd.Member(i).Pause()
				}
			}
			stop := w.stoppedCalls(&names, &calls)
			stop()
			return endAll(names, calls)
		},
		original: hangs, does: "Campaign and Lock do not return while they wait", ours: "all return",
	},
	{
		says: "With all members stopped, Close returns when the lease must have ended", on: onMemory,
		run: func(w *world) error {
			r := w.rivalTTL("leader", 10)
			time.Sleep(4 * time.Second)
			expires := w.etcd.Leases()[0].Expires
			w.stopMembers()
			time.Sleep(3 * time.Second)
			c := w.start(func(context.Context) error { return r.session.Close() })
			if !c.within(time.Until(expires) + 500*time.Millisecond) {
				return fails(hangs, "for longer than what is left of the lease")
			}
			return nil
		},
		original: hangs, does: "tries for a whole TTL, counted from the call", ours: "tries for what is left of the lease",
	},
	{
		says: "A waiter whose watch is on a member cut off from its peers, with the rest on a healthy one, wins within its TTL", on: onBoth, members: 3, own: true,
		run: func(w *world) error {
			const ttl = 3
			cutOff, healthy := 2, []int{0, 1}
			if w.clus != nil {
				if l := w.clus.WaitLeader(w.t); l == cutOff {
					cutOff, healthy = 0, []int{1, 2}
				}
			}
			leader := w.rivalWith(w.pkg, "leader", w.client("leader", healthy...), 60)
			w.lead(leader)
			client := w.client("waiter", healthy...)
			client.Watcher = w.client("waiter", cutOff).Watcher
			c := w.start(campaigning(w.rivalWith(w.pkg, "waiter", client, ttl)))
			op := w.client("operator", healthy...)
			w.eventually(func() bool { return len(keys(w.t, op, w.name+"/")) == 2 }, "waiting")
			w.settle()
			if w.etcd != nil {
				w.etcd.Member(cutOff).LoseLeader()
			} else {
				m := w.clus.Members[cutOff]
				m.InjectPartition(w.t, w.clus.Members[healthy[0]], w.clus.Members[healthy[1]])
				defer m.RecoverPartition(w.t, w.clus.Members[healthy[0]], w.clus.Members[healthy[1]])
			}
			w.settle()
			w.resign(leader)
			return c.wins(ttl * time.Second)
		},
		original: hangs, does: "waits until the member is back", ours: "watches require a leader, and reads go on beside them",
	},
	{
		says: "A watch that is opened and never confirmed delays a victory by a TTL at the most", on: onMemory,
		run: func(w *world) error {
			w.etcd.Link("waiter").HoldWatch()
			return silentWatch(w, w.rivalTTL("waiter", 6), 6*time.Second, func() {})
		},
		original: hangs, does: "waits for good", ours: "reads beside it",
	},
	{
		says: "A watch that is confirmed and then goes quiet delays a victory by a TTL at the most", on: onMemory,
		run: func(w *world) error {
			return silentWatch(w, w.rivalTTL("waiter", 6), 6*time.Second, func() { w.etcd.Link("waiter").SilenceWatch() })
		},
		original: hangs, does: "waits for good", ours: "reads once in a third of a TTL",
	},
	{
		says: "A Watcher that brings nothing delays a victory by a TTL at the most", on: onBoth,
		run: func(w *world) error {
			client := w.client("waiter")
			client.Watcher = deafWatcher{client.Watcher}
			return silentWatch(w, w.rivalWith(w.pkg, "waiter", client, 2), 2*time.Second, func() {})
		},
		original: hangs, does: "waits for good", ours: "reads once in a third of a TTL",
	},
	{
		says: "A waiter whose lease is revoked while the leader stays returns within 3 s", on: onBoth,
		run: func(w *world) error {
			leader, waiter := w.rival("leader"), w.rival("waiter")
			w.lead(leader)
			c := w.campaign(waiter)
			w.revoke(waiter)
			return c.loses(3 * time.Second)
		},
		original: hangs, does: "waits for the leader", ours: "Campaign returns `ErrKeyDeleted` at once",
	},
	{
		says: "A Lock whose lease is revoked while the holder stays returns within 3 s", on: onBoth,
		run: func(w *world) error {
			holder, waiter := w.rival("holder"), w.rival("waiter")
			w.lock(holder)
			c := w.locking(waiter)
			w.revoke(waiter)
			return c.loses(3 * time.Second)
		},
		original: hangs, does: "waits for the holder", ours: "Lock returns `ErrSessionExpired` at once",
	},
	{
		says: "A waiter whose key an operator deletes while the leader stays returns within 3 s", on: onBoth,
		run: func(w *world) error {
			leader, waiter := w.rival("leader"), w.rival("waiter")
			w.lead(leader)
			c := w.campaign(waiter)
			w.remove(waiter)
			return c.loses(3 * time.Second)
		},
		original: hangs, does: "waits for the leader", ours: "Campaign returns `ErrKeyDeleted` at once",
	},
	{
		says: "A waiter that is cut off for good returns when its lease is over", on: onMemory,
		run: func(w *world) error {
			leader, waiter := w.rival("leader"), w.rivalTTL("waiter", 5)
			w.lead(leader)
			c := w.campaign(waiter)
			w.etcd.Link("waiter").Swallow()
			return c.loses(6 * time.Second)
		},
		original: hangs, does: "waits for an answer", ours: "Campaign returns `ErrSessionExpired`",
	},
	{
		says: "A waiter whose session is closed returns within a second", on: onBoth,
		run: func(w *world) error {
			leader, waiter := w.rival("leader"), w.rival("waiter")
			w.lead(leader)
			c := w.campaign(waiter)
			if err := waiter.session.Close(); err != nil {
				return fails(givesUp, "%v", err)
			}
			return c.loses(time.Second)
		},
		original: hangs, does: "waits for the leader, without a key", ours: "Campaign returns `ErrSessionClosed`",
	},
	{
		says: "A candidate and an observer go on over a compaction and a restart", on: onBoth, own: true,
		run: func(w *world) error {
			leader, waiter, observer := w.rival("leader"), w.rivalTTL("waiter", 5), w.rival("observer")
			w.lead(leader)
			seen := observer.election.Observe(w.ctx())
			if resp, ok := <-seen; !ok || value(resp) != "leader" {
				return fails(misses, "%v", resp)
			}
			c := w.campaign(waiter)
			var rev int64
			for i := range 10 {
				resp, err := w.op.Put(w.ctx(), "other", fmt.Sprint(i))
				if err != nil {
					return err
				}
				rev = resp.Header.Revision
			}
			if _, err := w.op.Compact(w.ctx(), rev, v3.WithCompactPhysical()); err != nil {
				return err
			}
			w.stopMembers()
			w.settle()
			w.restartMembers()
			w.eventually(func() bool {
				err := leader.election.Resign(w.ctx())
				return err == nil && !slices.Contains(w.keys(w.name+"/"), leader.key)
			}, "resigned")
			if err := c.wins(10 * time.Second); err != nil {
				return err
			}
			select {
			case resp, ok := <-seen:
				if !ok {
					return fails(givesUp, "the observer's channel is closed")
				}
				if value(resp) != "waiter" {
					return fails(misses, "observed %q", value(resp))
				}
			case <-time.After(10 * time.Second):
				return fails(hangs, "the observer")
			}
			return nil
		},
		original: givesUp, does: "Campaign returns `required revision has been compacted`, and leaves its key; the observer's channel closes", ours: "both go on",
	},
}...)}

// endAll ends the contexts of all calls at once.
func endAll(names []string, calls []*call) error {
	time.Sleep(300 * time.Millisecond)
	for _, c := range calls {
		c.cancel()
	}
	var hanging []string
	for i, c := range calls {
		if !c.within(time.Second) {
			hanging = append(hanging, names[i])
		}
	}
	if len(hanging) > 0 {
		return fails(hangs, "%s", strings.Join(hanging, ", "))
	}
	return nil
}

// silentWatch has a waiter, whose watches are silent or become so, follow a leader
// that resigns.
func silentWatch(w *world, waiter *rival, ttl time.Duration, silence func()) error {
	leader := w.rival("leader")
	w.lead(leader)
	c := w.campaign(waiter)
	silence()
	w.resign(leader)
	return c.wins(ttl)
}

// A deafWatcher opens watches that never bring anything.
type deafWatcher struct{ v3.Watcher }

func (deafWatcher) Watch(ctx context.Context, _ string, _ ...v3.OpOption) v3.WatchChan {
	c := make(chan v3.WatchResponse)
	context.AfterFunc(ctx, func() { close(c) })
	return c
}

// stoppedCalls begins the calls that block, each by a rival of its own, such
// that all are under way, or begin, when stop has stopped all members.
func (w *world) stoppedCalls(names *[]string, calls *[]*call) (stop func()) {
	leader, waiter, locker := w.rival("leader"), w.rival("waiter"), w.rival("locker")
	w.lead(leader)
	add := func(name string, c *call) { *names, *calls = append(*names, name), append(*calls, c) }
	add("a waiting Campaign", w.campaign(waiter))
	add("a waiting Lock", w.locking(locker))
	observed := w.start(func(ctx context.Context) error {
		for range leader.election.Observe(ctx) {
		}
		return ctx.Err()
	})
	add("Observe", observed)
	fresh := map[string]*rival{}
	for _, name := range []string{"Campaign", "Lock", "TryLock", "Proclaim", "Resign", "Unlock", "Leader"} {
		fresh[name] = w.rivalWith(w.pkg, name, w.client(name), 60)
	}
	for _, name := range []string{"Proclaim", "Resign", "Unlock"} {
		r := fresh[name]
		r.election, r.mutex = w.pkg.election(r.session, w.name+"-"+name), w.pkg.mutex(r.session, w.name+"-"+name)
		if name == "Unlock" {
			w.lock(r)
		} else {
			w.lead(r)
		}
	}
	begin := map[string]func(context.Context, *rival) error{
		"Campaign": func(ctx context.Context, r *rival) error { return r.election.Campaign(ctx, "v") },
		"Lock":     func(ctx context.Context, r *rival) error { return r.mutex.Lock(ctx) },
		"TryLock":  func(ctx context.Context, r *rival) error { return r.mutex.TryLock(ctx) },
		"Proclaim": func(ctx context.Context, r *rival) error { return r.election.Proclaim(ctx, "v") },
		"Resign":   func(ctx context.Context, r *rival) error { return r.election.Resign(ctx) },
		"Unlock":   func(ctx context.Context, r *rival) error { return r.mutex.Unlock(ctx) },
		"Leader":   func(ctx context.Context, r *rival) error { _, err := r.election.Leader(ctx); return err },
	}
	sessionClient := w.client("NewSession")
	return func() {
		if w.stopped != nil {
			w.stopped()
		} else {
			w.stopMembers()
		}
		for name, r := range fresh {
			add(name, w.start(func(ctx context.Context) error { return begin[name](ctx, r) }))
		}
		add("NewSession", w.start(func(ctx context.Context) error {
			_, err := w.pkg.session(ctx, sessionClient, 60)
			return err
		}))
	}
}

// stoppedCases are the calls that block, one by one.
func stoppedCases() []guaranteeCase {
	var cases []guaranteeCase
	for _, name := range []string{
		"a waiting Campaign", "a waiting Lock", "Observe", "Campaign", "Lock", "TryLock", "Proclaim", "Resign", "Unlock", "Leader", "NewSession",
	} {
		c := guaranteeCase{
			says: fmt.Sprintf("With all members stopped, %s returns within a second of its context's end", name),
			on:   onMemory, members: 3,
			run: func(w *world) error {
				var names []string
				var calls []*call
				stop := w.stoppedCalls(&names, &calls)
				stop()
				time.Sleep(3 * time.Second)
				c := calls[slices.Index(names, name)]
				if err := c.ends(); err != nil {
					return err
				}
				if c.err == nil {
					return fails(falseVictory, "returned nil")
				}
				return nil
			},
			ours: "returns the context's error",
		}
		if strings.HasPrefix(name, "a waiting") {
			c.original, c.does = hangs, "tries to delete its key for as long as the client lives"
		}
		cases = append(cases, c)
	}
	return cases
}
