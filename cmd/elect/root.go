// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"context"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// What elect exits with.
const (
	exitOK          = 0
	exitFailed      = 1
	exitInterrupted = 130 // as a shell has it for a program that SIGINT ended
)

// run runs the command line and returns the exit status. The first signal ends
// the context of the command, which then cleans up; a second one ends the process
// at once.
func run(args []string, stdout, stderr io.Writer) int {
	// A reader of our output that goes away makes writes fail, instead of ending
	// the process before it has cleaned up.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop)

	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "elect: interrupted")
		return exitInterrupted
	default:
		fmt.Fprintf(stderr, "elect: %v\n", err)
		return exitFailed
	}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "elect",
		Short: "Leader elections on etcd",
		// run tells the error, once.
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newDemoCommand())
	return root
}
