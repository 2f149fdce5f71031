// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader

import "context"

// StepDown gives the leadership up, and puts this Runner behind all others that
// are in the queue. It returns when the function has returned and the leadership
// is handed over, or with ErrNotLeading, or, with the step-down under
// way, with ctx.Err(). If nobody else is in the queue, the Runner leads again. The
// function may call it with its own context, which ends by that, and so does not
// wait for itself.
func (r *Runner) StepDown(ctx context.Context) error {
	r.mu.Lock()
	c := r.current
	if c == nil || !c.leads {
		r.mu.Unlock()
		return ErrNotLeading
	}
	c.end(&EndError{Reason: SteppedDown})
	r.mu.Unlock()
	select {
	case <-c.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Pause keeps the Runner out of the election until Resume: a leader steps down, a
// candidate leaves the queue. It does not wait for that; Status tells when
// the state is StatePaused. A Runner may be paused before it runs, and stays so
// across calls of Run.
func (r *Runner) Pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = true
	r.leaveLocked(&EndError{Reason: Paused})
}

// Resume undoes Pause.
func (r *Runner) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = false
	r.notifyLocked()
}

// leaveLocked ends the candidacy, if there is one, and has admitted look anew.
func (r *Runner) leaveLocked(end *EndError) {
	if r.current != nil {
		r.current.end(end)
	}
	r.notifyLocked()
}
