// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"context"
	"slices"
	"sync"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/protobuf/proto"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// Call is a request as a member receives it. On streams, each message is one.
type Call struct {
	Participant string
	Member      int
	// Method is the last part of the method's name, as in Txn or LeaseKeepAlive. For a message on a watch stream it is
	// WatchCreate, WatchCancel or WatchProgress.
	Method  string
	Request proto.Message
}

// Match picks calls.
type Match func(Call) bool

// Method matches calls of one of these methods; see [Call] for their names.
func Method(names ...string) Match {
	return func(c Call) bool { return slices.Contains(names, c.Method) }
}

// Key matches calls that read, compare, write or watch this key, alone or in a range.
func Key(key string) Match {
	return func(c Call) bool { return touches(c.Request, key) }
}

func touches(m proto.Message, key string) bool {
	switch r := m.(type) {
	case interface {
		GetKey() []byte
		GetRangeEnd() []byte
	}:
		return inRange(key, r.GetKey(), r.GetRangeEnd())
	case *pb.PutRequest:
		return key == string(r.Key)
	case *pb.TxnRequest:
		return slices.ContainsFunc(r.Compare, func(c *pb.Compare) bool { return inRange(key, c.Key, c.RangeEnd) }) ||
			slices.ContainsFunc(slices.Concat(r.Success, r.Failure), func(op *pb.RequestOp) bool { return touchesOp(op, key) })
	case *pb.WatchRequest:
		return r.GetCreateRequest() != nil && touches(r.GetCreateRequest(), key)
	}
	return false
}

func touchesOp(op *pb.RequestOp, key string) bool {
	switch r := op.Request.(type) {
	case *pb.RequestOp_RequestRange:
		return touches(r.RequestRange, key)
	case *pb.RequestOp_RequestPut:
		return touches(r.RequestPut, key)
	case *pb.RequestOp_RequestDeleteRange:
		return touches(r.RequestDeleteRange, key)
	case *pb.RequestOp_RequestTxn:
		return touches(r.RequestTxn, key)
	}
	return false
}

// Trap is a fault that waits for one request.
type Trap struct {
	link   *Link
	match  []Match
	reply  bool // let the request be applied, and drop its answer
	silent bool // drop it without a word, instead of breaking the connection
	sprung chan struct{}
}

// Sprung is closed when the trap has caught its request.
func (t *Trap) Sprung() <-chan struct{} { return t.sprung }

// DropRequest makes the next request that all of match pick (any request, if none is given) never reach the store: the
// connection breaks instead, with everything else that is under way on it.
func (l *Link) DropRequest(match ...Match) *Trap {
	return l.etcd.traps.add(&Trap{link: l, match: match})
}

// DropRequestSilently is DropRequest without the break: the request is lost and nothing is answered.
func (l *Link) DropRequestSilently(match ...Match) *Trap {
	return l.etcd.traps.add(&Trap{link: l, match: match, silent: true})
}

// DropReply makes the next request that all of match pick (any request, if none is given) be applied, and the
// connection break before its answer.
func (l *Link) DropReply(match ...Match) *Trap {
	return l.etcd.traps.add(&Trap{link: l, match: match, reply: true})
}

// DropReplySilently is DropReply without the break: the request is applied and nothing is answered.
func (l *Link) DropReplySilently(match ...Match) *Trap {
	return l.etcd.traps.add(&Trap{link: l, match: match, reply: true, silent: true})
}

// trapSet is the traps that are set, in the order in which they were.
type trapSet struct {
	mu    sync.Mutex
	traps []*Trap
}

func (s *trapSet) add(t *Trap) *Trap {
	t.sprung = make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.traps = append(s.traps, t)
	return t
}

func (s *trapSet) remove(l *Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.traps = slices.DeleteFunc(s.traps, func(t *Trap) bool {
		return t.link.participant == l.participant && slices.ContainsFunc(t.link.members(), l.covers)
	})
}

// spring takes the first trap that a call sets off, if any.
func (s *trapSet) spring(c Call, m *Member) *Trap {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, t := range s.traps {
		if t.link.participant != c.Participant || !t.link.covers(m) ||
			slices.ContainsFunc(t.match, func(match Match) bool { return !match(c) }) {
			continue
		}
		s.traps = slices.Delete(s.traps, i, i+1)
		close(t.sprung)
		return t
	}
	return nil
}

// drop ends a call that nobody is to hear of.
func (t *Trap) drop(ctx context.Context) error {
	if t.silent {
		<-ctx.Done()
		return ctx.Err()
	}
	remoteOf(ctx).reset()
	return rpctypes.ErrGRPCStopped // into the broken connection
}
