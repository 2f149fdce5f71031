// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// An actor is this test binary as the command that elect runs, or as what that
// command starts. It tells on its standard output what it does and sees, a line each;
// so that pipe ends when no actor of a tree is left.
type actor struct {
	role       string
	ignore     bool          // all signals that can be ignored
	heed       bool          // tells of signals, and goes on, but for SIGTERM: exits with 7
	beat       bool          // tells every 10 ms that it lives
	spawn      int           // children in the own process group, which ignore all and beat
	heedful    int           // children in the own process group, with heed
	daemon     bool          // and one in a session of its own
	ready      bool          // closes file 3 when it has started
	stop       bool          // stops itself by SIGSTOP
	environ    bool          // tells ELECT_… and ETCDCTL_…
	echo       bool          // tells what it reads from standard input
	suicide    int           // ends itself by this signal
	exit       int           // exits with this at once; -1: goes on
	after      time.Duration // how long it waits before that
	unlessFile string        // exits with 0 if the file is there, whatever exit says
}

// A line is what an actor tells.
type line struct {
	At   time.Time
	Pid  int
	Role string // command, child or daemon
	What string
	Rev  string
}

// actorVariable makes this test binary an actor.
const actorVariable = "TEST_ACTOR"

// actIfAsked takes this process over if it is an actor.
func actIfAsked() {
	if os.Getenv(actorVariable) == "" {
		// These tests wait for other processes most of the time. -parallel counts more.
		_ = flag.Set("test.parallel", "8")
		return
	}
	var a actor
	flags := flag.NewFlagSet("actor", flag.ExitOnError)
	flags.StringVar(&a.role, "role", "command", "")
	flags.BoolVar(&a.ignore, "ignore", false, "")
	flags.BoolVar(&a.heed, "heed", false, "")
	flags.BoolVar(&a.beat, "beat", false, "")
	flags.IntVar(&a.spawn, "spawn", 0, "")
	flags.IntVar(&a.heedful, "heedful", 0, "")
	flags.BoolVar(&a.daemon, "daemon", false, "")
	flags.BoolVar(&a.ready, "ready", false, "")
	flags.BoolVar(&a.stop, "stop", false, "")
	flags.BoolVar(&a.environ, "environ", false, "")
	flags.BoolVar(&a.echo, "echo", false, "")
	flags.IntVar(&a.suicide, "suicide", 0, "")
	flags.IntVar(&a.exit, "exit", -1, "")
	flags.DurationVar(&a.after, "after", 0, "")
	flags.StringVar(&a.unlessFile, "unless-file", "", "")
	_ = flags.Parse(os.Args[1:])
	a.act()
}

func (a *actor) tell(what string) {
	l, _ := json.Marshal(line{time.Now(), os.Getpid(), a.role, what, os.Getenv("ELECT_REV")})
	if _, err := os.Stdout.Write(append(l, '\n')); err != nil {
		os.Exit(1) // the test is over
	}
}

func (a *actor) act() {
	signals := make(chan os.Signal, 16)
	switch {
	case a.ignore:
		signal.Ignore(forwarded...)
	case a.heed:
		signal.Notify(signals, forwarded...)
	}
	for range a.spawn {
		a.start("child", nil, "-ignore", "-beat")
	}
	for range a.heedful {
		a.start("heedful", nil, "-heed")
	}
	if a.daemon {
		a.start("daemon", &syscall.SysProcAttr{Setsid: true}, "-ignore", "-beat")
	}
	a.tell("start")
	if a.ready {
		_ = os.NewFile(3, "ready").Close()
	}
	if a.environ {
		for _, v := range os.Environ() {
			if strings.HasPrefix(v, "ELECT_") || strings.HasPrefix(v, "ETCDCTL_") {
				a.tell(v)
			}
		}
	}
	if a.echo {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			a.tell("read " + in.Text())
		}
		a.tell("end of input")
	}
	if a.stop {
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
	if a.suicide != 0 {
		_ = syscall.Kill(os.Getpid(), syscall.Signal(a.suicide))
	}
	if a.unlessFile != "" {
		if _, err := os.Stat(a.unlessFile); err == nil {
			a.exit = 0
		}
	}
	if a.exit >= 0 {
		time.Sleep(a.after)
		os.Exit(a.exit)
	}
	var beats <-chan time.Time
	if a.beat {
		beats = time.Tick(10 * time.Millisecond) // more would starve the etcd in the test
	}
	for {
		select {
		case <-beats:
			a.tell("beat")
		case sig := <-signals:
			a.tell(sig.String())
			if sig == syscall.SIGTERM {
				os.Exit(7)
			}
		case <-time.After(5 * time.Minute):
			os.Exit(99) // whatever becomes of the test
		}
	}
}

// start starts another actor, which tells of itself, and waits until it has.
func (a *actor) start(role string, attr *syscall.SysProcAttr, flags ...string) {
	cmd := exec.Command(os.Args[0], append(flags, "-ready", "-role", role)...)
	cmd.SysProcAttr = attr
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	started, w, err := os.Pipe()
	if err == nil {
		cmd.ExtraFiles = []*os.File{w}
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(98)
	}
	_ = w.Close()
	_, _ = started.Read(make([]byte, 1)) // until the end
}
