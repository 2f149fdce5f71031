// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"fmt"
	"io"
	"os"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/demo"
)

func newDemoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show elections and failures on a cluster of its own",
		Long: `Start three etcd members in this process and let five candidates contend.
Leaders resign, lose their key to an operator, crash, and are cut off from the
cluster; each handover is shown as it happens, and measured.

The demo takes about 25 seconds and needs nothing but free ports on loopback and
a temporary folder, and leaves neither behind. It exits with 0 if no two
candidates led at once and each handover came within its bound, with 1 if not,
and with 130 if it was interrupted.

On a terminal there are colours, unless NO_COLOR is set, and a live status line.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			live := isTerminal(out)
			err := demo.Run(cmd.Context(), demo.Config{
				Out:    out,
				Live:   live,
				Colour: live && os.Getenv("NO_COLOR") == "",
			})
			if err != nil {
				return fmt.Errorf("demo: %w", err)
			}
			return nil
		},
	}
}

// isTerminal reports whether w understands escape codes.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) {
		return false
	}
	term := os.Getenv("TERM")
	return term != "" && term != "dumb" || os.Getenv("WT_SESSION") != ""
}
