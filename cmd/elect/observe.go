// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/visible"
)

func newObserveCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "observe NAME",
		Short: "Print a line whenever the leader or its value changes",
		Long: `Print who leads, and then a line for each change, in order, until interrupted:

  leads   somebody leads, since the revision that is shown
  says    who leads has proclaimed another value
  vacant  nobody leads

It goes on while etcd restarts or cannot be reached, and then tells what it missed;
of what etcd has compacted away, who led at the end of it. To notice that etcd is back can
take it half a minute. The times are those at which elect heard of the changes. It
is one watch, and sends nothing at a change.

` + harmless + `

` + exitHelp(exitOK, exitFailed, exitUsage, exitEtcd) + `

To be interrupted is its regular end, with 0.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := g.client()
			if err != nil {
				return err
			}
			defer client.Close()
			election, err := lookout(client, args[0])
			if err != nil {
				return err
			}
			out := changes{out: cmd.OutOrStdout(), json: g.format == "json", name: args[0]}
			for leader, err := range election.Leaders(cmd.Context()) {
				switch {
				case cmd.Context().Err() != nil:
					return nil
				case err != nil:
					return g.explain(err)
				}
				if err := out.tell(leader); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// changes prints who leads, change by change.
type changes struct {
	out  io.Writer
	json bool
	name string
	last concurrency.Candidate
}

// tell prints what the leader is after a change.
func (c *changes) tell(leader concurrency.Candidate) error {
	now, what := time.Now(), "leads"
	switch {
	case leader.Rev == 0:
		what = "vacant"
	case leader.Rev == c.last.Rev:
		what = "says"
	}
	c.last = leader
	if c.json {
		line := struct {
			Time       time.Time      `json:"time"`
			Change     string         `json:"change"`
			Name       string         `json:"name"`
			NameBase64 string         `json:"name_base64,omitempty"`
			Leader     *candidateJSON `json:"leader"`
		}{Time: now.UTC(), Change: what, Name: c.name, NameBase64: base64IfNeeded(c.name)}
		if leader.Rev != 0 {
			l := newCandidateJSON(leader)
			line.Leader = &l
		}
		return writeJSON(c.out, line)
	}
	s := styleOf(c.out)
	at := s.dim(now.Format("15:04:05.000"))
	var err error
	if what == "vacant" {
		_, err = fmt.Fprintf(c.out, "%s  %s\n", at, s.paint("1;33", "vacant"))
	} else {
		word := fmt.Sprintf("%-6s", what)
		if what == "leads" {
			word = s.leader(word)
		}
		_, err = fmt.Fprintf(c.out, "%s  %s  %s  %s\n", at, word, visible.Clip(leader.Value, 2*maxColumns), s.dim(fmt.Sprintf("revision %d, lease %s", leader.Rev, hexLease(leader))))
	}
	return err
}
