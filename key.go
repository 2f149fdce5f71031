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

// A place is where a candidacy was found to stand.
type place struct {
	*candidacy      // the caller is a user of it
	first      bool // nobody is ahead, as the same answer showed
	value      string
	modRev     int64 // of the value, if the key was found there
	hdr        *pb.ResponseHeader
}

// enter puts the session's key with value at the end of the queue, or finds it
// there, in one transaction; if no other key is under the name that is a
// victory.
//
// It asks for any two keys and not for the first by create revision: to sort,
// the server would read every candidate, inside the loop in which it applies the
// writes of all its clients.
func (q queue) enter(ctx context.Context, st *seat, value string) (place, error) {
	anyTwo := v3.OpGet(q.prefix, v3.WithPrefix(), v3.WithLimit(2), v3.WithKeysOnly())
	resp, err := q.commit(ctx, st, func(ctx context.Context) v3.Txn {
		return q.session.client.Txn(ctx).
			If(v3.Compare(v3.CreateRevision(st.key), "=", 0)).
			Then(v3.OpPut(st.key, value, v3.WithLease(q.session.id)), anyTwo).
			Else(v3.OpGet(st.key), anyTwo)
	})
	if err != nil {
		return place{}, err
	}
	p := place{
		candidacy: resp.candidacy,
		first:     len(resp.Responses[1].GetResponseRange().Kvs) == 1,
		value:     value,
		hdr:       header(resp.TxnResponse),
	}
	if !resp.Succeeded {
		kv := ownKey(resp.TxnResponse)[0]
		p.value, p.modRev = string(kv.Value), kv.ModRevision
	}
	return p, nil
}

// An entered is the answer to an entering transaction. If the session's key
// stands, the caller is a user of its candidacy, and no longer a contender.
type entered struct {
	*v3.TxnResponse
	candidacy *candidacy
}

// enteringTimeout is how long an entering transaction is waited for at the least:
// longer than etcd itself holds one that finds no raft leader, 7 seconds with its
// default settings.
const enteringTimeout = 10 * time.Second

// commit sends an entering transaction until one attempt is answered. The
// transaction writes the session's key only where there is none, else reads it
// first of all, and so may be repeated.
//
// An attempt is not cut short when ctx ends or the next attempt is made. It
// goes on in the background, for a TTL or enteringTimeout, whichever is longer,
// and its answer tells the seat what has become of the key.
func (q queue) commit(ctx context.Context, st *seat, txn func(context.Context) v3.Txn) (entered, error) {
	contest := st.contest
	patience, failures := q.session.patience(), 0
	next := time.NewTimer(patience)
	defer next.Stop()
	returned := make(chan struct{})
	defer close(returned)
	results := make(chan result[*v3.TxnResponse])
	try := func() {
		if ctx.Err() != nil || contest.Err() != nil {
			return // as the loop will
		}
		next.Reset(patience)
		patience = min(2*patience, max(patience, q.session.recheck()))
		st.begin()
		go func() {
			actx, cancel := bind(st.ctx, q.session.client.Ctx())
			defer cancel()
			// Not a deadline, which would be sent, and parsed by the server.
			defer time.AfterFunc(max(3*q.session.recheck(), enteringTimeout), cancel).Stop()
			resp, err := txn(actx).Commit()
			if err != nil && actx.Err() != nil {
				err = errSilence
			}
			st.answered(q.ownRevision(resp, err), err != nil && !refused(err))
			select {
			case results <- result[*v3.TxnResponse]{resp, err}:
			case <-returned:
			}
		}()
	}

	try()
	for {
		select {
		case <-next.C:
			try()
		case r := <-results:
			if contest.Err() != nil {
				return entered{}, context.Cause(contest)
			}
			if r.err != nil && !transient(r.err) {
				return entered{}, r.err
			}
			if r.err == nil {
				rev := q.ownRevision(r.resp, nil)
				if rev == 0 {
					if kvs := ownKey(r.resp); len(kvs) > 0 {
						return entered{}, fmt.Errorf("concurrency: key %q is attached to another lease than the session's; delete it", st.key)
					}
					return entered{TxnResponse: r.resp}, nil
				}
				if c, ok := st.join(rev); ok {
					return entered{r.resp, c}, nil
				}
				// The answer is old, or others have seen that key go already.
			}
			failures++
			next.Reset(retryDelay(failures))
		case <-contest.Done():
			return entered{}, context.Cause(contest)
		case <-ctx.Done():
			return entered{}, ctx.Err()
		}
	}
}

// ownRevision returns the create revision of the session's key, as the answer to
// an entering transaction tells it; 0 if there is no key, or not the session's.
func (q queue) ownRevision(resp *v3.TxnResponse, err error) int64 {
	if err != nil {
		return 0
	}
	if resp.Succeeded {
		return resp.Header.Revision
	}
	if kvs := ownKey(resp); len(kvs) > 0 && v3.LeaseID(kvs[0].Lease) == q.session.id {
		return kvs[0].CreateRevision
	}
	return 0
}

// ownKey returns the session's key as a refused entering transaction read it.
func ownKey(resp *v3.TxnResponse) []*mvccpb.KeyValue {
	return resp.Responses[0].GetResponseRange().Kvs
}

func header(resp *v3.TxnResponse) *pb.ResponseHeader { return (*pb.ResponseHeader)(resp.Header) }

// ahead is a candidate in front of the own one.
type ahead struct {
	key string
	rev int64
}

// look reads, in one linearizable request, whether c's key stands and who is
// right ahead of it; nil if nobody is. Keys in skip are known to be no
// candidate's.
func (q queue) look(ctx context.Context, c *candidacy, skip map[string]bool) (*ahead, *pb.ResponseHeader, error) {
	// Among the first few there is a candidate nearly always; the server reads and
	// sorts them all in any case.
	for limit := int64(16 + len(skip)); ; limit *= 8 {
		resp, err := retry(ctx, q.session.patience(), transient, func(ctx context.Context) (*v3.TxnResponse, error) {
			return q.session.client.Txn(ctx).Then(
				v3.OpGet(c.key, v3.WithKeysOnly()),
				v3.OpGet(q.prefix, v3.WithPrefix(), v3.WithKeysOnly(), v3.WithMaxCreateRev(c.rev-1),
					v3.WithSort(v3.SortByCreateRevision, v3.SortDescend), v3.WithLimit(limit)),
			).Commit()
		})
		if err != nil {
			return nil, nil, err
		}
		if !stands(resp, c.rev) {
			return nil, nil, c.over()
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
	kvs := ownKey(resp)
	return len(kvs) == 1 && kvs[0].CreateRevision == rev
}

// check reads, in one linearizable request of two keys, whether c's key stands,
// and whether the one ahead of it does. It reads the whole of that key, to tell a
// candidate's from a stray one.
func (q queue) check(ctx context.Context, c *candidacy, a *ahead) (there, stray bool, err error) {
	resp, err := retry(ctx, q.session.patience(), transient, func(ctx context.Context) (*v3.TxnResponse, error) {
		return q.session.client.Txn(ctx).Then(v3.OpGet(c.key, v3.WithKeysOnly()), v3.OpGet(a.key)).Commit()
	})
	if err != nil {
		return false, false, err
	}
	if !stands(resp, c.rev) {
		return false, false, c.over()
	}
	kvs := resp.Responses[1].GetResponseRange().Kvs
	if len(kvs) == 0 || kvs[0].CreateRevision != a.rev {
		return false, false, nil
	}
	return true, !isCandidate(q.prefix, kvs[0]), nil
}

// strays returns the keys under the name that have the form of a candidate's and
// are none.
func (q queue) strays(ctx context.Context) (map[string]bool, error) {
	resp, err := retry(ctx, q.session.patience(), transient, func(ctx context.Context) (*v3.GetResponse, error) {
		return q.session.client.Get(ctx, q.prefix, v3.WithPrefix())
	})
	if err != nil {
		return nil, err
	}
	strays := make(map[string]bool)
	for _, kv := range resp.Kvs {
		if _, ok := candidateLease(q.prefix, string(kv.Key)); ok && !isCandidate(q.prefix, kv) {
			strays[string(kv.Key)] = true
		}
	}
	return strays, nil
}
