// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/demo"
)

func newDemoCommand() *cobra.Command {
	var plotFile string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show elections and failures on a cluster of its own",
		Long: `Start three etcd members in this process and let five candidates contend.
Leaders resign, lose their key to an operator, crash, and are cut off from the
cluster; each handover is shown as it happens, and measured.

The demo takes about 25 seconds and needs nothing but free ports on loopback and
a temporary folder, and leaves neither behind. It fails if two candidates led at
once, or a handover did not come within its bound. Of the flags for reaching etcd,
and of -o, it makes no use.

With --plot it also draws who led when, and how long nobody did, into a file, as
an SVG. An old picture is replaced only when the demo has been played to its end.

On a terminal there are colours, unless NO_COLOR is set, and a live status line.

` + exitHelp(exitOK, exitFailed, exitUsage, exitInterrupted),
		Example: `  elect demo
  elect demo --plot timeline.svg`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := playDemo(cmd, plotFile); err != nil {
				return fmt.Errorf("demo: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&plotFile, "plot", "", "draw the timeline into `FILE` as an SVG")
	return cmd
}

func playDemo(cmd *cobra.Command, plotFile string) error {
	out := cmd.OutOrStdout()
	cfg := demo.Config{Out: out, Live: isTerminal(out), Colour: bool(styleOf(out))}
	if !cmd.Flags().Changed("plot") {
		return demo.Run(cmd.Context(), cfg)
	}

	giveUp, err := claim(plotFile)
	if err != nil {
		return fmt.Errorf("--plot: %w", err)
	}
	var picture bytes.Buffer
	cfg.Plot = &picture
	err = demo.Run(cmd.Context(), cfg)
	if picture.Len() == 0 {
		giveUp()
		return err
	}
	if writeErr := os.WriteFile(plotFile, picture.Bytes(), 0o644); writeErr != nil {
		return errors.Join(err, fmt.Errorf("--plot: %w", writeErr))
	}
	_, writeErr := fmt.Fprintf(out, "The timeline is drawn in %s\n", plotFile)
	return errors.Join(err, writeErr)
}

// claim makes sure that a file can be written, long before it is: it makes the file
// if it is not there, and changes nothing if it is. giveUp removes what it made.
func claim(path string) (giveUp func(), err error) {
	info, err := os.Stat(path)
	switch {
	case path == "":
		return nil, errors.New("no file is named; use --plot FILE.svg")
	case errors.Is(err, fs.ErrNotExist):
		giveUp = func() { _ = os.Remove(path) }
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file; name another one", path)
	default:
		giveUp = func() {}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	return giveUp, f.Close()
}
