// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errUnchecked keeps a Runner with a health check out until the first one passes.
var errUnchecked = errors.New("has not passed yet")

// checkHealth calls the health check again and again, and takes the Runner out of
// the election, and back, by its thresholds.
//
// A check that does not return is not called a second time: it fails, once each
// interval, until it returns.
func (r *Runner) checkHealth(ctx context.Context) {
	var hung chan error
	fails, passes := 0, 0
	for ctx.Err() == nil {
		checked, cancel := context.WithTimeout(ctx, r.cfg.HealthInterval)
		if hung == nil {
			hung = make(chan error, 1)
			go func(result chan<- error) { result <- r.cfg.HealthCheck(checked) }(hung)
		}
		var err error
		select {
		case err = <-hung:
			hung = nil
		case <-checked.Done():
			select {
			case err = <-hung:
				hung = nil
			default:
				err = fmt.Errorf("no answer within %v", r.cfg.HealthInterval)
			}
		}
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			fails, passes = fails+1, 0
		} else {
			fails, passes = 0, passes+1
		}
		r.judge(err, fails >= r.cfg.UnhealthyAfter, passes >= r.cfg.HealthyAfter)

		select {
		case <-time.After(r.cfg.HealthInterval):
		case <-ctx.Done():
		}
	}
}

// judge takes the Runner out of the election, or lets it back in.
func (r *Runner) judge(err error, unfit, fit bool) {
	r.mu.Lock()
	before := r.unfit
	switch {
	case unfit, err != nil && before != nil: // also a newer reason
		r.unfit = err
	case fit:
		r.unfit = nil
	}
	now := r.unfit
	if now != nil && before == nil {
		r.leaveLocked(&EndError{Unhealthy, err})
	} else if (now == nil) != (before == nil) || now != nil && now.Error() != before.Error() {
		r.notifyLocked()
	}
	r.mu.Unlock()

	switch {
	case now != nil && before == nil:
		r.log.Warn("leader: unhealthy, stays out of the election", "err", err)
	case now == nil && before != nil:
		r.log.Info("leader: healthy")
	}
}
