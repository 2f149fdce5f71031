// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"

	v3 "go.etcd.io/etcd/client/v3"
	etcd "go.etcd.io/etcd/client/v3/concurrency"
)

// Software transactional memory needs a client and no Session, so there is
// nothing in it for this package to do better: it is handed on as it is.

// STM is etcd's interface for software transactional memory.
type STM = etcd.STM

// Isolation is how strictly a transaction is kept apart from the others.
type Isolation = etcd.Isolation

// STMOption changes how NewSTM runs a transaction.
type STMOption = etcd.STMOption

// The isolation levels, strictest first; see etcd's package for what each
// one promises.
const (
	SerializableSnapshot = etcd.SerializableSnapshot
	Serializable         = etcd.Serializable
	RepeatableReads      = etcd.RepeatableReads
	ReadCommitted        = etcd.ReadCommitted
)

// WithIsolation runs the transaction at the given level. The default is
// SerializableSnapshot.
func WithIsolation(lvl Isolation) STMOption { return etcd.WithIsolation(lvl) }

// WithAbortContext ends the transaction when ctx ends.
func WithAbortContext(ctx context.Context) STMOption { return etcd.WithAbortContext(ctx) }

// WithPrefetch reads keys in one request before the transaction starts.
func WithPrefetch(keys ...string) STMOption { return etcd.WithPrefetch(keys...) }

// NewSTM runs apply as a transaction, and again for as long as it conflicts
// with others.
func NewSTM(c *v3.Client, apply func(STM) error, so ...STMOption) (*v3.TxnResponse, error) {
	return etcd.NewSTM(c, apply, so...)
}

// NewSTMRepeatable runs apply at RepeatableReads.
//
// Deprecated: use NewSTM with WithIsolation(RepeatableReads).
func NewSTMRepeatable(ctx context.Context, c *v3.Client, apply func(STM) error) (*v3.TxnResponse, error) {
	return etcd.NewSTM(c, apply, etcd.WithAbortContext(ctx), etcd.WithIsolation(RepeatableReads))
}

// NewSTMSerializable runs apply at Serializable.
//
// Deprecated: use NewSTM with WithIsolation(Serializable).
func NewSTMSerializable(ctx context.Context, c *v3.Client, apply func(STM) error) (*v3.TxnResponse, error) {
	return etcd.NewSTM(c, apply, etcd.WithAbortContext(ctx), etcd.WithIsolation(Serializable))
}

// NewSTMReadCommitted runs apply at ReadCommitted.
//
// Deprecated: use NewSTM with WithIsolation(ReadCommitted).
func NewSTMReadCommitted(ctx context.Context, c *v3.Client, apply func(STM) error) (*v3.TxnResponse, error) {
	return etcd.NewSTM(c, apply, etcd.WithAbortContext(ctx), etcd.WithIsolation(ReadCommitted))
}
