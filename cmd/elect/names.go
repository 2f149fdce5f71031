// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/survey"
)

func newNamesCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "names [PREFIX]",
		Short: "Show which elections there are",
		Long: `Show the elections whose names begin with PREFIX, or all, with who leads and how
many are in.

An election is there as long as somebody is in: a key NAME/LEASE that is attached
to that very lease. Locks are queues of the same form and are shown as well;
their candidates have no value.

All keys that begin with PREFIX are looked at, a thousand at a time, and the values
of those only that have the form of a candidate's. The answer is that of one
revision. --command-timeout bounds each of the requests.

` + harmless + `

` + exitHelp(exitOK, exitFailed, exitUsage, exitEtcd, exitInterrupted),
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			prefix := ""
			if len(args) > 0 {
				prefix = args[0]
			}
			client, err := g.client()
			if err != nil {
				return err
			}
			defer client.Close()
			elections, _, err := survey.Read(cmd.Context(), client, prefix, g.request)
			if err != nil {
				return g.explain(err)
			}
			return printNames(cmd, g.format, elections)
		},
	}
}

func printNames(cmd *cobra.Command, format string, elections []survey.Election) error {
	out := cmd.OutOrStdout()
	t := columns("NAME", "LEADER", ">CANDIDATES", ">SINCE REVISION")
	for _, e := range elections {
		if format == "json" {
			line := struct {
				Name       string        `json:"name"`
				NameBase64 string        `json:"name_base64,omitempty"`
				Candidates int           `json:"candidates"`
				Leader     candidateJSON `json:"leader"`
			}{e.Name, base64IfNeeded(e.Name), len(e.Queue), newCandidateJSON(e.Queue[0])}
			if err := writeJSON(out, line); err != nil {
				return err
			}
			continue
		}
		t.row(cell(e.Name), cell(e.Queue[0].Value), strconv.Itoa(len(e.Queue)), strconv.FormatInt(e.Queue[0].Rev, 10))
	}
	if format == "json" {
		return nil
	}
	return t.write(out)
}
