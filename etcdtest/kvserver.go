// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"context"
	"errors"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/protobuf/proto"
)

type kvServer struct {
	pb.UnimplementedKVServer
	m *Member
}

func (srv kvServer) Range(ctx context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	if err := checkRange(r); err != nil {
		return nil, err
	}
	if !r.Serializable {
		if err := srv.m.awaitRead(ctx); err != nil {
			return nil, err
		}
	}
	s := srv.m.s
	s.mu.Lock()
	defer s.mu.Unlock()
	resp, err := s.rangeLocked(srv.m.viewLocked(), r)
	if err != nil {
		return nil, toStatus(err)
	}
	resp.Header = srv.m.header(resp.Header.Revision)
	return resp, nil
}

func (srv kvServer) Put(ctx context.Context, r *pb.PutRequest) (*pb.PutResponse, error) {
	if err := checkPut(r); err != nil {
		return nil, err
	}
	if err := srv.m.propose(ctx, &pb.InternalRaftRequest{Put: r}); err != nil {
		return nil, err
	}
	s := srv.m.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkPutLocked(s.rev, r); err != nil {
		return nil, err
	}
	w := s.writeLocked()
	resp := s.putLocked(w, r)
	w.commit()
	resp.Header = srv.m.header(resp.Header.Revision)
	return resp, nil
}

func (srv kvServer) DeleteRange(ctx context.Context, r *pb.DeleteRangeRequest) (*pb.DeleteRangeResponse, error) {
	if err := checkDelete(r); err != nil {
		return nil, err
	}
	if err := srv.m.propose(ctx, &pb.InternalRaftRequest{DeleteRange: r}); err != nil {
		return nil, err
	}
	s := srv.m.s
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.writeLocked()
	resp := s.deleteLocked(w, r)
	w.commit()
	resp.Header = srv.m.header(resp.Header.Revision)
	return resp, nil
}

func (srv kvServer) Txn(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	if err := checkTxn(r, srv.m.s.cfg.maxTxnOps); err != nil {
		return nil, err
	}
	for _, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
		if _, err := checkOverlap(ops); err != nil {
			return nil, err
		}
	}
	reads := readOnly(r)
	var err error
	switch {
	case !reads:
		err = srv.m.propose(ctx, &pb.InternalRaftRequest{Txn: r})
	case !serializable(r):
		err = srv.m.awaitRead(ctx)
	}
	if err != nil {
		return nil, err
	}
	s := srv.m.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.viewLocked()
	if reads {
		v = srv.m.viewLocked()
	}
	resp, err := s.txnLocked(v, r)
	if err != nil {
		return nil, toStatus(err)
	}
	resp.Header = srv.m.header(resp.Header.Revision)
	return resp, nil
}

func (srv kvServer) Compact(ctx context.Context, r *pb.CompactionRequest) (*pb.CompactionResponse, error) {
	if err := srv.m.propose(ctx, &pb.InternalRaftRequest{Compaction: r}); err != nil {
		return nil, err
	}
	s := srv.m.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.compactLocked(r.Revision); err != nil {
		return nil, toStatus(err)
	}
	return &pb.CompactionResponse{Header: srv.m.header(s.rev)}, nil
}

// propose is the way of a request through the log: it must not be too large, and there must be a leader.
func (m *Member) propose(ctx context.Context, r *pb.InternalRaftRequest) error {
	r.Header = &pb.RequestHeader{ID: 1 << 62} // an id as long as etcd's
	if proto.Size(r) > m.s.cfg.maxRequestBytes {
		return rpctypes.ErrGRPCRequestTooLarge
	}
	return m.awaitWrite(ctx)
}

func toStatus(err error) error {
	switch {
	case errors.Is(err, errCompacted):
		return rpctypes.ErrGRPCCompacted
	case errors.Is(err, errFutureRev):
		return rpctypes.ErrGRPCFutureRev
	}
	return err
}
