// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"context"
	"errors"
	"io"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

type leaseServer struct {
	pb.UnimplementedLeaseServer
	m *Member
}

func (srv leaseServer) LeaseGrant(ctx context.Context, r *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
	if err := srv.m.propose(ctx, &pb.InternalRaftRequest{LeaseGrant: r}); err != nil {
		return nil, err
	}
	s := srv.m.s
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.grantLocked(r.ID, r.TTL)
	if err != nil {
		return nil, err
	}
	l.participant = remoteOf(ctx).participant()
	return &pb.LeaseGrantResponse{Header: srv.m.header(s.rev), ID: l.id, TTL: l.ttl}, nil
}

func (srv leaseServer) LeaseRevoke(ctx context.Context, r *pb.LeaseRevokeRequest) (*pb.LeaseRevokeResponse, error) {
	if err := srv.m.propose(ctx, &pb.InternalRaftRequest{LeaseRevoke: r}); err != nil {
		return nil, err
	}
	s := srv.m.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.revokeLocked(r.ID); err != nil {
		return nil, err
	}
	return &pb.LeaseRevokeResponse{Header: srv.m.header(s.rev)}, nil
}

func (srv leaseServer) LeaseTimeToLive(ctx context.Context, r *pb.LeaseTimeToLiveRequest) (*pb.LeaseTimeToLiveResponse, error) {
	if _, err := srv.m.awaitLeader(ctx, rpctypes.ErrGRPCNoLeader); err != nil {
		return nil, err
	}
	s := srv.m.s
	s.mu.Lock()
	defer s.mu.Unlock()
	resp := &pb.LeaseTimeToLiveResponse{Header: srv.m.header(srv.m.viewLocked().rev), ID: r.ID, TTL: -1}
	l := s.leases[r.ID]
	if l == nil {
		return resp, nil
	}
	resp.TTL, resp.GrantedTTL = int64(time.Until(l.expiry).Seconds()), l.ttl
	if r.Keys {
		for _, k := range l.sortedKeys() {
			resp.Keys = append(resp.Keys, []byte(k))
		}
	}
	return resp, nil
}

// LeaseLeases lists the leases, as far as the member knows: it needs no leader.
func (srv leaseServer) LeaseLeases(context.Context, *pb.LeaseLeasesRequest) (*pb.LeaseLeasesResponse, error) {
	s := srv.m.s
	s.mu.Lock()
	defer s.mu.Unlock()
	resp := &pb.LeaseLeasesResponse{Header: srv.m.header(srv.m.viewLocked().rev)}
	for _, l := range s.leasesLocked() {
		resp.Leases = append(resp.Leases, &pb.LeaseStatus{ID: l.id})
	}
	return resp, nil
}

func (srv leaseServer) LeaseKeepAlive(stream pb.Lease_LeaseKeepAliveServer) error {
	ctx, done := stream.Context(), make(chan error, 1)
	go func() { done <- srv.keepAlive(stream) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// keepAlive answers one request after the other. The header's revision is from before the renewal, so that nobody can
// see a renewal succeed at a revision at which the lease was gone already.
func (srv leaseServer) keepAlive(stream pb.Lease_LeaseKeepAliveServer) error {
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		srv.m.s.mu.Lock()
		header := srv.m.header(srv.m.viewLocked().rev)
		srv.m.s.mu.Unlock()
		ttl, err := srv.m.renew(stream.Context(), r.ID)
		if err != nil {
			return err
		}
		if err := stream.Send(&pb.LeaseKeepAliveResponse{Header: header, ID: r.ID, TTL: ttl}); err != nil {
			return err
		}
	}
}

// renew returns the time to live, which is zero if the lease is gone. A lease whose time is over but that is not revoked
// yet is past saving: the answer waits until it is gone.
func (m *Member) renew(ctx context.Context, id int64) (int64, error) {
	for {
		if _, err := m.awaitLeader(ctx, rpctypes.ErrGRPCNoLeader); err != nil {
			return 0, err
		}
		ttl, gone, promoted := m.s.renew(id)
		if gone == nil {
			return ttl, nil
		}
		select {
		case <-gone:
			return 0, nil
		case <-promoted: // a new leader has given it more time
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

func (s *store) renew(id int64) (ttl int64, gone, promoted <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, now := s.leases[id], time.Now()
	if l == nil {
		return 0, nil, nil
	}
	if !now.Before(l.expiry) {
		return 0, l.gone, s.promoted
	}
	l.expiry = now.Add(time.Duration(l.ttl) * time.Second)
	return l.ttl, nil, nil
}
