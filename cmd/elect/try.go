// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/visible"
	"github.com/seed-da5263fb/concurrency/leader"
)

func newTryCommand(g *global) *cobra.Command {
	j := &job{global: g}
	cmd := &cobra.Command{
		Use:   "try NAME [flags] -- COMMAND ARG…",
		Short: "Run a command if nobody leads, else exit at once",
		Long: `Run COMMAND if nobody leads the election NAME, while this process then leads it. If
somebody does, exit with 120 at once, and leave nothing in etcd.

COMMAND is run as by run: with the same variables, the same guard, and the same
care for its processes. See the help of run.

` + exitHelp(exitOK, exitTaken, exitLost, exitRunUsage, exitRunEtcd, exitRunFailed, exitCannotRun, exitNotFound,
			exitSignalled, exitInterrupted) + `
  else   what COMMAND exited with`,
		Example:     `  elect try backups/nightly -- ./backup || [ $? -eq 120 ]`,
		Args:        nameAndCommand,
		Annotations: map[string]string{wrapsCommand: ""},
		RunE:        j.try,
	}
	j.register(cmd.Flags())
	return cmd
}

func (j *job) try(cmd *cobra.Command, args []string) error {
	if err := j.prepare(cmd, args); err != nil {
		return err
	}
	signals, ctx, over := forwardSignals(cmd.Context())
	defer over()
	j.signals = signals
	client, err := j.connection.dial(ctx)
	if err != nil {
		return interruptedOr(ctx, err)
	}
	defer client.Close()
	session, release, err := j.session(ctx, client)
	if err != nil {
		return interruptedOr(ctx, j.explain(err))
	}
	defer release()

	election := concurrency.NewElection(session, j.name)
	request, cancel := j.request(ctx)
	defer cancel()
	if err := election.TryCampaign(request, j.value); err != nil {
		var taken *concurrency.LeaderError
		if errors.As(err, &taken) {
			return exitError{exitTaken, fmt.Errorf("%s leads %s", visible.Text(taken.Leader.Value), visible.Text(j.name))}
		}
		return interruptedOr(ctx, j.explain(err))
	}
	lead, free := hold(ctx, session, election.Term(), j.margin)
	defer free()
	o, err := j.supervise(lead, election.Term(), func() time.Time {
		if session.Err() != nil {
			return time.Time{}
		}
		return session.Deadline()
	})
	switch {
	case err != nil:
		return err
	case isStopped(o.lost):
		return interruptedOr(ctx, o.lost)
	case o.lost != nil && !signals.toldToEnd():
		return lostError(o.lost)
	case o.code() != exitOK:
		return exitError{code: o.code()}
	}
	return nil
}

// session returns a session, and what gives it up with all that is held by it. Its
// own context is not ctx, whose end leaves it alive for as long as the command
// takes to end.
func (j *job) session(ctx context.Context, client *clientv3.Client) (*concurrency.Session, func(), error) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	inTime := context.AfterFunc(ctx, cancel)
	session, err := concurrency.NewSession(client, concurrency.WithTTL(int(j.ttl/time.Second)),
		concurrency.WithStartTimeout(j.connection.commandTimeout), concurrency.WithContext(own))
	if err != nil {
		inTime()
		cancel()
		return nil, nil, fmt.Errorf("get a lease: %w", err)
	}
	if !inTime() {
		// Close can no longer revoke the lease in this context.
		revoke, cancel := context.WithTimeout(context.WithoutCancel(ctx), j.margin)
		defer cancel()
		_, _ = client.Revoke(revoke, session.Lease()) // it ends by itself, if not so
		return nil, nil, context.Cause(ctx)
	}
	return session, func() {
		defer cancel()
		defer time.AfterFunc(j.margin, cancel).Stop()
		if err := session.Close(); err != nil {
			j.log.Warn("elect: the lease could not be revoked, and ends by itself", "err", err)
		}
	}, nil
}

// hold returns a context that ends, with a *leader.EndError for a cause, when ctx
// does, when the term is over, or when it is about to be: margin before the lease can
// be lost, and a hundredth of its TTL before that. Call the function after that.
func hold(ctx context.Context, session *concurrency.Session, term *concurrency.Term, margin time.Duration) (context.Context, func()) {
	lead, end := context.WithCancelCause(context.WithoutCancel(ctx))
	free := context.AfterFunc(ctx, func() { end(&leader.EndError{Reason: leader.Stopped, Err: context.Cause(ctx)}) })
	go func() {
		for {
			left := time.Until(session.Deadline()) - margin - session.TTL()/100
			if left <= 0 {
				end(&leader.EndError{Reason: leader.LeaseAtRisk})
			}
			select {
			case <-time.After(left):
			case <-term.Done():
				reason := leader.KeyDeleted
				if errors.Is(term.Err(), concurrency.ErrSessionExpired) {
					reason = leader.LeaseAtRisk
				}
				end(&leader.EndError{Reason: reason, Err: term.Err()})
				return
			case <-lead.Done():
				return
			}
		}
	}()
	return lead, func() {
		free()
		end(&leader.EndError{Reason: leader.Done})
	}
}
