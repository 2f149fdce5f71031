// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A report is what came of a run.
type report struct {
	*results
	rows       []row
	size       sizes
	verdicts   []verdict
	command    string
	began      time.Time
	took       time.Duration
	loadBefore string
	loadAfter  string
}

// writeTo writes the table, the raw figures and the plots into a folder.
func (r *report) writeTo(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, write := range map[string]func(io.Writer) error{
		"README.md":   r.writeTable,
		"figures.csv": r.writeFigures,
	} {
		f, err := os.Create(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		if err := errors.Join(write(f), f.Close()); err != nil {
			return err
		}
	}
	return r.writePlots(folder)
}

// writeFigures writes every single figure, in the order in which each contender's
// were measured.
func (r *report) writeFigures(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"row", "members", "setting", "what", "unit", "contender", "i", "figure"})
	for _, s := range r.series {
		m := s.measure
		for i, v := range s.values {
			_ = out.Write([]string{m.row, strconv.Itoa(m.members), m.setting, m.what, m.unit, s.contender,
				strconv.Itoa(i), strconv.FormatFloat(v, 'g', 5, 64)})
		}
	}
	out.Flush()
	return out.Error()
}

// writeTable writes how the run was made, the bounds, and all figures.
func (r *report) writeTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Measurements\n\n")
	fmt.Fprintf(&b, "Written by `%s` in `bench/`; every single figure is in `figures.csv`. Absolute times depend on the machine\n"+
		"and on what else it does: compare only within this run, in which the contenders took turns.\n\n", r.command)
	r.writeCircumstances(&b)
	r.writeVerdicts(&b)
	for _, row := range r.rows {
		r.writeRow(&b, row)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *report) writeVerdicts(b *strings.Builder) {
	if len(r.verdicts) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## Bounds\n\n")
	fmt.Fprintf(b, "Each ratio is of this package's figure to the other's, with the interval in which it lies for 19 of 20 redrawings of\n"+
		"the figures. A bound that is missed by less than that interval is met within noise.\n\n")
	fmt.Fprintf(b, "| row | members | setting | figure | bound | measured | interval | |\n|---|---|---|---|---|---|---|---|\n")
	for _, v := range r.verdicts {
		m := v.measure
		fmt.Fprintf(b, "| %s | %d | %s | %s of %s | %s | %s | %s | %s |\n",
			m.row, m.members, m.setting, v.bound.stat, m.what, v.bound, digits(v.figure), span(v), v.state)
	}
}

func span(v verdict) string {
	if v.low == v.high {
		return ""
	}
	return digits(v.low) + " to " + digits(v.high)
}

func (r *report) writeRow(b *strings.Builder, row row) {
	fmt.Fprintf(b, "\n## %s\n\n%s.\n\n", row.name, strings.ToUpper(row.title[:1])+row.title[1:])
	fmt.Fprintf(b, "| members | setting | what | contender | median | p95 | p99 | figures | median / limit | median / original |\n")
	fmt.Fprintf(b, "|---|---|---|---|---|---|---|---|---|---|\n")
	for _, m := range r.measures() {
		if m.row != row.name {
			continue
		}
		for _, s := range r.series {
			if s.measure != m {
				continue
			}
			fmt.Fprintf(b, "| %d | %s | %s, %s | %s | %s | %s | %s | %d | %s | %s |\n", m.members, m.setting, m.what, m.unit, s.contender,
				digits(median.of(s.values)), digits(p95.of(s.values)), digits(p99.of(s.values)), len(s.values),
				r.ratioTo(s, nameLimit), r.ratioTo(s, nameOriginal))
		}
	}
}

// ratioTo returns the ratio of the medians of s and another contender's series.
func (r *report) ratioTo(s *series, contender string) string {
	other := r.find(s.measure, contender)
	if other == nil || s.contender == contender {
		return ""
	}
	return digits(ratio(median.of(s.values), median.of(other.values)))
}

// digits writes three of them.
func digits(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case math.Abs(v) >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
