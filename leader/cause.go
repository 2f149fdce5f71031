// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader

import (
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/seed-da5263fb/concurrency"
)

var (
	// ErrNotLeading is what StepDown returns if the Runner does not lead.
	ErrNotLeading = errors.New("leader: not leading")
	// ErrRunning is what Run returns if the Runner runs already.
	ErrRunning = errors.New("leader: already running")
	// ErrClientClosed is what Run returns when its client was closed.
	ErrClientClosed = errors.New("leader: the client is closed")
)

// A Reason says why a term ended. It is a label of metrics, and so one of a few.
type Reason string

// The reasons, first those by which a leadership is lost, and then those by which
// it is given up on purpose.
const (
	// LeaseAtRisk: no renewal was answered, and the lease can be lost after Margin.
	LeaseAtRisk Reason = "lease at risk"
	// KeyDeleted: somebody deleted the key, or revoked the lease.
	KeyDeleted Reason = "key deleted"
	// SessionOver: the session is over for another reason, as the client's end.
	SessionOver Reason = "session over"

	// Done: the function returned nil.
	Done Reason = "done"
	// Failed: the function returned an error, or panicked.
	Failed Reason = "failed"
	// Stopped: the context of Run ended.
	Stopped Reason = "stopped"
	// SteppedDown: StepDown was called.
	SteppedDown Reason = "stepped down"
	// Paused: Pause was called.
	Paused Reason = "paused"
	// Unhealthy: the health check failed.
	Unhealthy Reason = "unhealthy"
)

// Reasons returns all reasons.
func Reasons() []Reason {
	return []Reason{LeaseAtRisk, KeyDeleted, SessionOver, Done, Failed, Stopped, SteppedDown, Paused, Unhealthy}
}

// Lost reports whether it is a reason by which a leadership is lost, as opposed
// to given up on purpose. Then another process leads already, or may do so after
// Margin.
func (r Reason) Lost() bool { return r == LeaseAtRisk || r == KeyDeleted || r == SessionOver }

// An EndError says why a term ended. It is the cause of the end of the function's
// context:
//
//	var end *leader.EndError
//	if errors.As(context.Cause(ctx), &end) && end.Reason.Lost() { … }
type EndError struct {
	Reason Reason
	// Err tells more, for errors.Is and errors.As; it may be nil. After Stopped it is
	// the cause of the end of Run's context, after KeyDeleted and SessionOver what
	// ended the [concurrency.Term], after Failed what the function returned.
	Err error
}

// Error tells the reason, and what is known about it.
func (e *EndError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("leader: term ended: %s", e.Reason)
	}
	return fmt.Sprintf("leader: term ended: %s: %v", e.Reason, e.Err)
}

// Unwrap returns Err.
func (e *EndError) Unwrap() error { return e.Err }

// termOver says why a term ended that was not ended by its Runner.
func termOver(err error) *EndError {
	switch {
	case errors.Is(err, concurrency.ErrKeyDeleted), errors.Is(err, rpctypes.ErrLeaseNotFound):
		// A renewal may hear that the lease is gone before the watch of the key does.
		return &EndError{KeyDeleted, err}
	case errors.Is(err, concurrency.ErrSessionExpired):
		// The guard is late, in a process that was paused: the lease has expired. In
		// virtual time, in which the tests run, its timer always comes first.
		return &EndError{LeaseAtRisk, err}
	default:
		return &EndError{SessionOver, err}
	}
}
