// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/visible"
)

func newLeaderCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "leader NAME",
		Short: "Print the value of who leads",
		Long: `Print the value of who leads, as one linearizable read of etcd has it.

If the output is no terminal, the value is printed byte for byte, and a line
break. On a terminal, a value that holds what cannot be seen is shown quoted.

` + exitHelp(exitOK, exitNoLeader, exitFailed, exitUsage, exitEtcd, exitInterrupted),
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := g.client()
			if err != nil {
				return err
			}
			defer client.Close()
			leader, err := currentLeader(cmd.Context(), g, client, args[0])
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			switch {
			case g.format == "json":
				return writeJSON(out, newCandidateJSON(leader))
			case isTerminal(out):
				_, err = fmt.Fprintln(out, visible.Text(leader.Value))
			default:
				_, err = fmt.Fprintln(out, leader.Value)
			}
			return err
		},
	}
}

// currentLeader asks who leads the election.
func currentLeader(ctx context.Context, g *global, client *clientv3.Client, name string) (concurrency.Candidate, error) {
	e, err := lookout(client, name)
	if err != nil {
		return concurrency.Candidate{}, err
	}
	ctx, cancel := g.request(ctx)
	defer cancel()
	resp, err := e.Leader(ctx)
	if errors.Is(err, concurrency.ErrElectionNoLeader) {
		return concurrency.Candidate{}, exitError{exitNoLeader, fmt.Errorf("nobody leads %s", visible.Text(name))}
	}
	if err != nil {
		return concurrency.Candidate{}, g.explain(err)
	}
	kv := resp.Kvs[0]
	return concurrency.Candidate{
		Key: string(kv.Key), Value: string(kv.Value), Rev: kv.CreateRevision, ModRev: kv.ModRevision, Lease: clientv3.LeaseID(kv.Lease),
	}, nil
}

// lookout returns an Election to look at. Its session is over before it begins, so
// nothing is ever sent for it: it only names the client.
func lookout(client *clientv3.Client, name string) (*concurrency.Election, error) {
	over, cancel := context.WithCancel(client.Ctx())
	cancel()
	s, err := concurrency.NewSession(client, concurrency.WithLease(1), concurrency.WithContext(over))
	if err != nil {
		return nil, err
	}
	return concurrency.NewElection(s, name), nil
}
