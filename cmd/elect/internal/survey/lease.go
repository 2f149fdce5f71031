// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package survey

import (
	"context"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// atOnce is how many leases are asked about at the same time.
const atOnce = 8

// A Lease is how long a lease had left when etcd was asked.
type Lease struct {
	// Left is what is left, rounded down to a second, and negative if the lease is over.
	Left time.Duration
	// Granted is the lease's TTL: what a renewal makes of Left.
	Granted time.Duration
	// Asked is when.
	Asked time.Time
}

// ReadLeases asks etcd how long each of the leases has left. Each request is
// bounded by bound. It returns those that were answered for, and the first error.
func ReadLeases(ctx context.Context, client *clientv3.Client, ids []clientv3.LeaseID, bound Bound) (map[clientv3.LeaseID]Lease, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu     sync.Mutex
		leases = make(map[clientv3.LeaseID]Lease, len(ids))
		next   = make(chan clientv3.LeaseID)
		all    sync.WaitGroup
	)
	for range min(atOnce, len(ids)) {
		all.Go(func() {
			for id := range next {
				l, err := readLease(ctx, client, id, bound)
				if err != nil {
					cancel(err)
					continue
				}
				mu.Lock()
				leases[id] = l
				mu.Unlock()
			}
		})
	}
	for _, id := range ids {
		select {
		case next <- id:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	all.Wait()
	return leases, context.Cause(ctx)
}

func readLease(ctx context.Context, client *clientv3.Client, id clientv3.LeaseID, bound Bound) (Lease, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	asked := time.Now()
	resp, err := client.TimeToLive(ctx, id)
	if err != nil {
		return Lease{}, err
	}
	return Lease{
		Left: time.Duration(resp.TTL) * time.Second, Granted: time.Duration(resp.GrantedTTL) * time.Second, Asked: asked,
	}, nil
}
