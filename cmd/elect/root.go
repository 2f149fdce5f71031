// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// global is what all commands share: how to reach etcd, and how to print.
type global struct {
	connection connection
	format     string // table or json

	ctx     context.Context // of the command; it ends when the command is interrupted
	started bool            // the command line made sense, and the command was begun
}

// run runs the command line and returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	// A reader of our output that goes away makes writes fail, instead of ending
	// the process before it has cleaned up. To catch the signal does that as well as
	// to ignore it, and is not inherited by the commands that run starts.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	g := &global{ctx: context.Background()}
	root := newRootCommand(g)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(g.ctx)
	if err != nil && !g.started {
		err = exitError{exitUsage, fmt.Errorf("%w; see %q", err, strings.TrimSpace(cmd.CommandPath()+" --help"))}
	}
	switch {
	case err == nil:
		return exitOK
	case g.ctx.Err() != nil:
		fmt.Fprintln(stderr, "elect: interrupted")
		return exitInterrupted
	}
	if !isPassedOn(err) {
		fmt.Fprintf(stderr, "elect: %s\n", oneLine(err))
	}
	return exitCode(cmd, err)
}

// oneLine returns an error's text without line breaks.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func newRootCommand(g *global) *cobra.Command {
	root := &cobra.Command{
		Use:   "elect",
		Short: "Leader elections on etcd",
		Long: `Leader elections on etcd.

How etcd is reached is told by the same flags as etcdctl's, and the same
environment variables: ETCDCTL_ and the flag's name in capitals, with _ for -, as
ETCDCTL_ENDPOINTS. A flag counts more than its variable. Members are not looked up
in DNS (--discovery-srv), nor are passwords asked for.

` + exitHelp(exitOK, exitFailed, exitUsage, exitEtcd, exitNoLeader, exitInterrupted) + `

run and try pass on what the command that they run exits with. What they exit
with themselves is told apart from that by codes of its own: 120 to 127, where 122
stands for 2, 123 for 3, and 125 for 1. See their help.`,
		// run tells the error, once.
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if g.format != "table" && g.format != "json" {
				return fmt.Errorf("-o %s: give table or json", g.format)
			}
			if err := g.connection.fromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			g.started = true
			if _, own := cmd.Annotations[wrapsCommand]; !own {
				g.ctx = interruptible(cmd.Context())
				cmd.SetContext(g.ctx)
			}
			return nil
		},
	}
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	flags := root.PersistentFlags()
	flags.SortFlags = false
	flags.StringVarP(&g.format, "output", "o", "table", "`FORMAT` to print in: table or json")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	g.connection.register(flags)

	root.AddCommand(newRunCommand(g), newTryCommand(g),
		newLeaderCommand(g), newListCommand(g), newNamesCommand(g), newObserveCommand(g), newServeCommand(g), newEvictCommand(g),
		newDemoCommand(), newVersionCommand(g))
	// Flags are shown in the order in which they are declared: those that belong
	// together are together.
	root.Flags().SortFlags = false
	for _, cmd := range root.Commands() {
		cmd.Flags().SortFlags = false
		cmd.InheritedFlags().SortFlags = false
	}
	return root
}

// interruptible returns a context that ends with the first signal to end, so that
// the command can clean up. A second one ends the process at once.
func interruptible(parent context.Context) context.Context {
	ctx, stop := signal.NotifyContext(parent, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	return ctx
}

// usagef returns an error about a command line that makes no sense.
func usagef(format string, args ...any) error {
	return exitError{exitUsage, fmt.Errorf(format, args...)}
}
