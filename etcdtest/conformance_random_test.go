// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// ops draws requests over a few keys and leases, so that they meet. A request's revisions are near the current one.
type ops struct {
	t   *rapid.T
	rev int64
}

func (o ops) pick(name string, choices ...string) []byte {
	return []byte(rapid.SampledFrom(choices).Draw(o.t, name))
}

func (o ops) key() []byte { return o.pick("key", "a", "aa", "ab", "b", "c", "c\x00", "d", "") }

func (o ops) span() (key, end []byte) {
	return o.key(), o.pick("end", "", "", "", "b", "c", "e", "\x00", "aa")
}

func (o ops) often() bool { return rapid.IntRange(0, 3).Draw(o.t, "often") > 0 }

// seldom is rarer than rarely.
func (o ops) seldom() bool {
	twice := [2]bool{o.rarely(), o.rarely()}
	return twice[0] && twice[1]
}

func (o ops) rarely() bool          { return !o.often() }
func (o ops) n(lo, hi int) int64    { return int64(rapid.IntRange(lo, hi).Draw(o.t, "n")) }
func (o ops) near(lo, hi int) int64 { return o.rev + o.n(lo, hi) }

func (o ops) orZero(n func() int64) int64 {
	if o.often() {
		return 0
	}
	return n()
}

func (o ops) lease() int64 { return o.n(100, 103) }

func (o ops) put() *pb.PutRequest {
	r := &pb.PutRequest{Key: o.key(), Value: o.pick("value", "0", "1", "2", "3", ""), Lease: o.orZero(o.lease), PrevKv: o.rarely()}
	r.IgnoreValue = o.seldom()
	r.IgnoreLease = o.seldom()
	if r.IgnoreValue && o.often() {
		r.Value = nil
	}
	if r.IgnoreLease && o.often() {
		r.Lease = 0
	}
	return r
}

func (o ops) read() *pb.RangeRequest {
	near := func() int64 { return o.near(-12, 1) }
	r := &pb.RangeRequest{
		Revision: o.orZero(near), Limit: o.orZero(func() int64 { return o.n(-1, 4) }),
		Serializable: o.rarely(), KeysOnly: o.rarely(), CountOnly: o.seldom(),
		MinModRevision: o.orZero(near), MaxModRevision: o.orZero(near),
		MinCreateRevision: o.orZero(near), MaxCreateRevision: o.orZero(near),
		SortOrder: pb.RangeRequest_SortOrder(o.n(0, 2)), SortTarget: pb.RangeRequest_SortTarget(o.n(0, 4)),
	}
	r.Key, r.RangeEnd = o.span()
	return r
}

func (o ops) delete() *pb.DeleteRangeRequest {
	r := &pb.DeleteRangeRequest{PrevKv: o.rarely()}
	r.Key, r.RangeEnd = o.span()
	return r
}

func (o ops) compare() *pb.Compare {
	k, end := o.span()
	n := o.n(0, 3)
	target := pb.Compare_CompareTarget(o.n(0, 4))
	switch target {
	case pb.Compare_CREATE, pb.Compare_MOD:
		n = o.orZero(func() int64 { return o.near(-12, 1) })
	case pb.Compare_LEASE:
		n = o.orZero(o.lease)
	}
	return compare(string(k), string(end), target, pb.Compare_CompareResult(o.n(0, 3)), n)
}

func (o ops) txn(depth int) *pb.TxnRequest {
	r := &pb.TxnRequest{}
	for range o.n(0, 2) {
		r.Compare = append(r.Compare, o.compare())
	}
	for range o.n(0, 3) {
		r.Success = append(r.Success, o.op(depth))
	}
	for range o.n(0, 3) {
		r.Failure = append(r.Failure, o.op(depth))
	}
	return r
}

func (o ops) op(depth int) *pb.RequestOp {
	switch o.n(0, 3+depth) {
	case 0:
		return opRange(o.read())
	case 1, 2:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: o.put()}}
	case 3:
		r := o.delete()
		if openEnd(r.RangeEnd) {
			// Beyond all keys as well, but with an open end etcd overlooks that it takes away what a put of the same
			// transaction wants to keep the value of, and panics.
			r.RangeEnd = []byte("e")
		}
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: r}}
	default:
		return opTxn(o.txn(depth - 1))
	}
}

func (o ops) any() proto.Message {
	switch o.n(0, 15) {
	case 0, 1, 2, 3:
		return o.put()
	case 4, 5, 6:
		return o.read()
	case 7:
		return o.delete()
	case 8, 9, 10:
		return o.txn(2)
	case 11:
		return &pb.LeaseGrantRequest{ID: o.lease(), TTL: []int64{600, 1000, 9_000_000_001}[o.n(0, 2)]}
	case 12:
		return &pb.LeaseRevokeRequest{ID: o.lease()}
	case 13:
		return &pb.LeaseTimeToLiveRequest{ID: o.lease(), Keys: o.often()}
	case 14:
		return &pb.LeaseKeepAliveRequest{ID: o.lease()}
	default:
		return &pb.CompactionRequest{Revision: o.near(-20, 1), Physical: o.often()}
	}
}

func revisionOf(m proto.Message) int64 {
	h, ok := m.(interface{ GetHeader() *pb.ResponseHeader })
	if !ok {
		return 0
	}
	return h.GetHeader().GetRevision()
}

func testRandomOperations(t *testing.T, servers []server) {
	checks(300)
	rapid.Check(t, func(t *rapid.T) {
		o := ops{t, reset(t, servers)}
		for range rapid.IntRange(1, 40).Draw(t, "operations") {
			o.rev = max(o.rev, revisionOf(same(t, servers, o.any())))
		}
		same(t, servers, &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}})
		same(t, servers, &pb.LeaseLeasesRequest{})
	})
}
