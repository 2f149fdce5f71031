// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	code, stdout, _ := result(t, nil, "version")
	require.Zero(t, code)
	require.Regexp(t, `^elect \S+.*, `+runtime.Version()+`, \w+/\w+, etcd client v3\.\d+\.\d+$`, stdout)

	code, stdout, _ = result(t, nil, "version", "-o", "json")
	require.Zero(t, code)
	var v version
	require.NoError(t, json.Unmarshal([]byte(stdout), &v))
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

func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		code, stdout, _ := result(t, nil, "completion", shell)
		require.Zero(t, code)
		require.Contains(t, stdout, "elect")
	}
	code, stdout, _ := result(t, nil, "__complete", "run", "x", "--restart", "")
	require.Zero(t, code)
	require.Contains(t, stdout, "on-loss")
}

// TestHelpTellsTheExitCodes checks that every command does.
func TestHelpTellsTheExitCodes(t *testing.T) {
	t.Parallel()
	root := newRootCommand(&global{})
	for _, cmd := range append(root.Commands(), root) {
		require.NotEmpty(t, cmd.Long, cmd.Name())
		require.Regexp(t, `(?i)exit`, cmd.Long, cmd.Name())
	}
	for _, name := range []string{"run", "try"} {
		cmd, _, err := root.Find([]string{name})
		require.NoError(t, err)
		require.Contains(t, cmd.Annotations, wrapsCommand)
		for _, code := range []int{exitLost, exitRunUsage, exitRunEtcd, exitRunFailed, exitCannotRun, exitNotFound} {
			require.Contains(t, cmd.Long, "\n  "+strconv.Itoa(code)+" ", name)
		}
	}
}

// TestErrorsAreOneLine looks at an error that cobra makes of several.
func TestErrorsAreOneLine(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitUsage, run([]string{"rum"}, &stdout, &stderr))
	require.Regexp(t, `^elect: unknown command "rum" .*\n$`, stderr.String())
	require.NotContains(t, stderr.String()[:stderr.Len()-1], "\n")
}

func TestExitCodesOfACommandThatWrapsAnother(t *testing.T) {
	t.Parallel()
	wraps := &cobra.Command{Annotations: map[string]string{wrapsCommand: ""}}
	other := &cobra.Command{}
	for _, c := range []struct {
		err           error
		wraps, others int
	}{
		{exitError{code: 1}, 1, 1}, // of the command that was run
		{usagef("x"), exitRunUsage, exitUsage},
		{exitError{exitEtcd, bytes.ErrTooLarge}, exitRunEtcd, exitEtcd},
		{bytes.ErrTooLarge, exitRunFailed, exitFailed},
	} {
		require.Equal(t, c.wraps, exitCode(wraps, c.err))
		require.Equal(t, c.others, exitCode(other, c.err))
	}
}
