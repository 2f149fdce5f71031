// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency/leader"
)

func TestHandoverGapIsMeasured(t *testing.T) {
	inBubble(t, func(w *world) {
		a := w.start("a")
		a.requireState(leader.StateLeading, time.Second)
		b := w.start("b")
		b.requireState(leader.StateQueued, time.Second)
		require.NoError(w, a.StepDown(w.Context()))
		time.Sleep(time.Second)
		gap := b.Stats().HandoverGap
		require.EqualValues(w, 1, gap.Count)
		require.Less(w, gap.Sum, 0.01)
		require.Zero(w, a.Stats().HandoverGap.Count)

		a.Pause()
		b.Pause()
		time.Sleep(30 * time.Second)
		a.Resume()
		a.requireState(leader.StateLeading, time.Second)
		gap = a.Stats().HandoverGap
		require.EqualValues(w, 1, gap.Count)
		require.InDelta(w, 30, gap.Sum, 1)
		require.EqualValues(w, 2, a.Stats().Wait.Count)
	})
}
