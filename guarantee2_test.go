// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"go.etcd.io/etcd/api/v3/mvccpb"
	v3 "go.etcd.io/etcd/client/v3"
)

var guarantee2 = &guarantee{2, "Step down first", append(append(cutOffCases(), calmCases()...), []guaranteeCase{
	{
		says: "A leader on a real link that is cut off steps down before etcd gives its lease up, with answers 0, 300 and 800 ms late", on: onCluster,
		run:      cutOffOnWires,
		original: overlap, does: "before the first answer it trusts the lease for 5 s, whatever the TTL", ours: "Done closes first",
	},
	{
		says: "A slow answer does not extend the deadline beyond when its request was sent plus the TTL", on: onMemory,
		run: func(w *world) error {
			const ttl = 3
			r := w.rivalTTL("leader", ttl)
			w.lead(r)
			link := w.etcd.Link("leader")
			time.Sleep(500 * time.Millisecond) // the next renewal is after a second
			link.DelayReplies(1800*time.Millisecond, 0)
			renewals := w.etcd.Requests("leader")["LeaseKeepAlive"]
			w.eventually(func() bool { return w.etcd.Requests("leader")["LeaseKeepAlive"] > renewals }, "a renewal")
			link.SwallowRequests()
			return w.stepsDown(r, w.overAt(r), ttl, new(slack))
		},
		original: overlap, does: "counts from when the answer comes", ours: "counts from when the request was sent",
	},
	{
		says: "One silent member of three does not cost a session", on: onBoth, members: 3,
		run: func(w *world) error {
			if w.etcd != nil {
				return w.silentMember("leader", w.client("leader"), func(m int) { w.etcd.Link("leader", m).Swallow() }, func(m int) { w.etcd.Link("leader", m).Heal() })
			}
			var wires []*wire
			var endpoints []string
			for _, m := range w.clus.Members {
				wires = append(wires, newWire(w.t, m))
				endpoints = append(endpoints, wires[len(wires)-1].endpoint())
			}
			r := w.rivalWith(w.pkg, "leader", dial(w.t, endpoints), 3)
			// The wire that the renewals go over is the only one with traffic.
			busy := func() *wire {
				var before []int64
				for _, wire := range wires {
					before = append(before, wire.carried.Load())
				}
				time.Sleep(1200 * time.Millisecond)
				for i, wire := range wires {
					if wire.carried.Load() > before[i] {
						return wire
					}
				}
				return nil
			}
			time.Sleep(500 * time.Millisecond)
			var silent *wire
			w.eventually(func() bool { silent = busy(); return silent != nil }, "a renewal")
			silent.silent.Store(true)
			if w.closesBefore(r.session.Done(), 4*time.Second) {
				return fails(givesUp, "the session is over")
			}
			return nil
		},
		original: givesUp, does: "the one stream that all renewals are sent on is silent, and the session ends", ours: "the next renewals go to another member",
	},
	{
		says: "A leader is told within a second that an operator has deleted its key", on: onBoth,
		run: func(w *world) error {
			r := w.rival("leader")
			w.lead(r)
			over := w.over(r)
			w.settle()
			w.remove(r)
			if !w.closesWithin(over, time.Second) {
				return fails(untold, "still leading a second later")
			}
			return nil
		},
		original: untold, does: "nothing says so until the next Proclaim; Session.Done stays open", ours: "`Term.Done` closes",
	},
	{
		says: "A leader is told within a TTL that its lease was revoked", on: onBoth,
		run: func(w *world) error {
			r := w.rivalTTL("leader", 3)
			w.lead(r)
			over := w.over(r)
			w.revoke(r)
			if !w.closesWithin(over, 3*time.Second) {
				return fails(untold, "still leading")
			}
			return nil
		},
		ours: "`Term.Done` closes at once, `Session.Done` at the next renewal",
	},
	{
		says: "A client with a password does not authenticate again at each renewal", on: onCluster, own: true,
		run: func(w *world) error {
			ctx := w.ctx()
			for _, user := range []string{"root", "leader"} {
				_, err := w.op.UserAdd(ctx, user, "password")
				require.NoError(w.t, err)
				_, err = w.op.UserGrantRole(ctx, user, "root")
				require.NoError(w.t, err)
			}
			_, err := w.op.AuthEnable(ctx)
			require.NoError(w.t, err)
			var authenticated, renewed atomic.Int64
			client, err := v3.New(v3.Config{
				Endpoints: w.clus.Endpoints(), Username: "leader", Password: "password",
				DialOptions: []grpc.DialOption{
					grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
						if strings.HasSuffix(method, "/Authenticate") {
							authenticated.Add(1)
						}
						return invoker(ctx, method, req, reply, cc, opts...)
					}),
					onRenewalStream(func(s grpc.ClientStream) grpc.ClientStream { return countingStream{s, &renewed} }),
				},
			})
			require.NoError(w.t, err)
			w.t.Cleanup(func() { client.Close() })
			r := w.rivalWith(w.pkg, "leader", client, 1)
			require.NoError(w.t, r.election.Campaign(ctx, "leader"))
			w.eventually(func() bool { return renewed.Load() > 1 }, "renewed")
			before := authenticated.Load()
			enough := renewed.Load() + 4
			w.eventually(func() bool { return renewed.Load() >= enough }, "renewed")
			if before == 0 {
				return fails(lies, "Authenticate was not seen at all")
			}
			if n := authenticated.Load() - before; n > 0 {
				return fails(writes, "authenticated %d times in 4 renewals", n)
			}
			return nil
		},
		ours: "all renewals go over one stream",
	},
}...)}

// silentMember judges a session that has each of its members fall silent in turn,
// for longer than its TTL.
func (w *world) silentMember(who string, client *v3.Client, silence, heal func(member int)) error {
	const ttl = 3
	r := w.rivalWith(w.pkg, who, client, ttl)
	w.lead(r)
	for m := range w.members() {
		silence(m)
		over := w.closesBefore(r.session.Done(), (ttl+1)*time.Second)
		heal(m)
		if over {
			return fails(givesUp, "the session is over")
		}
	}
	return w.onlyKeys(0, r.key)
}

// A countingStream counts what is received.
type countingStream struct {
	grpc.ClientStream
	received *atomic.Int64
}

func (s countingStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil {
		s.received.Add(1)
	}
	return err
}

var (
	ttls   = []int{2, 3, 10}
	delays = []time.Duration{0, 300 * time.Millisecond, 800 * time.Millisecond}
)

// cutOffCases are leaders whose link falls silent: at once, before the first
// renewal is answered, and at each twelfth of the TTL after that, for more than
// three cycles of renewal.
func cutOffCases() []guaranteeCase {
	var cases []guaranteeCase
	for _, ttl := range ttls {
		does := "counts from the answers, and looks twice a second"
		if ttl < 5 {
			does += "; before the first answer it trusts the lease for 5 s"
		}
		for _, delay := range delays {
			cases = append(cases, guaranteeCase{
				says: fmt.Sprintf("A leader with a TTL of %d s and answers %d ms late steps down before etcd gives its lease up, wherever in the cycle of renewal it is cut off", ttl, delay.Milliseconds()),
				on:   onMemory,
				run: func(w *world) error {
					var s slack
					var failed error
					for cut := range 16 {
						if err := w.cutOff(fmt.Sprint("leader", cut), ttl, delay, time.Duration(cut*ttl)*time.Second/12, &s); failed == nil {
							failed = err
						}
					}
					w.t.Logf("Done closed before the key was deleted by %v to %v", s.least, s.most)
					return failed
				},
				original: overlap, does: does, ours: "Done closes first",
			})
		}
	}
	return cases
}

// slack is by how much Done closed before the key went.
type slack struct {
	known       bool
	least, most time.Duration
}

func (s *slack) add(d time.Duration) {
	if !s.known {
		s.known, s.least, s.most = true, d, d
	}
	s.least, s.most = min(s.least, d), max(s.most, d)
}

func (w *world) cutOff(who string, ttl int, delay, after time.Duration, s *slack) error {
	w.etcd.Link(who).DelayReplies(delay, 0)
	r := w.rivalTTL(who, ttl)
	// What the leader holds, put there by another, so as not to take up time.
	_, err := w.op.Put(w.ctx(), r.key, who, v3.WithLease(r.session.Lease()))
	require.NoError(w.t, err)
	over := w.overAt(r)
	if over.within(after) {
		return fails(givesUp, "over before it was cut off")
	}
	w.etcd.Link(who).Swallow()
	defer w.etcd.Link(who).Heal()
	return w.stepsDown(r, over, ttl, s)
}

// overAt returns a call that returns when Done closes.
func (w *world) overAt(r *rival) *call {
	return w.start(func(context.Context) error { <-r.session.Done(); return nil })
}

// stepsDown judges that r's session is over before its key goes.
func (w *world) stepsDown(r *rival, over *call, ttl int, s *slack) error {
	w.t.Helper()
	if !over.within(time.Duration(ttl)*time.Second + 10*time.Second) {
		return fails(hangs, "Done never closed")
	}
	w.eventually(func() bool { return len(w.etcd.Keys(r.key)) == 0 }, "the lease ended")
	for _, ev := range w.etcd.History() {
		if ev.Key == r.key && ev.Deleted {
			d := ev.Time.Sub(over.returned)
			s.add(d)
			if d <= 0 {
				return fails(overlap, "Done closed %v after the key was deleted", -d)
			}
		}
	}
	return nil
}

// calmCases are leaders on links that are slow and nothing else.
func calmCases() []guaranteeCase {
	var cases []guaranteeCase
	for _, ttl := range ttls {
		for _, delay := range delays {
			cases = append(cases, guaranteeCase{
				says: fmt.Sprintf("A leader with a TTL of %d s and answers %d ms late, and no cut, leads for five minutes", ttl, delay.Milliseconds()),
				on:   onMemory,
				run: func(w *world) error {
					w.etcd.Link("leader").DelayReplies(delay, 0)
					r := w.rivalTTL("leader", ttl)
					w.lead(r)
					if w.closesBefore(w.over(r), 5*time.Minute) {
						return fails(givesUp, "over")
					}
					return w.onlyKeys(0, r.key)
				},
				ours: "leads on",
			})
		}
	}
	return cases
}

// cutOffOnWires cuts leaders off real members, before and after the first renewal.
func cutOffOnWires(w *world) error {
	const ttl = 2
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	var s slack
	for _, delay := range delays {
		for _, after := range []time.Duration{0, delay + 200*time.Millisecond} {
			wire := newWire(w.t, w.clus.Members[0])
			client := dial(w.t, []string{wire.endpoint()})
			_, err := client.Get(w.ctx(), "connect")
			require.NoError(w.t, err)
			wire.delay.Store(int64(delay))
			session, err := w.pkg.session(nil, client, ttl)
			require.NoError(w.t, err)
			key := candidateKeyOf(w.name, session.Lease())
			deleted := w.op.Watch(w.ctx(), key, v3.WithFilterPut())
			_, err = w.op.Put(w.ctx(), key, "", v3.WithLease(session.Lease()))
			require.NoError(w.t, err)
			all.Go(func() {
				time.Sleep(after)
				wire.silent.Store(true)
				verdict := func() error {
					select {
					case <-session.Done():
					case ev := <-deleted:
						if len(ev.Events) == 0 || ev.Events[0].Type != mvccpb.Event_DELETE {
							return fails(lies, "%v", ev)
						}
						return fails(overlap, "answers %v late, cut off after %v: the key went first", delay, after)
					}
					done := time.Now()
					<-deleted
					mu.Lock()
					defer mu.Unlock()
					s.add(time.Since(done))
					return nil
				}()
				mu.Lock()
				defer mu.Unlock()
				if failed == nil {
					failed = verdict
				}
			})
		}
	}
	all.Wait()
	w.t.Logf("Done closed before the key was deleted by %v to %v", s.least, s.most)
	return failed
}
