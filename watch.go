// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
	"errors"
	"strconv"
	"time"

	"google.golang.org/grpc/metadata"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	v3 "go.etcd.io/etcd/client/v3"
)

// streamKey is metadata that the server ignores and the client keeps watch
// streams apart by: watches whose contexts carry the same metadata share a
// stream, and with it the member that it leads to, dead or alive. A session that
// has seen a stream fall silent opens its next watches on another one.
const streamKey = "concurrency-watch-stream"

var errWatchClosed = errors.New("concurrency: watch was closed")

// onStream returns ctx for a watch on the session's current stream, and the
// number of that stream.
func (s *Session) onStream(ctx context.Context) (context.Context, int) {
	s.mu.Lock()
	n := s.stream
	s.mu.Unlock()
	// As v3.WithRequireLeader does, which makes a map for each watch of thousands.
	ctx = metadata.AppendToOutgoingContext(ctx, rpctypes.MetadataRequireLeaderKey, rpctypes.MetadataHasLeader)
	if n > 0 {
		ctx = metadata.AppendToOutgoingContext(ctx, streamKey, strconv.Itoa(n))
	}
	return ctx, n
}

// abandonStream sends the session's later watches to another stream than n.
func (s *Session) abandonStream(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream == n {
		s.stream++
	}
}

// A watch is an open watch of one key or range.
type watch struct {
	session *Session
	parent  context.Context
	c       v3.WatchChan
	ctx     context.Context // parent on a stream
	stop    context.CancelFunc
	stream  int
}

// openWatch opens a watch that lasts until ctx ends or it is closed. It returns
// when the server has confirmed it, or with an error after patience: client.Watch
// blocks for as long as the member that it asks is silent.
func (s *Session) openWatch(ctx context.Context, patience time.Duration, key string, opts ...v3.OpOption) (*watch, error) {
	w := &watch{session: s, parent: ctx}
	ctx, w.stream = s.onStream(ctx)
	w.ctx, w.stop = context.WithCancel(ctx)
	late := time.AfterFunc(patience, w.stop)
	w.c = s.client.Watch(w.ctx, key, opts...)
	if !late.Stop() {
		return nil, w.suspect()
	}
	return w, nil
}

// openDeletions opens a watch for the deletion of key. From when it returns, a
// deletion is either seen by the watch or by a read that is sent after.
//
// It gives the server no revision to start from. A watch that starts at a
// revision of the past, even the latest, may be put among those that the server
// brings up to date ten times a second only, and a handover then takes up to
// 100 ms instead of two.
func (s *Session) openDeletions(ctx context.Context, patience time.Duration, key string) (*watch, error) {
	begin := time.Now()
	w, err := s.openWatch(ctx, patience, key, v3.WithFilterPut(), v3.WithCreatedNotify())
	if err != nil {
		return nil, err
	}
	late := time.NewTimer(patience - time.Since(begin))
	defer late.Stop()
	select {
	case resp, ok := <-w.c: // confirmed, or an event and so confirmed as well
		if err := watchErr(resp, ok); err != nil {
			w.close()
			return nil, err
		}
		return w, nil
	case <-late.C:
		return nil, w.suspect()
	}
}

// suspect closes a watch that was silent when it should not have been, unless it
// is because nobody listens any more, and returns the reason.
func (w *watch) suspect() error {
	w.close()
	if err := context.Cause(w.parent); err != nil {
		return err
	}
	w.session.abandonStream(w.stream)
	return errSilence
}

// close ends the watch. A nil watch is closed already.
func (w *watch) close() {
	if w != nil {
		w.stop()
	}
}

// events returns what the watch brings; of a nil watch, nothing.
func (w *watch) events() v3.WatchChan {
	if w == nil {
		return nil
	}
	return w.c
}

// watchErr returns why a response, or the lack of one, ends its watch.
func watchErr(resp v3.WatchResponse, ok bool) error {
	if !ok {
		return errWatchClosed
	}
	return resp.Err()
}

// hasDeletion reports whether a response tells of a deletion after revision rev.
func hasDeletion(resp v3.WatchResponse, rev int64) bool {
	for _, ev := range resp.Events {
		if ev.Type == mvccpb.Event_DELETE && ev.Kv.ModRevision > rev {
			return true
		}
	}
	return false
}
