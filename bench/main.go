// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Bench measures this package beside go.etcd.io/etcd/client/v3/concurrency and
// beside the bare etcd operations that no implementation can do without, on
// clusters of one and three members in this process, and holds the figures
// against bounds.
//
// The contenders take turns within one run, as finely as what is measured allows,
// since only ratios of figures from the same minutes mean anything. The output
// is a table in Markdown, all raw figures in CSV, and plots in SVG:
//
//	go run . -out results
//
// It exits with 1 if a row fails, and, with -check, if a bound is missed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/verify"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) (err error) {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	which := flags.String("run", "", "run only the `rows` that this regular expression matches")
	list := flags.Bool("list", false, "list the rows and end")
	useQuick := flags.Bool("quick", false, "measure less, in about two minutes")
	members := flags.String("members", "", "sizes of the clusters, as in `1,3`")
	queues := flags.String("n", "", "numbers of candidates in a queue, as in `10,1000`")
	observers := flags.String("m", "", "numbers of observers, as in `1,1000`")
	scale := flags.Float64("scale", 1, "measure so many `times` as often")
	out := flags.String("out", "", "write table, raw figures and plots to this `folder`, instead of the table to standard output")
	strict := flags.Bool("check", false, "fail if a bound is missed")
	profile := flags.String("cpuprofile", "", "write a CPU profile to this `file`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	pattern, err := regexp.Compile(*which)
	if err != nil {
		return err
	}
	size := full
	if *useQuick {
		size = quick
	}
	size = size.scaled(*scale)
	for _, override := range []struct {
		numbers string
		set     func(ns []int)
	}{
		{*members, func(ns []int) { size.members = ns }},
		{*queues, size.setQueues},
		{*observers, size.setObservers},
	} {
		if override.numbers == "" {
			continue
		}
		ns, err := parseNumbers(override.numbers)
		if err != nil {
			return err
		}
		override.set(ns)
	}
	if *list {
		for _, r := range rows {
			fmt.Printf("%-22s %s\n", r.name, r.title)
		}
		return nil
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	rep, failures := measureRows(ctx, pattern, size, func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) })
	rep.command = strings.TrimSpace("go run . " + strings.Join(args, " "))
	if *out == "" {
		err = rep.writeTable(os.Stdout)
	} else {
		err = rep.writeTo(*out)
	}
	err = errors.Join(failures, err)
	if err == nil && *strict {
		for _, v := range rep.verdicts {
			if v.state == missed {
				return fmt.Errorf("%s, %s: %s %s: %.3g", v.measure.row, v.measure.setting, v.measure.what, v.bound, v.figure)
			}
		}
	}
	return err
}

// measureRows runs the rows that pattern matches. The report is of what could be
// measured, also where there is an error.
func measureRows(ctx context.Context, pattern *regexp.Regexp, size sizes, logf func(string, ...any)) (*report, error) {
	// etcd's checks of itself read the whole backend at every write.
	defer verify.DisableVerifications()()
	rep := &report{results: &results{}, size: size, began: time.Now(), loadBefore: loadAverage()}
	l := &lab{results: rep.results, ctx: ctx, size: size, logf: logf}
	var failures error
	for _, r := range rows {
		if !pattern.MatchString(r.name) {
			continue
		}
		begin := time.Now()
		if err := r.run(l); err != nil {
			// What the other rows show is worth having all the same.
			failures = errors.Join(failures, fmt.Errorf("%s: %w", r.name, err))
		}
		rep.rows = append(rep.rows, r)
		logf("%-22s %6.1f s", r.name, time.Since(begin).Seconds())
	}
	rep.took, rep.loadAfter = time.Since(rep.began), loadAverage()
	rep.verdicts = check(rep.results, bounds)
	return rep, failures
}

func parseNumbers(list string) ([]int, error) {
	var ns []int
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("not a list of positive numbers: %q", list)
		}
		ns = append(ns, n)
	}
	return ns, nil
}
