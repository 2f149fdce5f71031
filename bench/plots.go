// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"fmt"
	"image/color"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const width, height = 16 * vg.Centimeter, 10 * vg.Centimeter

var colors = map[string]color.Color{
	nameThis:     color.RGBA{0x1f, 0x6f, 0xb4, 0xff},
	nameOriginal: color.RGBA{0xd9, 0x5f, 0x02, 0xff},
	nameLimit:    color.RGBA{0x55, 0x55, 0x55, 0xff},
	nameClientGo: color.RGBA{0x7a, 0x4f, 0xa3, 0xff},
}

// A chart is one plot of the results.
type chart struct {
	file  string
	title string
	x     string
	row   string
	what  string
	draw  func(*report, *plot.Plot, chart) (bool, error) // false: nothing to draw
}

var charts = []chart{
	{"handover", "From Resign to the next Campaign's return", "time, ms", "handover", "time", (*report).distributions},
	{"handover-writes", "The same while other clients write", "time, ms", "handover under writes", "time", (*report).distributions},
	{"queue-time", "Time per handover in a queue that is drained", "candidates", "queue", "time per handover", (*report).growth},
	{"queue-cpu", "CPU per handover in a queue that is drained", "candidates", "queue", "CPU per handover", (*report).growth},
	{"join", "Writes of others while candidates join a queue", "time, ms", "join", "time of others' writes", (*report).distributions},
	{"observers-time", "Time until the last observer has the next leader", "observers", "observers", "time until the last one knows", (*report).growth},
	{"observers-cpu", "CPU of a handover that is observed", "observers", "observers", "CPU of a handover", (*report).growth},
	{"crash", "Time without a leader after a crash", "time, s", "crash", "time without a leader", (*report).distributions},
	{"cut", "From stepping down to the next leader, after a cut (left of 0: two leaders)", "time, s", "crash", "time from stepping down to the next leader", (*report).distributions},
}

// writePlots draws what there is to draw, one file for each size of cluster.
func (r *report) writePlots(folder string) error {
	for _, members := range r.size.members {
		for _, c := range charts {
			p := plot.New()
			p.Title.Text = fmt.Sprintf("%s, %d members", c.title, members)
			if members == 1 {
				p.Title.Text = c.title + ", 1 member"
			}
			p.X.Label.Text = c.x
			p.Legend.Top = true
			p.Legend.Padding = vg.Points(2)
			p.Add(plotter.NewGrid())
			only := &report{results: r.only(members), size: r.size}
			drawn, err := c.draw(only, p, c)
			if err != nil {
				return fmt.Errorf("plot %s: %w", c.file, err)
			}
			if !drawn {
				continue
			}
			if err := p.Save(width, height, filepath.Join(folder, fmt.Sprintf("%s-%d.svg", c.file, members))); err != nil {
				return err
			}
		}
	}
	return nil
}

// only returns the results of one size of cluster.
func (r *results) only(members int) *results {
	var some results
	for _, s := range r.series {
		if s.measure.members == members {
			some.series = append(some.series, s)
		}
	}
	return &some
}

// growth draws medians over the number that the setting begins with, both
// logarithmic.
func (r *report) growth(p *plot.Plot, c chart) (bool, error) {
	points := make(map[string]plotter.XYs)
	var unit string
	for _, s := range r.series {
		if s.measure.row != c.row || s.measure.what != c.what {
			continue
		}
		number, _, _ := strings.Cut(s.measure.setting, " ")
		x, err := strconv.ParseFloat(number, 64)
		if y := median.of(s.values); err == nil && y > 0 {
			points[s.contender] = append(points[s.contender], plotter.XY{X: x, Y: y})
			unit = s.measure.unit
		}
	}
	p.Y.Label.Text = c.what + ", " + unit
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
	p.Legend.Left = true
	some := false
	for _, name := range []string{nameOriginal, nameThis, nameLimit} {
		xys := points[name]
		if len(xys) < 2 {
			continue
		}
		some = true
		slices.SortFunc(xys, func(a, b plotter.XY) int { return int(a.X - b.X) })
		line, dots, err := plotter.NewLinePoints(xys)
		if err != nil {
			return false, err
		}
		line.Color, dots.Color, dots.Shape = colors[name], colors[name], draw.CircleGlyph{}
		line.Width = vg.Points(1.5)
		p.Add(line, dots)
		p.Legend.Add(name, line, dots)
	}
	return some, nil
}

// distributions draws, for each setting and contender, what share of the figures
// was at most x: the higher the curve, the faster.
func (r *report) distributions(p *plot.Plot, c chart) (bool, error) {
	var settings []string
	least, most := math.Inf(1), math.Inf(-1)
	for _, s := range r.series {
		if s.measure.row != c.row || s.measure.what != c.what || len(s.values) < 2 {
			continue
		}
		if !slices.Contains(settings, s.measure.setting) {
			settings = append(settings, s.measure.setting)
		}
		sorted := slices.Sorted(slices.Values(s.values))
		least, most = min(least, sorted[0]), max(most, sorted[len(sorted)-1])
		xys := make(plotter.XYs, len(sorted))
		for i, v := range sorted {
			xys[i] = plotter.XY{X: v, Y: float64(i+1) / float64(len(sorted))}
		}
		line, err := plotter.NewLine(thin(xys))
		if err != nil {
			return false, err
		}
		line.StepStyle = plotter.PostStep
		line.Width = vg.Points(1.5)
		line.Color = color.Gray{0xaa}
		if known, ok := colors[s.contender]; ok {
			line.Color = known
		}
		line.Dashes = dashes[slices.Index(settings, s.measure.setting)%len(dashes)]
		p.Add(line)
		p.Legend.Add(s.contender+", "+s.measure.setting, line)
	}
	if least > 0 && most > 10*least {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	p.Y.Label.Text = "share of the figures"
	p.Y.Min, p.Y.Max = 0, 1
	p.Legend.Top = false
	return len(settings) > 0, nil
}

var dashes = [][]vg.Length{nil, {vg.Points(6), vg.Points(3)}, {vg.Points(1.5), vg.Points(2)}}

// thin leaves at most a few hundred points of a curve: more are not to be seen.
func thin(xys plotter.XYs) plotter.XYs {
	const enough = 300
	if len(xys) <= enough {
		return xys
	}
	thinned := make(plotter.XYs, 0, enough+1)
	for i := range enough {
		thinned = append(thinned, xys[i*len(xys)/enough])
	}
	return append(thinned, xys[len(xys)-1])
}
