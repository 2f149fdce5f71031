// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	v3 "go.etcd.io/etcd/client/v3"
)

// An Election lets one of several candidates lead at a time. Each candidate is a
// Session; Elections of one session and name share its candidacy.
//
// All methods are safe for concurrent use.
type Election struct{ holder }

// NewElection returns an Election of the given name for session s. It asks etcd
// nothing.
//
// The name may hold any bytes, and may be empty. Elections whose names differ
// never touch each other, also where one name begins with the other's.
func NewElection(s *Session, pfx string) *Election {
	return &Election{holder{queue: queue{session: s, prefix: pfx + "/"}}}
}

// ResumeElection returns an Election that leads already, with the given key and
// create revision: those that Key and Rev returned where the leadership was won.
// It asks etcd nothing; if the leadership is over, the next Proclaim finds out.
// The key stays attached to the lease that it was made with.
func ResumeElection(s *Session, pfx string, leaderKey string, leaderRev int64) *Election {
	e := NewElection(s, pfx)
	// The original takes the name as the whole prefix here, so there are users
	// who give it with the slash.
	if _, ok := candidateLease(pfx, leaderKey); ok && strings.HasSuffix(pfx, "/") {
		e.prefix = pfx
	}
	if leaderKey != "" && leaderRev > 0 {
		lease, ok := candidateLease(e.prefix, leaderKey)
		if !ok {
			lease = s.id
		}
		e.held = s.resume(leaderKey, lease, leaderRev)
	}
	return e
}

// Campaign puts the session at the end of the queue of candidates, with val as
// what it has to say, and returns nil when it leads: when its key, of this very
// candidacy, was seen in etcd with nobody ahead of it. An uncontested Campaign
// is one request.
//
// While etcd is away Campaign goes on trying, for as long as ctx and the session
// last. It returns an error soon after
//   - ctx ended: ctx.Err();
//   - the session expired or was closed: Session.Err();
//   - the own key was deleted, by somebody or with its lease: ErrKeyDeleted;
//   - Resign was called: ErrResigned;
//   - etcd refused a request for good: what it said.
//
// A Campaign that fails leaves no key behind: what was or may have been
// written is deleted, at once if etcd answers within half a second, else in the
// background until it does or the lease is over. It spares the key if another
// Election or Mutex of the session leads or waits with it.
//
// Campaign of an Election that leads or waits already proclaims val, and returns
// when it leads. So several Campaigns may run on one Election: they are
// one candidacy, each of them returns when it leads, and cancelling one does not
// disturb the others. The value is that of the last that entered.
func (e *Election) Campaign(ctx context.Context, val string) error {
	return e.acquire(ctx, func(ctx context.Context, st *seat) (place, error) {
		p, err := e.enter(ctx, st, val)
		if err == nil && p.value != val {
			p.hdr, err = e.update(ctx, p, val)
		}
		if err == nil && !p.first {
			p.hdr, err = e.wait(ctx, p.candidacy)
		}
		return p, err
	})
}

// TryCampaign leads at once, or returns an error: a *LeaderError that says who
// leads, if somebody does, and else as Campaign. A refused TryCampaign writes
// nothing; only where keys that are no candidates' are written under the name all
// the time does it queue up for a moment to find out. If the session leads already,
// TryCampaign proclaims val.
func (e *Election) TryCampaign(ctx context.Context, val string) error {
	return e.acquire(ctx, func(ctx context.Context, st *seat) (place, error) {
		p, leader, err := e.try(ctx, st, val)
		if err == nil && !p.first {
			err = &LeaderError{Leader: *leader}
		}
		if err == nil && p.value != val {
			p.hdr, err = e.update(ctx, p, val)
		}
		return p, err
	})
}

// update sets the value of a candidate's key to val, and tries for as long as the
// candidacy lasts. Each attempt replaces only the value that was seen before, so
// that none that comes late replaces a newer one.
func (q queue) update(ctx context.Context, p place, val string) (*pb.ResponseHeader, error) {
	ctx, unbind := bind(ctx, p.ctx)
	defer unbind()
	for {
		seen := p.modRev // for an attempt that comes late as well
		resp, err := retry(ctx, q.session.patience(), transient, func(ctx context.Context) (*v3.TxnResponse, error) {
			return q.session.client.Txn(ctx).
				If(v3.Compare(v3.CreateRevision(p.key), "=", p.rev), v3.Compare(v3.ModRevision(p.key), "=", seen)).
				Then(v3.OpPut(p.key, val, v3.WithIgnoreLease())).
				Else(v3.OpGet(p.key)).
				Commit()
		})
		if err != nil {
			return nil, err
		}
		if resp.Succeeded {
			return header(resp), nil
		}
		if !stands(resp, p.rev) {
			return nil, p.over()
		}
		kv := ownKey(resp)[0]
		if string(kv.Value) == val {
			return header(resp), nil
		}
		p.modRev = kv.ModRevision
	}
}

// proclaim sets the value of a candidate's key, and leaves its lease alone.
func (q queue) proclaim(ctx context.Context, c *candidacy, val string) (*pb.ResponseHeader, error) {
	resp, err := q.session.client.Txn(ctx).
		If(v3.Compare(v3.CreateRevision(c.key), "=", c.rev)).
		Then(v3.OpPut(c.key, val, v3.WithIgnoreLease())).
		Commit()
	if err != nil {
		return nil, err
	}
	if !resp.Succeeded {
		return nil, c.over()
	}
	return header(resp), nil
}

// Proclaim sets what the leader has to say, without an election. It returns
// ErrElectionNotLeader if this Election does not lead, or no longer does, as
// etcd sees it. After any other error the leadership stands, and whether
// the value was set is open.
func (e *Election) Proclaim(ctx context.Context, val string) error {
	c := e.place()
	if c == nil {
		return ErrElectionNotLeader
	}
	hdr, err := e.proclaim(ctx, c, val)
	if c.isGone() {
		return ErrElectionNotLeader
	}
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hdr = hdr
	return nil
}

// Resign gives the leadership, or the place in the queue, to the next: it ends
// the Term, deletes the key, and ends Campaigns that wait with it, also those of
// other Elections of the session, with ErrResigned. It does nothing if this
// Election neither leads nor campaigns.
//
// After an error, ctx's end included, the key may stand, and Resign can be called
// again; the Term is over in any case, since the request may have been applied.
func (e *Election) Resign(ctx context.Context) error {
	_, err := e.release(ctx)
	return err
}

// Term returns the leadership that was won last, or nil if none was since the last
// Resign. It may be over: ask its Err.
func (e *Election) Term() *Term { return e.term() }

// Key returns the leader's key while this Election leads, and else "": a
// candidate that waits is no leader.
func (e *Election) Key() string { return e.heldKey() }

// Rev returns the create revision of the leader's key while this Election leads,
// and else 0.
func (e *Election) Rev() int64 {
	if c := e.place(); c != nil {
		return c.rev
	}
	return 0
}

// Header returns the header of the last answer with which a Campaign won or a
// Proclaim or Resign succeeded, nil before.
func (e *Election) Header() *pb.ResponseHeader { return e.header() }

// Leader returns the leader's key and value as the one entry of the answer, or
// ErrElectionNoLeader. It is one linearizable request, or two where a stray key is
// older than all candidates; ctx bounds it.
func (e *Election) Leader(ctx context.Context) (*v3.GetResponse, error) {
	resp, err := e.first(ctx, e.session.client.Get)
	if err != nil {
		return nil, err
	}
	if len(resp.Kvs) == 0 {
		return nil, ErrElectionNoLeader
	}
	return resp, nil
}

// Candidates returns who is in the election, in order of succession: the first
// leads. It is one linearizable request, which ctx bounds.
func (e *Election) Candidates(ctx context.Context) ([]Candidate, error) {
	kvs, _, err := e.candidates(ctx, e.session.client.Get)
	if err != nil {
		return nil, err
	}
	cs := make([]Candidate, len(kvs))
	for i, kv := range kvs {
		cs[i] = newCandidate(kv)
	}
	return cs, nil
}
