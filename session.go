// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	v3 "go.etcd.io/etcd/client/v3"
)

// defaultSessionTTL is the TTL of a session's lease in seconds, where WithTTL
// says nothing else; it is the same as in etcd's package.
const defaultSessionTTL = 60

// A Session is a lease that is kept alive, and what its holder knows of how
// long it can be trusted. Elections and Mutexes of the session attach their keys
// to the lease: when it is gone, so are they.
//
// All methods are safe for concurrent use.
type Session struct {
	client *v3.Client
	id     v3.LeaseID
	parent context.Context // as given by WithContext, else the client's

	// ctx ends with everything that ends the session, Orphan included.
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}

	mu       sync.Mutex
	err      error         // why the session is over; set before done closes
	lost     error         // why its lease is given up; nil for an orphaned session, whose candidates stay
	ttl      time.Duration // as granted; 0 until known
	deadline time.Time     // zero until known
	revoked  bool
	seats    map[string]*seat // by key; see seat.go
	turns    map[string]*turn // by key; see locker.go
	stream   int              // which watch stream to use; see watch.go
}

// NewSession grants a lease and keeps it alive until the session is closed or
// orphaned, its context or the client ends, or etcd gives no answer for a TTL.
//
// It returns when the lease is granted, or with an error when that fails or the
// context of WithContext or the time of WithStartTimeout is over. A call that
// fails leaves no lease behind: one that is granted after all is revoked in the
// background. (An answer that is lost for good leaves an empty lease, which ends
// after its TTL.)
func NewSession(client *v3.Client, opts ...SessionOption) (*Session, error) {
	if client == nil || client.Lease == nil || client.Ctx() == nil {
		return nil, errors.New("concurrency: NewSession needs a client with a Lease and a context; make one with clientv3.New")
	}
	lg := client.GetLogger()
	if lg == nil {
		lg = zap.NewNop()
	}
	so := sessionOptions{ttl: defaultSessionTTL, ctx: client.Ctx()}
	for _, opt := range opts {
		opt(&so, lg)
	}
	if so.ctx == nil {
		return nil, errors.New("concurrency: WithContext needs a context, not nil")
	}

	s := &Session{
		client: client,
		id:     so.leaseID,
		parent: so.ctx,
		done:   make(chan struct{}),
		seats:  make(map[string]*seat),
		turns:  make(map[string]*turn),
	}
	if s.id == v3.NoLease {
		if err := s.grant(&so); err != nil {
			return nil, err
		}
	}
	s.ctx, s.cancel = context.WithCancelCause(so.ctx)
	go s.keepAlive(time.Duration(so.ttl) * time.Second)
	return s, nil
}

// grant asks for a lease and sets id, ttl and deadline. The request is not cut
// short when the caller goes away: only its answer tells the ID of a lease that
// nobody will use, and has to be revoked.
func (s *Session) grant(so *sessionOptions) error {
	ctx := so.ctx
	if so.startTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, so.startTimeout)
		defer cancel()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	type granted struct {
		resp *v3.LeaseGrantResponse
		sent time.Time
		err  error
	}
	answer := make(chan granted) // taken by the caller, or by nobody
	go func() {
		gctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		defer context.AfterFunc(s.client.Ctx(), cancel)()
		defer context.AfterFunc(ctx, func() { // nobody waits any more
			time.AfterFunc(time.Duration(so.ttl)*time.Second, cancel)
		})()
		sent := time.Now()
		resp, err := s.client.Grant(gctx, int64(so.ttl))
		select {
		case answer <- granted{resp, sent, err}:
		case <-ctx.Done():
			if err == nil {
				s.client.Revoke(gctx, resp.ID) // failing that, it ends after its TTL
			}
		}
	}()
	select {
	case g := <-answer:
		if g.err != nil {
			return g.err
		}
		s.id = g.resp.ID
		s.ttl = time.Duration(g.resp.TTL) * time.Second
		s.deadline = g.sent.Add(s.ttl)
		if time.Since(g.sent) > s.ttl/2 {
			s.renewOnce(ctx)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// renewOnce renews a lease that was granted slowly, perhaps because a connection
// had to be made first: so much of its TTL is gone that the session could be over
// as soon as it has begun. Nobody relies on the lease yet, so what a failure means
// is found out by keepAlive.
func (s *Session) renewOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.ttl)
	defer cancel()
	sent := time.Now()
	if resp, err := s.client.KeepAliveOnce(ctx, s.id); err == nil && resp.TTL > 0 {
		s.ttl = time.Duration(resp.TTL) * time.Second
		s.deadline = sent.Add(s.ttl)
	}
}

// Client returns the client that the session was made with.
func (s *Session) Client() *v3.Client { return s.client }

// Lease returns the ID of the session's lease.
func (s *Session) Lease() v3.LeaseID { return s.id }

// Ctx returns a context that ends when the session is over; context.Cause of it
// tells why, as Err does. It ends no later than Done closes.
func (s *Session) Ctx() context.Context { return s.ctx }

// Done returns a channel that closes when the session is over: when the lease
// may be gone, or is no longer renewed. It closes before etcd can give the lease
// up: its time is counted from when the last answered renewal was sent, on
// this process's monotonic clock.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns nil while the session lasts, and after that why it is over: an
// error for which errors.Is tells ErrSessionExpired, ErrSessionOrphaned,
// ErrSessionClosed, or the end of the session's context or client.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// TTL returns how long the lease lives without renewal, as the server granted
// it, which may be more than WithTTL asked for. It is 0 while that is unknown: a
// session with WithLease learns it from the first renewal.
func (s *Session) TTL() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ttl
}

// Deadline returns until when the lease is certainly alive, unless somebody
// revokes it: when the last answered renewal was sent, plus the TTL. It moves
// ahead with each renewal, and is the zero time while unknown. Done closes no
// later.
func (s *Session) Deadline() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deadline
}

// Orphan ends the session and lets the lease live for what is left of its TTL.
// Keys attached to it stay as long, and the session's candidates stay candidates.
// To orphan a session that is over does nothing.
func (s *Session) Orphan() { s.end(ErrSessionOrphaned) }

// Close ends the session and revokes its lease, and with it every key of the
// session. Done is closed before the request is sent. Close returns when etcd has
// answered, or when the lease must have ended by itself, if that is sooner, or
// when the context of WithContext ends; then the error says that etcd did not
// confirm, and the lease ends by its TTL. To close a closed session does nothing; Close
// may be called again after an error.
func (s *Session) Close() error {
	s.end(ErrSessionClosed)
	s.lose(ErrSessionClosed)

	s.mu.Lock()
	revoked, left := s.revoked, time.Until(s.deadline)
	if s.deadline.IsZero() {
		left = defaultSessionTTL * time.Second
	}
	s.mu.Unlock()
	if revoked {
		return nil
	}
	// A session that expired for want of answers may have been renewed by
	// requests whose answers were lost: a short try is worth it.
	parent, unbind := bind(s.parent, s.client.Ctx())
	defer unbind()
	ctx, cancel := context.WithTimeout(parent, max(left, closeGrace))
	defer cancel()
	_, err := retry(ctx, s.patience(), transient, func(ctx context.Context) (*v3.LeaseRevokeResponse, error) {
		return s.client.Revoke(ctx, s.id)
	})
	if err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return fmt.Errorf("concurrency: revoke lease %x: %w", s.id, err)
	}
	s.mu.Lock()
	s.revoked = true
	s.mu.Unlock()
	return nil
}

// closeGrace is how long Close tries to revoke a lease that is due to have
// ended.
const closeGrace = 500 * time.Millisecond

// end makes the session be over because of err, unless it is already.
func (s *Session) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = err
	s.cancel(err)
	close(s.done)
}

// lose gives the session's lease up, and with it all candidacies.
func (s *Session) lose(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost != nil {
		return
	}
	s.lost = err
	for _, st := range s.seats {
		st.stop(err)
		st.settleLocked()
	}
}

// expire ends the session, and gives its lease up.
func (s *Session) expire(err error) {
	s.end(err)
	s.lose(err)
}

// lostErr returns why the lease is given up, nil while it is not.
func (s *Session) lostErr() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// patience is how long an answer may take before the same is asked again,
// perhaps of another member: a sixth of the TTL, so that several attempts fit
// into the lifetime of a lease.
func (s *Session) patience() time.Duration {
	return min(max(s.TTL()/6, 300*time.Millisecond), 5*time.Second)
}

// recheck is how long a watch may be silent before it is doubted. A third of the
// TTL leaves time for several attempts at reading within the TTL.
func (s *Session) recheck() time.Duration {
	return cmp.Or(s.TTL(), defaultSessionTTL*time.Second) / 3
}

// openPatience is how long a watch may take to be confirmed after so many
// failures: longer each time, for a slow link.
func (s *Session) openPatience(failures int) time.Duration {
	return min(s.patience()<<min(failures, 5), 10*time.Second)
}

type sessionOptions struct {
	ttl          int
	leaseID      v3.LeaseID
	ctx          context.Context
	startTimeout time.Duration
}

// SessionOption changes how NewSession makes a session.
type SessionOption func(*sessionOptions, *zap.Logger)

// WithTTL asks for a lease of ttl seconds. The default is 60. The server has a
// minimum, one and a half of its election timeouts, that it grants instead of
// less; Session.TTL tells what was granted. A ttl that is not positive
// is logged and ignored, as in etcd's package.
func WithTTL(ttl int) SessionOption {
	return func(so *sessionOptions, lg *zap.Logger) {
		if ttl <= 0 {
			lg.Warn("concurrency: WithTTL needs a positive number of seconds; ignored",
				zap.Int("given", ttl), zap.Int("ttl", so.ttl))
			return
		}
		so.ttl = ttl
	}
}

// WithLease keeps an existing lease alive instead of a new one. A lease that
// does not exist ends the session at its first renewal: Done closes and Err says
// ErrSessionExpired.
func WithLease(leaseID v3.LeaseID) SessionOption {
	return func(so *sessionOptions, _ *zap.Logger) { so.leaseID = leaseID }
}

// WithContext binds the whole session to ctx instead of to the client's context:
// when ctx ends, NewSession gives up, and later the session is over as if it was
// orphaned; Close can then no longer revoke the lease. To bound only how long
// NewSession may take, use WithStartTimeout.
func WithContext(ctx context.Context) SessionOption {
	return func(so *sessionOptions, _ *zap.Logger) { so.ctx = ctx }
}

// WithStartTimeout bounds how long NewSession may take. It does not touch the
// session after that.
func WithStartTimeout(d time.Duration) SessionOption {
	return func(so *sessionOptions, _ *zap.Logger) { so.startTimeout = d }
}
