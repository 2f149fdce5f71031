// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"context"
	"errors"
	"io"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

type watchServer struct {
	pb.UnimplementedWatchServer
	m *Member
}

// Watch serves one stream: one goroutine reads requests, this one sends what the store has put into the queue.
func (srv watchServer) Watch(stream pb.Watch_WatchServer) error {
	s, ctx := srv.m.s, stream.Context()
	ws := s.newWatchStream(srv.m, remoteOf(ctx).participant())
	defer ws.close()

	failed := make(chan error, 1)
	go func() { failed <- ws.receive(stream) }()

	progress := time.NewTicker(s.cfg.progress)
	defer progress.Stop()
	for {
		select {
		case <-ctx.Done():
			return watchEnd(context.Cause(ctx))
		case err := <-failed:
			if !errors.Is(err, io.EOF) { // a client that has nothing more to ask may still listen
				return watchEnd(err)
			}
			failed = nil
		case <-progress.C:
			s.mu.Lock()
			ws.tickLocked()
			s.mu.Unlock()
		case <-ws.wake:
			s.mu.Lock()
			out := ws.queue
			ws.queue = nil
			s.mu.Unlock()
			for _, r := range out {
				if err := stream.Send(r); err != nil {
					return err
				}
			}
		}
	}
}

func watchEnd(err error) error {
	if errors.Is(err, context.Canceled) {
		return rpctypes.ErrGRPCWatchCanceled
	}
	return err
}

func (ws *watchStream) receive(stream pb.Watch_WatchServer) error {
	for {
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		ws.s.mu.Lock()
		switch {
		case ws.closed:
		case r.GetCreateRequest() != nil:
			ws.createLocked(r.GetCreateRequest())
		case r.GetCancelRequest() != nil:
			ws.cancelLocked(r.GetCancelRequest().WatchId, &pb.WatchResponse{})
		case r.GetProgressRequest() != nil:
			ws.progressLocked(clientv3.InvalidWatchID, ws.watchers)
		}
		ws.s.mu.Unlock()
	}
}
