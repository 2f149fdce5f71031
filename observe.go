// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	v3 "go.etcd.io/etcd/client/v3"
)

// maxBehind is how many updates are kept for a reader that is slower than the
// election. When there is one more, the reader skips ahead to the newest.
const maxBehind = 512

// Observe returns a channel that brings the leader, as the one entry of an
// answer whose header has the revision of the change: first who leads now, and then each
// new leader and each value that a leader proclaims, in order, none twice and none
// left out. That nobody leads is not told; Leaders does.
//
// It goes on over reconnects, compactions and the loss of members. The exceptions
// to "none left out": a reader that is more than 512 updates behind skips ahead to
// the newest one, and of what etcd compacted away before it could be seen only
// who led at the end of it is told. The channel closes only when ctx or the
// client ends. It does not need the session to be alive.
//
// An observer is one watch: at a handover it sends no request.
func (e *Election) Observe(ctx context.Context) <-chan *v3.GetResponse {
	out := make(chan *v3.GetResponse)
	o := e.observe(ctx, func(error) bool { return false })
	go func() {
		defer close(out)
		defer o.stop()
		for {
			u, err := o.next()
			if err != nil {
				return
			}
			if u.kv == nil {
				continue
			}
			select {
			case out <- &v3.GetResponse{Header: u.hdr, Kvs: []*mvccpb.KeyValue{u.kv}, Count: 1}:
			case <-o.ctx.Done():
				return
			}
		}
	}()
	return out
}

// Leaders returns an iterator over what Observe brings, and over vacancies: the
// zero Candidate says that nobody leads. It begins with who leads now.
//
// The iteration ends with the zero Candidate and an error that says why: ctx's
// cause, the end of the client, or what etcd refused. Each use of the iterator
// observes anew.
func (e *Election) Leaders(ctx context.Context) iter.Seq2[Candidate, error] {
	return func(yield func(Candidate, error) bool) {
		o := e.observe(ctx, refused)
		defer o.stop()
		for {
			u, err := o.next()
			if err != nil {
				yield(Candidate{}, err)
				return
			}
			var c Candidate
			if u.kv != nil {
				c = newCandidate(u.kv)
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// An update says who leads as of a revision: kv, or nobody if kv is nil.
type update struct {
	kv  *mvccpb.KeyValue
	hdr *pb.ResponseHeader
}

// An observer follows one election by one watch on the whole name, from one
// snapshot, as a table of its candidates. So the next leader is known when the
// old one goes, without asking.
type observer struct {
	queue
	ctx    context.Context
	cancel context.CancelCauseFunc
	final  func(error) bool

	// Used by run alone.
	table  map[string]*mvccpb.KeyValue // the candidates as of revision rev; nil if they are not known
	rev    int64                       // 0: a snapshot is due
	from   int64                       // as of which revision it is to be; 0: of now
	leader *mvccpb.KeyValue            // what was told last, nil for nobody
	told   bool                        // anything was

	mu      sync.Mutex
	pending []update // Invariant: len(pending) <= maxBehind
	wake    chan struct{}
}

// observe starts an observer, which gives up at an error that is final.
func (q queue) observe(ctx context.Context, final func(error) bool) *observer {
	o := &observer{queue: q, final: final, wake: make(chan struct{}, 1)}
	o.ctx, o.cancel = context.WithCancelCause(ctx)
	unbind := context.AfterFunc(q.session.client.Ctx(), func() { o.cancel(errClientClosed) })
	go func() {
		defer unbind()
		o.run()
	}()
	return o
}

var errClientClosed = errors.New("concurrency: the session's client is closed")

func (o *observer) stop() { o.cancel(nil) }

// next waits for the next update, or returns why there will be none.
func (o *observer) next() (update, error) {
	for {
		o.mu.Lock()
		if len(o.pending) > 0 {
			u := o.pending[0]
			o.pending = o.pending[1:]
			o.mu.Unlock()
			return u, nil
		}
		o.mu.Unlock()
		select {
		case <-o.wake:
		case <-o.ctx.Done():
			return update{}, context.Cause(o.ctx)
		}
	}
}

// tell queues u for the reader.
func (o *observer) tell(u update) {
	o.mu.Lock()
	if len(o.pending) == maxBehind {
		o.pending = nil
	}
	o.pending = append(o.pending, u)
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default: // the reader will look
	}
}

func (o *observer) run() {
	for failures := 0; ; {
		err := o.follow(&failures)
		if o.ctx.Err() != nil {
			return
		}
		if o.final(err) {
			o.cancel(fmt.Errorf("concurrency: observe %q: %w", o.prefix, err))
			return
		}
		failures++
		_ = sleep(o.ctx, retryDelay(failures))
	}
}

// follow watches from where the table stands, until the watch fails or falls
// silent: when nothing has come for a while, it asks for a sign of progress, and
// trusts the watch no longer when that does not come either. All watches on a
// stream see the answer, so the first one that asks does it for all.
//
// The watch starts at the table's own revision, which apply skips: etcd gives no
// sign of progress on a stream with a watch that starts in the future, so an idle
// etcd would look like a silent one.
func (o *observer) follow(failures *int) error {
	s := o.session
	if o.rev == 0 {
		if err := o.snapshot(); err != nil {
			return err
		}
	}
	w, err := s.openWatch(o.ctx, s.openPatience(*failures), o.prefix, v3.WithPrefix(), v3.WithRev(o.rev))
	if err != nil {
		return err
	}
	defer w.close()

	silence := time.NewTimer(jitter(s.recheck()))
	defer silence.Stop()
	for asked := false; ; {
		select {
		case resp, ok := <-w.events():
			if err := watchErr(resp, ok); err != nil {
				if errors.Is(err, rpctypes.ErrCompacted) {
					o.rev, o.from = 0, resp.CompactRevision
					return errCompactedAway
				}
				return err
			}
			if o.table == nil { // this member has not compacted that yet
				o.rev = 0
				return errCompactedAway
			}
			o.apply(resp)
			*failures, asked = 0, false
			silence.Reset(jitter(s.recheck()))
		case <-silence.C:
			if asked {
				return w.suspect()
			}
			asked = true
			askCtx, cancel := context.WithTimeout(w.ctx, s.patience())
			_ = s.client.RequestProgress(askCtx) // no answer is an answer too
			cancel()
			silence.Reset(s.openPatience(2))
		case <-o.ctx.Done():
			return context.Cause(o.ctx)
		}
	}
}

// errCompactedAway takes the place of ErrCompacted, which is no reason to end.
var errCompactedAway = errors.New("concurrency: updates were compacted before they were seen")

// snapshot fills the table with the candidates as of revision from: the oldest
// that etcd still has after a compaction, so that nothing later is passed over.
func (o *observer) snapshot() error {
	kvs, resp, err := o.candidates(o.ctx, o.session.getAgain, v3.WithRev(o.from))
	if err != nil {
		if errors.Is(err, rpctypes.ErrCompacted) {
			// Again: a read is not told up to where, and a watch is. There is no table that
			// it could go on from.
			o.rev, o.table = o.from, nil
			return errCompactedAway
		}
		return err
	}
	o.table = make(map[string]*mvccpb.KeyValue, len(kvs))
	for _, kv := range kvs {
		o.table[string(kv.Key)] = kv
	}
	o.settle(resp.Header, cmp.Or(o.from, resp.Header.Revision))
	o.from = 0
	return nil
}

// apply brings the table up to date, revision by revision: a transaction may
// change several keys, and only after all of them is it the truth who leads.
func (o *observer) apply(resp v3.WatchResponse) {
	for i, ev := range resp.Events {
		if ev.Kv.ModRevision <= o.rev {
			continue
		}
		if ev.Type == mvccpb.Event_PUT && isCandidate(o.prefix, ev.Kv) {
			o.table[string(ev.Kv.Key)] = ev.Kv
		} else {
			delete(o.table, string(ev.Kv.Key))
		}
		if i+1 == len(resp.Events) || resp.Events[i+1].Kv.ModRevision != ev.Kv.ModRevision {
			o.settle(resp.Header, ev.Kv.ModRevision)
		}
	}
}

// settle tells who leads as of revision rev, if that is news.
func (o *observer) settle(hdr *pb.ResponseHeader, rev int64) {
	o.rev = rev
	var leader *mvccpb.KeyValue
	if o.leader != nil {
		// Who leads stays the oldest candidate for as long as it is one.
		if kv := o.table[string(o.leader.Key)]; kv != nil && kv.CreateRevision == o.leader.CreateRevision {
			leader = kv
		}
	}
	if leader == nil {
		for _, kv := range o.table {
			if leader == nil || kv.CreateRevision < leader.CreateRevision {
				leader = kv
			}
		}
	}
	if o.told && leader.GetModRevision() == o.leader.GetModRevision() && string(leader.GetKey()) == string(o.leader.GetKey()) {
		return
	}
	o.leader, o.told = leader, true
	o.tell(update{leader, &pb.ResponseHeader{
		ClusterId: hdr.GetClusterId(), MemberId: hdr.GetMemberId(), RaftTerm: hdr.GetRaftTerm(), Revision: rev,
	}})
}
