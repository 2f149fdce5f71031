// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// The first five errors are those of etcd's package, with its texts.
var (
	// ErrElectionNotLeader says that the Election does not lead.
	ErrElectionNotLeader = errors.New("election: not leader")
	// ErrElectionNoLeader says that nobody leads.
	ErrElectionNoLeader = errors.New("election: no leader")
	// ErrLocked says that another session holds the lock.
	ErrLocked = errors.New("mutex: Locked by another session")
	// ErrSessionExpired says that a session's lease is gone, or can no longer
	// be trusted to be there.
	ErrSessionExpired = errors.New("mutex: session is expired")
	// ErrLockReleased says that the Mutex does not hold the lock.
	ErrLockReleased = errors.New("mutex: lock has already been released")

	// ErrSessionOrphaned says that Orphan was called: the lease is no longer
	// renewed, and lives for what is left of its TTL.
	ErrSessionOrphaned = errors.New("concurrency: session is orphaned")
	// ErrSessionClosed says that Close was called.
	ErrSessionClosed = errors.New("concurrency: session is closed")
	// ErrResigned says that Resign or Unlock was called.
	ErrResigned = errors.New("concurrency: resigned")
	// ErrKeyDeleted says that the candidate's key was deleted in etcd by
	// somebody else, or together with its lease.
	ErrKeyDeleted = errors.New("concurrency: key of the candidate was deleted")
)

// A LeaderError says why TryCampaign did not win: somebody else leads.
// errors.Is(err, ErrElectionNotLeader) holds for it.
type LeaderError struct {
	// Leader is who led when TryCampaign asked.
	Leader Candidate
}

// Error tells the leader's key and value.
func (e *LeaderError) Error() string {
	return fmt.Sprintf("concurrency: %q leads with value %q", e.Leader.Key, e.Leader.Value)
}

// Unwrap returns ErrElectionNotLeader.
func (e *LeaderError) Unwrap() error { return ErrElectionNotLeader }

// transient reports whether the same request may succeed later. Whether the
// failed one was applied is open: only requests that may be repeated without
// harm are asked again.
func transient(err error) bool {
	if isSilence(err) || errors.Is(err, rpctypes.ErrTooManyRequests) {
		return true
	}
	code := codes.OK
	if etcdErr := (rpctypes.EtcdError{}); errors.As(err, &etcdErr) {
		code = etcdErr.Code()
	} else if s, ok := status.FromError(err); ok {
		code = s.Code()
	}
	switch code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Aborted, codes.Internal, codes.Unknown:
		return true
	}
	return false
}

// refused reports whether etcd refused a request for good, and so did not apply
// it.
func refused(err error) bool {
	return errors.As(err, &rpctypes.EtcdError{}) && !transient(err)
}

// errSilence says that a request or a watch got no answer for a while.
var errSilence = errors.New("concurrency: no answer from etcd")

// retryDelay returns how long to wait before attempt n (from 1) at a failed
// request: 20 ms doubling up to 640 ms, with half of it left to chance, so that
// candidates that failed together do not come back together.
func retryDelay(n int) time.Duration {
	return jitter(20 * time.Millisecond << min(n-1, 5))
}

// jitter returns a duration from d/2 to d, by chance.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// maxOpen is how many attempts at one request, or rounds of two, are open at a
// time, give or take one: each but the first ends when so many have begun after
// it.
const maxOpen = 5

// retry calls attempt until it succeeds, fails with an error that again does not
// accept, or ctx ends; then it returns ctx's cause, joined to what failed last.
//
// When an attempt has not been answered after patience, the next one is made
// beside it, which the client's balancer may send to another member: so neither
// does a silent member hold the request up while others could answer, nor is
// a slow one cut short, unless it takes as long as maxOpen attempts. The one that
// succeeds first counts, the others are cancelled. attempt must do no harm when it
// is repeated, and repeated late, and return when its context ends.
//
// The first attempt, nearly always the only one, runs on the caller's goroutine,
// without a deadline: to have another one make it would cost 30 microseconds,
// and to send a deadline with it 13, where a write takes 600.
func retry[T any](ctx context.Context, patience time.Duration, again func(error) bool, attempt func(context.Context) (T, error)) (T, error) {
	all, cancelAll := context.WithCancel(ctx)
	defer cancelAll()
	first, cancelFirst := context.WithCancel(all)
	defer cancelFirst()
	h := hedge[T]{patience, again, attempt}
	others := make(chan result[T], 1)
	late := time.AfterFunc(patience, func() {
		others <- h.run(all, nil)
		cancelFirst()
	})
	r := h.once(first)
	switch {
	case r.err == nil || ctx.Err() == nil && !again(r.err):
		late.Stop()
		return r.resp, r.err
	case late.Stop(): // it has failed before there were others
		if ctx.Err() != nil {
			return r.resp, context.Cause(ctx)
		}
		r = h.run(ctx, r.err)
	default:
		r = <-others
	}
	return r.resp, r.err
}

// A result is what an attempt came to.
type result[T any] struct {
	resp T
	err  error
}

// A hedge makes the attempts of one call of retry.
type hedge[T any] struct {
	patience time.Duration
	again    func(error) bool
	attempt  func(context.Context) (T, error)
}

// once makes one attempt.
func (h hedge[T]) once(ctx context.Context) result[T] {
	resp, err := h.attempt(ctx)
	if err != nil && ctx.Err() != nil {
		err = errSilence
	}
	return result[T]{resp, err}
}

// run makes all attempts but the first: at once if that is still open, after a
// delay if it has failed with the error last.
func (h hedge[T]) run(ctx context.Context, last error) result[T] {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results, over := make(chan result[T]), make(chan struct{})
	defer close(over)
	open, failures := 0, 0
	next := time.NewTimer(retryDelay(1))
	defer next.Stop()
	begin := func() {
		// In silence it is one attempt or two, which go to two members. Were nothing left
		// to chance, calls in step would go to the same members, round after round.
		n := 1
		if open > 0 {
			n += rand.N(2)
		}
		for range n {
			open++
			go func() {
				ctx, cancel := context.WithTimeout(ctx, maxOpen*h.patience)
				defer cancel()
				select {
				case results <- h.once(ctx):
				case <-over:
				}
			}()
		}
		next.Reset(h.patience/2 + jitter(h.patience))
	}
	if last == nil {
		begin()
	} else {
		failures++
	}
	for {
		select {
		case r := <-results:
			open--
			if r.err == nil || ctx.Err() == nil && !h.again(r.err) {
				return r
			}
			if ctx.Err() != nil {
				continue // ctx's end cut this attempt short; last tells more
			}
			last = r.err
			if open == 0 {
				failures++
				next.Reset(retryDelay(failures))
			}
		case <-next.C:
			begin()
		case <-ctx.Done():
			return result[T]{err: endedBecause(context.Cause(ctx), last)}
		}
	}
}

func isSilence(err error) bool { return errors.Is(err, errSilence) }

// endedBecause adds to the cause of a context's end what failed last, for
// whoever reads the error and wonders why it took so long.
func endedBecause(cause, last error) error {
	if last == nil {
		return cause
	}
	return fmt.Errorf("%w (last failure: %w)", cause, last)
}

// sleep waits for d, or until ctx ends, and then returns the cause.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
