// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package explore

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	first = flag.Uint64("first", 1, "the first seed to explore")
	seeds = flag.Uint64("seeds", 200, "how many seeds to explore")
	bar   = flag.Bool("bar", false, "show progress on standard error")
	most  = flag.Uint64("most", 1, "after how many seeds that fail to stop")
	story = flag.Bool("story", false, "print the whole trace of a seed that fails, not only its end")
)

// TestMain lets garbage pile up: a schedule lives for a tenth of a second, and
// with a larger heap there are 18 of them a second instead of 13.
func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// TestNoScheduleBreaksAGuarantee runs -seeds schedules, from seed -first on.
func TestNoScheduleBreaksAGuarantee(t *testing.T) {
	var next, done, failed atomic.Uint64
	next.Store(*first)
	begin := time.Now()
	if *bar {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for {
				select {
				case <-ticker.C:
					n := done.Load()
					fmt.Fprintf(os.Stderr, "\r%s %d of %d, %.0f a second ", progress(n, *seeds), n, *seeds, float64(n)/time.Since(begin).Seconds())
				case <-stop:
					return
				}
			}
		}()
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				seed := next.Add(1) - 1
				if seed >= *first+*seeds || failed.Load() >= *most {
					return
				}
				if !explore(t, seed) {
					failed.Add(1)
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	n := done.Load()
	t.Logf("%d schedules, %.0f a second", n, float64(n)/time.Since(begin).Seconds())
}

func progress(n, of uint64) string {
	const width = 40
	full := int(n * width / max(of, 1))
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", width-full) + "]"
}

func explore(t *testing.T, seed uint64) bool {
	problems, trace := Run(t, seed)
	if len(problems) == 0 {
		return true
	}
	lines := strings.Split(trace, "\n")
	if !*story && len(lines) > 120 {
		lines = lines[len(lines)-120:]
	}
	t.Errorf("seed %d:\n  %s\nrun it again with:\n  go test ./internal/explore -first=%d -seeds=1 -story\n%s",
		seed, strings.Join(problems, "\n  "), seed, strings.Join(lines, "\n"))
	return false
}
