// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build !unix

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newRunCommand(*global) *cobra.Command { return unsupported("run NAME -- COMMAND") }
func newTryCommand(*global) *cobra.Command { return unsupported("try NAME -- COMMAND") }

// unsupported is a command that needs process groups.
func unsupported(use string) *cobra.Command {
	return &cobra.Command{
		Use:         use,
		Hidden:      true,
		Annotations: map[string]string{wrapsCommand: ""},
		RunE: func(*cobra.Command, []string) error {
			return errors.New("this needs process groups, and so a Unix system: use Linux, macOS or BSD")
		},
	}
}
