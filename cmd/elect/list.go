// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/survey"
)

func newListCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "list NAME",
		Short: "Show who leads an election and who waits, in order",
		Long: `Show who is in an election, in the order of succession: the first one leads.

  PLACE    1 leads
  VALUE    what the candidate said last
  LEASE    the etcd lease whose end ends the candidacy
  LEFT     how long the lease has left, and of how long, if it is not renewed; at
           the TTL again with each renewal
  ENTERED  the revision of etcd at which the candidate entered; of the leader, its
           fencing token

Since when a candidate is in, by the clock, is not stored in etcd. Who watched it
knows: see "elect observe" and "elect serve".

` + harmless + `

` + exitHelp(exitOK, exitFailed, exitUsage, exitEtcd, exitInterrupted) + `

An election that nobody is in is an empty table, and exit code 0.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := g.client()
			if err != nil {
				return err
			}
			defer client.Close()
			ctx := cmd.Context()
			e, _, err := survey.ReadQueue(ctx, client, args[0], g.request)
			if err != nil {
				return g.explain(err)
			}
			var ids []clientv3.LeaseID
			for _, c := range e.Queue {
				ids = append(ids, c.Lease)
			}
			leases, err := survey.ReadLeases(ctx, client, ids, g.request)
			if err != nil {
				return g.explain(err)
			}
			return printQueue(cmd, g.format, e, leases)
		},
	}
}

func printQueue(cmd *cobra.Command, format string, e survey.Election, leases map[clientv3.LeaseID]survey.Lease) error {
	out := cmd.OutOrStdout()
	t := columns(">PLACE", "VALUE", "LEASE", ">LEFT", ">ENTERED")
	t.mark = func(row int) bool { return row == 0 }
	for i, c := range e.Queue {
		l := leases[c.Lease]
		if format == "json" {
			line := struct {
				Place int `json:"place"`
				candidateJSON
				Left    int64 `json:"lease_left_seconds"` // -1: the lease is over
				Granted int64 `json:"lease_ttl_seconds"`
			}{i + 1, newCandidateJSON(c), int64(l.Left / time.Second), int64(l.Granted / time.Second)}
			if err := writeJSON(out, line); err != nil {
				return err
			}
			continue
		}
		t.row(strconv.Itoa(i+1), cell(c.Value), hexLease(c), left(l), strconv.FormatInt(c.Rev, 10))
	}
	if format == "json" {
		return nil
	}
	return t.write(out)
}

// left shows what is left of a lease, and of how much.
func left(l survey.Lease) string {
	if l.Left < 0 {
		return "over"
	}
	return fmt.Sprintf("%d of %d s", l.Left/time.Second, l.Granted/time.Second)
}
