// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
)

func key(s string) []byte { return []byte(s) }

func put(k, v string) *pb.PutRequest { return &pb.PutRequest{Key: key(k), Value: key(v)} }

func opPut(k, v string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: put(k, v)}}
}

func opRange(r *pb.RangeRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}}
}

func opDelete(k, end string) *pb.RequestOp {
	r := &pb.DeleteRangeRequest{Key: key(k), RangeEnd: key(end), PrevKv: true}
	return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: r}}
}

func opTxn(r *pb.TxnRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: r}}
}

func compare(k, end string, target pb.Compare_CompareTarget, result pb.Compare_CompareResult, n int64) *pb.Compare {
	c := &pb.Compare{Key: key(k), RangeEnd: key(end), Target: target, Result: result}
	switch target {
	case pb.Compare_VALUE:
		c.TargetUnion = &pb.Compare_Value{Value: []byte(fmt.Sprint(n))}
	case pb.Compare_CREATE:
		c.TargetUnion = &pb.Compare_CreateRevision{CreateRevision: n}
	case pb.Compare_MOD:
		c.TargetUnion = &pb.Compare_ModRevision{ModRevision: n}
	case pb.Compare_VERSION:
		c.TargetUnion = &pb.Compare_Version{Version: n}
	case pb.Compare_LEASE:
		c.TargetUnion = &pb.Compare_Lease{Lease: n}
	}
	return c
}

func all(t *testing.T, servers []server, reqs ...proto.Message) {
	t.Helper()
	for _, r := range reqs {
		same(t, servers, r)
	}
}

// populate writes keys whose every sort order is another one.
func populate(t *testing.T, servers []server) int64 {
	all(t, servers, &pb.LeaseGrantRequest{ID: 7, TTL: 600})
	for _, kv := range []string{"b3", "a1", "c2", "b0", "d9", "a1", "d4", "ca"} {
		all(t, servers, &pb.PutRequest{Key: key(kv[:1]), Value: key(kv[1:]), Lease: 7})
	}
	all(t, servers, put("cc", ""), &pb.DeleteRangeRequest{Key: key("b")}, put("b", "5"), put("aa", "1"))
	return level(t, servers)
}

func testRanges(t *testing.T, servers []server) {
	rev := populate(t, servers)
	ranges := []struct{ key, end string }{
		{"a", ""}, {"x", ""}, {"a", "c"}, {"a", "\x00"}, {"\x00", "\x00"}, {"c", "a"}, {"a", "b"}, {"x", "z"}, {"", ""}, {"", "z"},
	}
	for _, r := range ranges {
		base := &pb.RangeRequest{Key: key(r.key), RangeEnd: key(r.end)}
		vary := func(f func(*pb.RangeRequest)) {
			req := proto.Clone(base).(*pb.RangeRequest)
			f(req)
			same(t, servers, req)
		}
		for order := range pb.RangeRequest_SortOrder(4) {
			for target := range pb.RangeRequest_SortTarget(6) {
				for limit := range int64(4) {
					vary(func(r *pb.RangeRequest) { r.SortOrder, r.SortTarget, r.Limit = order, target, limit })
					vary(func(r *pb.RangeRequest) {
						r.SortOrder, r.SortTarget, r.Limit, r.KeysOnly = order, target, limit, true
					})
				}
			}
		}
		for at := rev - 13; at <= rev+1; at++ {
			vary(func(r *pb.RangeRequest) { r.Revision = at })
			vary(func(r *pb.RangeRequest) { r.Revision, r.CountOnly, r.Serializable = at, true, true })
			vary(func(r *pb.RangeRequest) { r.Revision, r.KeysOnly = at, true })
			vary(func(r *pb.RangeRequest) { r.MinModRevision, r.Limit = at, 2 })
			vary(func(r *pb.RangeRequest) { r.MaxModRevision, r.Limit = at, 2 })
			vary(func(r *pb.RangeRequest) { r.MinCreateRevision, r.KeysOnly = at, true })
			vary(func(r *pb.RangeRequest) { r.MaxCreateRevision, r.MinModRevision = at, at-3 })
		}
		for _, odd := range []int64{-1, -2} {
			vary(func(r *pb.RangeRequest) { r.Limit = odd })
			vary(func(r *pb.RangeRequest) { r.Revision = odd })
		}
	}
	// More than twelve keys of the same version: the order is that of the sorting algorithm.
	for i := range 40 {
		all(t, servers, put(fmt.Sprintf("many%02d", i), fmt.Sprint(i%3)))
	}
	for order := range pb.RangeRequest_SortOrder(3) {
		for target := range pb.RangeRequest_SortTarget(5) {
			all(t, servers, &pb.RangeRequest{Key: key("many"), RangeEnd: key("manz"), SortOrder: order, SortTarget: target, Limit: 30})
		}
	}
}

func testPuts(t *testing.T, servers []server) {
	all(t, servers,
		&pb.LeaseGrantRequest{ID: 7, TTL: 600}, &pb.LeaseGrantRequest{ID: 8, TTL: 600},
		&pb.PutRequest{}, put("a", ""), put("a", "1"),
		&pb.PutRequest{Key: key("a"), Value: key("2"), PrevKv: true},
		&pb.PutRequest{Key: key("a"), Value: key("2"), IgnoreValue: true},
		&pb.PutRequest{Key: key("a"), Lease: 7, IgnoreLease: true},
		&pb.PutRequest{Key: key("none"), IgnoreValue: true},
		&pb.PutRequest{Key: key("none"), IgnoreLease: true},
		&pb.PutRequest{Key: key("none"), PrevKv: true},
		&pb.PutRequest{Key: key("a"), Lease: 99},
		&pb.PutRequest{Key: key("a"), Lease: 99, IgnoreValue: true},
		&pb.PutRequest{Key: key("a"), Lease: 7, IgnoreValue: true},
		&pb.LeaseTimeToLiveRequest{ID: 7, Keys: true},
		&pb.PutRequest{Key: key("a"), Value: key("3"), IgnoreLease: true, PrevKv: true},
		&pb.PutRequest{Key: key("a"), Value: key("4"), Lease: 8},
		&pb.LeaseTimeToLiveRequest{ID: 7, Keys: true}, &pb.LeaseTimeToLiveRequest{ID: 8, Keys: true},
		&pb.LeaseRevokeRequest{ID: 7}, &pb.RangeRequest{Key: key("a")},
		put("a", "5"), &pb.LeaseRevokeRequest{ID: 8}, &pb.RangeRequest{Key: key("a")},
	)
	for _, size := range []int{1<<20 + 1<<19 - 100, 1<<20 + 1<<19, 1<<20 + 1<<19 + 1000, 1<<21 - 100, 1 << 21, 1 << 22} {
		same(t, servers, &pb.PutRequest{Key: key("big"), Value: bytes.Repeat([]byte{'x'}, size)})
	}
}

func testDeletes(t *testing.T, servers []server) {
	for _, r := range []struct{ key, end string }{{"b", ""}, {"x", ""}, {"a", "c"}, {"b", "\x00"}, {"c", "a"}, {"\x00", "\x00"}, {"", ""}} {
		populate(t, servers)
		all(t, servers,
			&pb.DeleteRangeRequest{Key: key(r.key), RangeEnd: key(r.end), PrevKv: true},
			&pb.DeleteRangeRequest{Key: key(r.key), RangeEnd: key(r.end)},
			&pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}},
			&pb.LeaseTimeToLiveRequest{ID: 7, Keys: true}, &pb.LeaseRevokeRequest{ID: 7},
			&pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}},
		)
	}
}

func testTxns(t *testing.T, servers []server) {
	rev := populate(t, servers)
	count := &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}, CountOnly: true}
	for target := range pb.Compare_CompareTarget(6) {
		for result := range pb.Compare_CompareResult(5) {
			for _, n := range []int64{0, 1, 2, 7, rev} {
				for _, r := range []struct{ key, end string }{{"a", ""}, {"x", ""}, {"a", "c"}, {"a", "\x00"}, {"x", "z"}, {"", ""}} {
					same(t, servers, &pb.TxnRequest{
						Compare: []*pb.Compare{compare(r.key, r.end, target, result, n)},
						Success: []*pb.RequestOp{opRange(count)},
					})
				}
			}
		}
	}
	past, future := &pb.RangeRequest{Key: key("a"), Revision: rev - 3}, &pb.RangeRequest{Key: key("a"), Revision: rev + 100}
	negative := &pb.RangeRequest{Key: key("a"), Revision: -1}
	holds := []*pb.Compare{compare("a", "", pb.Compare_VERSION, pb.Compare_GREATER, 0)}
	fails := []*pb.Compare{compare("a", "", pb.Compare_VERSION, pb.Compare_EQUAL, 0)}
	nested := func(ops ...*pb.RequestOp) *pb.RequestOp { return opTxn(&pb.TxnRequest{Compare: holds, Success: ops}) }
	otherwise := func(ops ...*pb.RequestOp) *pb.RequestOp { return opTxn(&pb.TxnRequest{Compare: fails, Failure: ops}) }
	either := func(then, els *pb.RequestOp) *pb.RequestOp {
		return opTxn(&pb.TxnRequest{Compare: fails, Success: []*pb.RequestOp{then}, Failure: []*pb.RequestOp{els}})
	}
	withLease := &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: key("t"), Lease: 99}}}
	keep := &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: key("none"), IgnoreValue: true}}}
	keepOld := &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: key("a"), IgnoreValue: true, PrevKv: true}}}
	for i, ops := range [][]*pb.RequestOp{
		{},
		{opRange(count)},
		{opRange(count), opPut("t", "1"), opRange(count), opDelete("a", "b"), opRange(count), opRange(past)},
		{opRange(past), opRange(negative)},
		{opRange(future)},
		{opPut("t", "1"), opRange(future)},
		{opDelete("nothing", ""), opRange(count)},
		{opDelete("nothing", ""), opPut("t", ""), opDelete("nothing", "")},
		{opPut("t", "1"), opPut("t", "2")},
		{opPut("t", "1"), opDelete("t", "")},
		{opDelete("s", "u"), opPut("t", "1")},
		{opDelete("u", "s"), opPut("t", "1")},
		{opDelete("s", "\x00"), opPut("t", "1")},
		{opDelete("u", "v"), opDelete("t", "w"), opPut("s", "1")},
		{nested(opRange(count))},
		{nested(opPut("t", "1"), opRange(count)), otherwise(opDelete("t", ""), opRange(count)), opRange(count)},
		{nested(opPut("t", "1")), nested(opPut("t", "2"))},
		{nested(opPut("t", "1")), opPut("t", "2")},
		{nested(opDelete("t", "")), nested(opPut("t", "2"))},
		{nested(opPut("t", "2")), nested(opDelete("t", "")), opRange(count)},
		{either(opPut("t", "1"), opPut("t", "2"))},
		{either(opPut("t", "1"), opPut("t", "2")), either(opPut("u", "1"), nested(opPut("t", "2")))},
		{nested(nested(nested(opPut("deep", "1"), otherwise(opRange(count)))))},
		{withLease}, {nested(withLease)}, {either(withLease, opPut("t", "1"))},
		{keep}, {keepOld}, {opPut("none", "1"), keep}, {keepOld, opRange(count)},
		{opPut("", "1")}, {opRange(&pb.RangeRequest{})}, {opDelete("", "")}, {{}}, {nested(&pb.RequestOp{})},
		{opRange(&pb.RangeRequest{Key: key("a"), SortOrder: 9})},
		{opRange(&pb.RangeRequest{Key: key("a"), RangeEnd: key("d"), KeysOnly: true, Serializable: true})},
		{opRange(&pb.RangeRequest{Key: key("a"), RangeEnd: key("d"), Limit: 1, SortOrder: pb.RangeRequest_DESCEND})},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			all(t, servers, &pb.TxnRequest{Compare: holds, Success: ops}, &pb.TxnRequest{Compare: fails, Failure: ops})
			all(t, servers, &pb.TxnRequest{Compare: append(holds, fails...), Success: ops})
			all(t, servers, &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}})
		})
	}
	for _, n := range []int{127, 128, 129} {
		var ops []*pb.RequestOp
		var compares []*pb.Compare
		for i := range n {
			ops = append(ops, opPut(fmt.Sprintf("many%d", i), "1"))
			compares = append(compares, compare("a", "", pb.Compare_VERSION, pb.Compare_GREATER, 0))
		}
		all(t, servers, &pb.TxnRequest{Success: ops}, &pb.TxnRequest{Failure: ops}, &pb.TxnRequest{Compare: compares},
			&pb.TxnRequest{Success: []*pb.RequestOp{nested(ops...)}}, &pb.TxnRequest{Success: []*pb.RequestOp{nested(ops[1:]...)}})
	}
}

func testCompaction(t *testing.T, servers []server) {
	rev := populate(t, servers)
	all(t, servers,
		&pb.CompactionRequest{Revision: rev + 1}, &pb.CompactionRequest{Revision: rev - 6, Physical: true},
		&pb.CompactionRequest{Revision: rev - 6}, &pb.CompactionRequest{Revision: rev - 7}, &pb.CompactionRequest{},
		&pb.CompactionRequest{Revision: -1},
	)
	for at := rev - 8; at <= rev; at++ {
		read := &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}, Revision: at}
		all(t, servers, read, &pb.TxnRequest{Success: []*pb.RequestOp{opRange(read)}},
			&pb.TxnRequest{Success: []*pb.RequestOp{opPut("t", fmt.Sprint(at)), opRange(read)}})
	}
	all(t, servers, &pb.TxnRequest{Success: []*pb.RequestOp{opRange(&pb.RangeRequest{Key: key("a"), Revision: -1})}})
}

func testLeases(t *testing.T, servers []server) {
	all(t, servers,
		&pb.LeaseGrantRequest{ID: 7, TTL: 600}, &pb.LeaseGrantRequest{ID: 7, TTL: 600}, &pb.LeaseGrantRequest{ID: 7, TTL: 9_000_000_001},
		&pb.LeaseGrantRequest{ID: 8, TTL: 9_000_000_001}, &pb.LeaseGrantRequest{ID: 8, TTL: 9_000_000_000},
		&pb.LeaseGrantRequest{ID: -9, TTL: 600},
		&pb.LeaseGrantRequest{ID: 10, TTL: 1}, &pb.LeaseRevokeRequest{ID: 10},
		&pb.LeaseGrantRequest{ID: 10, TTL: -5}, &pb.LeaseRevokeRequest{ID: 10},
		&pb.LeaseGrantRequest{ID: 10}, &pb.LeaseRevokeRequest{ID: 10}, &pb.LeaseRevokeRequest{ID: 10},
		&pb.LeaseLeasesRequest{}, &pb.LeaseTimeToLiveRequest{ID: 7, Keys: true}, &pb.LeaseTimeToLiveRequest{ID: 10, Keys: true},
		&pb.LeaseTimeToLiveRequest{}, &pb.LeaseRevokeRequest{}, &pb.LeaseKeepAliveRequest{}, &pb.LeaseKeepAliveRequest{ID: 10},
		&pb.LeaseKeepAliveRequest{ID: 7},
		&pb.PutRequest{Key: key("c"), Lease: 7}, &pb.PutRequest{Key: key("a"), Lease: 7}, &pb.PutRequest{Key: key("b"), Lease: 7},
		&pb.LeaseTimeToLiveRequest{ID: 7, Keys: true}, &pb.LeaseTimeToLiveRequest{ID: 7},
		&pb.LeaseRevokeRequest{ID: 7}, &pb.RangeRequest{Key: key("a"), RangeEnd: key("z")}, &pb.LeaseKeepAliveRequest{ID: 7},
	)
	for _, s := range servers {
		resp, err := s.call(&pb.LeaseGrantRequest{TTL: 600})
		require.NoError(t, err)
		require.Positive(t, resp.(*pb.LeaseGrantResponse).ID)
	}
}

// testExpiry takes real time: a lease of the shortest time to live runs out on both. A renewal that comes when its time
// is over waits, if the scan has not been by, for the lease's end, and answers zero. How far the scan is differs
// between the two, so the revision of that answer is not compared.
func testExpiry(t *testing.T, servers []server) {
	all(t, servers, &pb.LeaseGrantRequest{ID: 7, TTL: 1}, &pb.PutRequest{Key: key("a"), Lease: 7})
	time.Sleep(2010 * time.Millisecond)
	for _, s := range servers {
		resp, err := s.call(&pb.LeaseKeepAliveRequest{ID: 7})
		require.NoError(t, err)
		require.Zero(t, resp.(*pb.LeaseKeepAliveResponse).TTL)
	}
	all(t, servers, &pb.RangeRequest{Key: key("a")}, &pb.LeaseTimeToLiveRequest{ID: 7, Keys: true})
}
