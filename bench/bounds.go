// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
)

// A bound is what this package's figure may be at most (or, where the stat is
// the least value, at least).
type bound struct {
	row     string
	setting *regexp.Regexp // all if nil
	what    string
	stat    stat
	against string  // whose figure factor is of; "" if the bound is factor itself
	factor  float64 // at most so many times the other's
	plus    string  // what of this package's whose median is added, "" for nothing
}

func (b bound) String() string {
	switch {
	case b.against == "" && b.stat == least:
		return fmt.Sprintf("≥ %g", b.factor)
	case b.against == "":
		return fmt.Sprintf("≤ %g", b.factor)
	case b.plus != "":
		return fmt.Sprintf("≤ %s + %s", b.against, b.plus)
	}
	return fmt.Sprintf("≤ %g × %s", b.factor, b.against)
}

// A verdict is what a bound came to.
type verdict struct {
	bound   bound
	measure measure
	figure  float64 // the ratio, or this package's own figure where the bound is no ratio
	low     float64 // of the interval in which the figure lies for 19 of 20 resamplings
	high    float64
	state   state
}

type state string

const (
	met    state = "met"
	noise  state = "met within noise" // missed by less than chance explains
	missed state = "MISSED"
	absent state = "not measured"
)

// check holds the results against the bounds of the rows that were run.
func check(r *results, bounds []bound) []verdict {
	var verdicts []verdict
	for _, b := range bounds {
		ran, found := false, false
		for _, m := range r.measures() {
			ran = ran || m.row == b.row
			if m.row != b.row || m.what != b.what || b.setting != nil && !b.setting.MatchString(m.setting) {
				continue
			}
			if v, ok := b.judge(r, m); ok {
				verdicts = append(verdicts, v)
				found = true
			}
		}
		if ran && !found {
			verdicts = append(verdicts, verdict{bound: b, measure: measure{row: b.row, what: b.what}, figure: math.NaN(), state: absent})
		}
	}
	return verdicts
}

// judge holds one measure against b; false if a side of it is missing.
func (b bound) judge(r *results, m measure) (verdict, bool) {
	own := r.find(m, nameThis)
	if own == nil {
		return verdict{}, false
	}
	v := verdict{bound: b, measure: m}
	if b.against == "" {
		v.figure = b.stat.of(own.values)
		v.low, v.high = v.figure, v.figure
		v.state = stateOf(v.figure <= b.factor, false)
		if b.stat == least {
			v.state = stateOf(v.figure >= b.factor, false)
		}
		return v, true
	}
	other := r.find(m, b.against)
	if other == nil {
		return verdict{}, false
	}
	factor := b.factor
	if b.plus != "" {
		margin := b.margin(r, m)
		if margin == nil {
			return verdict{}, false
		}
		theirs := b.stat.of(other.values)
		factor = (theirs + median.of(margin.values)) / theirs
	}
	v.figure = ratio(b.stat.of(own.values), b.stat.of(other.values))
	v.low, v.high = interval(b.stat, own.values, other.values)
	v.state = stateOf(v.figure <= factor, v.low <= factor)
	return v, true
}

// margin returns the series that b adds to the other's figure: that of the same
// setting, or else the first of the row.
func (b bound) margin(r *results, m measure) *series {
	var first *series
	for _, s := range r.series {
		if s.contender != nameThis || s.measure.row != m.row || s.measure.members != m.members || s.measure.what != b.plus {
			continue
		}
		if s.measure.setting == m.setting {
			return s
		}
		if first == nil {
			first = s
		}
	}
	return first
}

func stateOf(holds, mayHold bool) state {
	switch {
	case holds:
		return met
	case mayHold:
		return noise
	}
	return missed
}

// ratio of nothing to nothing is one.
func ratio(a, b float64) float64 {
	if a == b {
		return 1
	}
	return a / b
}

const (
	resamplings  = 1000
	fewestValues = 5 // no interval is told from fewer
)

// interval returns between what the ratio of a's figure to b's lies in 19 of 20
// cases when both series are drawn anew from themselves (the bootstrap).
func interval(st stat, a, b []float64) (low, high float64) {
	whole := ratio(st.of(a), st.of(b))
	if len(a) < fewestValues || len(b) < fewestValues {
		return whole, whole
	}
	rng := rand.New(rand.NewPCG(1, 2)) // the same figures have the same interval
	ratios := make([]float64, resamplings)
	for i := range ratios {
		ratios[i] = ratio(st.of(redraw(rng, a)), st.of(redraw(rng, b)))
	}
	slices.Sort(ratios)
	return quantile(ratios, 0.025), quantile(ratios, 0.975)
}

func redraw(rng *rand.Rand, values []float64) []float64 {
	drawn := make([]float64, len(values))
	for i := range drawn {
		drawn[i] = values[rng.IntN(len(values))]
	}
	return drawn
}
