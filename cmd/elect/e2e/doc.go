// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package e2e tests the page of elect serve as its users have it: the built
// program, a real etcd, and a real browser without a window. It is a module of its
// own, so that what drives the browser stays out of the root go.mod.
//
// The tests are skipped where no Chromium is installed.
package e2e
