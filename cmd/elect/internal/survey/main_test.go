// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package survey_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"go.etcd.io/etcd/client/pkg/v3/verify"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/tests/v3/framework/integration"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/survey"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bound is much longer than anything takes here.
const bound = 25 * time.Second

// quiet keeps the members' logs out of the test's.
type quiet struct{ *testing.T }

func (quiet) Logf(string, ...any) {}

// startCluster starts a real etcd member in this process.
func startCluster(t *testing.T) (*integration.Cluster, *clientv3.Client) {
	t.Helper()
	integration.BeforeTest(t, integration.WithoutGoLeakDetection())
	// These checks of etcd's own read the whole backend at every write.
	t.Cleanup(verify.DisableVerifications())
	clus := integration.NewCluster(quiet{t}, &integration.ClusterConfig{Size: 1})
	t.Cleanup(func() { clus.Terminate(nil) })
	client, err := clientv3.New(clientv3.Config{Endpoints: clus.Endpoints(), Logger: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return clus, client
}

// bounded returns a context for what must not take long.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	return ctx
}

// request bounds a request.
func request(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, bound)
}

// grant returns a lease that outlives the test.
func grant(t *testing.T, client *clientv3.Client) clientv3.LeaseID {
	t.Helper()
	resp, err := client.Grant(bounded(t), 600)
	require.NoError(t, err)
	return resp.ID
}

// enter writes a candidate's key, as a waiting candidate does, and returns it.
func enter(t *testing.T, client *clientv3.Client, name, value string) string {
	t.Helper()
	lease := grant(t, client)
	key := fmt.Sprintf("%s/%x", name, int64(lease))
	put(t, client, key, value, clientv3.WithLease(lease))
	return key
}

func put(t *testing.T, client *clientv3.Client, key, value string, opts ...clientv3.OpOption) {
	t.Helper()
	_, err := client.Put(bounded(t), key, value, opts...)
	require.NoError(t, err)
}

func remove(t *testing.T, client *clientv3.Client, key string) {
	t.Helper()
	resp, err := client.Delete(bounded(t), key)
	require.NoError(t, err)
	require.EqualValues(t, 1, resp.Deleted)
}

// read returns the elections as text: names, and values in order.
func read(t *testing.T, client *clientv3.Client, prefix string) []string {
	t.Helper()
	es, _, err := survey.Read(bounded(t), client, prefix, request)
	require.NoError(t, err)
	return words(es)
}

func words(es []survey.Election) []string {
	all := []string{}
	for _, e := range es {
		all = append(all, fmt.Sprintf("%s: %v", e.Name, values(e.Queue)))
	}
	return all
}

func values(queue []concurrency.Candidate) []string {
	all := []string{}
	for _, c := range queue {
		all = append(all, c.Value)
	}
	return all
}
