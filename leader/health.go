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
// interval, until it returns. What it says then is of a while ago, and not heard.
func (r *Runner) checkHealth(ctx context.Context) {
	interval := r.cfg.HealthInterval
	var answer chan error // of the check that runs; nil if none does
	late := false         // that one has failed already
	fails, passes := 0, 0
	for ctx.Err() == nil {
		if answer == nil {
			answer = make(chan error, 1)
			go func(answer chan<- error) {
				checked, cancel := context.WithTimeout(ctx, interval)
				defer cancel()
				answer <- r.cfg.HealthCheck(checked)
			}(answer)
		}
		var err error
		select {
		case err = <-answer:
			answer = nil
			if late {
				late = false
				continue
			}
		case <-time.After(interval + interval/10): // one that heeds its context has returned
			err, late = fmt.Errorf("no answer within %v", interval), true
		case <-ctx.Done():
		}
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
		case <-time.After(interval):
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
