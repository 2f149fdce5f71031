// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	v3 "go.etcd.io/etcd/client/v3"
)

// A Candidate is one that leads or waits, as etcd knows it. The zero Candidate
// stands for nobody.
type Candidate struct {
	// Key is the candidate's key: the election's name, a slash and the lease in
	// lower-case hex.
	Key string
	// Value is what the candidate proclaimed last.
	Value string
	// Rev is the revision at which the candidate entered. It decides the order of
	// succession, and grows from each leader to the next.
	Rev int64
	// ModRev is the revision at which Value was set.
	ModRev int64
	// Lease is the lease whose end ends the candidacy.
	Lease v3.LeaseID
}

func newCandidate(kv *mvccpb.KeyValue) Candidate {
	return Candidate{
		Key:    string(kv.Key),
		Value:  string(kv.Value),
		Rev:    kv.CreateRevision,
		ModRev: kv.ModRevision,
		Lease:  v3.LeaseID(kv.Lease),
	}
}

// A getter makes one read.
type getter func(ctx context.Context, key string, opts ...v3.OpOption) (*v3.GetResponse, error)

// getAgain is a getter that asks until it is answered. Each read has attempts of
// its own: the client asks its members in turn, so that of two reads in one attempt
// one would always meet a silent member, where one of three answers.
func (s *Session) getAgain(ctx context.Context, key string, opts ...v3.OpOption) (*v3.GetResponse, error) {
	return retry(ctx, s.patience(), transient, func(ctx context.Context) (*v3.GetResponse, error) {
		return s.client.Get(ctx, key, opts...)
	})
}

// candidates reads the whole queue, first to last.
func (q queue) candidates(ctx context.Context, get getter, opts ...v3.OpOption) ([]*mvccpb.KeyValue, *v3.GetResponse, error) {
	resp, err := get(ctx, q.prefix, append(opts, v3.WithPrefix(), v3.WithSort(v3.SortByCreateRevision, v3.SortAscend))...)
	if err != nil {
		return nil, nil, err
	}
	var kvs []*mvccpb.KeyValue
	for _, kv := range resp.Kvs {
		if isCandidate(q.prefix, kv) {
			kvs = append(kvs, kv)
		}
	}
	return kvs, resp, nil
}

// first reads who is first in the queue; the answer has no key if nobody is.
func (q queue) first(ctx context.Context, get getter) (*v3.GetResponse, error) {
	resp, err := get(ctx, q.prefix, v3.WithFirstCreate()...)
	if err != nil {
		return nil, err
	}
	if len(resp.Kvs) == 0 || isCandidate(q.prefix, resp.Kvs[0]) {
		return resp, nil
	}
	// A stray key is older than all candidates.
	kvs, resp, err := q.candidates(ctx, get)
	if err != nil {
		return nil, err
	}
	resp.Kvs = kvs[:min(1, len(kvs))]
	return resp, nil
}

// leader is first, asked until it is answered.
func (q queue) leader(ctx context.Context) (*Candidate, *pb.ResponseHeader, error) {
	resp, err := q.first(ctx, q.session.getAgain)
	if err != nil {
		return nil, nil, err
	}
	if len(resp.Kvs) == 0 {
		return nil, resp.Header, nil
	}
	c := newCandidate(resp.Kvs[0])
	return &c, resp.Header, nil
}
