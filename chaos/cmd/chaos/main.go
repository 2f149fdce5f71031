// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Chaos runs the concurrency package, and the original beside it, on a real etcd
// cluster of three, breaks processes and links while they work, and checks what
// was promised.
//
//	go run ./cmd/chaos -duration=10m -seed=1 -report results
//
// It prints the plan and a summary, and exits with 0 only if all held. With
// -report it writes the summary, a JSON, a timeline picture and the members' logs,
// and where something broke also the journal of all events and porcupine's picture
// of a register.
//
// # Setting
//
// Three members and four workers, each a process of its own: this command, started
// again. The kernel ends them when the command ends, however it ends. Each worker
// has its own link to each member, and each ordered pair of members has one for the
// connections that the first opens to the second; a link is a toxiproxy. The
// members do not sync to disk: a process that is killed loses nothing by that, a
// machine would. All is on loopback. It needs Linux.
//
// Workers contend in eight lanes at once: this package or the original, an election
// or a mutex, writes with a fence or without. Who leads adds elements to a set (it
// reads, thinks, and writes back), writes and reads a register, proclaims, resigns,
// rests, and contends again. Each worker also observes the four elections.
//
// # Faults
//
// They are drawn from the seed, in storms with calms between: all faults of a
// storm are over when its calm begins. The same seed gives the same plan; where it
// says raft's leader, or who leads a lane, that is looked up when the fault comes,
// and what the processes do in between depends on the machine. A fault whose
// target has one already is skipped.
//
// # Checks
//
// Everything is judged when the trial is over, from the workers' journals, the
// times of the machine's monotonic clock, which all processes share, and etcd's
// history, which a recorder takes down from all members on links that do not fail.
// Compaction takes only what was recorded.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
	"github.com/seed-da5263fb/concurrency/chaos/internal/trial"
)

func main() {
	if trial.Child() {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	duration := flags.Duration("duration", time.Minute, "how long it is to last, about")
	seed := flags.Uint64("seed", 0, "what the faults are drawn from; 0 draws a seed")
	faults := flags.String("faults", "all", "which `kinds` of faults, with commas between them, all or none: "+kinds())
	folder := flags.String("report", "", "write summary, JSON, pictures and the members' logs to this `folder`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("what is %q? There are only flags; see -help", flags.Arg(0))
	}
	if *duration < trial.Shortest {
		return fmt.Errorf("-duration=%v is too short: take %v or more", *duration, trial.Shortest)
	}
	chosen, err := fault.Parse(*faults)
	if err != nil {
		return fmt.Errorf("-faults: %w", err)
	}
	if *seed == 0 {
		*seed = rand.Uint64()>>33 + 1 // short enough to type
	}
	began := time.Now()
	config := trial.Config{
		Seed: *seed, Duration: *duration, Faults: chosen, Logs: *folder,
		Command: fmt.Sprintf("go run ./cmd/chaos -duration=%v -seed=%d -faults=%s", *duration, *seed, *faults),
		Logf: func(format string, args ...any) {
			fmt.Printf("%8.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
		},
	}
	fmt.Printf("seed %d\n%s\n", *seed, fault.Describe(config.Plan()))
	rep, err := trial.Run(ctx, config)
	if err != nil {
		return err
	}
	fmt.Println()
	fmt.Print(rep.Markdown())
	if *folder != "" {
		if err := rep.WriteTo(*folder); err != nil {
			return err
		}
	}
	if !rep.Held() {
		return fmt.Errorf("not all held; repeat it with -seed=%d", *seed)
	}
	return nil
}

func kinds() string {
	var names []string
	for _, k := range fault.Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}
