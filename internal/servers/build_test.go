// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNewest(t *testing.T) {
	published := []string{"v3.5.0-alpha.0", "v3.5.9", "v3.5.31", "v3.5.4", "v3.6.0", "v3.7.0-rc.0", "v3.50.7"}
	require.Equal(t, "v3.5.31", newest(published, "3.5"))
	require.Equal(t, "v3.6.0", newest(published, "3.6"))
	require.Equal(t, "", newest(published, "3.7"), "a pre-release is no release")
	require.Equal(t, "", newest(nil, "3.5"))
}
