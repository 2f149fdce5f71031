// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package survey

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

const (
	// pageSize is how many keys are asked for at a time.
	pageSize = 1000
	// batchSize is how many keys with values are. A server allows 128 operations in
	// a transaction if it is not told otherwise.
	batchSize = 100
	// maxRestarts is how often a reading begins anew because etcd compacted the
	// revision away that it was reading.
	maxRestarts = 3
)

// A Bound derives the context for one request.
type Bound func(context.Context) (context.Context, context.CancelFunc)

// Read returns the elections whose names begin with prefix, ordered by name, as of
// one revision, which it returns too. Each request to etcd, of which a large
// range of keys takes many, is bounded by bound. It reads the values of
// those keys only which have the form of a candidate's.
func Read(ctx context.Context, client *clientv3.Client, prefix string, bound Bound) ([]Election, int64, error) {
	return read(ctx, reader{client: client, bound: bound, prefix: prefix, wanted: func(name string) bool {
		return strings.HasPrefix(name, prefix)
	}})
}

// ReadQueue returns the election of that very name as Read does; its queue is
// empty if nobody is in.
func ReadQueue(ctx context.Context, client *clientv3.Client, name string, bound Bound) (Election, int64, error) {
	es, rev, err := read(ctx, reader{client: client, bound: bound, prefix: name + "/", wanted: func(n string) bool { return n == name }})
	if err != nil || len(es) == 0 {
		return Election{Name: name}, rev, err
	}
	return es[0], rev, nil
}

func read(ctx context.Context, r reader) ([]Election, int64, error) {
	for restarts := 0; ; restarts++ {
		es, rev, err := r.read(ctx)
		if !errors.Is(err, rpctypes.ErrCompacted) || restarts == maxRestarts {
			return es, rev, err
		}
	}
}

type reader struct {
	client *clientv3.Client
	bound  Bound
	prefix string // of the keys
	wanted func(name string) bool
}

func (r reader) read(ctx context.Context) ([]Election, int64, error) {
	start, end := r.prefix, clientv3.GetPrefixRangeEnd(r.prefix)
	if r.prefix == "" {
		start, end = "\x00", "\x00" // all keys
	}
	queues := map[string][]concurrency.Candidate{}
	var rev int64
	for {
		page, err := r.page(ctx, start, end, rev)
		if err != nil {
			return nil, 0, err
		}
		if rev == 0 {
			rev = page.Header.Revision
		}
		var keys []string
		for _, kv := range page.Kvs {
			if name, _, ok := SplitKey(string(kv.Key)); ok && r.wanted(name) {
				keys = append(keys, string(kv.Key))
			}
		}
		for batch := range slices.Chunk(keys, batchSize) {
			kvs, err := r.values(ctx, batch, rev)
			if err != nil {
				return nil, 0, err
			}
			for _, kv := range kvs {
				if name, c, ok := candidate(kv); ok {
					queues[name] = append(queues[name], c)
				}
			}
		}
		if !page.More || len(page.Kvs) == 0 {
			return ordered(queues), rev, nil
		}
		start = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
	}
}

// page reads keys without values.
func (r reader) page(ctx context.Context, start, end string, rev int64) (*clientv3.GetResponse, error) {
	ctx, cancel := r.bound(ctx)
	defer cancel()
	return r.client.Get(ctx, start, clientv3.WithRange(end), clientv3.WithRev(rev), clientv3.WithLimit(pageSize), clientv3.WithKeysOnly())
}

// values reads some keys with all that belongs to them.
func (r reader) values(ctx context.Context, keys []string, rev int64) ([]*mvccpb.KeyValue, error) {
	ctx, cancel := r.bound(ctx)
	defer cancel()
	var gets []clientv3.Op
	for _, key := range keys {
		gets = append(gets, clientv3.OpGet(key, clientv3.WithRev(rev)))
	}
	resp, err := r.client.Txn(ctx).Then(gets...).Commit()
	if err != nil {
		return nil, err
	}
	var kvs []*mvccpb.KeyValue
	for _, answer := range resp.Responses {
		kvs = append(kvs, answer.GetResponseRange().Kvs...)
	}
	return kvs, nil
}

func ordered(queues map[string][]concurrency.Candidate) []Election {
	var es []Election
	for _, name := range slices.Sorted(maps.Keys(queues)) {
		queue := queues[name]
		slices.SortFunc(queue, byEntry)
		es = append(es, Election{Name: name, Queue: queue})
	}
	return es
}

// byEntry orders candidates by succession. Those that one transaction entered have
// one revision, and are in the order of their keys; no candidacy is entered so.
func byEntry(a, b concurrency.Candidate) int {
	return cmp.Or(cmp.Compare(a.Rev, b.Rev), cmp.Compare(a.Key, b.Key))
}
