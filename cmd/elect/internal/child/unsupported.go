// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build !unix

package child

// Main does nothing: there are no guards without process groups.
func Main() {}
