// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	v3 "go.etcd.io/etcd/client/v3"
	etcd "go.etcd.io/etcd/client/v3/concurrency"
	"go.etcd.io/etcd/tests/v3/framework/integration"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/etcdtest"
)

// What both packages have.
type (
	anySession interface {
		Lease() v3.LeaseID
		Done() <-chan struct{}
		Ctx() context.Context
		Orphan()
		Close() error
	}
	anyElection interface {
		Campaign(context.Context, string) error
		Proclaim(context.Context, string) error
		Resign(context.Context) error
		Leader(context.Context) (*v3.GetResponse, error)
		Observe(context.Context) <-chan *v3.GetResponse
		Key() string
		Rev() int64
		Header() *pb.ResponseHeader
	}
	anyMutex interface {
		Lock(context.Context) error
		TryLock(context.Context) error
		Unlock(context.Context) error
		IsOwner() v3.Cmp
		Key() string
		Header() *pb.ResponseHeader
	}
)

// An implementation is one of the two packages.
type implementation struct {
	name      string
	session   func(ctx context.Context, client *v3.Client, ttl int) (anySession, error)
	election  func(s anySession, name string) anyElection
	resume    func(s anySession, name, key string, rev int64) anyElection
	mutex     func(s anySession, name string) anyMutex
	locker    func(s anySession, name string) sync.Locker
	notLeader error
	locked    error
}

var this = &implementation{
	name: "this",
	session: func(ctx context.Context, client *v3.Client, ttl int) (anySession, error) {
		opts := []concurrency.SessionOption{concurrency.WithTTL(ttl)}
		if ctx != nil {
			opts = append(opts, concurrency.WithContext(ctx))
		}
		return concurrency.NewSession(client, opts...)
	},
	election: func(s anySession, name string) anyElection {
		return concurrency.NewElection(s.(*concurrency.Session), name)
	},
	resume: func(s anySession, name, key string, rev int64) anyElection {
		return concurrency.ResumeElection(s.(*concurrency.Session), name, key, rev)
	},
	mutex: func(s anySession, name string) anyMutex { return concurrency.NewMutex(s.(*concurrency.Session), name) },
	locker: func(s anySession, name string) sync.Locker {
		return concurrency.NewLocker(s.(*concurrency.Session), name)
	},
	notLeader: concurrency.ErrElectionNotLeader,
	locked:    concurrency.ErrLocked,
}

var original = &implementation{
	name: "etcd",
	session: func(ctx context.Context, client *v3.Client, ttl int) (anySession, error) {
		opts := []etcd.SessionOption{etcd.WithTTL(ttl)}
		if ctx != nil {
			opts = append(opts, etcd.WithContext(ctx))
		}
		return etcd.NewSession(client, opts...)
	},
	election: func(s anySession, name string) anyElection { return etcd.NewElection(s.(*etcd.Session), name) },
	resume: func(s anySession, name, key string, rev int64) anyElection {
		return etcd.ResumeElection(s.(*etcd.Session), name, key, rev)
	},
	mutex:     func(s anySession, name string) anyMutex { return etcd.NewMutex(s.(*etcd.Session), name) },
	locker:    func(s anySession, name string) sync.Locker { return etcd.NewLocker(s.(*etcd.Session), name) },
	notLeader: etcd.ErrElectionNotLeader,
	locked:    etcd.ErrLocked,
}

// A world is what one case runs in: a package and an etcd.
type world struct {
	t       *testing.T
	pkg     *implementation
	etcd    *etcdtest.Etcd       // nil on a cluster
	clus    *integration.Cluster // nil in memory
	op      *v3.Client           // an operator's
	name    string               // of the election or lock, for this world alone
	slow    time.Duration        // what a bound is stretched by in real time, on a busy machine
	stopped func()               // instead of stopMembers, if not nil
}

func newWorld(t *testing.T, pkg *implementation, etcd *etcdtest.Etcd, clus *integration.Cluster, slow time.Duration) *world {
	w := &world{t: t, pkg: pkg, etcd: etcd, clus: clus, name: t.Name(), slow: slow}
	w.op = w.client("operator")
	return w
}

// client returns a client of a participant, for the given members or all.
func (w *world) client(who string, members ...int) *v3.Client {
	w.t.Helper()
	if w.clus != nil {
		return connect(w.t, w.clus, members...)
	}
	return w.etcd.Client(who, func(cfg *v3.Config) {
		if len(members) > 0 {
			cfg.Endpoints = nil
			for _, m := range members {
				cfg.Endpoints = append(cfg.Endpoints, w.etcd.Member(m).Endpoint())
			}
		}
	})
}

// ctx returns a context that lasts longer than anything may take.
func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Minute)
	w.t.Cleanup(cancel)
	return ctx
}

// turns returns n, or a part of it where real members run under the race
// detector, which makes them slow.
func (w *world) turns(n int) int {
	if raceDetector && w.clus != nil {
		return n / 5
	}
	return n
}

// A rival is a participant with one session, and an election and a lock of the
// world's name.
type rival struct {
	who      string
	client   *v3.Client
	tap      *tap // nil in memory, where the link is the place for faults
	session  anySession
	election anyElection
	mutex    anyMutex
	key      string
}

// rival makes a rival with a TTL of a minute.
func (w *world) rival(who string) *rival { return w.rivalTTL(who, 60) }

func (w *world) rivalTTL(who string, ttl int) *rival {
	w.t.Helper()
	return w.rivalWith(w.pkg, who, w.client(who), ttl)
}

func (w *world) rivalWith(pkg *implementation, who string, client *v3.Client, ttl int) *rival {
	w.t.Helper()
	r := &rival{who: who, client: client}
	if w.clus != nil {
		r.tap = tapInto(client)
	}
	var err error
	r.session, err = pkg.session(nil, client, ttl)
	require.NoError(w.t, err)
	r.election, r.mutex = pkg.election(r.session, w.name), pkg.mutex(r.session, w.name)
	r.key = candidateKeyOf(w.name, r.session.Lease())
	return r
}

// sibling returns a rival with the same session.
func (w *world) sibling(r *rival) *rival {
	s := *r
	s.election, s.mutex = w.pkg.election(r.session, w.name), w.pkg.mutex(r.session, w.name)
	return &s
}

// A call is one that runs in the background.
type call struct {
	w        *world
	cancel   context.CancelFunc
	done     chan struct{}
	err      error
	returned time.Time
}

func (w *world) start(f func(context.Context) error) *call {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.t.Cleanup(cancel)
	c := &call{w: w, cancel: cancel, done: make(chan struct{})}
	go func() {
		c.err = f(ctx)
		c.returned = time.Now()
		close(c.done)
	}()
	return c
}

// within reports whether the call returns within d.
func (c *call) within(d time.Duration) bool { return c.w.closesWithin(c.done, d) }

func (w *world) closesWithin(c <-chan struct{}, d time.Duration) bool {
	return w.closesBefore(c, d+w.slow)
}

// closesBefore is closesWithin for what is not to happen: it does not wait longer
// on a busy machine.
func (w *world) closesBefore(c <-chan struct{}, d time.Duration) bool {
	if d > 0 {
		select {
		case <-c:
			return true
		case <-time.After(d):
		}
	}
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// loses judges a call that cannot win.
func (c *call) loses(d time.Duration) error {
	switch {
	case !c.within(d):
		return fails(hangs, "no return within %v", d)
	case c.err == nil:
		return fails(falseVictory, "returned nil")
	}
	return nil
}

// wins judges a call that has to win.
func (c *call) wins(d time.Duration) error {
	switch {
	case !c.within(d):
		return fails(hangs, "no victory within %v", d)
	case c.err != nil:
		return fails(givesUp, "%v", c.err)
	}
	return nil
}

// ends judges a call whose context ends now.
func (c *call) ends() error {
	c.cancel()
	if !c.within(time.Second) {
		return fails(hangs, "no return within a second of the end of the context")
	}
	return nil
}

// first returns the first verdict that is not nil.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// lead makes r lead.
func (w *world) lead(r *rival) {
	w.t.Helper()
	require.NoError(w.t, r.election.Campaign(w.ctx(), r.who))
}

func (w *world) resign(r *rival) {
	w.t.Helper()
	require.NoError(w.t, r.election.Resign(w.ctx()))
}

func (w *world) lock(r *rival) {
	w.t.Helper()
	require.NoError(w.t, r.mutex.Lock(w.ctx()))
}

// campaign has r campaign in the background, and returns when its key stands.
func (w *world) campaign(r *rival) *call {
	w.t.Helper()
	c := w.start(func(ctx context.Context) error { return r.election.Campaign(ctx, r.who) })
	w.entered(r)
	return c
}

// locking is campaign for a lock.
func (w *world) locking(r *rival) *call {
	w.t.Helper()
	c := w.start(r.mutex.Lock)
	w.entered(r)
	return c
}

// entered waits until r's key stands and r has had time to begin to wait with it.
func (w *world) entered(r *rival) {
	w.t.Helper()
	w.eventually(func() bool { return slices.Contains(w.keys(w.name+"/"), r.key) }, r.who+" is in the queue")
	w.settle()
}

// settle lets everybody come to rest.
func (w *world) settle() {
	if w.clus != nil {
		time.Sleep(100 * time.Millisecond)
	} else {
		time.Sleep(2 * time.Second) // links may be slow
	}
}

func (w *world) eventually(reached func() bool, state string) {
	w.t.Helper()
	if !w.becomes(bound, reached) {
		require.FailNow(w.t, "never reached", state)
	}
}

func (w *world) becomes(d time.Duration, reached func() bool) bool {
	for end := time.Now().Add(d + w.slow); !reached(); time.Sleep(5 * time.Millisecond) {
		if !time.Now().Before(end) {
			return false
		}
	}
	return true
}

// keys returns the keys that begin with prefix, the oldest first.
func (w *world) keys(prefix string) []string {
	w.t.Helper()
	names := []string{}
	if w.etcd != nil {
		events := w.etcd.Keys(prefix)
		slices.SortFunc(events, func(a, b etcdtest.Event) int { return int(a.CreateRev - b.CreateRev) })
		for _, ev := range events {
			names = append(names, ev.Key)
		}
		return names
	}
	resp, err := w.op.Get(bounded(w.t), prefix, v3.WithPrefix(), v3.WithSort(v3.SortByCreateRevision, v3.SortAscend))
	require.NoError(w.t, err)
	for _, kv := range resp.Kvs {
		names = append(names, string(kv.Key))
	}
	return names
}

func (w *world) revision() int64 {
	w.t.Helper()
	if w.etcd != nil {
		return w.etcd.Rev()
	}
	return revision(w.t, w.op)
}

// revoke revokes r's lease, as an operator does.
func (w *world) revoke(r *rival) {
	w.t.Helper()
	_, err := w.op.Revoke(w.ctx(), r.session.Lease())
	require.NoError(w.t, err)
}

// remove deletes r's key, as an operator does.
func (w *world) remove(r *rival) {
	w.t.Helper()
	remove(w.t, w.op, r.key)
}

// onlyKeys judges that no keys stand but those, before long.
func (w *world) onlyKeys(d time.Duration, want ...string) error {
	w.t.Helper()
	var got []string
	if w.becomes(d, func() bool {
		got = w.keys(w.name + "/")
		return len(got) == len(want) && !slices.ContainsFunc(want, func(k string) bool { return !slices.Contains(got, k) })
	}) {
		return nil
	}
	for _, k := range want {
		if !slices.Contains(got, k) {
			return fails(harms, "%s is gone", k)
		}
	}
	return fails(ghost, "left behind: %s", strings.Join(got[len(want):], ", "))
}

// loseRequest has the next transaction of r fail before it reaches etcd.
func (w *world) loseRequest(r *rival) {
	if w.etcd != nil {
		w.etcd.Link(r.who).DropRequest(etcdtest.Method("Txn", "DeleteRange"))
		return
	}
	r.tap.interceptNext(func(func() error) error { return errLost })
}

// loseReply has the next transaction of r fail after etcd has applied it.
func (w *world) loseReply(r *rival) {
	if w.etcd != nil {
		w.etcd.Link(r.who).DropReply(etcdtest.Method("Txn", "DeleteRange"))
		return
	}
	r.tap.interceptNext(func(send func() error) error {
		if err := send(); err != nil {
			return err
		}
		return errLost
	})
}

// over returns the channel by which r, which leads, is told that it does so no
// longer: the best that the package has.
func (w *world) over(r *rival) <-chan struct{} {
	if e, ok := r.election.(*concurrency.Election); ok {
		return e.Term().Done()
	}
	return r.session.Done()
}

// stopMembers stops all members.
func (w *world) stopMembers() {
	for i := range w.members() {
		if w.etcd != nil {
			w.etcd.Member(i).Stop()
		} else {
			crash(w.clus.Members[i])
			w.clus.Members[i].Stop(w.t)
		}
	}
}

// crash cuts all connections of a member, which is about to be stopped and would
// wait for them to end.
func crash(m *integration.Member) { m.GRPCServer.Stop() }

func (w *world) restartMembers() {
	w.t.Helper()
	if w.etcd != nil {
		for i := range w.members() {
			w.etcd.Member(i).Restart()
		}
		return
	}
	var all sync.WaitGroup
	var failed atomic.Value
	for _, m := range w.clus.Members {
		all.Go(func() {
			if err := m.Restart(quiet{w.t}); err != nil {
				failed.Store(err)
			}
		})
	}
	all.Wait()
	require.Nil(w.t, failed.Load())
	w.clus.WaitLeader(w.t)
}

func (w *world) members() int {
	if w.etcd != nil {
		return w.etcd.Members()
	}
	return len(w.clus.Members)
}

func candidateKeyOf(name string, lease v3.LeaseID) string {
	return fmt.Sprintf("%s/%x", name, int64(lease))
}
