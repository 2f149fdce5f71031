// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package fault

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func config(seed uint64, kinds ...Kind) Config {
	return Config{
		Seed: seed, Kinds: kinds, Duration: 10 * time.Minute, TTL: 3 * time.Second,
		Members: 3, Workers: 4, Lanes: []string{"one", "two"},
	}
}

func TestPlan(t *testing.T) {
	t.Run("IsTheSameForTheSameSeed", func(t *testing.T) {
		require.Equal(t, Plan(config(7, Kinds()...)), Plan(config(7, Kinds()...)))
		require.NotEqual(t, Plan(config(7, Kinds()...)), Plan(config(8, Kinds()...)))
	})
	t.Run("HasAllKinds", func(t *testing.T) {
		seen := make(map[Kind]bool)
		for _, s := range Plan(config(1, Kinds()...)) {
			for _, f := range s.Faults {
				seen[f.Kind] = true
			}
		}
		require.Len(t, seen, len(Kinds()))
	})
	t.Run("HasOnlyTheKindsThatWereChosen", func(t *testing.T) {
		for _, s := range Plan(config(1, WorkerPause, Compact)) {
			require.NotEmpty(t, s.Faults)
			for _, f := range s.Faults {
				require.Contains(t, []Kind{WorkerPause, Compact}, f.Kind)
			}
		}
	})
	t.Run("HasNoFaultsIfNoneWereChosen", func(t *testing.T) {
		for _, s := range Plan(config(1)) {
			require.Empty(t, s.Faults)
		}
	})
	t.Run("EndsAllFaultsWithTheirStorm", func(t *testing.T) {
		for _, s := range Plan(config(3, Kinds()...)) {
			for _, f := range s.Faults {
				require.LessOrEqual(t, f.At+f.For, s.For)
			}
		}
	})
	t.Run("LastsAsLongAsWasAskedFor", func(t *testing.T) {
		for _, d := range []time.Duration{15 * time.Second, time.Minute, 10 * time.Minute, time.Hour} {
			c := config(1)
			c.Duration = d
			var sum time.Duration
			for _, s := range Plan(c) {
				sum += s.For + c.Calm()
			}
			require.InDelta(t, d.Seconds(), sum.Seconds(), 20)
		}
	})
	t.Run("PausesWorkersForLongerThanTheTTL", func(t *testing.T) {
		c := config(1, WorkerPause)
		for _, s := range Plan(c) {
			for _, f := range s.Faults {
				require.Greater(t, f.For, c.TTL)
			}
		}
	})
	t.Run("TellsEachFaultOnALine", func(t *testing.T) {
		text := Describe(Plan(config(1, MemberKill)))
		require.Regexp(t, `(?m)^ +\d+\.\d{3}s member-kill (m[012]|raft's leader) for `, text)
	})
}

func TestParse(t *testing.T) {
	t.Run("All", func(t *testing.T) {
		kinds, err := Parse("all")
		require.NoError(t, err)
		require.Equal(t, Kinds(), kinds)
	})
	t.Run("None", func(t *testing.T) {
		kinds, err := Parse("none")
		require.NoError(t, err)
		require.Empty(t, kinds)
	})
	t.Run("Some", func(t *testing.T) {
		kinds, err := Parse("compact, member-kill")
		require.NoError(t, err)
		require.Equal(t, []Kind{Compact, MemberKill}, kinds)
	})
	t.Run("SaysWhatThereIsToChooseFrom", func(t *testing.T) {
		_, err := Parse("compact,earthquake")
		require.ErrorContains(t, err, `no fault is called "earthquake"`)
		require.ErrorContains(t, err, "move-leader")
	})
}
