// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package history

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const name = "this-election-fenced"

func put(rev, create, lease int64, hex, value string) Change {
	return Change{Rev: rev, CreateRev: create, Lease: lease, Key: "queue/" + name + "/" + hex, Value: value}
}

func deleted(rev int64, hex string) Change {
	return Change{Rev: rev, Key: "queue/" + name + "/" + hex, Deleted: true}
}

// told returns who led from which revision on, as pairs of revision and value.
func told(changes ...Change) (all []any) {
	for _, l := range Leaders(changes)[name] {
		all = append(all, l.Rev, l.Value)
	}
	return all
}

func TestLeaders(t *testing.T) {
	t.Run("FollowTheOrderOfEntry", func(t *testing.T) {
		require.Equal(t, []any{int64(1), "a", int64(4), "b"},
			told(put(1, 1, 0xa, "a", "a"), put(2, 2, 0xb, "b", "b"), put(3, 3, 0xc, "c", "c"), deleted(4, "a")))
	})
	t.Run("ProclaimNewValues", func(t *testing.T) {
		require.Equal(t, []any{int64(1), "a", int64(2), "again"}, told(put(1, 1, 0xa, "a", "a"), put(2, 1, 0xa, "a", "again")))
	})
	t.Run("LeaveVacancies", func(t *testing.T) {
		require.Equal(t, []any{int64(1), "a", int64(2), "", int64(3), "b"},
			told(put(1, 1, 0xa, "a", "a"), deleted(2, "a"), put(3, 3, 0xb, "b", "b")))
	})
	t.Run("AreToldOncePerRevision", func(t *testing.T) {
		require.Equal(t, []any{int64(1), "a", int64(3), "c"},
			told(put(1, 1, 0xa, "a", "a"), put(2, 2, 0xc, "c", "c"), deleted(3, "a"), deleted(3, "b")))
	})
	t.Run("AreNotStrayKeys", func(t *testing.T) {
		require.Equal(t, []any{int64(3), "a"},
			told(put(1, 1, 0, "0", "no lease"), put(2, 2, 0xb, "c", "another's lease"), put(3, 3, 0xa, "a", "a")))
	})
	t.Run("AreFoundAlsoWhereTheChangesAreOutOfOrder", func(t *testing.T) {
		require.Equal(t, []any{int64(1), "a", int64(3), "b"}, told(deleted(3, "a"), put(2, 2, 0xb, "b", "b"), put(1, 1, 0xa, "a", "a")))
	})
}
