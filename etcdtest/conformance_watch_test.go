// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// watchLog listens to one watch stream and keeps what each watch was told. How events are bundled into responses depends
// on timing on both sides, so a watch's events are compared as one list.
type watchLog struct {
	stream pb.Watch_WatchClient
	mu     sync.Mutex
	log    map[int64][]string
	n      int
}

func openWatch(t require.TestingT, ctx context.Context, s server) *watchLog {
	stream, err := pb.NewWatchClient(s.conn).Watch(ctx)
	require.NoError(t, err)
	l := &watchLog{stream: stream, log: map[int64][]string{}}
	go func() {
		for {
			r, err := stream.Recv()
			if err != nil {
				return
			}
			l.hear(r)
		}
	}()
	return l
}

func (l *watchLog) hear(r *pb.WatchResponse) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	switch {
	case len(r.Events) > 0:
		for _, ev := range r.Events {
			lines = append(lines, text(ev))
		}
	default:
		normalize(r)
		lines = append(lines, text(r))
	}
	l.log[r.WatchId] = append(l.log[r.WatchId], lines...)
	l.n += len(lines)
}

func (l *watchLog) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

func (l *watchLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	var ids []int64
	for id := range l.log {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		fmt.Fprintf(&b, "watch %d:\n  %s\n", id, strings.Join(l.log[id], "\n  "))
	}
	return b.String()
}

type watchPair struct {
	t       require.TestingT
	servers []server
	logs    [2]*watchLog
}

func openWatches(t require.TestingT, ctx context.Context, servers []server) *watchPair {
	p := &watchPair{t: t, servers: servers}
	for i, s := range servers {
		p.logs[i] = openWatch(t, ctx, s)
	}
	return p
}

// send sends the same to both streams and waits until both have answered, or have had time enough to.
func (p *watchPair) send(r *pb.WatchRequest) {
	for _, l := range p.logs {
		before := l.count()
		require.NoError(p.t, l.stream.Send(proto.Clone(r).(*pb.WatchRequest)))
		for range 30 {
			if l.count() > before {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func (p *watchPair) create(r *pb.WatchCreateRequest) {
	p.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: r}})
	if r.StartRevision > 0 {
		time.Sleep(syncInterval + 30*time.Millisecond) // until both have caught up
	}
}

func (p *watchPair) cancel(id int64) {
	p.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{CancelRequest: &pb.WatchCancelRequest{WatchId: id}}})
}

func (p *watchPair) progress() {
	p.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}})
}

// settle waits until nothing more arrives, and compares.
func (p *watchPair) settle() {
	for range 100 {
		if p.logs[0].count() == p.logs[1].count() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(10 * time.Millisecond)
	require.Equal(p.t, p.logs[0].String(), p.logs[1].String(), "etcd (expected) and etcdtest (actual)")
}

func testWatches(t *testing.T, servers []server) {
	rev := populate(t, servers)
	all(t, servers, &pb.CompactionRequest{Revision: rev - 8, Physical: true})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := openWatches(t, ctx, servers)
	p.progress() // on a stream without watches
	p.create(&pb.WatchCreateRequest{Key: key("a"), PrevKv: true})
	p.create(&pb.WatchCreateRequest{Key: key("a"), RangeEnd: key("c"), StartRevision: rev - 8, PrevKv: true})
	p.create(&pb.WatchCreateRequest{Key: key("a"), RangeEnd: []byte{0}, StartRevision: rev - 5})
	p.create(&pb.WatchCreateRequest{Key: key("a"), WatchId: 7, StartRevision: rev - 2, Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NOPUT}})
	p.create(&pb.WatchCreateRequest{Key: key("a"), WatchId: 7})
	p.create(&pb.WatchCreateRequest{Key: key("b"), RangeEnd: key("a")})
	p.create(&pb.WatchCreateRequest{Key: key("b"), RangeEnd: key("b")})
	p.create(&pb.WatchCreateRequest{Key: key("a"), StartRevision: -1})
	p.create(&pb.WatchCreateRequest{WatchId: 9})
	p.create(&pb.WatchCreateRequest{RangeEnd: []byte{0}, Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NODELETE}})
	p.create(&pb.WatchCreateRequest{Key: key("a"), RangeEnd: key("z"), StartRevision: rev + 3})
	p.progress() // not while one is in the future
	all(t, servers, put("a", "x"), put("aa", "x"), put("b", "x"), &pb.DeleteRangeRequest{Key: key("a"), RangeEnd: key("b")},
		&pb.TxnRequest{Success: []*pb.RequestOp{opPut("a", "y"), opDelete("b", "d"), opPut("d", "z")}}, &pb.LeaseRevokeRequest{ID: 7})
	p.settle()
	p.progress()
	p.cancel(7)
	p.cancel(7)
	p.cancel(99)
	p.create(&pb.WatchCreateRequest{Key: key("a"), WatchId: 7})
	p.settle()
	p.create(&pb.WatchCreateRequest{Key: key("a"), StartRevision: rev - 9}) // compacted
	p.progress()                                                            // not while a compacted one is not cancelled
	p.settle()
	p.create(&pb.WatchCreateRequest{Key: key("later")})
	all(t, servers, put("a", "x"), put("later", "x"))
	p.settle()
}

func testRandomWatches(t *testing.T, servers []server) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	checks(15) // they wait for loops in real time
	rapid.Check(t, func(t *rapid.T) {
		o := ops{t, reset(t, servers)}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		p := openWatches(t, ctx, servers)
		for range rapid.IntRange(5, 30).Draw(t, "operations") {
			switch o.n(0, 9) {
			case 0, 1:
				r := &pb.WatchCreateRequest{PrevKv: o.rarely(), WatchId: o.orZero(func() int64 { return o.n(5, 7) })}
				r.Key, r.RangeEnd = o.span()
				if o.rarely() {
					r.StartRevision = o.near(-12, 3)
				}
				if o.rarely() {
					r.Filters = []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_FilterType(o.n(0, 1))}
				}
				p.create(r)
			case 2:
				p.cancel(o.n(0, 7))
			default:
				req := o.any()
				if r, ok := req.(*pb.CompactionRequest); ok { // what is previous must not depend on who is faster
					p.settle()
					r.Physical = true
				}
				o.rev = max(o.rev, revisionOf(same(t, servers, req)))
			}
		}
		p.settle()
	})
}
