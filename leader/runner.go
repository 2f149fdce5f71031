// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/seed-da5263fb/concurrency"
)

// A Func is what runs in one place at a time. It has to return when its context
// ends; context.Cause of that is an [*EndError] that says why. The leadership is
// term's: writes that must not come too late are guarded by its Fence.
type Func func(ctx context.Context, term *concurrency.Term) error

// A Runner campaigns, leads, and campaigns again. Make one with New.
//
// All methods are safe for concurrent use.
type Runner struct {
	cfg    Config
	log    *slog.Logger
	abort  func(Overrun, error) // ends the process
	lookup *concurrency.Election
	soon   chan struct{} // asks for a look at the queue; holds one

	mu        sync.Mutex
	running   bool
	paused    bool
	unfit     error // why the health check keeps the Runner out, nil if it does not
	holdUntil time.Time
	current   *candidacy // nil while there is none
	failing   string     // what failed last since the last term, "" if nothing
	view      Status     // what Status returns, but for what changes with time
	changed   chan struct{}
	stats     stats
}

// Run makes a Runner and runs it: while this process leads the election
// it calls fn, once at a time. See [Runner.Run].
func Run(ctx context.Context, cfg Config, fn Func) error {
	r, err := New(cfg)
	if err != nil {
		return err
	}
	return r.Run(ctx, fn)
}

// New returns a Runner, or an error that tells all that is wrong with cfg. It asks
// etcd nothing.
func New(cfg Config) (*Runner, error) {
	cfg, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	lookup, err := lookout(cfg.Client, cfg.Election)
	if err != nil {
		return nil, fmt.Errorf("leader: %w", err)
	}
	return &Runner{
		cfg:     cfg,
		log:     cfg.Logger.With("election", cfg.Election, "candidate", cfg.Value),
		abort:   abort,
		lookup:  lookup,
		view:    Status{Election: cfg.Election, Value: cfg.Value, State: StateStopped, Since: time.Now()},
		soon:    make(chan struct{}, 1),
		changed: make(chan struct{}),
		stats:   newStats(),
	}, nil
}

// Run campaigns, calls fn when it leads, on the goroutine that called Run, and
// campaigns again when the leadership is lost. It returns, never while fn runs,
//   - nil when fn has returned nil while it led: the work is done;
//   - fn's error when fn has returned one while it led;
//   - ctx.Err() when ctx has ended: fn's context ends with it, fn returns, and the
//     leadership is handed over;
//   - ErrClientClosed when the client was closed;
//   - what failed last when Backoff says to stop;
//   - ErrRunning at once, if the Runner runs already.
//
// Whatever fn returns after its context has ended says nothing about the work, and
// is logged. A panic of fn hands the leadership over and goes on up through Run.
//
// When Run returns, the lease is revoked, and with it the key, if etcd answers
// within Margin; else they end by the TTL. Run may be called again after that. With
// ObserveOnly fn is not called, and may be nil.
func (r *Runner) Run(ctx context.Context, fn Func) error {
	if fn == nil && !r.cfg.ObserveOnly {
		return errors.New("leader: Run needs a function")
	}
	if !r.start() {
		return ErrRunning
	}
	var background sync.WaitGroup
	bctx, stop := context.WithCancel(ctx)
	defer func() {
		stop()
		background.Wait()
		r.stopped()
	}()
	background.Go(func() { r.followLeaders(bctx) })
	background.Go(func() { r.followQueue(bctx) })
	if r.cfg.HealthCheck != nil {
		background.Go(func() { r.checkHealth(bctx) })
	}

	for {
		c, err := r.admitted(ctx)
		if err != nil {
			return err
		}
		result := c.run(fn)
		switch {
		case result.returned:
			return result.err
		case ctx.Err() != nil:
			return ctx.Err()
		case r.cfg.Client.Ctx().Err() != nil:
			return ErrClientClosed
		}
		if err := r.pauseAfter(ctx, result); err != nil {
			return err
		}
	}
}

// start takes note that the Runner runs; false if it does already.
func (r *Runner) start() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running {
		return false
	}
	r.running = true
	r.cfg.Backoff.Reset()
	if r.cfg.HealthCheck != nil {
		r.unfit = errUnchecked
	}
	r.view.Leader = concurrency.Candidate{}
	r.view.Place, r.view.Candidates, r.view.LastContact = 0, 0, time.Time{}
	r.setStateLocked(StateConnecting, "")
	return true
}

func (r *Runner) stopped() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = false
	r.setStateLocked(StateStopped, "")
}

// admitted waits until nothing keeps the Runner out of the election, and begins a
// candidacy.
func (r *Runner) admitted(ctx context.Context) (*candidacy, error) {
	for {
		r.mu.Lock()
		reason, until := r.obstacleLocked()
		if reason == "" {
			c := r.newCandidacyLocked(ctx)
			r.mu.Unlock()
			return c, nil
		}
		r.setStateLocked(StatePaused, reason)
		changed := r.changed
		r.mu.Unlock()

		var over <-chan time.Time
		if !until.IsZero() {
			over = time.After(time.Until(until))
		}
		select {
		case <-changed:
		case <-over:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.cfg.Client.Ctx().Done():
			return nil, ErrClientClosed
		}
	}
}

// obstacleLocked says what keeps the Runner out of the election, and until when, if
// that is known; "" if nothing does.
func (r *Runner) obstacleLocked() (reason string, until time.Time) {
	switch {
	case r.cfg.ObserveOnly:
		return "observes only", time.Time{}
	case r.paused:
		return "paused", time.Time{}
	case r.unfit != nil:
		return "health check: " + r.unfit.Error(), time.Time{}
	case time.Until(r.holdUntil) > 0:
		return "holds off after a term that failed", r.holdUntil
	}
	return "", time.Time{}
}

// pauseAfter waits before the next candidacy, if the last one failed. It returns
// an error if there shall be none.
func (r *Runner) pauseAfter(ctx context.Context, last result) error {
	if last.led || last.lasted >= r.cfg.TTL {
		r.cfg.Backoff.Reset()
	}
	if last.err == nil {
		return nil
	}
	r.failed(last.err)
	delay := r.cfg.Backoff.NextBackOff()
	if delay == backoff.Stop {
		return last.err
	}
	select {
	case <-time.After(delay):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-r.cfg.Client.Ctx().Done():
		return ErrClientClosed
	}
}

// failed takes note of a failure that the Runner goes on after.
func (r *Runner) failed(err error) {
	r.mu.Lock()
	again := r.failing == err.Error()
	r.failing = err.Error()
	r.view.LastError, r.view.LastErrorAt = err, time.Now()
	r.stats.Errors++
	r.notifyLocked()
	r.mu.Unlock()

	level := slog.LevelWarn
	if again {
		level = slog.LevelDebug // an outage of hours is one line, not thousands
	}
	r.log.Log(context.Background(), level, "leader: failed, goes on", "err", err)
	if r.cfg.Hooks.Error != nil {
		r.cfg.Hooks.Error(err)
	}
}
