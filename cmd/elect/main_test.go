// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/child"
)

var buildFolder string

func TestMain(m *testing.M) {
	child.Main()
	actIfAsked()
	os.Exit(func() int {
		defer func() { _ = os.RemoveAll(buildFolder) }()
		defer stopSharedEtcd()
		return m.Run()
	}())
}

// build returns the path of elect, built once for all tests.
var build = sync.OnceValues(func() (string, error) {
	var err error
	if buildFolder, err = os.MkdirTemp("", "elect-test-"); err != nil {
		return "", err
	}
	path := filepath.Join(buildFolder, "elect")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})
