// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"go.etcd.io/etcd/client/pkg/v3/verify"
	v3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/tests/v3/framework/integration"

	"github.com/seed-da5263fb/concurrency"
)

// The tests of this package run on real etcd members in this process. What time
// has to do with is asked with a bound that only a broken package reaches: bound
// is much longer than anything takes, and much shorter than the TTL of most
// sessions here, so that what is to happen promptly does not pass because a
// lease ran out.
const bound = 25 * time.Second

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(mainWithExamples{m})
}

// mainWithExamples stops what the examples started before the leak check.
type mainWithExamples struct{ *testing.M }

func (m mainWithExamples) Run() int {
	defer stopExampleEtcd()
	return m.M.Run()
}

// startCluster starts etcd members that last until the test ends. Nothing may be
// left running then.
func startCluster(t *testing.T, cfg integration.ClusterConfig) *integration.Cluster {
	t.Helper()
	checkLeaks(t)
	integration.BeforeTest(t, integration.WithoutGoLeakDetection())
	// These checks of etcd's own read the whole backend at every write.
	t.Cleanup(verify.DisableVerifications())
	if cfg.Size > 1 {
		// 100 ms without a heartbeat would make a busy machine elect all the time.
		setElectionTimeout(t, 500*time.Millisecond)
	}
	clus := integration.NewCluster(quiet{t}, &cfg)
	t.Cleanup(func() { clus.Terminate(nil) })
	return clus
}

// setElectionTimeout sets the raft election timeout of the members made from here
// on, which are made with a tick of 10 ms.
func setElectionTimeout(t *testing.T, d time.Duration) {
	before := integration.ElectionTicks
	integration.ElectionTicks = int(d / (10 * time.Millisecond))
	t.Cleanup(func() { integration.ElectionTicks = before })
}

// stopMember stops a member, and waits until the others have a leader of theirs.
func stopMember(t *testing.T, clus *integration.Cluster, i int) {
	t.Helper()
	id := clus.Members[i].ID()
	clus.Members[i].Stop(t)
	for j, m := range clus.Members {
		if j != i {
			eventually(t, func() bool { l := m.Server.Leader(); return l != 0 && l != id }, "another leader of etcd")
		}
	}
}

// checkLeaks fails the test if goroutines that it started outlive it.
func checkLeaks(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		err := goleak.Find(before)
		for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); {
			err = goleak.Find(before) // it waits a little by itself
		}
		if !t.Failed() {
			require.NoError(t, err)
		}
	})
}

// quiet keeps the members' logs out of the test's.
type quiet struct{ *testing.T }

func (quiet) Logf(string, ...any) {}

// connect returns a client that knows the given members, or all.
func connect(t *testing.T, clus *integration.Cluster, members ...int) *v3.Client {
	t.Helper()
	endpoints := clus.Endpoints()
	if len(members) > 0 {
		endpoints = nil
		for _, m := range members {
			endpoints = append(endpoints, clus.Members[m].GRPCURL)
		}
	}
	return dial(t, endpoints)
}

// connectPastBridge returns a client of a member whose connections are not cut
// together with those that go over the member's bridge.
func connectPastBridge(t *testing.T, m *integration.Member) *v3.Client {
	t.Helper()
	return dial(t, []string{"unix://" + m.GRPCListener.Addr().String()})
}

func dial(t *testing.T, endpoints []string, opts ...grpc.DialOption) *v3.Client {
	t.Helper()
	client, err := v3.New(v3.Config{Endpoints: endpoints, Logger: zap.NewNop(), DialOptions: opts})
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

// newSession returns a session, with a TTL of 60 s if the options do not say
// else, that is closed when the test ends.
func newSession(t *testing.T, client *v3.Client, opts ...concurrency.SessionOption) *concurrency.Session {
	t.Helper()
	s, err := concurrency.NewSession(client, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// newElection returns an Election with a session of its own, named by the test.
func newElection(t *testing.T, client *v3.Client, opts ...concurrency.SessionOption) *concurrency.Election {
	t.Helper()
	return concurrency.NewElection(newSession(t, client, opts...), t.Name())
}

// bounded returns a context for what must not take long.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	return ctx
}

// background calls f, and returns a channel that brings what it returns.
func background(f func() error) <-chan error {
	result := make(chan error, 1)
	go func() { result <- f() }()
	return result
}

// receive returns what comes out of c, which must come soon and be no close.
func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v, ok := <-c:
		require.True(t, ok, "channel closed")
		return v
	case <-time.After(bound):
		require.FailNow(t, "nothing came out of the channel")
		panic("unreachable")
	}
}

// closes waits until c, from which nothing comes any more, closes.
func closes[T any](t *testing.T, c <-chan T) {
	t.Helper()
	select {
	case v, ok := <-c:
		require.False(t, ok, "got %v instead of the close", v)
	case <-time.After(bound):
		require.FailNow(t, "channel did not close")
	}
}

// open asserts that c has not closed.
func open(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
		require.FailNow(t, "channel is closed")
	default:
	}
}

// eventually waits for a state that no channel tells.
func eventually(t *testing.T, reached func() bool, state string) {
	t.Helper()
	for end := time.Now().Add(bound); !reached(); time.Sleep(2 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "never reached: %s", state)
	}
}

// candidates returns the values of who is in e, in order of succession.
func candidates(t *testing.T, e *concurrency.Election) []string {
	t.Helper()
	cs, err := e.Candidates(bounded(t))
	require.NoError(t, err)
	values := []string{}
	for _, c := range cs {
		values = append(values, c.Value)
	}
	return values
}

// campaign campaigns in the background and returns when e is in the queue, as the
// last of n.
func campaign(t *testing.T, e *concurrency.Election, value string, n int) <-chan error {
	t.Helper()
	result := background(func() error { return e.Campaign(bounded(t), value) })
	eventually(t, func() bool {
		cs := candidates(t, e)
		return len(cs) == n && cs[n-1] == value
	}, value+" is the last candidate")
	return result
}

// lead makes e lead.
func lead(t *testing.T, e *concurrency.Election, value string) {
	t.Helper()
	require.NoError(t, e.Campaign(bounded(t), value))
}

// revision returns the revision of the last write to etcd.
func revision(t *testing.T, client *v3.Client) int64 {
	t.Helper()
	resp, err := client.Get(bounded(t), "revision")
	require.NoError(t, err)
	return resp.Header.Revision
}

// put writes a key that no candidate wrote.
func put(t *testing.T, client *v3.Client, key, value string, opts ...v3.OpOption) {
	t.Helper()
	_, err := client.Put(bounded(t), key, value, opts...)
	require.NoError(t, err)
}

// remove deletes a key as an operator would, and returns the revision.
func remove(t *testing.T, client *v3.Client, key string) int64 {
	t.Helper()
	resp, err := client.Delete(bounded(t), key)
	require.NoError(t, err)
	require.EqualValues(t, 1, resp.Deleted)
	return resp.Header.Revision
}

// keys returns the keys that begin with prefix.
func keys(t *testing.T, client *v3.Client, prefix string) []string {
	t.Helper()
	resp, err := client.Get(bounded(t), prefix, v3.WithPrefix(), v3.WithKeysOnly())
	require.NoError(t, err)
	names := []string{}
	for _, kv := range resp.Kvs {
		names = append(names, string(kv.Key))
	}
	return names
}

// leaseLives reports whether etcd knows the lease.
func leaseLives(t *testing.T, client *v3.Client, id v3.LeaseID) bool {
	t.Helper()
	resp, err := client.TimeToLive(bounded(t), id)
	require.NoError(t, err)
	return resp.TTL >= 0
}

// A tap is a client's KV that counts the requests, and lets a test stand between
// them and etcd.
type tap struct {
	v3.KV
	requests atomic.Int64
	around   atomic.Pointer[func(ctx context.Context, send func() error) error]
}

// tapInto puts a tap into the client.
func tapInto(client *v3.Client) *tap {
	k := &tap{KV: client.KV}
	client.KV = k
	return k
}

// intercept has f called instead of each request from now on; send sends it.
func (k *tap) intercept(f func(send func() error) error) {
	around := func(_ context.Context, send func() error) error { return f(send) }
	k.around.Store(&around)
}

// interceptNext has f called instead of the next request.
func (k *tap) interceptNext(f func(send func() error) error) {
	var called atomic.Bool
	k.intercept(func(send func() error) error {
		if called.Swap(true) {
			return send()
		}
		return f(send)
	})
}

// interceptMarked has f called instead of each request that is made with a context
// from markRequests.
func (k *tap) interceptMarked(f func(send func() error) error) {
	around := func(ctx context.Context, send func() error) error {
		if ctx.Value(requestMark{}) == nil {
			return send()
		}
		return f(send)
	}
	k.around.Store(&around)
}

type requestMark struct{}

func markRequests(ctx context.Context) context.Context {
	return context.WithValue(ctx, requestMark{}, true)
}

func (k *tap) request(ctx context.Context, send func() error) error {
	k.requests.Add(1)
	if f := k.around.Load(); f != nil {
		return (*f)(ctx, send)
	}
	return send()
}

func (k *tap) Get(ctx context.Context, key string, opts ...v3.OpOption) (resp *v3.GetResponse, err error) {
	err = k.request(ctx, func() error {
		resp, err = k.KV.Get(ctx, key, opts...)
		return err
	})
	return resp, err
}

func (k *tap) Put(ctx context.Context, key, val string, opts ...v3.OpOption) (resp *v3.PutResponse, err error) {
	err = k.request(ctx, func() error {
		resp, err = k.KV.Put(ctx, key, val, opts...)
		return err
	})
	return resp, err
}

func (k *tap) Delete(ctx context.Context, key string, opts ...v3.OpOption) (resp *v3.DeleteResponse, err error) {
	err = k.request(ctx, func() error {
		resp, err = k.KV.Delete(ctx, key, opts...)
		return err
	})
	return resp, err
}

func (k *tap) Do(ctx context.Context, op v3.Op) (resp v3.OpResponse, err error) {
	err = k.request(ctx, func() error {
		resp, err = k.KV.Do(ctx, op)
		return err
	})
	return resp, err
}

func (k *tap) Txn(ctx context.Context) v3.Txn { return tappedTxn{k.KV.Txn(ctx), k, ctx} }

type tappedTxn struct {
	v3.Txn
	tap *tap
	ctx context.Context
}

func (t tappedTxn) If(cs ...v3.Cmp) v3.Txn   { return tappedTxn{t.Txn.If(cs...), t.tap, t.ctx} }
func (t tappedTxn) Then(ops ...v3.Op) v3.Txn { return tappedTxn{t.Txn.Then(ops...), t.tap, t.ctx} }
func (t tappedTxn) Else(ops ...v3.Op) v3.Txn { return tappedTxn{t.Txn.Else(ops...), t.tap, t.ctx} }

func (t tappedTxn) Commit() (resp *v3.TxnResponse, err error) {
	err = t.tap.request(t.ctx, func() error {
		resp, err = t.Txn.Commit()
		return err
	})
	return resp, err
}

// The examples share one etcd and one client, which start with the first of them.
var exampleEtcd struct {
	server *embed.Etcd
	client *v3.Client
}

// newClient returns the client of the examples.
func newClient() *v3.Client {
	if exampleEtcd.client == nil {
		startExampleEtcd()
	}
	return exampleEtcd.client
}

func startExampleEtcd() {
	dir, err := os.MkdirTemp("", "example-etcd")
	if err != nil {
		panic(err)
	}
	anyPort := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	cfg := embed.NewConfig()
	cfg.Dir = dir
	cfg.LogLevel = "fatal"
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = anyPort, anyPort
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = anyPort, anyPort
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	server, err := embed.StartEtcd(cfg)
	if err != nil {
		panic(err)
	}
	<-server.Server.ReadyNotify()
	client, err := v3.New(v3.Config{Endpoints: []string{server.Clients[0].Addr().String()}, Logger: zap.NewNop()})
	if err != nil {
		panic(err)
	}
	exampleEtcd.server, exampleEtcd.client = server, client
}

func stopExampleEtcd() {
	if exampleEtcd.client == nil {
		return
	}
	exampleEtcd.client.Close()
	exampleEtcd.server.Close()
	os.RemoveAll(exampleEtcd.server.Config().Dir)
}
