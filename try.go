// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"

	v3 "go.etcd.io/etcd/client/v3"
)

// maxRefusals is how often try is refused by something that is no candidate
// before it queues up to find out.
const maxRefusals = 4

// try takes the first place if nobody has it, and returns the leader if somebody
// does, having written nothing.
//
// Its transaction requires that no key under the name was created after the read
// that showed no candidate among them; at first, that there is none at all. So
// a stray key, or one of an election whose name begins with this one's and a
// slash, does not keep anybody out. Only where such keys are made all the time does
// try queue up like everybody else, and leave when it is not first.
func (q queue) try(ctx context.Context, st *seat, value string) (place, *Candidate, error) {
	ctx, unbind := bind(ctx, st.ctx)
	defer unbind()
	since := int64(0)
	for range maxRefusals {
		after := since + 1
		resp, err := q.commit(ctx, st, func(ctx context.Context) v3.Txn {
			return q.session.client.Txn(ctx).
				If(v3.Compare(v3.CreateRevision(q.prefix), "<", after).WithPrefix(), v3.Compare(v3.CreateRevision(st.key), "=", 0)).
				Then(v3.OpPut(st.key, value, v3.WithLease(q.session.id))).
				Else(v3.OpGet(st.key))
		})
		if err != nil {
			return place{}, nil, err
		}
		p := place{candidacy: resp.candidacy, first: resp.Succeeded, value: value, hdr: header(resp.TxnResponse)}
		if p.first {
			return p, nil, nil
		}
		if p.candidacy != nil {
			// The session is in the queue already. Perhaps it leads.
			kv := ownKey(resp.TxnResponse)[0]
			p.value, p.modRev = string(kv.Value), kv.ModRevision
			return q.whoLeads(ctx, p)
		}
		leader, hdr, err := q.leader(ctx)
		if err != nil {
			return p, nil, err
		}
		if leader != nil {
			return p, leader, nil
		}
		since = hdr.Revision
	}

	p, err := q.enter(ctx, st, value)
	if err != nil || p.first {
		return p, nil, err
	}
	return q.whoLeads(ctx, p)
}

// whoLeads reads whether p is the first place, and who has it if not.
func (q queue) whoLeads(ctx context.Context, p place) (place, *Candidate, error) {
	leader, hdr, err := q.leader(ctx)
	if err != nil {
		return p, nil, err
	}
	if leader == nil {
		return p, nil, p.over()
	}
	p.first, p.hdr = leader.Key == p.key && leader.Rev == p.rev, hdr
	return p, leader, nil
}
