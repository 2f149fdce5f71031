// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package survey finds out which elections there are, who leads them and who
// waits: once by reading, or all the time by one watch.
//
// A candidate of the election NAME is a key NAME/<lease in lower-case hex> that
// is attached to that very lease. Locks are queues of the same form, and count as
// elections whose candidates have no value.
package survey

import (
	"strconv"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

// An Election is a name and who is in.
type Election struct {
	Name string
	// Queue is in order of succession: the first one leads. It is not empty.
	Queue []concurrency.Candidate
}

// SplitKey returns the name of the election and the lease that a key has by its
// form. Whether a candidate has it is decided by the lease that it is attached to.
func SplitKey(key string) (name string, lease clientv3.LeaseID, ok bool) {
	slash := strings.LastIndexByte(key, '/')
	if slash < 0 {
		return "", 0, false
	}
	hex := key[slash+1:]
	id, err := strconv.ParseInt(hex, 16, 64)
	// There is one way only in which a candidate writes its lease.
	if err != nil || id == 0 || strconv.FormatInt(id, 16) != hex {
		return "", 0, false
	}
	return key[:slash], clientv3.LeaseID(id), true
}

// candidate returns the candidate that a key and its value are, if they are one.
// A read of keys alone does not do: a server may leave the lease out of it.
func candidate(kv *mvccpb.KeyValue) (name string, c concurrency.Candidate, ok bool) {
	name, lease, ok := SplitKey(string(kv.Key))
	if !ok || int64(lease) != kv.Lease {
		return "", concurrency.Candidate{}, false
	}
	return name, concurrency.Candidate{
		Key: string(kv.Key), Value: string(kv.Value), Rev: kv.CreateRevision, ModRev: kv.ModRevision, Lease: lease,
	}, true
}
