// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/seed-da5263fb/concurrency/internal/tool"
)

const serverModule = "go.etcd.io/etcd/server/v3"

const serverMain = `package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
`

// env keeps the repository and a workspace around it out of what happens in temporary modules.
var env = []string{"GOWORK=off"}

// versions returns the versions of the etcd server that are published, or if nobody can be asked, those in the module
// cache.
func versions(ctx context.Context) ([]string, error) {
	ask, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := tool.Output(ask, os.TempDir(), env, "go", "list", "-m", "-versions", "-f", `{{join .Versions " "}}`, serverModule+"@latest")
	if err == nil {
		return strings.Fields(out), nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	cache, cacheErr := tool.Output(ctx, "", env, "go", "env", "GOMODCACHE")
	if cacheErr != nil {
		return nil, errors.Join(err, cacheErr)
	}
	zips, globErr := filepath.Glob(filepath.Join(cache, "cache", "download", filepath.FromSlash(serverModule), "@v", "*.zip"))
	if len(zips) == 0 {
		return nil, errors.Join(err, globErr)
	}
	fmt.Printf("the published versions of etcd cannot be listed; taking those in the module cache\n")
	var found []string
	for _, zip := range zips {
		found = append(found, strings.TrimSuffix(filepath.Base(zip), ".zip"))
	}
	return found, nil
}

// newest returns the newest release of a minor version such as 3.5, or "" if there is none. A pre-release is none.
func newest(versions []string, minor string) string {
	best, version := -1, ""
	for _, v := range versions {
		rest, ok := strings.CutPrefix(v, "v"+minor+".")
		if !ok {
			continue
		}
		if patch, err := strconv.Atoi(rest); err == nil && patch > best {
			best, version = patch, v
		}
	}
	return version
}

// binary returns the path of an etcd server, which it builds if the folder cache does not have it.
func binary(ctx context.Context, cache, version string) (string, error) {
	cache, err := filepath.Abs(cache)
	if err != nil {
		return "", err
	}
	file := filepath.Join(cache, fmt.Sprintf("etcd-%s-%s-%s-%s", version, runtime.GOOS, runtime.GOARCH, runtime.Version()))
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	fmt.Printf("etcd %-8s  building", version)
	begin := time.Now()
	if err := build(ctx, version, file); err != nil {
		fmt.Println()
		return "", err
	}
	fmt.Printf(": %.1fs\n", time.Since(begin).Seconds())
	return file, nil
}

// build builds an etcd server from its published module, in a temporary module. The file appears only when it is whole.
func build(ctx context.Context, version, file string) (err error) {
	dir, err := os.MkdirTemp("", "concurrency-etcd-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(serverMain), 0o644); err != nil {
		return err
	}
	part := fmt.Sprintf("%s.%d", file, os.Getpid())
	defer os.Remove(part)
	for _, args := range [][]string{
		{"mod", "init", "etcd"},
		{"get", serverModule + "@" + version},
		{"build", "-mod=mod", "-trimpath", "-o", part, "."},
	} {
		if _, err := tool.Output(ctx, dir, env, "go", args...); err != nil {
			return err
		}
	}
	return os.Rename(part, file)
}
