// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package report

import (
	"fmt"
	"html"
	"strings"
	"time"

	"github.com/seed-da5263fb/concurrency/chaos/internal/check"
	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
)

// What the timeline is drawn with.
const (
	labels   = 190.0 // width of the names on the left
	rowStep  = 22
	barHigh  = 14
	widest   = 12000.0
	perSec   = 20.0
	topSpace = 40
)

// colours are those of the workers.
var colours = []string{"#3b78c4", "#d98b23", "#3f9a57", "#8a5bb5", "#777777", "#b0a030"}

// Timeline returns a picture: who believed itself leader of which lane when, and
// below it the faults. An overlap is outlined in red.
func (r *Report) Timeline() string {
	begin, end := r.span()
	scale := min(perSec, (widest-labels)/max(end-begin, time.Second).Seconds())
	x := func(at time.Duration) float64 { return labels + (at-begin).Seconds()*scale }
	kinds := fault.Kinds()
	width, height := x(end)+20, topSpace+rowStep*(len(r.Lanes)+len(kinds)+1)+10

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" font-family="sans-serif" font-size="11">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#ffffff"/>`+"\n")
	fmt.Fprintf(&b, `<text x="4" y="14">seed %d: who believed itself leader; faults; calms are shaded</text>`+"\n", r.Seed)
	for _, c := range r.record.Calms {
		fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="#eef4ea"/>`+"\n", x(c.From), topSpace-8, x(c.Until)-x(c.From), height-topSpace)
	}
	step := 5 * time.Second
	for step.Seconds()*scale < 60 {
		step *= 2
	}
	for at := time.Duration(0); begin+at < end; at += step {
		fmt.Fprintf(&b, `<text x="%.1f" y="28" fill="#666666">%v</text><path d="M%.1f 30V%d" stroke="#dddddd"/>`+"\n", x(begin+at), at, x(begin+at), height)
	}
	for i, l := range r.Lanes {
		y := topSpace + rowStep*i
		fmt.Fprintf(&b, `<text x="4" y="%d">%s</text>`+"\n", y+11, html.EscapeString(l.Name))
		for _, t := range l.terms {
			stroke := ""
			switch {
			case t.False:
				stroke = ` stroke="#cc0000" stroke-width="2" stroke-dasharray="3"`
			case overlaps(t, l.terms):
				stroke = ` stroke="#cc0000" stroke-width="2"`
			}
			opacity := 1.0
			if t.LeftOut() {
				opacity = 0.4
			}
			fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" fill-opacity="%.1f"%s><title>%s</title></rect>`+"\n",
				x(t.From), y, max(x(min(t.To, end))-x(t.From), 1), barHigh, colours[t.Worker%len(colours)], opacity, stroke,
				html.EscapeString(fmt.Sprintf("worker %d, revision %d, %v to %v, %s", t.Worker, t.Rev, t.From-begin, t.To-begin, t.Why)))
		}
	}
	for i, k := range kinds {
		y := topSpace + rowStep*(len(r.Lanes)+1+i)
		fmt.Fprintf(&b, `<text x="4" y="%d">%s</text>`+"\n", y+11, k)
		for _, f := range r.Faults {
			if f.Kind != k || f.Skipped {
				continue
			}
			colour := "#444444"
			if k == fault.WorkerPause || k == fault.WorkerKill {
				colour = colours[f.Worker%len(colours)]
			}
			fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"><title>%s</title></rect>`+"\n",
				x(f.From), y, max(x(f.To)-x(f.From), 2), barHigh, colour,
				html.EscapeString(fmt.Sprintf("%v: %s %s, at %v", f.Fault, f.Target, f.Failed, f.From-begin)))
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// overlaps reports whether a later term had begun before t ended. Terms that are
// left out by Slack are not marked.
func overlaps(t check.Term, terms []check.Term) bool {
	if t.LeftOut() {
		return false
	}
	for _, o := range terms {
		if o.Rev > t.Rev && o.From < t.To {
			return true
		}
	}
	return false
}

// span returns the time of the first and the last thing that was recorded.
func (r *Report) span() (begin, end time.Duration) {
	for i, ev := range r.record.Events {
		if i == 0 {
			begin, end = ev.At, ev.At
		}
		begin, end = min(begin, ev.At), max(end, ev.At)
	}
	return begin, end
}
