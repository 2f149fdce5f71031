// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	v3 "go.etcd.io/etcd/client/v3"
)

// candidateKey returns the key that both packages give a candidate.
func candidateKey(name string, lease v3.LeaseID) string {
	return fmt.Sprintf("%s/%x", name, int64(lease))
}

// deleted opens a watch for the deletion of key, and returns, when the server has
// confirmed it, a channel that brings when the deletion was seen.
func deleted(ctx context.Context, client *v3.Client, key string) (<-chan outcome, error) {
	watch := client.Watch(ctx, key, v3.WithFilterPut(), v3.WithCreatedNotify())
	if resp := <-watch; !resp.Created {
		return nil, fmt.Errorf("watch was not confirmed: %w", resp.Err())
	}
	seen := make(chan outcome, 1)
	go func() {
		for resp := range watch {
			if len(resp.Events) > 0 {
				seen <- outcome{at: time.Now()}
				return
			}
		}
		seen <- outcome{err: errors.New("the watch ended")}
	}()
	return seen, nil
}
