// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	v3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/etcdtest"
)

var guarantee7 = &guarantee{7, "Observers see it all", []guaranteeCase{
	{
		says: "Of 500 handovers and proclamations by several candidates, none is missed, told twice, or told out of order", on: onBoth, members: 3,
		run:      func(w *world) error { return observeTurns(w, w.turns(500), w.slowObserver(), nil) },
		original: misses, does: "asks who leads at each handover, and does not see what happened until it has the answer", ours: "all of them, as the history in etcd has them",
	},
	{
		says: "A broken watch hides nothing from an observer", on: onMemory,
		run: func(w *world) error {
			return observeTurns(w, 100, w.client("observer"), func(i int) {
				if i%10 == 5 {
					w.etcd.Link("observer").CutWatch()
				}
			})
		},
		original: misses, does: "its channel closes", ours: "goes on where it was",
	},
	{
		says: "A lost connection hides nothing from an observer", on: onMemory, members: 3,
		run: func(w *world) error {
			return observeTurns(w, 100, w.client("observer"), func(i int) {
				switch i % 20 {
				case 5:
					w.etcd.Link("observer").Break()
				case 10:
					w.etcd.Link("observer").Cut()
				case 15:
					w.etcd.Link("observer").Heal()
				}
			})
		},
		original: misses, does: "misses what happens between a handover and its next question", ours: "goes on where it was",
	},
	{
		says: "A member of three that falls silent hides nothing from an observer for longer than about a TTL", on: onMemory, members: 3,
		run: func(w *world) error {
			leader, observer := w.rival("leader"), w.rivalTTL("observer", 6)
			w.lead(leader)
			seen := observer.election.Observe(w.ctx())
			<-seen
			w.settle()
			for _, watch := range w.etcd.Watches() {
				if isObservers(watch) {
					w.etcd.Link("observer", watch.Member).Swallow()
				}
			}
			if err := leader.election.Proclaim(w.ctx(), "news"); err != nil {
				return err
			}
			select {
			case resp, ok := <-seen:
				if !ok || value(resp) != "news" {
					return fails(misses, "%v", resp)
				}
				return nil
			case <-time.After(10 * time.Second):
				return fails(hangs, "not told")
			}
		},
		original: hangs, does: "waits for that member", ours: "asks for a sign of progress, and watches anew by way of another member",
	},
	{
		says: "An observer goes on when what it missed was compacted away", on: onMemory,
		run: func(w *world) error {
			leader, observer := w.rival("leader"), w.rival("observer")
			w.lead(leader)
			seen := observer.election.Observe(w.ctx())
			<-seen
			w.settle()
			w.etcd.Link("observer").Cut()
			for i := range 10 {
				if err := leader.election.Proclaim(w.ctx(), fmt.Sprint(i)); err != nil {
					return err
				}
			}
			if err := w.etcd.Compact(0); err != nil {
				return err
			}
			w.etcd.Link("observer").Heal()
			for _, want := range []string{"9", "after"} {
				select {
				case resp, ok := <-seen:
					if !ok {
						return fails(givesUp, "the channel is closed")
					}
					if value(resp) != want {
						return fails(misses, "%q instead of %q", value(resp), want)
					}
				case <-time.After(time.Minute):
					return fails(hangs, "waiting for %q", want)
				}
				if err := leader.election.Proclaim(w.ctx(), "after"); err != nil {
					return err
				}
			}
			return nil
		},
		original: givesUp, does: "its channel closes, without a reason", ours: "goes on from the oldest revision that etcd still has",
	},
	{
		says: "A member's restart hides nothing from an observer", on: onBoth, members: 3, own: true,
		run: func(w *world) error {
			return observeTurns(w, 60, w.client("observer", 0), func(i int) {
				if i != 20 && i != 40 {
					return
				}
				if w.etcd != nil {
					w.etcd.Member(0).Restart()
					return
				}
				crash(w.clus.Members[0])
				stopMember(w.t, w.clus, 0)
				if err := w.clus.Members[0].Restart(quiet{w.t}); err != nil {
					w.t.Error(err)
				}
			}, 1, 2)
		},
		original: misses, does: "its channel closes when a question meets the restart, and else misses what happened meanwhile", ours: "goes on where it was",
	},
	{
		says: "A request that is lost does not end an observer", on: onBoth,
		run: func(w *world) error {
			leader := w.rival("leader")
			w.lead(leader)
			client := w.client("observer")
			observer := w.rivalWith(w.pkg, "observer", client, 60)
			tapInto(client).interceptNext(func(func() error) error { return errLost })
			select {
			case resp, ok := <-observer.election.Observe(w.ctx()):
				if !ok {
					return fails(givesUp, "the channel is closed")
				}
				if value(resp) != "leader" {
					return fails(misses, "%v", resp)
				}
				return nil
			case <-time.After(time.Minute):
				return fails(hangs, "nothing observed")
			}
		},
		original: givesUp, does: "its channel closes, without a reason", ours: "asks again",
	},
	{
		says: "Vacancies are told", on: onBoth,
		run: func(w *world) error {
			leader, observer := w.rival("leader"), w.rival("observer")
			w.lead(leader)
			seen := w.follow(observer)
			if v := receive(w.t, seen); v != "leader" {
				return fails(misses, "%q", v)
			}
			w.resign(leader)
			select {
			case v := <-seen:
				if v != "" {
					return fails(lies, "%q", v)
				}
			case <-time.After(2 * time.Second):
				return fails(untold, "nobody leads")
			}
			return nil
		},
		original: untold, does: "a vacancy looks like a leader that stays", ours: "`Leaders` brings the zero Candidate",
	},
	{
		says: "A reader 5,000 updates behind reaches the newest within 1,000 reads, and no more is kept for it than that", on: onMemory,
		run:      slowReader,
		original: falls, does: "everything is kept, without a bound, and has to be read", ours: "512 updates at the most are kept; then it skips ahead",
	},
	{
		says: "200 observers leak nothing when they are cancelled", on: onBoth, alone: true,
		run: func(w *world) error {
			leader, observer := w.rival("leader"), w.rival("observer")
			w.lead(leader)
			w.settle()
			before := runtime.NumGoroutine()
			var all sync.WaitGroup
			seen := make(chan struct{}, 200)
			c := w.start(func(ctx context.Context) error {
				for range 200 {
					all.Go(func() {
						for range observer.election.Observe(ctx) {
							seen <- struct{}{}
						}
					})
				}
				all.Wait()
				return ctx.Err()
			})
			for range 200 {
				<-seen
			}
			w.settle() // a watch that is cancelled while it opens is the client's affair
			if err := c.ends(); err != nil {
				return err
			}
			if !w.becomes(10*time.Second, func() bool { return runtime.NumGoroutine() <= before+20 }) {
				return fails(ghost, "%d goroutines, %d before", runtime.NumGoroutine(), before)
			}
			if w.etcd != nil && !w.becomes(5*time.Second, func() bool { return !slices.ContainsFunc(w.etcd.Watches(), isObservers) }) {
				return fails(ghost, "%v", w.etcd.Watches())
			}
			return nil
		},
		ours: "no goroutine and no watch stays",
	},
}}

func isObservers(watch etcdtest.Watch) bool { return watch.Participant == "observer" }

// slowObserver returns the client of an observer whose answers take 20 ms.
func (w *world) slowObserver() *v3.Client {
	if w.etcd != nil {
		w.etcd.Link("observer").DelayReplies(20*time.Millisecond, 0)
		return w.client("observer")
	}
	wire := newWire(w.t, w.clus.Members[0])
	wire.delay.Store(int64(20 * time.Millisecond))
	return dial(w.t, []string{wire.endpoint()})
}

// follow brings the values of leaders, and "" for vacancies where the package
// tells them.
func (w *world) follow(r *rival) <-chan string {
	values := make(chan string, 100)
	ctx := w.ctx()
	go func() {
		if e, ok := r.election.(*concurrency.Election); ok {
			for c, err := range e.Leaders(ctx) {
				if err == nil {
					values <- c.Value
				}
			}
			return
		}
		for resp := range r.election.Observe(ctx) {
			values <- value(resp)
		}
	}()
	return values
}

// observeTurns compares what an observer sees of turns handovers and
// proclamations with the history in etcd. The candidates know only some members,
// if any are given. Between the turns, fault is called.
func observeTurns(w *world, turns int, client *v3.Client, fault func(int), members ...int) error {
	var rivals []*rival
	for i := range 5 {
		who := fmt.Sprint("r", i)
		rivals = append(rivals, w.rivalWith(this, who, w.client(who, members...), 60))
	}
	leader, next := rivals[0], 1
	w.lead(leader)
	observer := w.rivalWith(w.pkg, "observer", client, 60)
	var mu sync.Mutex
	var seen []string
	var closed atomic.Bool
	ctx := w.ctx()
	began := make(chan struct{})
	go func() {
		for resp := range observer.election.Observe(ctx) {
			mu.Lock()
			if len(seen) == 0 {
				close(began)
			}
			seen = append(seen, fmt.Sprintf("%s=%s@%d", resp.Kvs[0].Key, resp.Kvs[0].Value, resp.Kvs[0].ModRevision))
			mu.Unlock()
		}
		closed.Store(true)
	}()
	<-began
	for i := range turns {
		if fault != nil {
			fault(i)
		}
		if i%3 != 0 {
			if err := leader.election.Proclaim(ctx, fmt.Sprint(leader.who, " ", i)); err != nil {
				return err
			}
			continue
		}
		r := rivals[next%len(rivals)]
		next++
		c := w.start(campaigning(r))
		w.eventually(func() bool { return slices.Contains(w.keys(w.name+"/"), r.key) }, "queued")
		w.resign(leader)
		if err := c.wins(10 * time.Second); err != nil {
			return err
		}
		leader = r
	}
	if err := leader.election.Proclaim(ctx, "last"); err != nil {
		return err
	}
	want := w.history()
	got := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
	arrived := w.becomes(15*time.Second, func() bool {
		g := got()
		return closed.Load() || len(g) > 0 && g[len(g)-1] == want[len(want)-1]
	})
	g := got()
	if !slices.Equal(g, want) {
		return fails(misses, "saw %d of %d, to the end: %v, closed: %v", len(g), len(want), arrived, closed.Load())
	}
	return nil
}

// history returns every leader and value that there was, from a watch from the
// beginning on.
func (w *world) history() []string {
	w.t.Helper()
	end := w.revision()
	table := make(map[string]*mvccpb.KeyValue)
	var told []string
	var last *mvccpb.KeyValue
	for resp := range w.op.Watch(w.ctx(), w.name+"/", v3.WithPrefix(), v3.WithRev(1), v3.WithProgressNotify()) {
		if resp.Err() != nil {
			w.t.Fatal(resp.Err())
		}
		for _, ev := range resp.Events {
			if ev.Type == mvccpb.Event_PUT {
				table[string(ev.Kv.Key)] = ev.Kv
			} else {
				delete(table, string(ev.Kv.Key))
			}
			var leader *mvccpb.KeyValue
			for _, kv := range table {
				if leader == nil || kv.CreateRevision < leader.CreateRevision {
					leader = kv
				}
			}
			if leader != nil && (last == nil || leader.ModRevision != last.ModRevision) {
				told = append(told, fmt.Sprintf("%s=%s@%d", leader.Key, leader.Value, leader.ModRevision))
				last = leader
			}
		}
		if n := len(resp.Events); last != nil && strings.HasSuffix(told[len(told)-1], fmt.Sprintf("=last@%d", last.ModRevision)) || n > 0 && resp.Events[n-1].Kv.ModRevision >= end {
			break
		}
	}
	return told
}

// slowReader judges how an observer that is not read does with 5,000 values of
// 4 KiB.
func slowReader(w *world) error {
	const updates, size, enough = 5000, 4 << 10, 1000
	leader, observer := w.rival("leader"), w.rival("observer")
	w.lead(leader)
	read := func(seen <-chan *v3.GetResponse) error {
		reads, rev := 0, int64(0)
		for resp := range seen {
			kv := resp.Kvs[0]
			if kv.ModRevision < rev {
				return fails(lies, "%d after %d", kv.ModRevision, rev)
			}
			if rev = kv.ModRevision; value(resp) == "newest" {
				return nil
			}
			if reads++; reads > enough {
				return fails(falls, "not there after %d reads", reads)
			}
		}
		return fails(givesUp, "closed after %d reads", reads)
	}

	started := w.start(func(ctx context.Context) error {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		seen := observer.election.Observe(ctx)
		<-seen
		w.settle()
		for i := range updates {
			put(w.t, leader.client, leader.key, strings.Repeat(string(rune('a'+i%26)), size), v3.WithIgnoreLease())
		}
		put(w.t, leader.client, leader.key, "newest", v3.WithIgnoreLease())
		w.settle()
		full := heap()
		err := read(seen)
		stop()
		w.settle()
		held := full - heap()
		w.t.Logf("%d KiB were held for the reader", held>>10)
		if err == nil && held > enough*size*3/2 {
			return fails(falls, "%d bytes held", held)
		}
		return err
	})
	if !started.within(time.Hour) {
		return fails(hangs, "no end")
	}
	return started.err
}

// heap returns how much memory is in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
