// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		got := result(t, nil, "completion", shell)
		require.Zero(t, got.code)
		require.Contains(t, got.out, "elect")
	}
	got := result(t, nil, "__complete", "run", "x", "--restart", "")
	require.Zero(t, got.code)
	require.Contains(t, got.out, "on-loss")
}

// TestHelpTellsTheExitCodes checks that every command does.
func TestHelpTellsTheExitCodes(t *testing.T) {
	t.Parallel()
	root := newRootCommand(&global{})
	commands := append(root.Commands(), root)
	require.Len(t, commands, 11)
	for _, cmd := range commands {
		want := []int{exitOK, exitFailed, exitUsage}
		if _, wraps := cmd.Annotations[wrapsCommand]; wraps {
			want = []int{exitOK, exitLost, exitRunUsage, exitRunEtcd, exitRunFailed, exitCannotRun, exitNotFound}
		}
		require.Contains(t, cmd.Long, "Exit codes:\n", cmd.Name())
		for _, code := range want {
			require.Contains(t, cmd.Long, "\n  "+strconv.Itoa(code)+" ", cmd.Name())
		}
	}
}

func TestHelpShowsFlagsThatBelongTogetherTogether(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"list", "--help"}, {"run", "--help"}} {
		require.Regexp(t, `(?s)--endpoints.*--cacert.*--cert.*--key .*--user.*--password.*--dial-timeout.*--command-timeout`,
			result(t, nil, args...).out)
	}
}

// TestAnUnknownCommandIsAnErrorOfOneLine looks at an error that cobra makes of several.
func TestAnUnknownCommandIsAnErrorOfOneLine(t *testing.T) {
	t.Parallel()
	for args, says := range map[string]string{
		"rum":      `unknown command "rum" for "elect" Did you mean this\? .*; see "elect --help"`,
		"demo now": `unknown command "now" for "elect demo"; see "elect demo --help"`,
	} {
		got := result(t, nil, strings.Fields(args)...)
		require.Equal(t, exitUsage, got.code)
		require.Empty(t, got.out)
		require.Regexp(t, `^elect: `+says+`\n$`, got.err)
	}
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
