// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// What elect exits with.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2 // the command line makes no sense; nothing was done
	exitEtcd     = 3 // etcd was not reached, or refused
	exitNoLeader = 4 // nobody leads

	// What run and try exit with on their own account. They pass on what their
	// command exits with, so theirs lie where few programs have any: beside those
	// that shells, env and timeout use for the same purpose. The first two are theirs
	// alone; the next three stand in for exitUsage, exitEtcd and exitFailed.
	exitTaken       = 120 // somebody else leads
	exitLost        = 121 // the lead was lost while the command ran
	exitRunUsage    = 122
	exitRunEtcd     = 123
	exitRunFailed   = 125
	exitCannotRun   = 126 // the command is there and cannot be started
	exitNotFound    = 127 // there is no such command
	exitSignalled   = 128 // plus the number of the signal that ended the command
	exitInterrupted = 130 // as a shell has it for a program that SIGINT ended
)

// exitMeaning says what each code means, for the help texts.
var exitMeaning = map[int]string{
	exitOK:          "done",
	exitFailed:      "failed",
	exitUsage:       "wrong usage",
	exitEtcd:        "etcd was not reached, or refused",
	exitNoLeader:    "nobody leads",
	exitTaken:       "somebody else leads, and COMMAND was not run",
	exitLost:        "the lead was lost, and COMMAND ended for that",
	exitRunUsage:    "wrong usage",
	exitRunEtcd:     "etcd was not reached, or refused",
	exitRunFailed:   "elect failed",
	exitCannotRun:   "COMMAND cannot be started",
	exitNotFound:    "COMMAND is not found",
	exitSignalled:   "COMMAND was ended by signal N",
	exitInterrupted: "interrupted",
}

// exitHelp returns the lines of a help text that tell the given codes.
func exitHelp(codes ...int) string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, code := range codes {
		label := fmt.Sprint(code)
		if code == exitSignalled {
			label = "128+N"
		}
		fmt.Fprintf(&b, "  %-5s  %s\n", label, exitMeaning[code])
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// An exitError says what elect shall exit with, and why. Without err it says
// nothing on stderr.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

// wrapsCommand marks, among a cobra command's annotations, one that passes on the
// exit code of a command that it runs.
const wrapsCommand = "wraps a command"

// exitCode returns what to exit with after err, as cmd has returned it.
func exitCode(cmd *cobra.Command, err error) int {
	code := exitFailed
	var e exitError
	if errors.As(err, &e) {
		code = e.code
	}
	if _, wraps := cmd.Annotations[wrapsCommand]; !wraps || isPassedOn(err) {
		return code
	}
	switch code {
	case exitFailed:
		return exitRunFailed
	case exitUsage:
		return exitRunUsage
	case exitEtcd:
		return exitRunEtcd
	}
	return code
}

// isPassedOn reports whether err is what somebody else's program exited with.
func isPassedOn(err error) bool {
	var e exitError
	return errors.As(err, &e) && e.err == nil
}
