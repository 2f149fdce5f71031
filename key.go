// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	v3 "go.etcd.io/etcd/client/v3"
)

// A queue is the line of candidates under one name, as one session sees it.
//
// A candidate's key is <prefix><lease in lower-case hex>, attached to that
// lease. The order of the queue is that of the keys' create revisions: the first
// leads, or holds the lock.
type queue struct {
	session *Session
	prefix  string // the name with a slash behind it
}

// key is the key of the session's own candidate.
func (q queue) key() string { return candidateKey(q.prefix, q.session.id) }

func candidateKey(prefix string, lease v3.LeaseID) string {
	return prefix + strconv.FormatInt(int64(lease), 16)
}

// candidateLease returns the lease that key is named by, if it has the form of
// a candidate's key: nothing behind the prefix but a lease in the one form in
// which candidateKey writes it. So the keys of election "a/b" are none of
// election "a".
func candidateLease(prefix, key string) (v3.LeaseID, bool) {
	name, ok := strings.CutPrefix(key, prefix)
	if !ok {
		return 0, false
	}
	id, err := strconv.ParseInt(name, 16, 64)
	if err != nil || id == 0 || strconv.FormatInt(id, 16) != name {
		return 0, false
	}
	return v3.LeaseID(id), true
}

// isCandidate reports whether kv is a candidate: its key is named by the lease
// that it is attached to. kv has to come from a read of keys with values: a 3.7
// server answers keys-only ranges from its index, and leaves Lease zero.
func isCandidate(prefix string, kv *mvccpb.KeyValue) bool {
	lease, ok := candidateLease(prefix, string(kv.Key))
	return ok && int64(lease) == kv.Lease
}

// A place is where a candidate was found to stand.
type place struct {
	seat  *seat // the caller is a user of it
	first bool  // nobody is ahead, as the same answer showed
	value string
	hdr   *pb.ResponseHeader
}

// enter puts the session's key with value at the end of the queue, or finds it
// there, in one transaction; if no other key is under the name that is a
// victory.
//
// It asks for any two keys and not for the first by create revision: to sort,
// the server would read every candidate, inside the loop in which it applies the
// writes of all its clients.
func (q queue) enter(ctx context.Context, st *seat, value string) (place, error) {
	key := q.key()
	anyTwo := v3.OpGet(q.prefix, v3.WithPrefix(), v3.WithLimit(2), v3.WithKeysOnly())
	resp, st, err := q.commit(ctx, st, func() v3.Txn {
		return q.session.client.Txn(q.session.alive).
			If(v3.Compare(v3.CreateRevision(key), "=", 0)).
			Then(v3.OpPut(key, value, v3.WithLease(q.session.id)), anyTwo).
			Else(v3.OpGet(key), anyTwo)
	})
	if err != nil {
		return place{seat: st}, err
	}
	two := resp.Responses[1].GetResponseRange().Kvs
	p := place{seat: st, first: len(two) == 1, value: value, hdr: header(resp)}
	if !resp.Succeeded {
		kv := resp.Responses[0].GetResponseRange().Kvs[0]
		p.value = string(kv.Value)
		if v3.LeaseID(kv.Lease) != q.session.id {
			return p, fmt.Errorf("concurrency: key %q exists but is not attached to the session's lease; delete it", key)
		}
	}
	return p, nil
}

// commit sends a transaction that writes the session's key, or finds it, until
// one attempt is answered, and returns the seat that the caller is then a user
// of.
//
// An attempt is not cut short when ctx ends or the next one is made: it goes on
// in the background for as long as the session lives, as a user of the seat, so
// that what it writes late is either used or deleted. The transaction must be
// one that may be repeated: it writes the key only where there is none.
func (q queue) commit(ctx context.Context, st *seat, txn func() v3.Txn) (*v3.TxnResponse, *seat, error) {
	type result struct {
		resp *v3.TxnResponse
		seat *seat
		err  error
	}
	results := make(chan result)
	returned := make(chan struct{})
	defer close(returned)
	try := func() {
		st.beginEntering()
		go func() {
			resp, err := txn().Commit()
			var rev int64
			if err == nil {
				rev = keyRevision(resp)
			}
			r := result{resp, st.entered(rev, err != nil && !refused(err)), err}
			select {
			case results <- r:
			case <-returned:
				r.seat.leave()
			}
		}()
	}

	patience, open, failures := q.session.patience(), 0, 0
	next := time.NewTimer(0)
	defer next.Stop()
	ended := st.ctx.Done()
	for {
		select {
		case <-next.C:
			try()
			open++
			next.Reset(patience)
			patience *= 2
		case r := <-results:
			open--
			if r.err != nil {
				r.seat.leave()
				if !transient(r.err) {
					return nil, st, r.err
				}
				if failures++; open == 0 {
					next.Reset(retryDelay(failures))
				}
				continue
			}
			st.leave()
			if cause := context.Cause(r.seat.ctx); cause != nil {
				return nil, r.seat, cause
			}
			return r.resp, r.seat, nil
		case <-ended:
			// That an older key is gone does not hinder a new candidacy.
			if cause := context.Cause(st.ctx); cause != ErrKeyDeleted { //nolint:errorlint // made by keyGone
				return nil, st, cause
			}
			ended = nil
		case <-ctx.Done():
			return nil, st, ctx.Err()
		}
	}
}

// keyRevision returns the create revision of the session's key, as the answer
// to one of the transactions of enter and try tells it, or 0 if there is no key.
func keyRevision(resp *v3.TxnResponse) int64 {
	if resp.Succeeded {
		return resp.Header.Revision
	}
	if kvs := resp.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 {
		return kvs[0].CreateRevision
	}
	return 0
}

func header(resp *v3.TxnResponse) *pb.ResponseHeader { return (*pb.ResponseHeader)(resp.Header) }

// ahead is a candidate in front of the own one.
type ahead struct {
	key string
	rev int64
}

// look reads, in one linearizable request, whether the seat's key stands and
// who is right ahead of it; nil if nobody is. Keys in skip are known to be no
// candidate's.
func (q queue) look(ctx context.Context, st *seat, rev int64, skip map[string]bool) (*ahead, *pb.ResponseHeader, error) {
	for limit := int64(1 + len(skip)); ; limit *= 8 {
		resp, err := retry(ctx, q.session.patience(), transient, func(ctx context.Context) (*v3.TxnResponse, error) {
			return q.session.client.Txn(ctx).Then(
				v3.OpGet(st.key, v3.WithKeysOnly()),
				v3.OpGet(q.prefix, v3.WithPrefix(), v3.WithKeysOnly(), v3.WithMaxCreateRev(rev-1),
					v3.WithSort(v3.SortByCreateRevision, v3.SortDescend), v3.WithLimit(limit)),
			).Commit()
		})
		if err != nil {
			return nil, nil, err
		}
		if !stands(resp, rev) {
			return nil, nil, ErrKeyDeleted
		}
		others := resp.Responses[1].GetResponseRange()
		for _, kv := range others.Kvs {
			if _, ok := candidateLease(q.prefix, string(kv.Key)); ok && !skip[string(kv.Key)] {
				return &ahead{string(kv.Key), kv.CreateRevision}, header(resp), nil
			}
		}
		if !others.More {
			return nil, header(resp), nil
		}
	}
}

// stands reports whether the key that the first response reads is the one that
// was created at rev.
func stands(resp *v3.TxnResponse, rev int64) bool {
	kvs := resp.Responses[0].GetResponseRange().Kvs
	return len(kvs) == 1 && kvs[0].CreateRevision == rev
}

// check reads, in one linearizable request of two keys, whether the seat's key
// stands, and whether the one ahead of it does. It reads the whole of that key,
// to tell a candidate's from a stray one.
func (q queue) check(ctx context.Context, st *seat, rev int64, a *ahead) (there, stray bool, err error) {
	resp, err := retry(ctx, q.session.patience(), transient, func(ctx context.Context) (*v3.TxnResponse, error) {
		return q.session.client.Txn(ctx).Then(v3.OpGet(st.key, v3.WithKeysOnly()), v3.OpGet(a.key)).Commit()
	})
	if err != nil {
		return false, false, err
	}
	if !stands(resp, rev) {
		return false, false, ErrKeyDeleted
	}
	kvs := resp.Responses[1].GetResponseRange().Kvs
	if len(kvs) == 0 || kvs[0].CreateRevision != a.rev {
		return false, false, nil
	}
	return true, !isCandidate(q.prefix, kvs[0]), nil
}

// wait returns nil when the seat's key is the first of the queue, as one
// linearizable read shows. It returns an error when ctx ends, the key is gone or
// the seat given up, or etcd refuses a request for good.
//
// It watches first and reads after: what is deleted before the watch is
// confirmed is missed by the watch and told by the read, and what is deleted
// after it is told by the watch. Two keys are watched: the one ahead,
// so that each deletion wakes only the candidate behind it, and the own one, so
// that a candidate whose lease is gone hears of it while the leader still leads.
// No watch is trusted for longer than a third of the TTL without a read.
func (q queue) wait(ctx context.Context, st *seat) (*pb.ResponseHeader, error) {
	s, rev := q.session, st.createRevision()
	ctx, unbind := st.bind(ctx)
	defer unbind()
	var own, front *watch
	defer func() { own.close(); front.close() }()
	skip := make(map[string]bool)
	recheck := time.NewTimer(0)
	defer recheck.Stop()

	for failures := 0; ; {
		front.close()
		front = nil
		a, hdr, err := q.look(ctx, st, rev, skip)
		if err != nil || a == nil {
			return hdr, err
		}

		openCtx, cancel := context.WithTimeout(ctx, s.openPatience(failures))
		front, err = s.openDeletions(ctx, openCtx, a.key)
		if err == nil && own == nil {
			own, err = s.openDeletions(ctx, openCtx, st.key)
		}
		cancel()
		if err != nil {
			// Without a watch there is still the next look.
			failures++
			if err := sleep(ctx, retryDelay(failures)); err != nil {
				return nil, err
			}
			continue
		}
		switch there, stray, err := q.check(ctx, st, rev, a); {
		case err != nil:
			return nil, err
		case stray:
			skip[a.key] = true
			continue
		case !there:
			continue
		}

		for waiting := true; waiting; {
			recheck.Reset(s.recheck())
			select {
			case resp, ok := <-front.events():
				if err = watchErr(resp, ok); err != nil || hasDeletion(resp) {
					waiting = false
				}
			case resp, ok := <-own.events():
				if err = watchErr(resp, ok); err != nil || hasDeletion(resp) {
					own.close()
					own, waiting = nil, false
				}
			case <-recheck.C:
				there, _, err := q.check(ctx, st, rev, a)
				if err == nil && there {
					continue
				}
				if err != nil && err != ErrKeyDeleted { //nolint:errorlint // made by check
					return nil, err
				}
				// It is gone, and the watch has not said so.
				front.suspect()
				own.close()
				own, waiting = nil, false
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		if err == nil {
			failures = 0
			continue
		}
		failures++
		if err := sleep(ctx, retryDelay(failures)); err != nil {
			return nil, err
		}
	}
}

// try takes the first place if nobody has it, and writes nothing otherwise. It
// returns the leader in that case.
//
// The transaction requires that no key under the name was created after the
// read that showed no candidate among them; at first, that there is none at all.
// So a stray key, or one of an election whose name begins with this
// one's and a slash, does not keep anybody out.
func (q queue) try(ctx context.Context, st *seat, value string) (place, *Candidate, error) {
	key := q.key()
	for since := int64(0); ; {
		var resp *v3.TxnResponse
		var err error
		resp, st, err = q.commit(ctx, st, func() v3.Txn {
			return q.session.client.Txn(q.session.alive).
				If(v3.Compare(v3.CreateRevision(q.prefix), "<", since+1).WithPrefix(),
					v3.Compare(v3.CreateRevision(key), "=", 0)).
				Then(v3.OpPut(key, value, v3.WithLease(q.session.id))).
				Else(v3.OpGet(key))
		})
		p := place{seat: st, value: value}
		if err != nil {
			return p, nil, err
		}
		p.hdr, p.first = header(resp), resp.Succeeded
		if p.first {
			return p, nil, nil
		}
		hdr, leader, err := q.whyRefused(ctx, &p, resp)
		if err != nil || p.first || leader != nil {
			return p, leader, err
		}
		since = hdr.Revision
	}
}

// whyRefused finds out why the transaction of try was refused: the session leads
// already, which makes p the first place, or somebody else does, or neither as of
// the header's revision.
func (q queue) whyRefused(ctx context.Context, p *place, refusal *v3.TxnResponse) (*pb.ResponseHeader, *Candidate, error) {
	ctx, unbind := p.seat.bind(ctx)
	defer unbind()
	if kvs := refusal.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 && v3.LeaseID(kvs[0].Lease) == q.session.id {
		p.value = string(kvs[0].Value)
		a, hdr, err := q.look(ctx, p.seat, kvs[0].CreateRevision, nil)
		if err != nil {
			return nil, nil, err
		}
		if a == nil {
			p.first, p.hdr = true, hdr
			return hdr, nil, nil
		}
	}
	leader, hdr, err := q.leader(ctx)
	return hdr, leader, err
}
