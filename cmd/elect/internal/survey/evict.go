// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package survey

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

// Evict deletes the key of a candidate if it is still that very candidacy, in one
// transaction, and returns whether it did. After an error it may have been
// deleted or not, and Evict may be called again: it can hit nobody else.
//
// The lease lives on, with all other keys that are attached to it, and the
// candidate may campaign again.
func Evict(ctx context.Context, client *clientv3.Client, c concurrency.Candidate) (bool, error) {
	resp, err := client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(c.Key), "=", c.Rev)).
		Then(clientv3.OpDelete(c.Key)).
		Commit()
	if err != nil {
		return false, err
	}
	return resp.Succeeded, nil
}
