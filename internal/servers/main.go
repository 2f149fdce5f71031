// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

// Servers runs this repository's integration tests against real etcd servers: the newest release of each minor version
// that is served, built from its published module, one process on loopback each.
//
// The tests find the server by the environment variable CONCURRENCY_ETCD_ENDPOINTS (a comma-separated list), and skip
// themselves, with a reason, what the server's version lacks. A run in which no test passes is a failure.
//
// Usage: go run ./internal/servers [-v] [-minors 3.5,3.6,3.7] [-run TestServers] [-pkg .], from the repository's root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/seed-da5263fb/concurrency/internal/tool"
)

const endpointsVariable = "CONCURRENCY_ETCD_ENDPOINTS"

type config struct {
	minors  []string
	pattern string
	pkg     string
	cache   string
	verbose bool
}

func main() {
	minors := flag.String("minors", "3.5,3.6,3.7", "the minor `versions` of etcd to test with")
	var cfg config
	flag.StringVar(&cfg.pattern, "run", "TestServers", "the `pattern` of the tests to run")
	flag.StringVar(&cfg.pkg, "pkg", ".", "the `package` whose tests to run")
	flag.StringVar(&cfg.cache, "cache", filepath.Join(".cache", "etcd"), "the `folder` that keeps the servers built")
	flag.BoolVar(&cfg.verbose, "v", false, "with a failed test, show all that it said")
	flag.Parse()
	cfg.minors = strings.Split(*minors, ",")

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, cfg)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		os.Exit(1)
	}
}

// run tests with one version after the other. A failure does not keep the later ones from their turn.
func run(ctx context.Context, cfg config) error {
	published, err := versions(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, minor := range cfg.minors {
		version := newest(published, minor)
		if version == "" {
			errs = append(errs, fmt.Errorf("no release of etcd %s found", minor))
			continue
		}
		if err := testWith(ctx, cfg, version); err != nil {
			errs = append(errs, fmt.Errorf("etcd %s: %w", version, err))
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return errors.Join(errs...)
}

// testWith runs the tests against one version of etcd.
func testWith(ctx context.Context, cfg config, version string) (err error) {
	binary, err := binary(ctx, cfg.cache, version)
	if err != nil {
		return err
	}
	s, err := start(ctx, binary)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()

	begin := time.Now()
	r := tool.GoTest(ctx, "", []string{endpointsVariable + "=" + s.endpoint}, "-count=1", "-run", cfg.pattern, cfg.pkg)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if r.Err == nil && len(r.Passed) == 0 {
		r.Err = fmt.Errorf("no test of %q passed", cfg.pattern)
	}
	verdict := "ok"
	if r.Err != nil {
		verdict = "FAILED"
	}
	fmt.Printf("etcd %-8s  %3d passed, %d failed, %d skipped  %6.1fs  %s\n",
		version, len(r.Passed), len(r.Failed), len(r.Skipped), time.Since(begin).Seconds(), verdict)
	for _, test := range r.Skipped {
		fmt.Printf("    skipped: %s: %s\n", test, r.Reason(test))
	}
	if r.Err != nil {
		r.WriteFailures(os.Stdout, cfg.verbose)
	}
	return r.Err
}
