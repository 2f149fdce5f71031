// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package member

import (
	"context"
	"encoding/json"
	"io"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
	"google.golang.org/grpc/peer"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/pkg/v3/traceutil"
	"go.etcd.io/etcd/server/v3/etcdserver"

	"github.com/seed-da5263fb/concurrency/chaos/internal/history"
	"github.com/seed-da5263fb/concurrency/chaos/internal/proc"
)

// etcd logs a lease that it could not revoke, and none that it has revoked. But it
// opens a span for each revocation, so a tracer hears of all.

// revocations is a tracer that tells which leases the member revokes of itself,
// a line of JSON each.
type revocations struct {
	noop.Tracer
	member int

	mu     sync.Mutex
	out    *json.Encoder
	server *etcdserver.EtcdServer // nil until it serves
}

// traceRevocations has to be called before etcd starts.
func traceRevocations(member int, out io.Writer) *revocations {
	r := &revocations{member: member, out: json.NewEncoder(out)}
	traceutil.Init(provider{tracer: r})
	return r
}

// of sets whose revocations they are.
func (r *revocations) of(server *etcdserver.EtcdServer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server = server
}

// Start is called when a span begins. A revocation without a peer is one that no
// client has asked for.
func (r *revocations) Start(ctx context.Context, span string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	if span == "lease_revoke" {
		if _, client := peer.FromContext(ctx); !client {
			config := trace.NewSpanStartConfig(options...)
			for _, a := range config.Attributes() {
				if a.Key == "id" {
					r.tell(ctx, a.Value.AsInt64())
				}
			}
		}
	}
	return r.Tracer.Start(ctx, span, options...)
}

func (r *revocations) tell(ctx context.Context, lease int64) {
	r.mu.Lock()
	server := r.server
	r.mu.Unlock()
	if server == nil {
		return
	}
	v := history.Revocation{
		At: proc.Now(), Member: r.member, Lease: lease,
		Term: server.Term(), Leader: server.Leader() == server.MemberID(),
	}
	if v.Leader {
		ctx, cancel := context.WithTimeout(ctx, askWithin)
		defer cancel()
		if lives, err := server.LeaseTimeToLive(ctx, &pb.LeaseTimeToLiveRequest{ID: lease}); err == nil {
			v.Left = max(lives.TTL, 0)
		}
	}
	server.Logger().Info("revokes a lease that it has found expired", zap.Duration("at", v.At),
		zap.Int64("lease", lease), zap.Uint64("term", v.Term), zap.Bool("leader", v.Leader), zap.Int64("left", v.Left))
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.out.Encode(v) // what cannot be written has no reader any more
}

// askWithin bounds how long a revocation is held up by the question of what is left
// of the lease, which a leader answers from memory.
const askWithin = 100 * time.Millisecond

type provider struct {
	noop.TracerProvider
	tracer trace.Tracer
}

func (p provider) Tracer(string, ...trace.TracerOption) trace.Tracer { return p.tracer }
