// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package member

import (
	"context"
	"encoding/json"
	"io"
	"sync"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
	"google.golang.org/grpc/peer"

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
					r.tell(a.Value.AsInt64())
				}
			}
		}
	}
	return r.Tracer.Start(ctx, span, options...)
}

func (r *revocations) tell(lease int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server == nil {
		return
	}
	v := history.Revocation{
		At: proc.Now(), Member: r.member, Lease: lease,
		Term: r.server.Term(), Leader: r.server.Leader() == r.server.MemberID(),
	}
	r.server.Logger().Info("revokes a lease that it takes for expired",
		zap.Duration("at", v.At), zap.Int64("lease", lease), zap.Uint64("term", v.Term), zap.Bool("leader", v.Leader))
	_ = r.out.Encode(v) // what cannot be written has no reader any more
}

type provider struct {
	noop.TracerProvider
	tracer trace.Tracer
}

func (p provider) Tracer(string, ...trace.TracerOption) trace.Tracer { return p.tracer }
