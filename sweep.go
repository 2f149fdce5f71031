// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	v3 "go.etcd.io/etcd/client/v3"
)

// doubtAfter is how long an open transaction that nobody waits for any more may
// take until its key is looked for.
const doubtAfter = time.Second

// doubt has the key swept although transactions are open.
func (st *seat) doubt() {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	st.doubting = false
	if st.open > 0 && !st.wantedLocked() && !st.sweeping && st.ctx.Err() == nil {
		st.unclear, st.sweeping = true, true
		go st.sweep()
	}
}

// sweep deletes what the seat has, or may have, written, and tries until etcd has
// answered for good, or the session is lost and the key goes with its lease.
func (st *seat) sweep() {
	s := st.session
	ctx, unbind := bind(st.ctx, s.client.Ctx())
	defer unbind()
	s.mu.Lock()
	c, unclear := st.current, st.unclear
	st.unclear, st.trouble = false, nil
	s.mu.Unlock()

	again := func(err error) bool {
		if !transient(err) { // those who wait for the sweep had better know
			s.mu.Lock()
			st.trouble = err
			st.changed.happens()
			s.mu.Unlock()
		}
		return true
	}
	remove := func(rev int64) {
		_, _ = retry(ctx, s.patience(), again, func(ctx context.Context) (*v3.TxnResponse, error) {
			return deleteAt(ctx, s.client, st.key, rev)
		})
	}
	if c != nil {
		remove(c.rev)
	}
	if unclear {
		resp, err := retry(ctx, s.patience(), again, func(ctx context.Context) (*v3.GetResponse, error) {
			return s.client.Get(ctx, st.key)
		})
		if err == nil && len(resp.Kvs) > 0 && v3.LeaseID(resp.Kvs[0].Lease) == st.lease {
			remove(resp.Kvs[0].CreateRevision)
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	st.sweeping, st.trouble = false, nil
	st.sweeps++
	st.endLocked(c, ErrKeyDeleted)
	st.settleLocked()
}

// withdraw gives up the candidacy with key, whoever uses it; see resign. If there
// is none yet, because the key is being written, it ends the contest of those who
// do that, and waits until what came of it is swept.
func (s *Session) withdraw(ctx context.Context, key string) (*pb.ResponseHeader, error) {
	s.mu.Lock()
	st := s.seats[key]
	if st == nil {
		s.mu.Unlock()
		return nil, nil
	}
	c, contest := st.current, st.contest
	if contest != nil {
		st.endContest(ErrResigned)
	}
	st.withdrawn.happens()
	s.mu.Unlock()
	var hdr *pb.ResponseHeader
	if c != nil {
		var err error
		if hdr, err = c.resign(ctx); err != nil || contest == nil {
			return hdr, err
		}
	}
	return hdr, st.settled(ctx, contest)
}

// deleteAt deletes key if it is still the one that was created at rev.
func deleteAt(ctx context.Context, c *v3.Client, key string, rev int64) (*v3.TxnResponse, error) {
	return c.Txn(ctx).If(v3.Compare(v3.CreateRevision(key), "=", rev)).Then(v3.OpDelete(key)).Commit()
}

// settled waits until the contest is over, if one is given, and nothing is under
// way at the seat that nobody wants, or until ctx ends.
func (st *seat) settled(ctx context.Context, contest context.Context) error {
	for begin := -1; ; {
		st.session.mu.Lock()
		if begin < 0 {
			begin = st.sweeps
		}
		over := contest == nil || st.contest != contest
		quiet := st.ctx.Err() != nil || over && (st.wantedLocked() || !st.sweeping && (st.open == 0 || st.sweeps > begin))
		changed := st.changed.next()
		st.session.mu.Unlock()
		if quiet {
			return nil
		}
		select {
		case <-changed:
		case <-st.ctx.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settleGrace is how long a Campaign or Lock that failed waits for its key to be
// deleted, before it returns and leaves that to the background.
const settleGrace = 500 * time.Millisecond

// settledSoon waits a moment for the seat to be settled.
func (st *seat) settledSoon() {
	ctx, cancel := context.WithTimeout(context.Background(), settleGrace)
	defer cancel()
	_ = st.settled(ctx, nil)
}

// resign deletes the candidacy's key for all of its users, and ends them when
// that is done. Until etcd has answered only the term is over: who asks for
// the key to be deleted no longer leads, whether or not the answer comes.
//
// Only silence is asked about again, of another member perhaps; an error is the
// caller's to see.
func (c *candidacy) resign(ctx context.Context) (*pb.ResponseHeader, error) {
	c.session.mu.Lock()
	c.resigning++
	if c.term != nil {
		c.term.stop(ErrResigned)
	}
	c.session.mu.Unlock()
	c.takeWatch().close() // what it would tell is of no use
	defer func() {
		c.session.mu.Lock()
		defer c.session.mu.Unlock()
		c.resigning--
	}()
	resp, err := retry(ctx, c.session.patience(), isSilence, func(ctx context.Context) (*v3.TxnResponse, error) {
		return deleteAt(ctx, c.session.client, c.key, c.rev)
	})
	if err != nil {
		return nil, err
	}
	_ = c.over()
	return header(resp), nil
}
