// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/survey"
	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/visible"
)

func newEvictCommand(g *global) *cobra.Command {
	var (
		key string
		yes bool
	)
	cmd := &cobra.Command{
		Use:   "evict NAME",
		Short: "Take the lead away from who has it",
		Long: `Delete the key of who leads, or of another candidate, so that it is out of the
queue and the next one leads.

Who is hit is shown first, and has to be confirmed. Only that very candidacy is
hit: if it has ended in the meantime, nothing is done, and exit code 1 says so.

The evicted process hears of it at once, and may campaign again, at the end of the
queue. Its lease lives on, and whatever else is attached to it. For as long as it
takes to hear of it, it may go on as if it led: what it writes to etcd with the
fence of its term is refused.

` + exitHelp(exitOK, exitFailed, exitUsage, exitEtcd, exitNoLeader, exitInterrupted),
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := cmd.InOrStdin()
			if !yes && !canAsk(in) {
				return usagef("there is no terminal to ask for a confirmation: give --yes")
			}
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
			place, err := findCandidate(e, key)
			if err != nil {
				return err
			}
			c := e.Queue[place]
			if !yes {
				agreed, err := confirm(ctx, in, cmd.ErrOrStderr(), question(e, place))
				if err != nil {
					return err
				}
				if !agreed {
					return errors.New("not confirmed: nothing was done")
				}
			}
			bounded, cancel := g.request(ctx)
			defer cancel()
			evicted, err := survey.Evict(bounded, client, c)
			if err != nil {
				return g.explain(fmt.Errorf("etcd gave no answer, and may have done it: see elect list: %w", err))
			}
			if !evicted {
				return fmt.Errorf("%s is gone already: nothing was done", visible.Text(c.Key))
			}
			if g.format == "json" {
				return writeJSON(cmd.OutOrStdout(), struct {
					Evicted candidateJSON `json:"evicted"`
					Place   int           `json:"place"`
				}{newCandidateJSON(c), place + 1})
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "evicted %s (%s, revision %d)\n", cell(c.Value), visible.Text(c.Key), c.Rev)
			return err
		},
	}
	cmd.Flags().StringVar(&key, "candidate", "", "the candidate's `KEY`, or its lease, instead of the leader's; see -o json of elect list")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask for a confirmation")
	return cmd
}

// findCandidate returns the place in the queue of who has the key or the lease; of
// the leader if there is none given.
func findCandidate(e survey.Election, key string) (int, error) {
	if len(e.Queue) == 0 {
		return 0, exitError{exitNoLeader, fmt.Errorf("nobody leads %s", visible.Text(e.Name))}
	}
	if key == "" {
		return 0, nil
	}
	for i, c := range e.Queue {
		if c.Key == key || hexLease(c) == key {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%s is no candidate of %s: elect list shows who is", visible.Text(key), visible.Text(e.Name))
}

// question describes who is to be evicted.
func question(e survey.Election, place int) string {
	c := e.Queue[place]
	role := "leads"
	if place > 0 {
		role = fmt.Sprintf("waits at place %d of %d in", place+1, len(e.Queue))
	}
	then := "nobody is next"
	switch {
	case place > 0:
		then = "the lead stays as it is"
	case len(e.Queue) > 1:
		then = "next is " + cell(e.Queue[1].Value)
	}
	return fmt.Sprintf("%s %s %s\n  key %s, entered at revision %d; %s\nEvict it? [y/N] ",
		cell(c.Value), role, visible.Text(e.Name), visible.Text(c.Key), c.Rev, then)
}

// canAsk reports whether somebody sits at the other end of in. What is asked goes
// to stderr, so that stdout may be a pipe.
func canAsk(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// confirm asks a question, and returns whether the answer is yes. It returns when
// ctx ends as well.
func confirm(ctx context.Context, in io.Reader, out io.Writer, question string) (bool, error) {
	if _, err := io.WriteString(out, question); err != nil {
		return false, err
	}
	answer := make(chan string, 1)
	go func() { // a read from a terminal cannot be interrupted; it ends with the process
		line, _ := bufio.NewReader(in).ReadString('\n')
		answer <- line
	}()
	select {
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return true, nil
		}
		return false, nil
	case <-ctx.Done():
		fmt.Fprintln(out)
		return false, context.Cause(ctx)
	}
}
