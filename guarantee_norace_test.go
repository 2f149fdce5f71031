// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build !race

package concurrency_test

// raceDetector says whether the race detector is on, which ends a test that uses
// the original as its users may not.
const raceDetector = false
