// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package migration tries docs/migrating.md on programs that were written for
// etcd's client/v3/concurrency: etcdctl's elect and lock commands, and the
// services for elections and locks that etcd itself serves over gRPC. Their
// source is copied from the module cache into a temporary folder, the command
// that the page gives is run on it, and what comes out is run beside the
// originals on a real etcd.
//
// The examples of etcd's documentation, and etcd's own tests of the package and
// of both services, are run by internal/compat. That processes of both packages
// share a queue for hundreds of turns is one of the cases of guarantee 6.
//
// It has nothing but tests:
//
//	go test ./internal/migration
//
// With -short only those run that need no programs built.
package migration
