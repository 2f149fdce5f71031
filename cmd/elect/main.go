// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Command elect works with elections on etcd from the command line.
package main

import (
	"os"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/child"
)

func main() {
	child.Main()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
