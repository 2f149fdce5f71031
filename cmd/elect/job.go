// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/child"
	"github.com/seed-da5263fb/concurrency/leader"
)

// A job is a command that is to run under a lead: what run and try have in common.
type job struct {
	*global
	name string   // of the election
	path string   // of the program
	args []string // with its name first

	value              string
	ttl, margin, grace time.Duration

	signals *forwarder
	log     *slog.Logger
}

func (j *job) register(flags *pflag.FlagSet) {
	flags.StringVar(&j.value, "value", "", "the `TEXT` that tells those who look who leads (default host:pid)")
	flags.DurationVar(&j.ttl, "ttl", 15*time.Second, "how long the others wait after this machine has died, in whole seconds")
	flags.DurationVar(&j.margin, "margin", 0, "how long before the lease can be lost COMMAND gets SIGTERM, from ttl/20 to ttl/2 (default ttl/5)")
	flags.DurationVar(&j.grace, "grace", 10*time.Second, "how long from SIGTERM to SIGKILL where there is time: for what COMMAND leaves behind, and where the lead is given up on purpose")
}

// prepare takes the arguments, and checks them and the flags.
func (j *job) prepare(cmd *cobra.Command, args []string) error {
	j.name, j.args = args[0], args[1:]
	if j.name == "" {
		return usagef("NAME is empty: give the election's name, the same for all who compete")
	}
	if j.ttl < time.Second || j.ttl%time.Second != 0 {
		return usagef("--ttl=%v: give whole seconds, as 15s", j.ttl)
	}
	j.margin = cmp.Or(j.margin, j.ttl/5)
	if least, most := j.ttl/20, j.ttl/2; j.margin < least || j.margin > most {
		return usagef("--margin=%v: with --ttl=%v give from %v to %v", j.margin, j.ttl, least, most)
	}
	if j.grace <= 0 {
		return usagef("--grace=%v: give a duration above zero, as 10s", j.grace)
	}
	if j.value == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("find the host's name: %w: give --value", err)
		}
		j.value = fmt.Sprintf("%s:%d", host, os.Getpid())
	}
	path, err := exec.LookPath(j.args[0])
	if err != nil {
		return cannotRun(j.args[0], err)
	}
	j.path = path
	level := slog.LevelWarn
	if j.connection.debug {
		level = slog.LevelDebug
	}
	j.log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
	return nil
}

// nameAndCommand checks that there is NAME -- COMMAND. Without the dashes elect would
// take the command's flags for its own.
func nameAndCommand(cmd *cobra.Command, args []string) error {
	wrong := ""
	switch dash := cmd.ArgsLenAtDash(); {
	case dash < 0 && len(args) > 1:
		wrong = "-- is missing"
	case dash == 0 || len(args) == 0:
		wrong = "NAME is missing"
	case dash > 1:
		wrong = "there are several names"
	case len(args) == 1:
		wrong = "COMMAND is missing"
	default:
		return nil
	}
	return fmt.Errorf("%s: give NAME -- COMMAND ARG…", wrong)
}

// cannotRun says why a command could not be started.
func cannotRun(command string, err error) error {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return exitError{exitNotFound, fmt.Errorf("%s is not found: check the name and PATH", command)}
	}
	var cause *exec.Error
	if errors.As(err, &cause) {
		err = cause.Err
	}
	return exitError{exitCannotRun, fmt.Errorf("%s cannot be started: %w", command, err)}
}

// environment is what the command gets.
func (j *job) environment(term *concurrency.Term) []string {
	endpoints := strings.Join(j.connection.endpoints, ",")
	return append(os.Environ(),
		"ELECT_NAME="+j.name,
		"ELECT_VALUE="+j.value,
		"ELECT_KEY="+term.Key(),
		"ELECT_REV="+strconv.FormatInt(term.Rev(), 10),
		"ELECT_ENDPOINTS="+endpoints,
		"ETCDCTL_ENDPOINTS="+endpoints,
	)
}

// reserve is how long before the lease can be lost SIGKILL is sent.
func (j *job) reserve() time.Duration { return min(j.margin/3, time.Second) }

// limits returns when the command has to be sent SIGTERM and SIGKILL if the lease
// can be lost at deadline and nobody sees to it before: the guard does then. The
// regular SIGTERM comes Margin before the deadline.
func (j *job) limits(deadline time.Time) (term, kill time.Time) {
	return deadline.Add(-(j.margin + j.reserve()) / 2), deadline.Add(-j.reserve())
}

// An outcome is how a command that ran under a lead has ended.
type outcome struct {
	result child.Result
	// lost is why the lead was over before the command was, nil if it was not.
	lost error
	took time.Duration
}

// code returns the code to exit with.
func (o outcome) code() int {
	if o.result.Signal != 0 {
		return exitSignalled + int(o.result.Signal)
	}
	return o.result.Code
}

// supervise runs the command while ctx lasts. It returns when the command and all
// that it has started is gone. The cause of ctx's end is a *leader.EndError.
// deadline returns when the lease can be lost, as far as is known: zero if that is
// not known any more.
func (j *job) supervise(ctx context.Context, term *concurrency.Term, deadline func() time.Time) (outcome, error) {
	if ctx.Err() != nil {
		return outcome{lost: context.Cause(ctx)}, nil
	}
	began := time.Now()
	byTerm, byKill := j.limits(deadline())
	c, err := j.signals.start(child.Command{
		Path: j.path, Args: j.args, Env: j.environment(term),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Term: byTerm, Kill: byKill, Grace: j.grace, Slack: j.reserve() / 4,
	})
	if err != nil {
		return outcome{}, cannotRun(j.args[0], err)
	}
	defer j.signals.detach()
	terminal := lendTerminal(c)
	defer terminal.takeBack()

	// The lease is renewed every third of the TTL. What is left of the margin when the
	// leader has ended ctx is much more than this.
	tick := time.NewTicker(j.ttl / 50)
	defer tick.Stop()
	var lost error
	ended := ctx.Done()
	for {
		select {
		case <-c.Done():
			result := c.Result()
			switch {
			case lost == nil && result.Expired:
				// This process was stopped, and the guard has seen to it.
				lost = &leader.EndError{Reason: leader.LeaseAtRisk}
			case lost == nil && result.Unguarded:
				return outcome{}, errors.New("the guard was killed, and the command with it")
			}
			if terminal.lent && (result.Signal == syscall.SIGINT || result.Signal == syscall.SIGQUIT) {
				j.signals.endAfter() // Ctrl-C goes to the command alone
			}
			return outcome{result: result, lost: lost, took: time.Since(began)}, nil
		case <-tick.C:
			if d := deadline(); !d.IsZero() {
				c.Keep(j.limits(d))
			}
		case sig := <-c.Stopped():
			if terminal.lent && !j.signals.suspended() {
				j.log.Warn("elect: a leader cannot be suspended from the terminal; COMMAND goes on", "signal", sig)
				c.Signal(syscall.SIGCONT)
			}
		case <-ended:
			ended, lost = nil, context.Cause(ctx)
			j.stop(c, lost, deadline())
		}
	}
}

// stop ends the command after the lead is over, or about to be.
func (j *job) stop(c *child.Child, why error, deadline time.Time) {
	var end *leader.EndError
	if !errors.As(why, &end) {
		panic(fmt.Sprintf("bug: a lead ended by %v", why))
	}
	switch {
	case !end.Reason.Lost():
		c.Stop(time.Now().Add(j.grace))
	case end.Reason == leader.LeaseAtRisk && !deadline.IsZero():
		_, kill := j.limits(deadline)
		c.Stop(kill)
	default:
		// Somebody else may lead already: there is no time for anything.
		c.Kill()
	}
}

// lostError says why the lead was lost.
func lostError(why error) error {
	var end *leader.EndError
	if !errors.As(why, &end) {
		return exitError{exitLost, why}
	}
	return exitError{exitLost, fmt.Errorf("the lead was lost while the command ran: %s", end.Reason)}
}
