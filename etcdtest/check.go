// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// The checks in this file need no state: a server makes them before it proposes a request.

func checkRange(r *pb.RangeRequest) error {
	if len(r.GetKey()) == 0 {
		return rpctypes.ErrGRPCEmptyKey
	}
	_, order := pb.RangeRequest_SortOrder_name[int32(r.SortOrder)]
	_, target := pb.RangeRequest_SortTarget_name[int32(r.SortTarget)]
	if !order || !target {
		return rpctypes.ErrGRPCInvalidSortOption
	}
	return nil
}

func checkPut(r *pb.PutRequest) error {
	switch {
	case len(r.GetKey()) == 0:
		return rpctypes.ErrGRPCEmptyKey
	case r.IgnoreValue && len(r.Value) != 0:
		return rpctypes.ErrGRPCValueProvided
	case r.IgnoreLease && r.Lease != 0:
		return rpctypes.ErrGRPCLeaseProvided
	}
	return nil
}

func checkDelete(r *pb.DeleteRangeRequest) error {
	if len(r.GetKey()) == 0 {
		return rpctypes.ErrGRPCEmptyKey
	}
	return nil
}

// checkTxn bounds the number of operations: each level may have at most what the level above left of the limit.
func checkTxn(r *pb.TxnRequest, limit int) error {
	n := max(len(r.GetCompare()), len(r.GetSuccess()), len(r.GetFailure()))
	if n > limit {
		return rpctypes.ErrGRPCTooManyOps
	}
	for _, c := range r.GetCompare() {
		if len(c.Key) == 0 {
			return rpctypes.ErrGRPCEmptyKey
		}
	}
	for _, ops := range [][]*pb.RequestOp{r.GetSuccess(), r.GetFailure()} {
		for _, op := range ops {
			if err := checkOp(op, limit-n); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkOp(op *pb.RequestOp, limit int) error {
	switch req := op.Request.(type) {
	case *pb.RequestOp_RequestRange:
		return checkRange(req.RequestRange)
	case *pb.RequestOp_RequestPut:
		return checkPut(req.RequestPut)
	case *pb.RequestOp_RequestDeleteRange:
		return checkDelete(req.RequestDeleteRange)
	case *pb.RequestOp_RequestTxn:
		return checkTxn(req.RequestTxn, limit)
	default:
		return rpctypes.ErrGRPCKeyNotFound
	}
}

// touched is what one branch of a transaction would put and delete.
type touched struct {
	puts map[string]bool
	dels []*pb.DeleteRangeRequest
}

// deletes tells whether a delete covers the key. As in etcd, a delete that is open to the right (its end is one zero
// byte) is overlooked: the server takes the end for a key that nothing comes before.
func (t *touched) deletes(key string) bool {
	for _, d := range t.dels {
		if len(d.RangeEnd) == 0 && key == string(d.Key) || key >= string(d.Key) && key < string(d.RangeEnd) {
			return true
		}
	}
	return false
}

// checkOverlap refuses a branch that would put one key twice, or put a key that it deletes. It looks in etcd's order
// (deletes of this level, nested transactions one after the other, puts of this level), because a delete in a later
// nested transaction is not held against a put in an earlier one.
func checkOverlap(ops []*pb.RequestOp) (touched, error) {
	t := touched{puts: map[string]bool{}}
	for _, op := range ops {
		if d := op.GetRequestDeleteRange(); d != nil {
			t.dels = append(t.dels, d)
		}
	}
	for _, op := range ops {
		nested := op.GetRequestTxn()
		if nested == nil {
			continue
		}
		then, err := checkOverlap(nested.Success)
		if err != nil {
			return t, err
		}
		otherwise, err := checkOverlap(nested.Failure)
		if err != nil {
			return t, err
		}
		for k := range then.puts {
			if t.puts[k] || t.deletes(k) {
				return t, rpctypes.ErrGRPCDuplicateKey
			}
		}
		for k := range otherwise.puts { // only one of the two runs, so they may share keys
			if t.puts[k] || t.deletes(k) {
				return t, rpctypes.ErrGRPCDuplicateKey
			}
		}
		for _, branch := range []touched{then, otherwise} {
			for k := range branch.puts {
				t.puts[k] = true
			}
			t.dels = append(t.dels, branch.dels...)
		}
	}
	for _, op := range ops {
		p := op.GetRequestPut()
		if p == nil {
			continue
		}
		if t.puts[string(p.Key)] || t.deletes(string(p.Key)) {
			return t, rpctypes.ErrGRPCDuplicateKey
		}
		t.puts[string(p.Key)] = true
	}
	return t, nil
}
