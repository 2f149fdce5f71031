// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package history records what etcd's own history says: every change of the
// queues and the registers, in order of revision.
package history

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency/chaos/internal/lane"
	"github.com/seed-da5263fb/concurrency/chaos/internal/proc"
)

// A Change is one key's at one revision.
type Change struct {
	At        time.Duration `json:"at"` // when it was heard of, on the machine's clock; it was made before
	Rev       int64         `json:"rev"`
	Key       string        `json:"key"`
	Deleted   bool          `json:"deleted,omitempty"`
	Value     string        `json:"value,omitempty"`
	CreateRev int64         `json:"createRev,omitempty"`
	Lease     int64         `json:"lease,omitempty"`
	Term      uint64        `json:"term,omitempty"` // raft's, of the member that told of it
}

// A Recorder watches every member directly, on no link that can fail. The members
// bring the same changes; the first one that brings a revision is believed. So
// the history goes on while any member can serve it.
type Recorder struct {
	clients []*clientv3.Client
	cancel  context.CancelFunc
	over    sync.WaitGroup

	mu      sync.Mutex
	changes []Change
	rev     map[string]int64 // by prefix: up to where it is known
	gaps    []Gap
	queues  Queues // of now
}

// A Gap is a part of the history that was compacted before it could be read.
type Gap struct {
	Prefix   string
	From, To int64
}

// Start records from revision 1 on, from the members at the given addresses.
func Start(addrs []string) (*Recorder, error) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Recorder{
		cancel: cancel,
		rev:    map[string]int64{lane.QueuePrefix: 0, lane.RegisterPrefix: 0},
		queues: make(Queues),
	}
	for _, addr := range addrs {
		client, err := clientv3.New(clientv3.Config{Endpoints: []string{addr}, Logger: zap.NewNop()})
		if err != nil {
			r.Close()
			return nil, fmt.Errorf("record the history: %w", err)
		}
		r.clients = append(r.clients, client)
		for prefix := range r.rev {
			r.over.Go(func() { r.follow(ctx, client, prefix) })
		}
	}
	return r, nil
}

// Close ends the recording.
func (r *Recorder) Close() {
	r.cancel()
	r.over.Wait()
	for _, c := range r.clients {
		_ = c.Close()
	}
}

// follow takes down what one member says, until ctx ends.
func (r *Recorder) follow(ctx context.Context, client *clientv3.Client, prefix string) {
	for ctx.Err() == nil {
		r.mu.Lock()
		from := r.rev[prefix] + 1
		r.mu.Unlock()
		wctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
		for resp := range client.Watch(wctx, prefix, clientv3.WithPrefix(), clientv3.WithRev(from)) {
			if errors.Is(resp.Err(), rpctypes.ErrCompacted) {
				r.lost(prefix, from, resp.CompactRevision)
			}
			if resp.Err() != nil {
				break
			}
			r.take(prefix, resp.Header.RaftTerm, resp.Events)
		}
		cancel()
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// lost begins anew after a compaction. What was there between is not known; a
// trial compacts only what was recorded, so that does not happen.
func (r *Recorder) lost(prefix string, from, to int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rev[prefix] < to-1 {
		r.gaps = append(r.gaps, Gap{prefix, from, to})
		r.rev[prefix] = to - 1
	}
}

// take adds what is new. Events of one revision come together.
func (r *Recorder) take(prefix string, term uint64, events []*clientv3.Event) {
	now := proc.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.rev[prefix]
	for _, ev := range events {
		if ev.Kv.ModRevision <= known {
			continue
		}
		c := Change{
			At: now, Rev: ev.Kv.ModRevision, Key: string(ev.Kv.Key), Deleted: ev.Type == mvccpb.Event_DELETE,
			Value: string(ev.Kv.Value), CreateRev: ev.Kv.CreateRevision, Lease: ev.Kv.Lease, Term: term,
		}
		r.changes = append(r.changes, c)
		r.rev[prefix] = c.Rev
		r.queues.Follow(c)
	}
}

// Rev returns the revision up to which all is known.
func (r *Recorder) Rev() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return min(r.rev[lane.QueuePrefix], r.rev[lane.RegisterPrefix])
}

// Candidates returns who is in a lane's queue now, in no order.
func (r *Recorder) Candidates(name string) []Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.queues[name]))
}

// Changes returns what was recorded, and what could not be.
func (r *Recorder) Changes() ([]Change, []Gap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.changes), slices.Clone(r.gaps)
}
