// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	v3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/etcdtest"
)

// TestSTM shows that each name of the STM leads to etcd's transaction of that name
// and isolation.
func TestSTM(t *testing.T) {
	etcd := etcdtest.New(t)
	client := etcd.Client("a")
	// overtaken reads a key and writes another, while somebody else writes the one
	// that was read, and returns how often it took.
	overtaken := func(t *testing.T, run func(apply func(concurrency.STM) error) (*v3.TxnResponse, error)) int {
		read, written := t.Name()+"/read", t.Name()+"/written"
		runs := 0
		resp, err := run(func(stm concurrency.STM) error {
			seen := stm.Get(read)
			if runs++; runs == 1 {
				etcd.Put(read, "new")
			}
			stm.Put(written, "after "+seen)
			return nil
		})
		require.NoError(t, err)
		require.True(t, resp.Succeeded)
		require.Len(t, etcd.Keys(written), 1)
		return runs
	}
	with := func(opts ...concurrency.STMOption) func(func(concurrency.STM) error) (*v3.TxnResponse, error) {
		return func(apply func(concurrency.STM) error) (*v3.TxnResponse, error) {
			return concurrency.NewSTM(client, apply, opts...)
		}
	}
	type deprecated func(context.Context, *v3.Client, func(concurrency.STM) error) (*v3.TxnResponse, error)
	named := func(f deprecated) func(func(concurrency.STM) error) (*v3.TxnResponse, error) {
		return func(apply func(concurrency.STM) error) (*v3.TxnResponse, error) { return f(t.Context(), client, apply) }
	}

	t.Run("IsRepeatedAfterAConflictByDefault", func(t *testing.T) {
		require.Equal(t, 2, overtaken(t, with()))
	})
	t.Run("IsNotRepeatedAtReadCommitted", func(t *testing.T) {
		require.Equal(t, 1, overtaken(t, with(concurrency.WithIsolation(concurrency.ReadCommitted))))
	})
	t.Run("IsRepeatedAtRepeatableReads", func(t *testing.T) {
		require.Equal(t, 2, overtaken(t, with(concurrency.WithIsolation(concurrency.RepeatableReads))))
	})
	t.Run("IsNotRepeatedByTheOldReadCommitted", func(t *testing.T) {
		require.Equal(t, 1, overtaken(t, named(concurrency.NewSTMReadCommitted)))
	})
	t.Run("IsRepeatedByTheOldRepeatable", func(t *testing.T) {
		require.Equal(t, 2, overtaken(t, named(concurrency.NewSTMRepeatable)))
	})
	t.Run("IsRepeatedByTheOldSerializable", func(t *testing.T) {
		require.Equal(t, 2, overtaken(t, named(concurrency.NewSTMSerializable)))
	})
	t.Run("ReadsWhatIsPrefetchedInOneRequest", func(t *testing.T) {
		keys := []string{t.Name() + "/1", t.Name() + "/2", t.Name() + "/3"}
		before := etcd.Requests("a")
		_, err := concurrency.NewSTM(client, func(stm concurrency.STM) error {
			for _, key := range keys {
				stm.Get(key)
			}
			return nil
		}, concurrency.WithPrefetch(keys...))
		require.NoError(t, err)
		require.Equal(t, before["Range"], etcd.Requests("a")["Range"])
	})
	t.Run("EndsWithItsContext", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := concurrency.NewSTM(client, func(stm concurrency.STM) error {
			stm.Get("key")
			return nil
		}, concurrency.WithAbortContext(ctx))
		require.ErrorIs(t, err, context.Canceled)
	})
}
