// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package survey

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"google.golang.org/grpc/metadata"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// askEvery is how often etcd is asked for a sign of life on the watch.
	askEvery = time.Second
	// silence is after how long without one etcd counts as away.
	silence = 3 * time.Second
	// abandon is after how long the watch is given up, and another one opened on a
	// stream that may lead to another member.
	abandon = 8 * time.Second
	// requestBound bounds a request.
	requestBound = 5 * time.Second
)

// A Sink takes what Follow finds out. Its methods are called one at a time, and
// nothing is heard while one of them runs.
type Sink interface {
	// Snapshot brings all elections: at first, and after what happened in between
	// was missed because etcd could not be reached for so long that it is compacted.
	Snapshot([]Election)
	// Events brings all changes of one revision to the keys under the prefix.
	Events([]*clientv3.Event)
	// Heard tells that etcd has answered, and nothing that it did before is missing.
	Heard()
	// Lost tells that etcd does not answer, or what it refuses. Follow goes on trying.
	Lost(error)
}

// errSilent is why etcd counts as away when there is no error but silence.
var errSilent = errors.New("no answer")

// Follow tells sink of the elections whose names begin with prefix, until ctx or
// the client ends. It is one watch, whatever the number of elections, and one
// small request a second that shows whether etcd is there.
func Follow(ctx context.Context, client *clientv3.Client, prefix string, sink Sink) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(client.Ctx(), cancel)()

	f := &follower{client: client, prefix: prefix, sink: sink}
	f.pause = backoff.NewExponentialBackOff()
	f.pause.InitialInterval, f.pause.MaxInterval = 100*time.Millisecond, 3*time.Second
	for {
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, rpctypes.ErrCompacted) {
			f.rev = 0
		} else {
			sink.Lost(err)
		}
		select {
		case <-time.After(f.pause.NextBackOff()):
		case <-ctx.Done():
			return
		}
	}
}

type follower struct {
	client *clientv3.Client
	prefix string
	sink   Sink
	pause  *backoff.ExponentialBackOff
	rev    int64 // up to which sink was told; 0: a snapshot is due
	stream int   // grows when a stream is no longer trusted
}

// follow watches from where sink was told, until the watch fails.
func (f *follower) follow(ctx context.Context) error {
	if f.rev == 0 {
		es, rev, err := Read(ctx, f.client, f.prefix, func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, requestBound)
		})
		if err != nil {
			return err
		}
		f.sink.Snapshot(es)
		f.sink.Heard()
		f.rev = rev
	}
	ctx, cancel := context.WithCancel(f.onStream(ctx))
	defer cancel()
	// Watch blocks for as long as the member that it asks is silent. It begins at a
	// revision that there is, though that was told already: a watch that begins in the
	// future gets no sign of life before that has come.
	late := time.AfterFunc(requestBound, cancel)
	watch := f.client.Watch(ctx, f.prefix, clientv3.WithPrefix(), clientv3.WithRev(f.rev), clientv3.WithCreatedNotify())
	if !late.Stop() {
		f.stream++
		return errSilent
	}

	heard, away := time.Now(), false
	ask := time.NewTicker(askEvery)
	defer ask.Stop()
	for {
		select {
		case resp, ok := <-watch:
			if !ok {
				return errSilent
			}
			if err := resp.Err(); err != nil {
				return err
			}
			f.tell(resp.Events)
			f.sink.Heard()
			heard, away = time.Now(), false
			f.pause.Reset()
		case <-ask.C:
			switch quiet := time.Since(heard); {
			case quiet > abandon:
				f.stream++
				return errSilent
			case quiet > silence && !away:
				away = true
				f.sink.Lost(errSilent)
			}
			asking, done := context.WithTimeout(ctx, askEvery/2)
			_ = f.client.RequestProgress(asking) // no answer is an answer too
			done()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// onStream returns ctx for a watch on the current stream: the client keeps
// streams apart by the metadata of their contexts, and the server ignores this one.
func (f *follower) onStream(ctx context.Context) context.Context {
	ctx = clientv3.WithRequireLeader(ctx)
	return metadata.AppendToOutgoingContext(ctx, "elect-watch-stream", strconv.Itoa(f.stream))
}

// tell hands over the events that are new, revision by revision: a transaction may
// change several keys, and only after all of them is it the truth who leads.
func (f *follower) tell(events []*clientv3.Event) {
	for begin := 0; begin < len(events); {
		rev, end := events[begin].Kv.ModRevision, begin+1
		for end < len(events) && events[end].Kv.ModRevision == rev {
			end++
		}
		if rev > f.rev {
			f.sink.Events(events[begin:end])
			f.rev = rev
		}
		begin = end
	}
}
