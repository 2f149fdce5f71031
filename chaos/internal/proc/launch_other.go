// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build !linux

package proc

import (
	"errors"
	"os/exec"
	"time"
)

var errUnsupported = errors.New("chaos needs Linux: for processes that end with their parent, one clock for all of them, and 127.0.0.0/8; run it in a container")

// Supported is nil where this package works.
func Supported() error { return errUnsupported }

// Now returns the time since this process began.
func Now() time.Duration { return time.Since(began) }

var began = time.Now()

func launch(*exec.Cmd) error { return errUnsupported }
