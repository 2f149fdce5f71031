// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package survey_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/survey"
)

func TestSplitKey(t *testing.T) {
	for key, want := range map[string]string{
		"a/1f":                 "a",
		"a/b/7fffffffffffffff": "a/b",
		"/1f":                  "",
		"a/-1":                 "a",
	} {
		name, _, ok := survey.SplitKey(key)
		require.True(t, ok, key)
		require.Equal(t, want, name)
	}
	for _, key := range []string{"", "a", "1f", "a/", "a/0", "a/01f", "a/1F", "a/+1f", "a/1f ", "a/x", "a/10000000000000000", "a/0x1f", "a/1_f"} {
		_, _, ok := survey.SplitKey(key)
		require.False(t, ok, "%q", key)
	}
}

func TestRead(t *testing.T) {
	_, client := startCluster(t)
	for _, name := range []string{"b", "a", "ab", "a/b", "", "a"} {
		enter(t, client, name, fmt.Sprintf("%s-%d", name, len(read(t, client, ""))))
	}
	lease := grant(t, client)
	put(t, client, "a/note", "a key of somebody else")
	put(t, client, fmt.Sprintf("a/%x", int64(lease)), "named by a lease that it is not attached to")
	put(t, client, "stray/1f", "attached to another lease than it is named by", clientv3.WithLease(lease))
	put(t, client, "1f", "no name", clientv3.WithLease(lease))

	t.Run("ElectionsAreOrderedByNameAndQueuesByEntry", func(t *testing.T) {
		require.Equal(t, []string{": [-4]", "a: [a-1 a-5]", "a/b: [a/b-3]", "ab: [ab-2]", "b: [b-0]"}, read(t, client, ""))
	})
	t.Run("APrefixIsOfNames", func(t *testing.T) {
		require.Equal(t, []string{"a: [a-1 a-5]", "a/b: [a/b-3]", "ab: [ab-2]"}, read(t, client, "a"))
		require.Equal(t, []string{"a/b: [a/b-3]"}, read(t, client, "a/"))
		require.Empty(t, read(t, client, "c"))
	})
	t.Run("AQueueIsOfThatVeryName", func(t *testing.T) {
		e, rev, err := survey.ReadQueue(bounded(t), client, "a", request)
		require.NoError(t, err)
		require.Equal(t, []string{"a-1", "a-5"}, values(e.Queue))
		require.GreaterOrEqual(t, rev, e.Queue[1].Rev)
		e, _, err = survey.ReadQueue(bounded(t), client, "stray", request)
		require.NoError(t, err)
		require.Equal(t, survey.Election{Name: "stray"}, e)
	})
	t.Run("IsWhatThePackageSays", func(t *testing.T) {
		s, err := concurrency.NewSession(client)
		require.NoError(t, err)
		defer s.Close()
		want, err := concurrency.NewElection(s, "a").Candidates(bounded(t))
		require.NoError(t, err)
		e, _, err := survey.ReadQueue(bounded(t), client, "a", request)
		require.NoError(t, err)
		require.Equal(t, want, e.Queue)
	})
	t.Run("ARefusalIsReturned", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := survey.Read(ctx, client, "", request)
		require.ErrorIs(t, err, context.Canceled)
	})
}

// counted counts the keys and bytes that reads bring, and lets a test act between
// them.
type counted struct {
	clientv3.KV
	keys, values int
	largest      int
	between      func(page int)
	pages        int
}

func (c *counted) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	if c.between != nil {
		c.between(c.pages)
	}
	c.pages++
	resp, err := c.KV.Get(ctx, key, opts...)
	if err == nil {
		c.keys += len(resp.Kvs)
		c.largest = max(c.largest, len(resp.Kvs))
		for _, kv := range resp.Kvs {
			c.values += len(kv.Value)
		}
	}
	return resp, err
}

func TestReadOfALargeKeyspace(t *testing.T) {
	_, client := startCluster(t)
	const strays = 2500
	for i := 0; i < strays; i += 100 {
		var puts []clientv3.Op
		for k := range 100 {
			puts = append(puts, clientv3.OpPut(fmt.Sprintf("k/%05d", 10*(i+k)), strings.Repeat("x", 1000)))
		}
		_, err := client.Txn(bounded(t)).Then(puts...).Commit()
		require.NoError(t, err)
	}
	var all []string
	for i := range 3 {
		all = append(all, enter(t, client, fmt.Sprintf("k/%05d", 10000*i+5), fmt.Sprint(i)))
	}
	want := []string{"k/00005: [0]", "k/10005: [1]", "k/20005: [2]"}

	t.Run("IsReadInPagesAndWithoutOthersValues", func(t *testing.T) {
		kv := &counted{KV: client.KV}
		es, _, err := survey.Read(bounded(t), with(client, kv), "", request)
		require.NoError(t, err)
		require.Equal(t, want, words(es))
		require.Equal(t, strays+3, kv.keys)
		require.Equal(t, 1000, kv.largest)
		require.Zero(t, kv.values)
	})
	t.Run("IsThatOfOneRevision", func(t *testing.T) {
		kv := &counted{KV: client.KV}
		kv.between = func(page int) {
			if page == 1 {
				remove(t, client, all[2])
			}
		}
		es, rev, err := survey.Read(bounded(t), with(client, kv), "", request)
		require.NoError(t, err)
		require.Equal(t, want, words(es))
		require.Equal(t, es[2].Queue[0].Rev, rev, "as it was when the reading began")
	})
	t.Run("BeginsAnewWhenItsRevisionIsCompactedAway", func(t *testing.T) {
		kv := &counted{KV: client.KV}
		kv.between = func(page int) {
			if page == 1 {
				remove(t, client, all[1])
				resp, err := client.Get(bounded(t), "x")
				require.NoError(t, err)
				_, err = client.Compact(bounded(t), resp.Header.Revision)
				require.NoError(t, err)
			}
		}
		es, _, err := survey.Read(bounded(t), with(client, kv), "", request)
		require.NoError(t, err)
		require.Equal(t, want[:1], words(es))
	})
}

// with returns a client that reads by kv.
func with(client *clientv3.Client, kv clientv3.KV) *clientv3.Client {
	c := clientv3.NewCtxClient(client.Ctx())
	c.KV, c.Lease, c.Watcher = kv, client.Lease, client.Watcher
	return c
}

func TestReadLeases(t *testing.T) {
	_, client := startCluster(t)
	var ids []clientv3.LeaseID
	for range 20 {
		ids = append(ids, grant(t, client))
	}
	_, err := client.Revoke(bounded(t), ids[3])
	require.NoError(t, err)

	leases, err := survey.ReadLeases(bounded(t), client, ids, request)
	require.NoError(t, err)
	require.Len(t, leases, 20)
	require.Negative(t, leases[ids[3]].Left)
	require.Equal(t, 600*time.Second, leases[ids[0]].Granted)
	require.Greater(t, leases[ids[0]].Left, 500*time.Second)
	require.LessOrEqual(t, leases[ids[0]].Left, 600*time.Second)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = survey.ReadLeases(ctx, client, ids, request)
	require.ErrorIs(t, err, context.Canceled)
}

func TestEvict(t *testing.T) {
	_, client := startCluster(t)
	enter(t, client, "e", "first")
	enter(t, client, "e", "second")
	e, _, err := survey.ReadQueue(bounded(t), client, "e", request)
	require.NoError(t, err)

	evicted, err := survey.Evict(bounded(t), client, e.Queue[0])
	require.NoError(t, err)
	require.True(t, evicted)
	require.Equal(t, []string{"e: [second]"}, read(t, client, ""))

	evicted, err = survey.Evict(bounded(t), client, e.Queue[0])
	require.NoError(t, err)
	require.False(t, evicted, "it is gone")

	// The same session comes back, with the same key: another candidacy.
	put(t, client, e.Queue[0].Key, "first again", clientv3.WithLease(e.Queue[0].Lease))
	evicted, err = survey.Evict(bounded(t), client, e.Queue[0])
	require.NoError(t, err)
	require.False(t, evicted)
	require.Equal(t, []string{"e: [second first again]"}, read(t, client, ""))
}
