// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"context"
	pathpkg "path"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// newServer is a member's gRPC server, with the limits that etcd gives its own.
func (e *Etcd) newServer(m *Member) *grpc.Server {
	srv := grpc.NewServer(
		grpc.UnaryInterceptor(m.unary),
		grpc.StreamInterceptor(m.stream),
		grpc.UnknownServiceHandler(unknown),
		grpc.MaxRecvMsgSize(e.store.cfg.maxRequestBytes+512<<10),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 2 * time.Hour, Timeout: 20 * time.Second}),
		grpc.WaitForHandlers(true),
	)
	pb.RegisterKVServer(srv, kvServer{m: m})
	pb.RegisterWatchServer(srv, watchServer{m: m})
	pb.RegisterLeaseServer(srv, leaseServer{m: m})
	pb.RegisterClusterServer(srv, clusterServer{m: m})
	pb.RegisterMaintenanceServer(srv, maintenanceServer{m: m})
	pb.RegisterAuthServer(srv, pb.UnimplementedAuthServer{})
	return srv
}

func unknown(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	return status.Errorf(codes.Unimplemented, "etcdtest: %s is not implemented", method)
}

func remoteOf(ctx context.Context) *clientAddr {
	p, ok := peer.FromContext(ctx)
	if !ok {
		panic("bug: a request from nowhere")
	}
	return p.Addr.(*clientAddr)
}

func (m *Member) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	call := m.count(ctx, pathpkg.Base(info.FullMethod), req.(proto.Message))
	trap := m.etcd.traps.spring(call, m)
	if trap != nil && !trap.reply {
		return nil, trap.drop(ctx)
	}
	if err := m.requireLeader(ctx); err != nil {
		return nil, err
	}
	resp, err := handler(ctx, req)
	if trap != nil {
		return nil, trap.drop(ctx)
	}
	if status.Code(err) == codes.Unimplemented {
		err = status.Errorf(codes.Unimplemented, "etcdtest: %s is not implemented", info.FullMethod)
	}
	return resp, err
}

// count counts a request, and returns what traps may match.
func (m *Member) count(ctx context.Context, method string, req proto.Message) Call {
	call := Call{Participant: remoteOf(ctx).participant(), Member: m.index, Method: method, Request: req}
	m.etcd.counters.add(call)
	return call
}

func wantsLeader(ctx context.Context) bool {
	md, _ := metadata.FromIncomingContext(ctx)
	v := md[rpctypes.MetadataRequireLeaderKey]
	return len(v) > 0 && v[0] == rpctypes.MetadataHasLeader
}

func (m *Member) requireLeader(ctx context.Context) error {
	if !wantsLeader(ctx) {
		return nil
	}
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if m.frozen != nil {
		return rpctypes.ErrGRPCNoLeader
	}
	return nil
}

// serverStream is a stream on which each message is a call, and whose context can be ended with a reason.
type serverStream struct {
	grpc.ServerStream
	m      *Member
	ctx    context.Context
	cancel context.CancelCauseFunc
	method string

	mu    sync.Mutex
	traps []*Trap // sprung, and waiting for the answer
}

func (st *serverStream) Context() context.Context { return st.ctx }

func (m *Member) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	st := &serverStream{ServerStream: ss, m: m, method: pathpkg.Base(info.FullMethod)}
	st.ctx, st.cancel = context.WithCancelCause(ss.Context())
	defer st.cancel(nil)
	if wantsLeader(st.ctx) {
		m.s.mu.Lock()
		if m.frozen != nil {
			m.s.mu.Unlock()
			return rpctypes.ErrGRPCNoLeader
		}
		m.streams[st] = true
		m.s.mu.Unlock()
		defer func() {
			m.s.mu.Lock()
			delete(m.streams, st)
			m.s.mu.Unlock()
		}()
	}
	err := handler(srv, st)
	if status.Code(err) == codes.Unimplemented {
		err = status.Errorf(codes.Unimplemented, "etcdtest: %s is not implemented", info.FullMethod)
	}
	return err
}

// RecvMsg receives the next message that is not dropped.
func (st *serverStream) RecvMsg(msg any) error {
	for {
		if err := st.ServerStream.RecvMsg(msg); err != nil {
			return err
		}
		method := st.method
		if r, ok := msg.(*pb.WatchRequest); ok {
			method = watchMethod(r)
		}
		trap := st.m.etcd.traps.spring(st.m.count(st.ctx, method, msg.(proto.Message)), st.m)
		switch {
		case trap == nil:
			return nil
		case trap.reply:
			st.mu.Lock()
			st.traps = append(st.traps, trap)
			st.mu.Unlock()
			return nil
		case !trap.silent:
			return trap.drop(st.ctx)
		}
	}
}

func watchMethod(r *pb.WatchRequest) string {
	switch {
	case r.GetCreateRequest() != nil:
		return "WatchCreate"
	case r.GetCancelRequest() != nil:
		return "WatchCancel"
	default:
		return "WatchProgress"
	}
}

// SendMsg sends a message, unless it is an answer that a trap waits for. A watch event is not an answer.
func (st *serverStream) SendMsg(msg any) error {
	r, watch := msg.(*pb.WatchResponse)
	var trap *Trap
	st.mu.Lock()
	if len(st.traps) > 0 && !(watch && len(r.Events) > 0) {
		trap, st.traps = st.traps[0], st.traps[1:]
	}
	st.mu.Unlock()
	switch {
	case trap == nil:
		return st.ServerStream.SendMsg(msg)
	case trap.silent:
		return nil
	default:
		return trap.drop(st.ctx)
	}
}
