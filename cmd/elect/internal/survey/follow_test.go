// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package survey_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/survey"
)

// recorder keeps a table, and tells what it hears on a channel.
type recorder struct {
	prefix string
	table  *survey.Table
	told   chan string
	heard  atomic.Int64
}

func (r *recorder) Snapshot(es []survey.Election) {
	r.table = survey.NewTable(r.prefix, es)
	r.told <- fmt.Sprintf("snapshot %v", words(es))
}

func (r *recorder) Events(events []*clientv3.Event) {
	changed := r.table.Apply(events)
	slices.Sort(changed)
	for _, name := range changed {
		r.told <- fmt.Sprintf("%s: %v", name, values(r.table.Queue(name)))
	}
}

func (r *recorder) Heard()         { r.heard.Add(1) }
func (r *recorder) Lost(err error) { r.told <- "lost" }

func (r *recorder) require(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-r.told:
		require.Equal(t, want, got)
	case <-time.After(bound):
		require.FailNow(t, "never told", want)
	}
}

// follow follows until the test ends.
func follow(t *testing.T, client *clientv3.Client, prefix string) *recorder {
	r := &recorder{prefix: prefix, told: make(chan string, 10000)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		survey.Follow(ctx, client, prefix, r)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

func TestFollowTellsOfEachChangeInOrder(t *testing.T) {
	_, client := startCluster(t)
	first := enter(t, client, "a", "1")
	r := follow(t, client, "a")
	r.require(t, "snapshot [a: [1]]")
	enter(t, client, "a", "2")
	r.require(t, "a: [1 2]")
	put(t, client, first, "1 again", clientv3.WithIgnoreLease())
	r.require(t, "a: [1 again 2]")
	other := enter(t, client, "ab", "3")
	r.require(t, "ab: [3]")
	enter(t, client, "b", "another prefix")
	put(t, client, "a/stray", "")
	remove(t, client, first)
	r.require(t, "a: [2]")
	_, err := client.Txn(bounded(t)).Then(clientv3.OpDelete(other), clientv3.OpDelete("a/", clientv3.WithPrefix())).Commit()
	require.NoError(t, err)
	r.require(t, "a: []")
	r.require(t, "ab: []")
}

// A key that loses the lease that it is named by is no candidate's any more.
func TestFollowSeesAKeyThatIsAttachedToAnotherLease(t *testing.T) {
	_, client := startCluster(t)
	r := follow(t, client, "")
	r.require(t, "snapshot []")
	key := enter(t, client, "a", "1")
	r.require(t, "a: [1]")
	put(t, client, key, "1")
	r.require(t, "a: []")
}

func TestFollowGoesOnAfterEtcdWasAway(t *testing.T) {
	clus, client := startCluster(t)
	r := follow(t, client, "")
	r.require(t, "snapshot []")
	key := enter(t, client, "a", "1")
	r.require(t, "a: [1]")

	clus.Members[0].Stop(t)
	r.require(t, "lost")
	require.NoError(t, clus.Members[0].Restart(t))
	remove(t, client, key)
	for {
		select {
		case got := <-r.told:
			if got == "lost" {
				continue // still away
			}
			require.Equal(t, "a: []", got)
			return
		case <-time.After(bound):
			require.FailNow(t, "never told of the change after the restart")
		}
	}
}

// interrupted has a first watch that the test ends, and a second that waits for it.
type interrupted struct {
	clientv3.Watcher
	end    chan context.CancelFunc // of the first watch
	again  chan struct{}
	opened bool
}

func (w *interrupted) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	if w.opened {
		<-w.again
		return w.Watcher.Watch(ctx, key, opts...)
	}
	w.opened = true
	ctx, cancel := context.WithCancel(ctx)
	w.end <- cancel
	return w.Watcher.Watch(ctx, key, opts...)
}

func TestFollowReadsAnewWhatWasCompactedAwayUnseen(t *testing.T) {
	_, client := startCluster(t)
	key := enter(t, client, "a", "1")
	w := &interrupted{Watcher: client.Watcher, end: make(chan context.CancelFunc, 1), again: make(chan struct{})}
	looking := with(client, client.KV)
	looking.Watcher = w
	r := follow(t, looking, "")
	r.require(t, "snapshot [a: [1]]")
	(<-w.end)()
	r.require(t, "lost")
	remove(t, client, key)
	enter(t, client, "b", "2")
	resp, err := client.Get(bounded(t), "x")
	require.NoError(t, err)
	_, err = client.Compact(bounded(t), resp.Header.Revision)
	require.NoError(t, err)
	close(w.again)
	r.require(t, "snapshot [b: [2]]")
	enter(t, client, "c", "3")
	r.require(t, "c: [3]")
}

func TestFollowHearsFromAnIdleEtcd(t *testing.T) {
	_, client := startCluster(t)
	r := follow(t, client, "a")
	r.require(t, "snapshot []")
	for end := time.Now().Add(bound); r.heard.Load() < 4; time.Sleep(10 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "etcd is there, and not heard")
	}
	require.Empty(t, r.told)
}

// TestATableIsWhatAReadFinds draws changes from a seed, and compares the table
// that the watch keeps with what is read.
func TestATableIsWhatAReadFinds(t *testing.T) {
	_, client := startCluster(t)
	const prefix = "a"
	r := follow(t, client, prefix)
	r.require(t, "snapshot []")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))

	var leases []clientv3.LeaseID
	for range 5 {
		leases = append(leases, grant(t, client))
	}
	names := []string{"a", "ab", "a/b", "b", ""}
	key := func() string {
		return fmt.Sprintf("%s/%x", names[rnd.IntN(len(names))], int64(leases[rnd.IntN(len(leases))]))
	}
	for i := range 400 {
		var op clientv3.Op
		switch k := key(); rnd.IntN(4) {
		case 0:
			op = clientv3.OpPut(k, fmt.Sprint(i), clientv3.WithLease(leases[rnd.IntN(len(leases))]))
		case 1, 2:
			_, lease, _ := survey.SplitKey(k)
			op = clientv3.OpPut(k, fmt.Sprint(i), clientv3.WithLease(lease))
		default:
			op = clientv3.OpDelete(k)
		}
		_, err := client.Txn(bounded(t)).Then(op).Commit()
		require.NoError(t, err)
	}
	enter(t, client, "a-end", "the last")
	for got := ""; got != "a-end: [the last]"; {
		select {
		case got = <-r.told:
		case <-time.After(bound):
			require.FailNow(t, "never told of the last change")
		}
	}
	es, _, err := survey.Read(bounded(t), client, prefix, request)
	require.NoError(t, err)
	require.Len(t, r.table.Names(), len(es))
	for _, e := range es {
		require.Equal(t, e.Queue, r.table.Queue(e.Name))
	}
}
