// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

var madeUp = measure{"row", 1, "setting", "time", "ms"}

// figures returns n figures around about, none further off than a percent.
func figures(about float64, n int) []float64 {
	fs := make([]float64, n)
	for i := range fs {
		fs[i] = about * (0.99 + 0.02*float64(i)/float64(n-1))
	}
	return fs
}

func TestCheckBites(t *testing.T) {
	atMost := func(factor float64) bound {
		return bound{row: "row", what: "time", stat: median, against: nameOriginal, factor: factor}
	}
	for name, c := range map[string]struct {
		bound       bound
		this, other []float64
		state       state
	}{
		"WellBelow":              {atMost(1), figures(80, 50), figures(100, 50), met},
		"WellAbove":              {atMost(1), figures(120, 50), figures(100, 50), missed},
		"AboveByNoMoreThanNoise": {atMost(1), figures(100.01, 50), figures(100, 50), noise},
		"TooFewForAnyNoise":      {atMost(1), figures(100.01, 2), figures(100, 2), missed},
		"ATailThatTheMedianHides": {
			bound{row: "row", what: "time", stat: p95, against: nameOriginal, factor: 2},
			append(figures(100, 80), figures(900, 20)...), figures(100, 100), missed,
		},
		"OneOverlap":   {bound{row: "row", what: "time", stat: least}, append(figures(1, 50), -0.001), nil, missed},
		"NoOverlap":    {bound{row: "row", what: "time", stat: least}, figures(1, 50), nil, met},
		"OneRequest":   {bound{row: "row", what: "time", stat: most}, []float64{0, 0, 1}, nil, missed},
		"NothingAtAll": {atMost(1), []float64{0, 0}, []float64{0, 0}, met},
		"NoOtherFigure": {
			bound{row: "row", what: "time", stat: median, against: nameLimit, factor: 1}, figures(1, 5), figures(1, 5), absent,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var r results
			r.add(madeUp, nameThis, c.this...)
			if c.other != nil {
				r.add(madeUp, nameOriginal, c.other...)
			}
			verdicts := check(&r, []bound{c.bound})
			require.Len(t, verdicts, 1)
			require.Equal(t, c.state, verdicts[0].state, "%+v", verdicts[0])
		})
	}
}

func TestCheckLeavesOutRowsThatDidNotRun(t *testing.T) {
	var r results
	r.add(madeUp, nameThis, 1)
	require.Empty(t, check(&r, []bound{{row: "another", what: "time", stat: median, against: nameOriginal, factor: 1}}))
}

func TestAMarginIsAddedToTheOther(t *testing.T) {
	var r results
	r.add(madeUp, nameThis, figures(150, 50)...)
	r.add(madeUp, nameOriginal, figures(100, 50)...)
	margin := madeUp
	margin.what = "margin"
	b := bound{row: "row", what: "time", stat: median, against: nameOriginal, plus: "margin"}
	require.Equal(t, absent, check(&r, []bound{b})[0].state)
	r.add(margin, nameThis, 60)
	require.Equal(t, met, check(&r, []bound{b})[0].state)
	r.find(margin, nameThis).values[0] = 40
	require.Equal(t, missed, check(&r, []bound{b})[0].state)
}

func TestEachBoundNamesARow(t *testing.T) {
	names := make(map[string]bool)
	for _, r := range rows {
		names[r.name] = true
	}
	for _, b := range bounds {
		require.True(t, names[b.row], "%+v", b)
	}
}

func TestQuantilesInterpolate(t *testing.T) {
	values := []float64{4, 1, 3, 2, 5}
	require.InDelta(t, 3, median.of(values), 1e-9)
	require.InDelta(t, 4.8, p95.of(values), 1e-9)
	require.InDelta(t, 1, least.of(values), 1e-9)
	require.InDelta(t, 5, most.of(values), 1e-9)
}

func TestScaledSizesKeepOneOfEach(t *testing.T) {
	s := full.scaled(0.0001)
	require.Equal(t, 1, s.fresh)
	require.Equal(t, 1, s.queues[0].rounds)
	require.NotEqual(t, 1, full.queues[0].rounds, "the original sizes stay as they are")
}
