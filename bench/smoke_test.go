// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each row runs, in its smallest form, and has a figure of every contender that it
// promises one of; what they come to means nothing at this size.
func TestRows(t *testing.T) {
	rep, err := measureRows(t.Context(), regexp.MustCompile(""), tiny, t.Logf)
	require.NoError(t, err)
	require.Len(t, rep.rows, len(rows))

	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			contended := 0
			for _, m := range rep.measures() {
				if m.row == row.name && rep.find(m, nameThis) != nil && rep.find(m, nameOriginal) != nil {
					contended++
				}
			}
			require.NotZero(t, contended, "the row has no figures of this package and the original")
		})
	}

	t.Run("WithoutOverlap", func(t *testing.T) {
		seen := false
		for _, v := range rep.verdicts {
			if v.measure.what == "time from stepping down to the next leader" {
				seen = true
				require.Equal(t, met, v.state, "two leaders at a time")
			}
		}
		require.True(t, seen)
	})

	t.Run("ObserversAskNothingAtAHandover", func(t *testing.T) {
		for _, s := range rep.series {
			if s.measure.what == "requests of observers at a handover" && s.contender == nameThis {
				require.Zero(t, most.of(s.values))
				return
			}
		}
		require.Fail(t, "not measured")
	})

	t.Run("Files", func(t *testing.T) {
		folder := t.TempDir()
		require.NoError(t, rep.writeTo(folder))
		table, err := os.ReadFile(filepath.Join(folder, "README.md"))
		require.NoError(t, err)
		for _, row := range rows {
			require.Contains(t, string(table), "\n## "+row.name+"\n")
		}
		raw, err := os.ReadFile(filepath.Join(folder, "figures.csv"))
		require.NoError(t, err)
		lines, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
		require.NoError(t, err)
		figures := 0
		for _, s := range rep.series {
			figures += len(s.values)
		}
		require.Len(t, lines, 1+figures)
		plots, err := filepath.Glob(filepath.Join(folder, "*.svg"))
		require.NoError(t, err)
		require.NotEmpty(t, plots)
	})
}

func TestKeepAliveCountsAuthenticateCalls(t *testing.T) {
	require.NoError(t, onCluster(1, func(c *cluster) error {
		if err := c.protect(t.Context()); err != nil {
			return err
		}
		before := c.requests.snapshot()
		if _, err := c.client(0); err != nil {
			return err
		}
		require.NotZero(t, c.requests.since(before)["Authenticate"])
		return nil
	}))
}
