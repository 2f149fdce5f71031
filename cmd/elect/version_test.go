// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"encoding/json"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	got := result(t, nil, "version")
	require.Zero(t, got.code)
	require.Regexp(t, `^elect \S+.*, `+runtime.Version()+`, \w+/\w+, etcd client v3\.\d+\.\d+\n$`, got.out)

	got = result(t, nil, "version", "-o", "json")
	require.Zero(t, got.code)
	var v version
	require.NoError(t, json.Unmarshal([]byte(got.out), &v))
	require.Equal(t, runtime.Version(), v.Go)
	require.NotEmpty(t, v.Version)
}

func TestVersionOfARelease(t *testing.T) {
	t.Parallel()
	v := versionOf(&debug.BuildInfo{
		GoVersion: "go1.26", Main: debug.Module{Version: "v1.2.3"},
		Deps: []*debug.Module{{Path: "go.etcd.io/etcd/client/v3", Version: "v3.7.3"}},
		Settings: []debug.BuildSetting{
			{Key: "GOOS", Value: "linux"}, {Key: "GOARCH", Value: "arm64"},
			{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"},
		},
	})
	require.Equal(t, "elect v1.2.3 0123456789ab+changes, go1.26, linux/arm64, etcd client v3.7.3", v.String())
}
