// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest_test

import (
	"flag"
	"fmt"
	"sync"
	"testing"
)

// runTest runs a test from an example, since an example has no t of its own. What an example prints is compared, so the
// test is run quietly also under -v, and once also under -count and -cpu, which hold for it again.
func runTest(f func(*testing.T)) {
	v := flag.Lookup("test.v").Value.String()
	flag.Set("test.v", "false")
	defer flag.Set("test.v", v)
	var once sync.Once
	test := func(t *testing.T) { once.Do(func() { f(t) }) }
	always := func(_, _ string) (bool, error) { return true, nil }
	if !testing.RunTests(always, []testing.InternalTest{{Name: "Test", F: test}}) {
		fmt.Println("the test has failed")
	}
}
