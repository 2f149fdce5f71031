// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBadFlagsAreToldInALine(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"-faults=earthquake"}, `-faults: no fault is called "earthquake": choose from all, none`},
		{[]string{"-duration=1s"}, "-duration=1s is too short: take 15s or more"},
		{[]string{"10m"}, `what is "10m"? There are only flags; see -help`},
		{[]string{"-seed=x"}, "invalid value"},
	} {
		err := run(t.Context(), c.args)
		require.ErrorContains(t, err, c.says)
		require.NotContains(t, err.Error(), "\n")
	}
}
