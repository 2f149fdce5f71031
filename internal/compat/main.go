// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

// Compat runs etcd's own published tests on this repository's package.
//
// It copies etcd's modules from the Go module cache into a temporary folder, puts this package's import path in the
// place of client/v3/concurrency in all of them (the tests, the server's election and lock services, the client's
// recipes and leasing, etcdctl), builds the lot in a temporary module that replaces etcd's modules by the copies, and
// runs the tests that use the package. Nothing of etcd's enters the repository, and nothing stays in the folder.
//
// A run passes only if exactly the expected tests ran, and none was skipped: a pattern that matches nothing, or a copy that
// still uses the original, is a failure, not a success.
//
// Usage: go run ./internal/compat [-v], from the repository's root.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seed-da5263fb/concurrency/internal/tool"
)

// etcdVersion is the version whose tests run. It has to be the one that go.mod requires of the client; the expected
// numbers of tests belong to it.
const etcdVersion = "v3.7.3"

const (
	original = "go.etcd.io/etcd/client/v3/concurrency"
	client   = "go.etcd.io/etcd/client/v3"
	server   = "go.etcd.io/etcd/server/v3"
	etcdctl  = "go.etcd.io/etcd/etcdctl/v3"
	tests    = "go.etcd.io/etcd/tests/v3"
)

// copied are the modules that are copied, with the number of files in each that import the original.
var copied = []struct {
	path  string
	files int
}{
	{tests, 12},
	{server, 3},
	{client, 4},
	{etcdctl, 2},
}

// suites are the tests to run, with how many there are.
var suites = []struct {
	pkg  string
	run  string
	want int
}{
	{tests + "/integration/clientv3/concurrency", ".", 10},
	{tests + "/integration", "^Test(Election|V3Election|V3Lock|STM)", 17},
	{tests + "/integration/clientv3/experimental/recipes", "Mutex|Barrier", 14},
	// TestV3LeaseFailureOverlap opens and closes sessions while a member is down.
	{tests + "/integration/clientv3/lease", "^TestLeasing(.*Session|Reconnect)|^TestV3LeaseFailureOverlap$", 8},
}

func main() {
	verbose := flag.Bool("v", false, "with a failed test, show the etcd servers' log too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *verbose)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, verbose bool) (err error) {
	begin := time.Now()
	root, err := findRoot(ctx)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "concurrency-compat-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()

	b := &build{root: root, dir: tmp}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	if err := b.checkLinks(ctx); err != nil {
		return err
	}
	fmt.Printf("compat: etcd %s on %s\n", etcdVersion, root.path)
	step := time.Now()
	if _, err := b.run(ctx, "go", "build", "-mod=mod", "-trimpath", "-o", filepath.Join(tmp, "etcdctl"), etcdctl); err != nil {
		return err
	}
	fmt.Printf("  %-54s  built    %6.1fs\n", short(etcdctl), time.Since(step).Seconds())

	var passed, failed, want int
	for _, s := range suites {
		step := time.Now()
		// -trimpath keeps the temporary folder's name out of the build, so that the next run finds it in the build cache.
		r := tool.GoTest(ctx, tmp, env, "-mod=mod", "-trimpath", "-vet=off", "-count=1", "-timeout=8m", "-run", s.run, s.pkg)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		passed += len(r.Passed)
		want += s.want
		verdict := "ok"
		if r.Err != nil || len(r.Passed) != s.want {
			verdict = "FAILED"
			failed += max(1, s.want-len(r.Passed)) // a suite that leaks goroutines fails with all its tests passed
		}
		fmt.Printf("  %-54s  %2d of %2d %6.1fs  %s\n", short(s.pkg), len(r.Passed), s.want, time.Since(step).Seconds(), verdict)
		switch {
		case r.Err != nil:
			fmt.Printf("    %v; failed: %s\n", r.Err, strings.Join(r.Failed, " "))
			r.WriteFailures(os.Stdout, verbose)
		case len(r.Passed) != s.want:
			fmt.Printf("    %d tests expected, %d ran: %s; skipped: %s\n",
				s.want, len(r.Passed), strings.Join(r.Passed, " "), strings.Join(r.Skipped, " "))
		}
	}
	fmt.Printf("compat: %d passed, %d failed\n", passed, failed)
	fmt.Printf("compat: %d tests expected, took %s\n", want, time.Since(begin).Round(time.Second))
	if failed > 0 {
		return errors.New("etcd's own tests do not pass")
	}
	return nil
}

// short returns an etcd import path without what all of them have in common.
func short(path string) string { return strings.TrimPrefix(path, "go.etcd.io/etcd/") }

// module is the main module of the repository.
type module struct {
	path string
	dir  string
	goes string // the go line of its go.mod
}

// findRoot returns the module of the working directory.
func findRoot(ctx context.Context) (*module, error) {
	file, err := tool.Output(ctx, "", []string{"GOWORK=off"}, "go", "env", "GOMOD")
	if err != nil {
		return nil, err
	}
	text, err := tool.Output(ctx, "", nil, "go", "mod", "edit", "-json", file)
	if err != nil {
		return nil, err
	}
	var mod struct {
		Module  struct{ Path string }
		Go      string
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal([]byte(text), &mod); err != nil {
		return nil, err
	}
	// The copy of the client stands in for whatever version is required, so a difference would go unnoticed.
	for _, r := range mod.Require {
		if r.Path == client && r.Version != etcdVersion {
			return nil, fmt.Errorf("go.mod requires %s %s: the tests to run are those of %s", client, r.Version, etcdVersion)
		}
	}
	return &module{path: mod.Module.Path, dir: filepath.Dir(file), goes: mod.Go}, nil
}

// checkLinks makes sure, from what the go command would link rather than from the text of the copies, that every suite
// and etcdctl use the package under test, and that nothing but that package itself (for STM) uses the original.
func (b *build) checkLinks(ctx context.Context) error {
	for _, pkg := range append(suitePackages(), etcdctl) {
		out, err := b.run(ctx, "go", "list", "-mod=mod", "-deps", "-test", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, pkg)
		if err != nil {
			return err
		}
		var linked bool
		for line := range strings.Lines(out) {
			fields := strings.Fields(line)
			path := fields[0]
			linked = linked || path == b.root.path
			if path != b.root.path && path != original && slices.Contains(fields[1:], original) {
				return fmt.Errorf("%s still imports %s", path, original)
			}
		}
		if !linked {
			return fmt.Errorf("%s does not use %s", pkg, b.root.path)
		}
	}
	return nil
}

func suitePackages() []string {
	var pkgs []string
	for _, s := range suites {
		pkgs = append(pkgs, s.pkg)
	}
	return pkgs
}
