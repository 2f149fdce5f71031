// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"bytes"
	"sort"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

// rangeLocked answers a range request from a view. The steps are in etcd's order, which shows in the answers: the
// count is that of the whole range, before the revision filters; the filters and the sort see all keys, and only then
// the limit cuts. One case is odd: where a target is given and no order, the server takes the keys to be in order
// already, reads no more than the limit, by name, and one to know whether there are more, and then sorts these.
func (s *store) rangeLocked(v view, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	rev := r.Revision
	switch {
	case rev > v.rev:
		return nil, errFutureRev
	case rev <= 0:
		rev = v.rev
	}
	if rev < v.compact {
		return nil, errCompacted
	}
	kvs := s.scanLocked(r.Key, r.RangeEnd, rev)
	resp := &pb.RangeResponse{Header: &pb.ResponseHeader{Revision: v.rev}, Count: int64(len(kvs))}
	if r.CountOnly {
		return resp, nil
	}
	if r.SortOrder == pb.RangeRequest_NONE && !filters(r) && r.Limit > 0 && r.Limit < int64(len(kvs)) {
		kvs = kvs[:r.Limit+1]
	}
	kvs = filterRevisions(kvs, r)
	sortKVs(kvs, r)
	if r.Limit > 0 && int64(len(kvs)) > r.Limit {
		kvs, resp.More = kvs[:r.Limit], true
	}
	if r.KeysOnly {
		kvs = withoutValues(kvs, r.SortTarget)
	}
	resp.Kvs = kvs
	return resp, nil
}

func filters(r *pb.RangeRequest) bool {
	return r.MinModRevision != 0 || r.MaxModRevision != 0 || r.MinCreateRevision != 0 || r.MaxCreateRevision != 0
}

func filterRevisions(kvs []*mvccpb.KeyValue, r *pb.RangeRequest) []*mvccpb.KeyValue {
	within := func(rev, lo, hi int64) bool { return (lo == 0 || rev >= lo) && (hi == 0 || rev <= hi) }
	kept := kvs[:0]
	for _, kv := range kvs {
		if within(kv.ModRevision, r.MinModRevision, r.MaxModRevision) &&
			within(kv.CreateRevision, r.MinCreateRevision, r.MaxCreateRevision) {
			kept = append(kept, kv)
		}
	}
	return kept
}

// sortKVs sorts by the request's target. Keys that are equal in the target come in an order that is an accident of the
// sorting algorithm; sort.Slice runs the same one as the server, on the same input, and so meets the same accidents.
func sortKVs(kvs []*mvccpb.KeyValue, r *pb.RangeRequest) {
	less := func(a, b *mvccpb.KeyValue) bool { return bytes.Compare(a.Key, b.Key) < 0 }
	switch r.SortTarget {
	case pb.RangeRequest_VERSION:
		less = func(a, b *mvccpb.KeyValue) bool { return a.Version < b.Version }
	case pb.RangeRequest_CREATE:
		less = func(a, b *mvccpb.KeyValue) bool { return a.CreateRevision < b.CreateRevision }
	case pb.RangeRequest_MOD:
		less = func(a, b *mvccpb.KeyValue) bool { return a.ModRevision < b.ModRevision }
	case pb.RangeRequest_VALUE:
		less = func(a, b *mvccpb.KeyValue) bool { return bytes.Compare(a.Value, b.Value) < 0 }
	}
	switch {
	case r.SortOrder == pb.RangeRequest_DESCEND:
		sort.Slice(kvs, func(i, j int) bool { return less(kvs[j], kvs[i]) })
	case r.SortTarget != pb.RangeRequest_KEY: // another target without an order ascends
		sort.Slice(kvs, func(i, j int) bool { return less(kvs[i], kvs[j]) })
	}
}

// withoutValues is what a keys-only answer holds. A 3.7 server takes it from its index, which knows no leases, so the
// lease is zero too; only a sort by value makes it read the keys themselves, and then the lease is there.
func withoutValues(kvs []*mvccpb.KeyValue, target pb.RangeRequest_SortTarget) []*mvccpb.KeyValue {
	out := make([]*mvccpb.KeyValue, len(kvs))
	for i, kv := range kvs {
		out[i] = &mvccpb.KeyValue{
			Key: kv.Key, CreateRevision: kv.CreateRevision, ModRevision: kv.ModRevision, Version: kv.Version,
		}
		if target == pb.RangeRequest_VALUE {
			out[i].Lease = kv.Lease
		}
	}
	return out
}
