// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/etcdtest"
	"github.com/seed-da5263fb/concurrency/leader"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(mainWithExamples{m}) }

// mainWithExamples stops what the examples started before the leak check.
type mainWithExamples struct{ *testing.M }

func (m mainWithExamples) Run() int {
	defer stopExampleEtcd()
	return m.M.Run()
}

// A world is an etcd in memory and the Runners of a test, in virtual time.
type world struct {
	*testing.T
	etcd *etcdtest.Etcd

	mu      sync.Mutex
	reigns  []*reign // in the order in which they began
	running int      // functions that run now
}

const election = "service"

// inBubble runs f in virtual time.
func inBubble(t *testing.T, f func(w *world), opts ...etcdtest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(&world{T: t, etcd: etcdtest.New(t, opts...)})
	})
}

// A reign is one call of a Runner's function, as it was seen by that.
type reign struct {
	who   string
	term  *concurrency.Term
	begin time.Time
	ended time.Time // of the context
	end   *leader.EndError
	left  time.Duration // how long the lease lives in etcd from when the context ended; 0 if it was gone
	back  time.Time     // when the function returned
}

// A runner is a Runner that runs in the background.
type runner struct {
	*leader.Runner
	w      *world
	who    string
	client *clientv3.Client
	stop   context.CancelFunc
	result chan error
}

// config is what the tests' Runners have in common.
func (w *world) config(who string) leader.Config {
	return leader.Config{
		Client:   w.etcd.Client(who),
		Election: election,
		Value:    who,
		TTL:      10 * time.Second,
		Margin:   2 * time.Second,
		HoldOff:  -1,
		Logger:   slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// new makes a Runner of cfg that is not run yet.
func (w *world) new(cfg leader.Config) *runner {
	w.Helper()
	r, err := leader.New(cfg)
	require.NoError(w, err)
	return &runner{Runner: r, w: w, who: cfg.Value, client: cfg.Client}
}

// run runs the function, by default one that leads until its context ends, and
// stops when the test ends.
func (r *runner) run(fns ...leader.Func) *runner {
	fn := untilEnd
	if len(fns) > 0 {
		fn = fns[0]
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop, r.result = stop, make(chan error, 1)
	finished := make(chan struct{})
	result := r.result
	go func() {
		defer close(finished)
		result <- r.Run(ctx, r.w.watched(r.who, fn))
	}()
	r.w.Cleanup(func() { stop(); <-finished })
	return r
}

// start runs a Runner of the common configuration.
func (w *world) start(who string, fns ...leader.Func) *runner {
	w.Helper()
	return w.new(w.config(who)).run(fns...)
}

// untilEnd leads until its context ends.
func untilEnd(ctx context.Context, _ *concurrency.Term) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// watched notes when fn is called, and checks what holds for every call.
func (w *world) watched(who string, fn leader.Func) leader.Func {
	return func(ctx context.Context, term *concurrency.Term) error {
		k := &reign{who: who, term: term, begin: time.Now()}
		w.mu.Lock()
		w.reigns = append(w.reigns, k)
		w.running++
		w.mu.Unlock()
		noted := make(chan struct{})
		unhook := context.AfterFunc(ctx, func() {
			defer close(noted)
			var end *leader.EndError
			errors.As(context.Cause(ctx), &end)
			w.mu.Lock()
			defer w.mu.Unlock()
			k.ended, k.end = time.Now(), end
			for _, l := range w.etcd.Leases() {
				if l.ID == term.Lease() {
					k.left = time.Until(l.Expires)
				}
			}
		})
		defer func() {
			if !unhook() {
				<-noted
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			k.back = time.Now()
			w.running--
		}()
		if term == nil || term.Err() != nil && ctx.Err() == nil {
			w.Errorf("%s was called without a term", who)
		}
		return fn(ctx, term)
	}
}

// reign returns one of the reigns; it has to be there.
func (w *world) reign(i int) reign {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Greater(w, len(w.reigns), i)
	return *w.reigns[i]
}

// last returns the newest reign; there has to be one.
func (w *world) last() reign {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(w, w.reigns, "nobody has led")
	return *w.reigns[len(w.reigns)-1]
}

// count returns how many calls there were.
func (w *world) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.reigns)
}

// now returns how many functions run.
func (w *world) now() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running
}

// requireState waits for a state, no longer than the given time.
func (r *runner) requireState(s leader.State, within time.Duration) leader.Status {
	r.w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	var last leader.Status
	for last = range r.Changes(ctx) {
		if last.State == s {
			synctest.Wait() // until the function runs, if it is to
			return last
		}
	}
	require.Failf(r.w, "state not reached", "%s is %s (%s) after %v, and not %s", r.who, last.State, last.Reason, within, s)
	return last
}

// requireEnd waits until Run returns.
func (r *runner) requireEnd(within time.Duration) error {
	r.w.Helper()
	select {
	case err := <-r.result:
		return err
	case <-time.After(within):
		require.Failf(r.w, "Run has not returned", "%s is %s", r.who, r.Status().State)
		return nil
	}
}

// requireNothingLeft checks that nothing of the Runners is left in etcd.
func (w *world) requireNothingLeft() {
	w.Helper()
	synctest.Wait()
	require.Empty(w, w.etcd.Leases(), "leases")
	require.Empty(w, w.etcd.Keys(election), "keys")
	// A watch whose context ends between the request and the confirmation stays on
	// the server, by a fault of etcd's client, until something happens to its key or
	// its stream ends.
	for _, open := range w.etcd.Watches() {
		w.etcd.Put(open.Key, "")
		w.etcd.Delete(open.Key)
		time.Sleep(time.Second)
	}
	require.Empty(w, w.etcd.Watches(), "watches")
}

// requireNoOverlap checks that nobody's function was called before the one before
// it had returned.
func (w *world) requireNoOverlap() {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, k := range w.reigns[:max(0, len(w.reigns)-1)] {
		next := w.reigns[i+1]
		require.False(w, k.back.IsZero() || k.back.After(next.begin),
			"%s was called at %v while %s ran until %v", next.who, next.begin, k.who, k.back)
		require.Greater(w, next.term.Rev(), k.term.Rev())
	}
}

func (k reign) String() string {
	return fmt.Sprintf("%s %v: %v with %v left", k.who, k.ended.Sub(k.begin), k.end, k.left)
}
