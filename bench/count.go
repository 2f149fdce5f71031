// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"context"
	"maps"
	"strings"
	"sync"

	"google.golang.org/grpc/stats"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// A counter counts requests by kind: each message that a client sends, so that
// a keepalive or a watch on a stream that is open already counts as well. It
// serves on either side: as a member's stats handler it counts what comes in, as a
// client's what goes out.
type counter struct {
	mu     sync.Mutex
	counts map[string]int
}

func newCounter() *counter { return &counter{counts: make(map[string]int)} }

type methodKey struct{}

func (c *counter) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, methodKey{}, info.FullMethodName)
}

func (c *counter) HandleRPC(ctx context.Context, s stats.RPCStats) {
	var payload any
	switch s := s.(type) {
	case *stats.InPayload:
		if s.Client {
			return
		}
		payload = s.Payload
	case *stats.OutPayload:
		if !s.Client {
			return
		}
		payload = s.Payload
	default:
		return
	}
	method, _ := ctx.Value(methodKey{}).(string)
	kind := kindOf(method, payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[kind]++
}

func (c *counter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (c *counter) HandleConn(context.Context, stats.ConnStats) {}

// kindOf names a request after its method, and one on a watch stream after what
// it asks for.
func kindOf(method string, payload any) string {
	name := method[strings.LastIndex(method, "/")+1:]
	if w, ok := payload.(*pb.WatchRequest); ok {
		switch w.RequestUnion.(type) {
		case *pb.WatchRequest_CreateRequest:
			return name + " create"
		case *pb.WatchRequest_CancelRequest:
			return name + " cancel"
		case *pb.WatchRequest_ProgressRequest:
			return name + " progress"
		}
	}
	return name
}

// snapshot returns the counts so far.
func (c *counter) snapshot() counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}

// since returns what was counted after an earlier snapshot.
func (c *counter) since(before counts) counts {
	now := c.snapshot()
	for kind, n := range before {
		if now[kind] -= n; now[kind] == 0 {
			delete(now, kind)
		}
	}
	return now
}

type counts map[string]int

func (c counts) total() int {
	n := 0
	for _, k := range c {
		n += k
	}
	return n
}
