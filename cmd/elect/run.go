// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/spf13/cobra"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/leader"
)

const runHelp = `Run COMMAND while this process leads the election NAME, and only then.

run waits in the queue of NAME until it leads, and starts COMMAND in a process
group of its own, with these variables:

  ELECT_NAME       NAME
  ELECT_KEY        the key in etcd by which this process leads
  ELECT_REV        its create revision: it grows from each leader to the next, and
                   so is a fencing token; give it along with each write to a store
                   that can refuse a lower one than it has seen
  ELECT_VALUE      what --value says
  ELECT_ENDPOINTS, ETCDCTL_ENDPOINTS
                   where etcd is

When COMMAND ends, what is left of what it has started gets SIGTERM, and after
--grace SIGKILL. Then run gives the lead up, and exits with COMMAND's exit code.
COMMAND has to stay in the foreground, therefore.

The lead can be lost:
  - When etcd does not answer, SIGTERM goes to all that COMMAND has started,
    --margin before the lease can be lost; and SIGKILL shortly before it is lost, a
    third of the margin or a second, whichever is less.
  - When somebody deletes the key, as evict does, the next one leads at once.
    So SIGKILL is sent at once.
  - When --health fails, SIGTERM is sent, and after --grace SIGKILL. The lead is
    kept until all is gone.

What is sent SIGTERM is sent SIGCONT as well, so that what is stopped can end.
Between run and COMMAND stands a guard, a process that knows when the lease can be
lost and ends COMMAND in time also when run itself is stopped or starved. When run is
killed, the guard sends SIGTERM at once, and SIGKILL before the lease is over. On
Linux all descendants are reached, also those that have left the process group or
the session. Elsewhere the process group is. Not reached are processes of other
users, by setuid files; what has been started by way of another program, such as a
container's daemon, systemd-run or at; and, if somebody kills the guard itself,
what has left the process group. When the whole machine or container is paused,
nothing ends COMMAND before it goes on, and then for a moment it may still run while
another one leads: that is what ELECT_REV is for.

SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP and SIGCONT
are passed on to COMMAND's process group; it decides what to do about them, and how
long it takes. After the first three COMMAND is not run again, whatever --restart
says. While no COMMAND runs, the first four end run. A COMMAND that is stopped
keeps the lead. On a terminal COMMAND is in the foreground: Ctrl-C goes to it, and when
it ends by that, so does run; Ctrl-Z does not suspend it.

--restart says when to campaign again, behind all others in the queue:
  never    not at all
  on-loss  when the lead was lost while COMMAND ran
  always   also when COMMAND has ended, after a pause that grows from 0.1 s to 30 s,
           and is short again after COMMAND has run for longer than that

--once KEY runs COMMAND to success once, over all that run it with the same NAME and
KEY: the day of a daily job, say. Whoever succeeds (exit code 0) writes the key
NAME.once/KEY in etcd, in a transaction that counts only while it still leads. Who
finds that key exits with 0 and runs nothing. A COMMAND that fails leaves it to the
next in the queue. If the lead is lost after COMMAND has succeeded and before that is
written, it runs again elsewhere. The key stays for good, or with --once-keep for
that long after.

--status-listen ADDR serves the state as JSON at /, with 503 if all is not well, and
with /?leader=1 also if this process does not lead; and metrics for Prometheus at
/metrics. Everybody who can reach ADDR can read that: prefer one on loopback.

etcd has to be reached within --dial-timeout at the start. Where run may start before
etcd does, as when a machine boots, give it minutes or hours: stderr tells that it
waits, and why. After that run outlives outages.

`

var runExits = exitHelp(exitOK, exitLost, exitRunUsage, exitRunEtcd, exitRunFailed, exitCannotRun, exitNotFound,
	exitSignalled, exitInterrupted) + `
  else   what COMMAND exited with
With --once, 0 also means that it was done before.`

// A restart says when to campaign again.
type restart string

const (
	restartNever  restart = "never"
	restartOnLoss restart = "on-loss"
	restartAlways restart = "always"
)

// runs is the command run.
type runs struct {
	job
	restart        string
	once           string
	onceKeep       time.Duration
	health         string
	healthInterval time.Duration
	statusListen   string

	slot      *slot // of once, else nil
	runner    *leader.Runner
	afterTerm func() // called by runner
}

func newRunCommand(g *global) *cobra.Command {
	r := &runs{job: job{global: g}}
	cmd := &cobra.Command{
		Use:   "run NAME [flags] -- COMMAND ARG…",
		Short: "Run a command only while leading",
		Long:  runHelp + runExits,
		Example: `  elect run jobs/cleaner -- /usr/local/bin/cleaner --all
  elect run web/primary --restart=always --health 'curl -fs localhost:8080' -- ./serve
  elect run jobs/report --once "$(date +%F)" --once-keep 48h -- ./report`,
		Args:        nameAndCommand,
		Annotations: map[string]string{wrapsCommand: ""},
		RunE:        r.run,
	}
	flags := cmd.Flags()
	r.register(flags)
	flags.StringVar(&r.restart, "restart", string(restartNever), "`WHEN` to campaign again: never, on-loss or always")
	_ = cmd.RegisterFlagCompletionFunc("restart", cobra.FixedCompletions(
		[]string{string(restartNever), string(restartOnLoss), string(restartAlways)}, cobra.ShellCompDirectiveNoFileComp))
	flags.StringVar(&r.once, "once", "", "run to success once for this `KEY`, over the whole fleet")
	flags.DurationVar(&r.onceKeep, "once-keep", 0, "how long it is known that --once is done (default for good)")
	flags.StringVar(&r.health, "health", "", "a shell's `COMMAND` that tells by exit code 0 that this machine is fit to lead")
	flags.DurationVar(&r.healthInterval, "health-interval", 0, "how long between two runs of --health, and how long one may take; the third that fails in a row ends the lead (default ttl/3)")
	flags.StringVar(&r.statusListen, "status-listen", "", "serve the state and metrics at `ADDR`, as host:port; port 0 takes a free one")
	return cmd
}

func (r *runs) run(cmd *cobra.Command, args []string) error {
	if err := r.prepare(cmd, args); err != nil {
		return err
	}
	switch restart(r.restart) {
	case restartNever, restartOnLoss, restartAlways:
	default:
		return usagef("--restart=%s: give never, on-loss or always", r.restart)
	}
	if err := checkOnce(cmd.Flags().Changed("once"), r.once, r.onceKeep); err != nil {
		return err
	}
	if r.healthInterval < 0 || r.healthInterval > 0 && r.health == "" {
		return usagef("--health-interval=%v: give a duration above zero, and --health", r.healthInterval)
	}

	signals, ctx, over := forwardSignals(cmd.Context())
	defer over()
	r.signals = signals
	client, err := r.connection.dial(ctx)
	if err != nil {
		return interruptedOr(ctx, err)
	}
	defer client.Close()

	cfg := leader.Config{
		Client: client, Election: r.name, Value: r.value, TTL: r.ttl, Margin: r.margin,
		HoldOff: -1, // campaign sees to pauses
		Logger:  r.log, HealthInterval: r.healthInterval,
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	cfg.Hooks.Lost = func(*concurrency.Term, *leader.EndError) { r.afterTerm() }
	cfg.Hooks.Error = func(err error) {
		if final := r.connection.explain(err); isRefusal(err) {
			stop(final)
		}
	}
	if r.health != "" {
		cfg.HealthCheck = healthCommand(r.health, r.name)
	}
	if r.runner, err = leader.New(cfg); err != nil {
		return err
	}
	if r.statusListen != "" {
		unlisten, err := serveStatus(r.statusListen, r.runner, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		defer unlisten()
	}
	if cmd.Flags().Changed("once") {
		r.slot = &slot{client: client, key: onceKey(r.name, r.once), keep: r.onceKeep}
		first, cancel := r.request(ctx)
		defer cancel()
		if done, err := r.slot.done(first); err != nil {
			return interruptedOr(ctx, r.explain(err))
		} else if done {
			r.log.Info("elect: done already", "key", r.slot.key)
			return nil
		}
	}
	return r.campaign(ctx)
}

// isRefusal reports whether etcd has refused, and will again.
func isRefusal(err error) bool {
	return errors.Is(err, rpctypes.ErrPermissionDenied) || errors.Is(err, rpctypes.ErrUserEmpty) || errors.Is(err, rpctypes.ErrAuthFailed)
}

// interruptedOr returns why ctx has ended, or err if it has not.
func interruptedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// campaign leads and runs the command, again and again if it is to.
func (r *runs) campaign(ctx context.Context) error {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.Multiplier, pauses.MaxInterval = 100*time.Millisecond, 2, 30*time.Second
	for {
		end := r.turn(ctx)
		if end.verdict != commandEnded || restart(r.restart) != restartAlways || r.signals.toldToEnd() ||
			r.slot != nil && end.err == nil {
			return end.err
		}
		if end.took > pauses.MaxInterval {
			pauses.Reset()
		}
		wait := pauses.NextBackOff()
		r.log.Info("elect: the command has ended, and is run again", "exit", exitCodeOf(end.err), "after", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// A verdict says how it goes on after a term.
type verdict int

const (
	campaignAgain verdict = iota
	commandEnded          // by itself, while leading
	electEnds
)

// A turnEnd is what has come of a turn.
type turnEnd struct {
	verdict verdict
	err     error         // what elect is to return if it ends now
	took    time.Duration // for how long the command ran
}

// turn is from the entry into the queue to the end of the command, or of elect. It
// may have several terms in it, of which all but the last were lost.
func (r *runs) turn(ctx context.Context) (end turnEnd) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	r.afterTerm = func() {
		// The Runner would campaign again if the lead was lost as the command ended.
		if end.verdict != campaignAgain {
			stop()
		}
	}
	for {
		err := r.runner.Run(running, func(lead context.Context, term *concurrency.Term) error {
			end = r.lead(lead, term)
			if lead.Err() != nil {
				return nil // after a loss the Runner goes on, and would only log the error
			}
			return end.err
		})
		switch {
		case end.verdict != campaignAgain:
			return end
		case err != nil || ctx.Err() != nil:
			return turnEnd{electEnds, interruptedOr(ctx, err), 0}
		}
		// The guard has ended the command, and the Runner still led: it took the return
		// for the end of the work, and has resigned.
	}
}

// lead runs the command in one term.
func (r *runs) lead(ctx context.Context, term *concurrency.Term) turnEnd {
	if r.slot != nil {
		if done, err := r.slot.awaitDone(ctx); done || err != nil {
			return turnEnd{electEnds, r.explain(err), 0}
		}
	}
	o, err := r.supervise(ctx, term, r.deadline)
	if err != nil {
		return turnEnd{electEnds, err, 0}
	}
	switch {
	case o.lost == nil && o.code() != exitOK:
		return turnEnd{commandEnded, exitError{code: o.code()}, o.took}
	case o.lost == nil && r.slot == nil:
		return turnEnd{commandEnded, nil, o.took}
	case o.lost == nil:
		if err = r.slot.mark(ctx, term, r.value); err == nil || isRefusal(err) {
			return turnEnd{electEnds, r.explain(err), o.took}
		}
		err = exitError{exitLost, err}
	case r.signals.toldToEnd():
		return turnEnd{electEnds, exitError{code: o.code()}, o.took}
	case isStopped(o.lost):
		return turnEnd{}
	default:
		err = lostError(o.lost)
	}
	if restart(r.restart) == restartNever {
		return turnEnd{electEnds, fmt.Errorf("%w: see --restart to campaign again", err), o.took}
	}
	r.log.Warn("elect: campaigns again", "err", err)
	return turnEnd{}
}

// deadline returns when the lease can be lost; zero if it may be by now.
func (r *runs) deadline() time.Time {
	now := time.Now() // before, so that a pause in between makes it earlier
	left := r.runner.Status().LeaseLeft
	if left <= 0 {
		return time.Time{}
	}
	return now.Add(left)
}

// isStopped reports whether a lead was given up because elect ends.
func isStopped(why error) bool {
	var end *leader.EndError
	return errors.As(why, &end) && end.Reason == leader.Stopped
}

// exitCodeOf returns the code that err stands for.
func exitCodeOf(err error) int {
	var e exitError
	if errors.As(err, &e) {
		return e.code
	}
	return exitOK
}
