// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/api/v3/version"
)

type clusterServer struct {
	pb.UnimplementedClusterServer
	m *Member
}

func (srv clusterServer) MemberList(ctx context.Context, r *pb.MemberListRequest) (*pb.MemberListResponse, error) {
	if r.Linearizable {
		if err := srv.m.awaitRead(ctx); err != nil {
			return nil, err
		}
	}
	s := srv.m.s
	s.mu.Lock()
	defer s.mu.Unlock()
	resp := &pb.MemberListResponse{Header: srv.m.header(0)}
	for _, m := range s.members {
		resp.Members = append(resp.Members, &pb.Member{
			ID: m.ID(), Name: m.name(), ClientURLs: []string{m.Endpoint()}, PeerURLs: []string{m.peerURL()},
		})
	}
	return resp, nil
}

type maintenanceServer struct {
	pb.UnimplementedMaintenanceServer
	m *Member
}

func (srv maintenanceServer) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	s := srv.m.s
	s.mu.Lock()
	defer s.mu.Unlock()
	rev := srv.m.viewLocked().rev
	resp := &pb.StatusResponse{
		Header: srv.m.header(rev), Version: version.Version, StorageVersion: "3.7.0",
		RaftTerm: s.term, RaftIndex: uint64(rev), RaftAppliedIndex: uint64(rev),
		DowngradeInfo: &pb.DowngradeInfo{},
	}
	if srv.m.frozen == nil && s.leader >= 0 {
		resp.Leader = s.members[s.leader].ID()
	} else {
		resp.Errors = append(resp.Errors, rpctypes.ErrorDesc(rpctypes.ErrGRPCNoLeader))
	}
	return resp, nil
}

// MoveLeader makes another member the leader, which gives every lease its whole time anew.
func (srv maintenanceServer) MoveLeader(_ context.Context, r *pb.MoveLeaderRequest) (*pb.MoveLeaderResponse, error) {
	s := srv.m.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leader != srv.m.index {
		return nil, rpctypes.ErrGRPCNotLeader
	}
	for _, m := range s.members {
		if m.ID() != r.TargetID || !m.running || m.frozen != nil {
			continue
		}
		if m.index != s.leader {
			s.leader = m.index
			s.term++
			s.promoteLocked()
		}
		return &pb.MoveLeaderResponse{}, nil
	}
	return nil, rpctypes.ErrGRPCBadLeaderTransferee
}

func (m *Member) name() string    { return "member" + string(rune('0'+m.index)) }
func (m *Member) peerURL() string { return "http://" + m.name() + ":2380" }
