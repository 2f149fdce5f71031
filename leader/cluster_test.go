// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"go.etcd.io/etcd/client/pkg/v3/verify"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/tests/v3/framework/integration"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/leader"
)

// bound is much longer than anything on a real cluster takes here.
const bound = time.Minute

// quiet keeps the members' logs out of the test's.
type quiet struct{ *testing.T }

func (quiet) Logf(string, ...any) {}

// startCluster starts real etcd members in this process.
func startCluster(t *testing.T, size int) *integration.Cluster {
	t.Helper()
	integration.BeforeTest(t, integration.WithoutGoLeakDetection())
	// These checks of etcd's own read the whole backend at every write.
	t.Cleanup(verify.DisableVerifications())
	clus := integration.NewCluster(quiet{t}, &integration.ClusterConfig{Size: size})
	t.Cleanup(func() { clus.Terminate(nil) })
	return clus
}

func connect(t *testing.T, clus *integration.Cluster) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: clus.Endpoints(), Logger: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

// realConfig has a TTL and a Margin for a machine so busy that etcd takes seconds to
// answer. No test here waits for a lease to end.
func realConfig(client *clientv3.Client, value string) leader.Config {
	return leader.Config{
		Client: client, Election: "service", Value: value, HoldOff: -1,
		TTL: 30 * time.Second, Margin: 15 * time.Second,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// await waits for a state in real time.
func await(t *testing.T, r *leader.Runner, s leader.State) leader.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	for status := range r.Changes(ctx) {
		if status.State == s {
			return status
		}
	}
	require.Failf(t, "state not reached", "%s", s)
	panic("unreachable")
}

// inBackground runs r until the test ends.
func inBackground(t *testing.T, r *leader.Runner, fn leader.Func) context.CancelFunc {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Run(ctx, fn)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return func() { cancel(); <-done }
}

func median(ds []time.Duration) time.Duration {
	slices.Sort(ds)
	return ds[len(ds)/2]
}

// TestAHandoverOnPurposeTakesMilliseconds compares it with the least that it can
// take: a bare delete that a watch sees.
func TestAHandoverOnPurposeTakesMilliseconds(t *testing.T) {
	const rounds = 40
	clus := startCluster(t, 1)
	client := connect(t, clus)

	var bare []time.Duration
	watch := client.Watch(t.Context(), "bare", clientv3.WithFilterPut())
	for range rounds {
		_, err := client.Put(t.Context(), "bare", "")
		require.NoError(t, err)
		time.Sleep(5 * time.Millisecond)
		begin := time.Now()
		_, err = client.Delete(t.Context(), "bare")
		require.NoError(t, err)
		<-watch
		bare = append(bare, time.Since(begin))
	}

	began := make(chan time.Time, 1)
	fn := func(ctx context.Context, _ *concurrency.Term) error {
		began <- time.Now()
		<-ctx.Done()
		return nil
	}
	var rs []*leader.Runner
	for i := range 2 {
		r, err := leader.New(realConfig(connect(t, clus), fmt.Sprint(i)))
		require.NoError(t, err)
		inBackground(t, r, fn)
		rs = append(rs, r)
		await(t, r, []leader.State{leader.StateLeading, leader.StateQueued}[i])
	}
	<-began
	var handovers []time.Duration
	for i := range rounds {
		time.Sleep(5 * time.Millisecond)
		begin := time.Now()
		require.NoError(t, rs[i%2].StepDown(t.Context()))
		handovers = append(handovers, (<-began).Sub(begin))
		await(t, rs[i%2], leader.StateQueued)
	}
	b, h := median(bare), median(handovers)
	t.Logf("a bare delete seen by a watch: %v; a handover: %v; medians of %d", b, h, rounds)
	require.Less(t, h, 10*b+20*time.Millisecond)
}

// TestAServiceOnARealCluster is a service of three that hands over, loses a member
// of etcd and the leader's key, and stops.
func TestAServiceOnARealCluster(t *testing.T) {
	clus := startCluster(t, 3)
	client := connect(t, clus)
	var running, most, calls atomic.Int32
	fn := func(ctx context.Context, term *concurrency.Term) error {
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		calls.Add(1)
		_, err := client.Txn(ctx).If(term.Fence()).Then(clientv3.OpPut("count", fmt.Sprint(term.Rev()))).Commit()
		if err != nil && ctx.Err() == nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	var rs []*leader.Runner
	var stops []context.CancelFunc
	for i := range 3 {
		r, err := leader.New(realConfig(connect(t, clus), fmt.Sprint(i)))
		require.NoError(t, err)
		rs, stops = append(rs, r), append(stops, inBackground(t, r, fn))
		await(t, r, []leader.State{leader.StateLeading, leader.StateQueued, leader.StateQueued}[i])
	}
	require.NoError(t, rs[0].StepDown(t.Context()))
	s := await(t, rs[1], leader.StateLeading)
	require.EqualValues(t, 1, most.Load())

	// Nobody can wait for the function of a leader whose key is deleted.
	_, err := client.Delete(t.Context(), s.Term.Key())
	require.NoError(t, err)
	await(t, rs[2], leader.StateLeading)

	clus.Members[0].Stop(t)
	stops[2]()
	var now *leader.Runner
	for end := time.Now().Add(bound); now == nil; time.Sleep(10 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "no leader after a member of etcd has stopped")
		for _, r := range rs[:2] {
			if r.Status().State == leader.StateLeading {
				now = r
			}
		}
	}
	server := httptest.NewServer(now.Handler())
	defer server.Close()
	resp, err := http.Get(server.URL + "?leader=1")
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	http.DefaultClient.CloseIdleConnections()

	stops[0]()
	stops[1]()
	// A member lists the leases that it knows of, and knows of all that were granted
	// and revoked before a read that it has answered.
	member := clus.Client(1)
	keys, err := member.Get(t.Context(), "service/", clientv3.WithPrefix())
	require.NoError(t, err)
	require.Empty(t, keys.Kvs)
	leases, err := member.Leases(t.Context())
	require.NoError(t, err)
	require.Empty(t, leases.Leases)
	require.GreaterOrEqual(t, calls.Load(), int32(4))
}
