// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package proc

import (
	"context"
	"time"
)

const (
	tick = 20 * time.Millisecond
	// longStall is how long a tick has to be late to be told.
	longStall = 200 * time.Millisecond
)

// A Stall is a time in which this process did not run: because it was paused, or
// because others had the CPUs.
type Stall struct{ From, To time.Duration }

// WatchStalls calls tell with each stall of this process, until ctx ends.
func WatchStalls(ctx context.Context, tell func(Stall)) {
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for last := Now(); ; {
		select {
		case <-ticks.C:
			now := Now()
			if now-last > longStall {
				tell(Stall{last, now})
			}
			last = now
		case <-ctx.Done():
			return
		}
	}
}
