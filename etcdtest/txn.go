// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"bytes"
	"cmp"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// readOnly tells whether a transaction needs no entry in the log. As in etcd, a nested one always does, even when it
// only reads.
func readOnly(r *pb.TxnRequest) bool {
	return allOps(r, func(op *pb.RequestOp) bool { return op.GetRequestRange() != nil })
}

func serializable(r *pb.TxnRequest) bool {
	return allOps(r, func(op *pb.RequestOp) bool { return op.GetRequestRange().GetSerializable() })
}

func allOps(r *pb.TxnRequest, ok func(*pb.RequestOp) bool) bool {
	for _, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
		for _, op := range ops {
			if !ok(op) {
				return false
			}
		}
	}
	return true
}

// branch is a transaction with its comparisons decided: which side runs, down through the nested ones. All
// comparisons are decided before anything is written.
type branch struct {
	succeeded bool
	ops       []*pb.RequestOp
	nested    map[int]*branch // by the index of the operation
}

func (s *store) decideLocked(rev int64, r *pb.TxnRequest) *branch {
	b := &branch{succeeded: true, ops: r.Success, nested: map[int]*branch{}}
	for _, c := range r.Compare {
		if !s.compareLocked(rev, c) {
			b.succeeded, b.ops = false, r.Failure
			break
		}
	}
	for i, op := range b.ops {
		if t := op.GetRequestTxn(); t != nil {
			b.nested[i] = s.decideLocked(rev, t)
		}
	}
	return b
}

// compareLocked holds if every key of the range fulfils the comparison. Where there is no key, an empty one is
// compared, except by value: that never holds for a key that is not there.
func (s *store) compareLocked(rev int64, c *pb.Compare) bool {
	kvs := s.scanLocked(c.Key, c.RangeEnd, rev)
	if len(kvs) == 0 {
		return c.Target != pb.Compare_VALUE && compareKV(c, &mvccpb.KeyValue{})
	}
	for _, kv := range kvs {
		if !compareKV(c, kv) {
			return false
		}
	}
	return true
}

func compareKV(c *pb.Compare, kv *mvccpb.KeyValue) bool {
	var d int
	switch c.Target {
	case pb.Compare_VALUE:
		d = bytes.Compare(kv.Value, c.GetValue())
	case pb.Compare_CREATE:
		d = cmp.Compare(kv.CreateRevision, c.GetCreateRevision())
	case pb.Compare_MOD:
		d = cmp.Compare(kv.ModRevision, c.GetModRevision())
	case pb.Compare_VERSION:
		d = cmp.Compare(kv.Version, c.GetVersion())
	case pb.Compare_LEASE:
		d = cmp.Compare(kv.Lease, c.GetLease())
	}
	switch c.Result {
	case pb.Compare_EQUAL:
		return d == 0
	case pb.Compare_NOT_EQUAL:
		return d != 0
	case pb.Compare_GREATER:
		return d > 0
	case pb.Compare_LESS:
		return d < 0
	}
	return true
}

// checkBranchLocked finds what would fail, so that a transaction that is refused has written nothing.
func (s *store) checkBranchLocked(v view, b *branch) error {
	for i, op := range b.ops {
		var err error
		switch req := op.Request.(type) {
		case *pb.RequestOp_RequestRange:
			rev := req.RequestRange.Revision
			switch {
			case rev == 0:
			case rev > v.rev:
				err = errFutureRev
			case rev < v.compact:
				err = errCompacted
			}
		case *pb.RequestOp_RequestPut:
			err = s.checkPutLocked(v.rev, req.RequestPut)
		case *pb.RequestOp_RequestTxn:
			err = s.checkBranchLocked(v, b.nested[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkPutLocked refuses a put with a lease that is not there, or that wants to keep what is not there.
func (s *store) checkPutLocked(rev int64, r *pb.PutRequest) error {
	if r.Lease != 0 && s.leases[r.Lease] == nil {
		return rpctypes.ErrGRPCLeaseNotFound
	}
	if (r.IgnoreValue || r.IgnoreLease) && s.atLocked(string(r.Key), rev) == nil {
		return rpctypes.ErrGRPCKeyNotFound
	}
	return nil
}

// txnLocked runs a transaction. A read-only one reads from the member's view; any other works on the store itself.
func (s *store) txnLocked(v view, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	b := s.decideLocked(v.rev, r)
	if err := s.checkBranchLocked(v, b); err != nil {
		return nil, err
	}
	w := &write{s: s, begin: v.rev}
	resp, err := s.runLocked(w, v.compact, b)
	if err != nil {
		return nil, err
	}
	resp.Header.Revision = w.rev()
	w.commit()
	return resp, nil
}

// runLocked executes one level. The headers of the answers inside carry a revision only, and that of a nested
// transaction not even that, as etcd's do.
func (s *store) runLocked(w *write, compact int64, b *branch) (*pb.TxnResponse, error) {
	resp := &pb.TxnResponse{Header: &pb.ResponseHeader{}, Succeeded: b.succeeded}
	for i, op := range b.ops {
		out := &pb.ResponseOp{}
		switch req := op.Request.(type) {
		case *pb.RequestOp_RequestRange:
			r, err := s.rangeLocked(view{w.rev(), compact}, req.RequestRange)
			if err != nil {
				return nil, err
			}
			out.Response = &pb.ResponseOp_ResponseRange{ResponseRange: r}
		case *pb.RequestOp_RequestPut:
			out.Response = &pb.ResponseOp_ResponsePut{ResponsePut: s.putLocked(w, req.RequestPut)}
		case *pb.RequestOp_RequestDeleteRange:
			out.Response = &pb.ResponseOp_ResponseDeleteRange{ResponseDeleteRange: s.deleteLocked(w, req.RequestDeleteRange)}
		case *pb.RequestOp_RequestTxn:
			t, err := s.runLocked(w, compact, b.nested[i])
			if err != nil {
				return nil, err
			}
			out.Response = &pb.ResponseOp_ResponseTxn{ResponseTxn: t}
		}
		resp.Responses = append(resp.Responses, out)
	}
	return resp, nil
}

// putLocked puts what checkPutLocked has passed.
func (s *store) putLocked(w *write, r *pb.PutRequest) *pb.PutResponse {
	resp := &pb.PutResponse{Header: &pb.ResponseHeader{Revision: w.begin + 1}}
	old := s.atLocked(string(r.Key), w.rev())
	value, leaseID := r.Value, r.Lease
	if r.IgnoreValue {
		value = old.GetValue()
	}
	if r.IgnoreLease {
		leaseID = old.GetLease()
	}
	if r.PrevKv {
		resp.PrevKv = old
	}
	w.put(r.Key, value, leaseID)
	return resp
}

func (s *store) deleteLocked(w *write, r *pb.DeleteRangeRequest) *pb.DeleteRangeResponse {
	resp := &pb.DeleteRangeResponse{}
	if r.PrevKv {
		resp.PrevKvs = s.scanLocked(r.Key, r.RangeEnd, w.rev())
	}
	resp.Deleted = w.delete(r.Key, r.RangeEnd)
	resp.Header = &pb.ResponseHeader{Revision: w.rev()}
	return resp
}
