// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"math"
	"slices"
	"time"
)

// A measure is one thing measured, of all contenders alike.
type measure struct {
	row     string // of the table of contents in rows.go
	members int    // of the cluster
	setting string // what was varied: "fresh", "1000 candidates"
	what    string // "time", "CPU"
	unit    string
}

// A series is what one contender showed, in the order in which it was measured.
type series struct {
	measure   measure
	contender string
	values    []float64
}

// results are the series of a run, in the order in which they were begun.
type results struct{ series []*series }

func (r *results) add(m measure, contender string, values ...float64) {
	s := r.find(m, contender)
	if s == nil {
		s = &series{measure: m, contender: contender}
		r.series = append(r.series, s)
	}
	s.values = append(s.values, values...)
}

func (r *results) addTime(m measure, contender string, d time.Duration) {
	if m.unit == "" {
		m.unit = "ms"
	}
	r.add(m, contender, d.Seconds()*perSecond[m.unit])
}

var perSecond = map[string]float64{"s": 1, "ms": 1e3, "µs": 1e6}

func (r *results) find(m measure, contender string) *series {
	for _, s := range r.series {
		if s.measure == m && s.contender == contender {
			return s
		}
	}
	return nil
}

// measures returns what was measured, in order.
func (r *results) measures() []measure {
	var ms []measure
	for _, s := range r.series {
		if !slices.Contains(ms, s.measure) {
			ms = append(ms, s.measure)
		}
	}
	return ms
}

// A stat is a figure that sums a series up.
type stat string

const (
	median stat = "median"
	p95    stat = "p95"
	p99    stat = "p99"
	least  stat = "least"
	most   stat = "most"
)

// of returns the figure, and NaN of no values.
func (st stat) of(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	switch st {
	case median:
		return quantile(sorted, 0.50)
	case p95:
		return quantile(sorted, 0.95)
	case p99:
		return quantile(sorted, 0.99)
	case least:
		return quantile(sorted, 0)
	case most:
		return quantile(sorted, 1)
	}
	panic("bug: unknown stat " + string(st))
}

// quantile interpolates between the two nearest of sorted values.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}
