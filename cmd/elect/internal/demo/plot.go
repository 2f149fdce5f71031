// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// plotSource is the picture, with everything that does not depend on what
// happened: sizes, fonts, light and dark colours.
//
//go:embed plot.svg.tmpl
var plotSource string

// plotTemplate is of html/template, which escapes what it is given for where it
// stands: an error's text is the only one that is not the demo's own.
var plotTemplate = template.Must(template.New("plot").Parse(plotSource))

// Where things are in the picture, in its units, which are pixels if it is shown
// in its own size.
const (
	plotLeft   = 84  // where the time begins
	plotRight  = 876 // where it ends
	plotTop    = 132 // of the first lane
	laneHeight = 38
	barHeight  = 16
	tickWidth  = 48 // the least between two numbers on the time axis
	labelWidth = 54 // what the number of a gap needs
	rowHeight  = 22 // of the table
)

// A shade is the colour of a candidate, and that of a text on it.
type shade struct{ Fill, Ink string }

// shades are the candidates', in the order of names. They are from Paul Tol's
// medium-contrast set, which is told apart by the colour-blind, and by
// lightness alone when printed in grey; neighbours differ most.
var shades = []shade{
	{"#004488", "#ffffff"},
	{"#eecc66", "#000000"},
	{"#994455", "#ffffff"},
	{"#6699cc", "#000000"},
	{"#ee99aa", "#000000"},
}

// A picture is what the template draws.
type picture struct {
	Height     int
	Left       int
	Right      int
	Top        int // of the lanes
	Bottom     int // of the observer's lane, where the axis is
	Tall       int // from Top to Bottom
	TableTop   int
	TTL        time.Duration
	InWords    string // for those who cannot see it
	Lanes      []plotLane
	Observer   plotLane
	Gaps       []plotGap
	Ticks      []plotTick
	Rows       []plotRow
	Failure    string // what went wrong; nothing if empty
	FailureTop int
}

// CardHeight is that of the ground, without its border.
func (p picture) CardHeight() int { return p.Height - 1 }

// ObserverTop is where the lanes of the candidates end.
func (p picture) ObserverTop() int { return p.Bottom - laneHeight }

// A plotLane is what one candidate did, or what the observer saw.
type plotLane struct {
	Name    string
	Middle  int
	Shade   shade
	Waits   []span // in the queue
	Leads   []span
	Dead    []span // a dead leader's, whose term is not over
	Strikes []strike
}

// A span is a stretch of time.
type span struct {
	X, Width float64
	Y        int // of its top, for a bar
	Who      string
	Shade    shade
}

// End returns where the stretch ends.
func (s span) End() float64 { return round(s.X + s.Width) }

// Centre returns where a text in it stands.
func (s span) Centre() float64 { return round(s.X + s.Width/2) }

// Wide reports whether the name has room in it.
func (s span) Wide() bool { return s.Width >= 32 }

// A strike is where a leader was removed.
type strike struct {
	X     float64
	Act   int
	Cause string
	TextX float64
	// Anchor is the side of the text that TextX is of.
	Anchor string
}

// A plotGap is a time in which nobody led.
type plotGap struct {
	span
	Middle float64
	LabelY int // of the baseline
	Label  string
}

// A plotTick is a second on the time axis.
type plotTick struct {
	X     float64
	Label string
}

// A plotRow is a handover in numbers.
type plotRow struct {
	Y                          int
	Act                        int
	What, Next                 string
	Over, Vacant, Bound, Slack string
	Verdict                    string
}

// plot draws who led when as an SVG, with what failure tells if it is not nil.
func plot(w io.Writer, h history, ttl time.Duration, failure error) error {
	return plotTemplate.Execute(w, newPicture(h, ttl, failure))
}

func newPicture(h history, ttl time.Duration, failure error) picture {
	end := max(h.end, time.Millisecond)
	x := func(at time.Duration) float64 {
		at = min(max(at, 0), end)
		return round(plotLeft + (plotRight-plotLeft)*at.Seconds()/end.Seconds())
	}
	between := func(from, to time.Duration, y int) span {
		return span{X: x(from), Width: round(x(to) - x(from)), Y: y}
	}
	hs := handovers(h)
	p := picture{Left: plotLeft, Right: plotRight, Top: plotTop, TTL: ttl, InWords: inWords(h, hs)}

	for i, name := range names {
		lane := plotLane{Name: name, Middle: plotTop + i*laneHeight + laneHeight/2, Shade: shades[i]}
		bar := lane.Middle - barHeight/2
		for _, s := range h.stays {
			if s.who == name {
				lane.Waits = append(lane.Waits, between(s.from, s.to, lane.Middle))
			}
		}
		for _, g := range h.reigns {
			if g.who != name {
				continue
			}
			alive := g.to
			if r := crashOf(h, g); r != nil {
				alive = r.at
				lane.Dead = append(lane.Dead, between(r.at, g.to, bar))
			}
			lane.Leads = append(lane.Leads, between(g.from, alive, bar))
		}
		for j, r := range h.removals {
			if r.who == name {
				lane.Strikes = append(lane.Strikes, newStrike(x(r.at), j+1, r.cause))
			}
		}
		p.Lanes = append(p.Lanes, lane)
	}

	lanesEnd := plotTop + len(names)*laneHeight
	p.Observer = plotLane{Name: "observer", Middle: lanesEnd + laneHeight/2}
	for i, s := range h.sightings {
		until := end
		if i+1 < len(h.sightings) {
			until = h.sightings[i+1].at
		}
		if at := slices.Index(names, s.who); at >= 0 {
			seen := between(s.at, until, p.Observer.Middle-barHeight/2)
			seen.Who, seen.Shade = s.who, shades[at]
			p.Observer.Leads = append(p.Observer.Leads, seen)
		}
	}
	p.Bottom = lanesEnd + laneHeight
	p.Tall = p.Bottom - p.Top

	p.Gaps = newGaps(hs, between)
	for at, step := time.Duration(0), tickStep(end); at <= end; at += step {
		p.Ticks = append(p.Ticks, plotTick{x(at), fmt.Sprintf("%ds", int(at.Seconds()))})
	}
	p.TableTop = p.Bottom + 62
	for i, o := range hs {
		bound, _ := o.cause.vacancy(ttl)
		p.Rows = append(p.Rows, plotRow{
			Y: p.TableTop + (i+1)*rowHeight, Act: i + 1,
			What: o.from.who + ": " + o.cause.String(), Next: o.to.who,
			Over: show3(o.lingered), Vacant: show3(o.vacant), Bound: show3(bound), Slack: show3(o.slack), Verdict: o.verdict(ttl),
		})
	}
	p.FailureTop = p.TableTop + (len(hs)+1)*rowHeight
	p.Height = p.FailureTop
	if failure != nil {
		p.Failure, _, _ = strings.Cut("The demo failed: "+failure.Error(), "\n")
		p.Height += rowHeight
	}
	return p
}

// crashOf returns the crash that a reign outlasted, or nil.
func crashOf(h history, g reign) *removal {
	for _, r := range h.removals {
		if r.who == g.who && r.cause == crashed && g.from <= r.at && r.at <= g.to {
			return &r
		}
	}
	return nil
}

// newStrike puts the text beside the mark, on the side where there is room.
func newStrike(x float64, act int, c cause) strike {
	s := strike{X: x, Act: act, Cause: c.String(), TextX: round(x + 12), Anchor: "start"}
	if x > plotRight-90 {
		s.TextX, s.Anchor = round(x-12), "end"
	}
	return s
}

// newGaps labels each gap above the lanes. A label that has no room beside the
// one before goes into a second line.
func newGaps(hs []handover, between func(from, to time.Duration, y int) span) []plotGap {
	var gaps []plotGap
	free := [2]float64{}
	for _, o := range hs {
		g := plotGap{span: between(o.to.from-o.vacant, o.to.from, plotTop), Label: show3(o.vacant)}
		g.Middle = g.Centre()
		line := 0
		if g.Middle-labelWidth/2 < free[0] && free[1] <= free[0] {
			line = 1
		}
		free[line] = g.Middle + labelWidth/2
		g.LabelY = plotTop - 8 - 14*line
		gaps = append(gaps, g)
	}
	return gaps
}

// tickStep is from one number on the time axis to the next.
func tickStep(end time.Duration) time.Duration {
	for _, step := range []time.Duration{1, 2, 5, 10, 30} {
		if end <= step*time.Second*((plotRight-plotLeft)/tickWidth) {
			return step * time.Second
		}
	}
	return max(time.Minute, (end / 10).Truncate(time.Minute))
}

// inWords tells what the picture shows.
func inWords(h history, hs []handover) string {
	var b strings.Builder
	for _, g := range inOrder(h.reigns) {
		fmt.Fprintf(&b, "%s leads from %s to %s. ", g.who, seconds(g.from), seconds(g.to))
	}
	for i, o := range hs {
		fmt.Fprintf(&b, "Act %d: %s, %s; nobody leads for %s. ", i+1, o.from.who, o.cause, show3(o.vacant))
	}
	return strings.TrimSpace(b.String())
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// round leaves a hundredth of a pixel.
func round(v float64) float64 { return math.Round(v*100) / 100 }
