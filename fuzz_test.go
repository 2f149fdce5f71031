// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.etcd.io/etcd/api/v3/mvccpb"
	v3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency/etcdtest"
)

// The fuzz tests. Their seeds are run by go test; what go test -fuzz finds is kept
// in testdata/fuzz.

// FuzzNamesAndValues sends names and values through Campaign, Leader, Candidates,
// Proclaim and Resign, and sees that they come back.
func FuzzNamesAndValues(f *testing.F) {
	for _, name := range []string{"", "a", "ab", "a/b", "a/b/", "/", "//", "ä世界", "\xff\xfe", "\x00", "a\x00", "7a59", "a/7a59"} {
		f.Add(name, "value", "")
		f.Add(name, "", "\x00\xff")
	}
	client := etcdtest.New(f).Client("fuzz")
	s, err := NewSession(client)
	require.NoError(f, err)
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, name, value, next string) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		e := NewElection(s, name)
		// Two that must not be taken for candidates of this name.
		for _, other := range []string{name + "/", name + "x", name + "/7a59"} {
			_, err := client.Put(ctx, other+"/7a5a", "stray")
			require.NoError(t, err)
		}
		require.NoError(t, e.Campaign(ctx, value))
		require.Equal(t, fmt.Sprintf("%s/%x", name, int64(s.Lease())), e.Key())
		cs, err := e.Candidates(ctx)
		require.NoError(t, err)
		require.Equal(t, []Candidate{{Key: e.Key(), Value: value, Rev: e.Rev(), ModRev: e.Rev(), Lease: s.Lease()}}, cs)
		require.NoError(t, e.Proclaim(ctx, next))
		resp, err := e.Leader(ctx)
		require.NoError(t, err)
		require.Len(t, resp.Kvs, 1)
		require.Equal(t, e.Key(), string(resp.Kvs[0].Key))
		require.Equal(t, next, string(resp.Kvs[0].Value))
		again := ResumeElection(s, name, e.Key(), e.Rev())
		require.Equal(t, e.Key(), again.Key())
		require.NoError(t, again.Resign(ctx))
		_, err = e.Leader(ctx)
		require.ErrorIs(t, err, ErrElectionNoLeader)
	})
}

// FuzzCandidateKey compares the parser that decides what is a candidate's key with
// the definition: a key is one if it is what candidateKey writes for the lease
// that it is attached to.
func FuzzCandidateKey(f *testing.F) {
	for _, key := range []string{
		"a/1", "a/694d7a5900000001", "a/7fffffffffffffff", "a/-1", "a/-8000000000000000", "a/8000000000000000", "a/0", "a/", "a", "",
		"a/01", "a/1 ", "a/+1", "a/0x1", "a/1_0", "a/7A59", "a/b/1", "ab/1", "a/1/", "a//1", "a/\x00", "a/1\xff",
	} {
		f.Add("a/", key, int64(1))
		f.Add("", key, int64(0x7a59))
	}
	f.Fuzz(func(t *testing.T, prefix, key string, lease int64) {
		id, ok := candidateLease(prefix, key)
		require.Equal(t, ok && id != 0, ok, "no lease is zero")
		if ok {
			require.Equal(t, key, candidateKey(prefix, id), "there is one form")
		}
		if lease != 0 {
			id, ok := candidateLease(prefix, candidateKey(prefix, v3.LeaseID(lease)))
			require.True(t, ok)
			require.EqualValues(t, lease, id)
			require.Equal(t, candidateKey(prefix, v3.LeaseID(lease)), fmt.Sprintf("%s%x", prefix, lease), "as the original writes it")
		}
		is := isCandidate(prefix, &mvccpb.KeyValue{Key: []byte(key), Lease: lease})
		require.Equal(t, lease != 0 && key == candidateKey(prefix, v3.LeaseID(lease)), is)
		if is {
			require.False(t, isCandidate(prefix, &mvccpb.KeyValue{Key: []byte(key)}), "attached to no lease")
			require.False(t, isCandidate(prefix, &mvccpb.KeyValue{Key: []byte(key + "/"), Lease: lease}))
			require.True(t, strings.HasPrefix(key, prefix))
		}
	})
}
