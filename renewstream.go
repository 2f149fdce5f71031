// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	v3 "go.etcd.io/etcd/client/v3"
)

// renewals makes the renewals of all sessions of one client. They share one stream
// in good times: a thousand streams would cost a thousand times their buffers and
// goroutines on both sides, and with a password each one authenticates by itself.
// A session whose renewal is not answered in time asks again on another stream,
// which the client's balancer may open to another member, and which is shared
// by all that have the same trouble.
type renewals struct {
	client *v3.Client

	mu       sync.Mutex // guards the streams and attempts as well
	sessions int
	streams  []*renewStream // that have not failed; the one that answered last is the last
	failures int            // of streams since the last answer
	reopen   time.Time      // when the next stream may be opened
}

// renewalsOf holds the renewals of each client that has sessions.
var renewalsOf = struct {
	sync.Mutex
	clients map[*v3.Client]*renewals
}{clients: make(map[*v3.Client]*renewals)}

// joinRenewals returns the renewals of the session's client; leave ends that.
func joinRenewals(client *v3.Client) *renewals {
	renewalsOf.Lock()
	defer renewalsOf.Unlock()
	r := renewalsOf.clients[client]
	if r == nil {
		r = &renewals{client: client}
		renewalsOf.clients[client] = r
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions++
	return r
}

func (r *renewals) leave() {
	renewalsOf.Lock()
	defer renewalsOf.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sessions--; r.sessions == 0 {
		delete(renewalsOf.clients, r.client)
	}
}

// An attempt is one renewal of a lease on one stream. It keeps its stream open
// until it is dropped.
type attempt struct {
	stream *renewStream
	lease  v3.LeaseID
	by     time.Time       // when to send it at the latest
	notify chan<- struct{} // of the session

	// Guarded by renewals.mu, and constant once answered is true.
	dropped  bool
	sent     time.Time // before it was sent; zero until then
	answered bool
	ttl      time.Duration // 0: the lease is gone
	err      error
}

// ask renews lease, within slack from now unless there is nobody to wait for, so
// that those of many sessions travel together. It prefers the stream of the
// attempt before, if that is given, and takes none of those that are under way.
// When the attempt is answered, which may be never, notify gets a value if it has
// room for one.
func (r *renewals) ask(lease v3.LeaseID, slack time.Duration, before *attempt, underWay []*attempt, notify chan<- struct{}) *attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	free := func(st *renewStream) bool {
		return !st.failed && !slices.ContainsFunc(underWay, func(a *attempt) bool { return a.stream == st })
	}
	var st *renewStream
	if before != nil && free(before.stream) {
		st = before.stream
	}
	for i := len(r.streams) - 1; st == nil && i >= 0; i-- {
		if free(r.streams[i]) {
			st = r.streams[i]
		}
	}
	if st == nil {
		st = r.newStreamLocked()
	}
	if r.sessions == 1 {
		slack = 0
	}
	a := &attempt{stream: st, lease: lease, by: time.Now().Add(slack), notify: notify}
	st.users++
	st.queue = append(st.queue, a)
	if a.by.Before(st.next) {
		select {
		case st.wake <- struct{}{}:
		default:
		}
	}
	return a
}

// drop lets go of attempts, answered or not. A late answer goes nowhere.
func (r *renewals) drop(attempts ...*attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range attempts {
		a.dropLocked()
	}
}

// dropSentBefore drops those of the attempts that were sent before t, or not at
// all, and returns the others.
func (r *renewals) dropSentBefore(t time.Time, attempts []*attempt) []*attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(attempts, func(a *attempt) bool {
		if a.sent.Before(t) {
			a.dropLocked()
			return true
		}
		return false
	})
}

func (a *attempt) dropLocked() {
	a.dropped = true
	if a.stream.users--; a.stream.users == 0 {
		a.stream.endLocked()
	}
}

// sort returns those of the attempts that are answered, and those that are not.
func (r *renewals) sort(attempts []*attempt) (answered, open []*attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range attempts {
		if a.answered {
			answered = append(answered, a)
		} else {
			open = append(open, a)
		}
	}
	return answered, open
}

// A renewStream is a stream of renewals. Everything in it is guarded by renewals.mu.
type renewStream struct {
	*renewals
	cancel context.CancelFunc
	wake   chan struct{} // has a value when the queue has to be looked at before next
	users  int
	queue  []*attempt                // not sent yet
	next   time.Time                 // when send looks at the queue by itself
	sent   map[v3.LeaseID][]*attempt // not answered yet, in the order of sending
	failed bool
}

func (r *renewals) newStreamLocked() *renewStream {
	ctx, cancel := context.WithCancel(v3.WithRequireLeader(r.client.Ctx()))
	st := &renewStream{renewals: r, cancel: cancel, wake: make(chan struct{}, 1), sent: make(map[v3.LeaseID][]*attempt)}
	r.streams = slices.Insert(r.streams, 0, st)
	if r.client.ActiveConnection() == nil {
		// Made by NewCtxClient: there is only the Lease field to go through.
		go st.send(ctx, func(a *attempt) error {
			go st.renewByClient(ctx, a)
			return nil
		})
	} else {
		go st.run(ctx, time.Until(r.reopen))
	}
	return st
}

// endLocked takes the stream out of use.
func (st *renewStream) endLocked() {
	st.failed = true
	st.cancel()
	st.streams = slices.DeleteFunc(st.streams, func(s *renewStream) bool { return s == st })
}

// fail ends the stream, and all its attempts with it.
func (st *renewStream) fail(err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.failed {
		st.failures++
		st.reopen = time.Now().Add(retryDelay(min(st.failures, 3)))
	}
	st.endLocked()
	for _, a := range st.queue {
		a.answerLocked(0, err)
	}
	for _, as := range st.sent {
		for _, a := range as {
			a.answerLocked(0, err)
		}
	}
	st.queue, st.sent = nil, nil
}

func (a *attempt) answerLocked(ttl int64, err error) {
	if a.answered || a.dropped {
		return
	}
	a.answered, a.ttl, a.err = true, time.Duration(ttl)*time.Second, err
	select {
	case a.notify <- struct{}{}:
	default:
	}
}

// run opens the stream after a delay, and sends and receives on it until it fails.
// All sessions whose stream failed share that delay: with one for each, those of
// a thousand would try a thousand streams in half a second, at a member that has no
// leader perhaps.
func (st *renewStream) run(ctx context.Context, delay time.Duration) {
	if sleep(ctx, delay) != nil {
		return
	}
	stream, err := v3.RetryLeaseClient(st.client).LeaseKeepAlive(ctx)
	if err != nil {
		st.fail(v3.ContextError(ctx, err))
		return
	}
	go st.send(ctx, func(a *attempt) error {
		return stream.Send(&pb.LeaseKeepAliveRequest{ID: int64(a.lease)})
	})
	for {
		resp, err := stream.Recv() // it tells the reason of a failed Send as well
		if err != nil {
			st.fail(v3.ContextError(ctx, err))
			return
		}
		st.received(v3.LeaseID(resp.ID), resp.TTL)
	}
}

// send sends what is asked for when it is due, and with it all else that is asked
// for, until ctx ends or sending fails.
func (st *renewStream) send(ctx context.Context, send func(*attempt) error) {
	due := time.NewTimer(time.Hour)
	defer due.Stop()
	for {
		batch, wait := st.takeBatch()
		for _, a := range batch {
			if err := send(a); err != nil {
				return
			}
		}
		due.Reset(wait)
		select {
		case <-st.wake:
		case <-due.C:
		case <-ctx.Done():
			return
		}
	}
}

// takeBatch returns all attempts in the queue, if one of them is due, and marks
// them as sent; else how long that takes.
//
// An answer belongs to the oldest attempt at its lease: the server answers the
// requests of a stream in their order.
func (st *renewStream) takeBatch() ([]*attempt, time.Duration) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.queue = slices.DeleteFunc(st.queue, func(a *attempt) bool { return a.dropped })
	now := time.Now()
	st.next = now.Add(time.Hour)
	if len(st.queue) == 0 {
		return nil, time.Hour
	}
	first := slices.MinFunc(st.queue, func(a, b *attempt) int { return a.by.Compare(b.by) })
	if first.by.After(now) {
		st.next = first.by
		return nil, first.by.Sub(now)
	}
	batch := st.queue
	st.queue = nil
	for _, a := range batch {
		a.sent = now
		st.sent[a.lease] = append(st.sent[a.lease], a)
	}
	return batch, time.Hour
}

// received hands an answer to the attempt that it belongs to.
func (st *renewStream) received(lease v3.LeaseID, ttl int64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if as := st.sent[lease]; len(as) > 0 {
		st.answeredLocked(as[0], ttl, nil)
	}
}

// answeredLocked hands an answer, or the lack of one, to a.
func (st *renewStream) answeredLocked(a *attempt, ttl int64, err error) {
	a.answerLocked(ttl, err)
	if as := slices.DeleteFunc(st.sent[a.lease], func(b *attempt) bool { return b == a }); len(as) > 0 {
		st.sent[a.lease] = as
	} else {
		delete(st.sent, a.lease)
	}
	if err != nil {
		return
	}
	st.failures = 0
	if n := len(st.streams); !st.failed && st.streams[n-1] != st {
		i := slices.Index(st.streams, st)
		copy(st.streams[i:], st.streams[i+1:])
		st.streams[n-1] = st
	}
}

// renewByClient makes a renewal through the client's Lease field. It is answered
// by itself: that one of them fails is no reason to doubt the others.
func (st *renewStream) renewByClient(ctx context.Context, a *attempt) {
	var ttl int64
	resp, err := st.client.KeepAliveOnce(ctx, a.lease)
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		err = nil
	} else if err == nil {
		ttl = resp.TTL
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.answeredLocked(a, ttl, err)
}
