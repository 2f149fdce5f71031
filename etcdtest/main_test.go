// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"flag"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// checks sets how many cases rapid draws, unless the command line does.
func checks(n int) {
	const name = "rapid.checks"
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name && f.Value.String() != last })
	if !given {
		last = strconv.Itoa(n)
		flag.Set(name, last)
	}
}

// last is what checks has set, as opposed to the command line.
var last string
