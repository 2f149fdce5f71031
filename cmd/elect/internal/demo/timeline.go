// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"fmt"
	"strings"
	"time"
)

// timelineWidth is how many columns a timeline has.
const timelineWidth = 64

const (
	markLeads = '█'
	markDead  = '×'
	markWaits = '·'
	markAway  = ' '
)

// timeline draws who led when, a lane for each candidate, and below them what
// the observer saw. paint gives a name, filled up to a width, its colour.
//
// A column shows what was true in its middle; a reign that covers no column's
// middle gets the one that it began in.
func timeline(h history, paint func(string, int) string) string {
	step := h.end / timelineWidth
	if step <= 0 {
		step = 1
	}
	middle := func(col int) time.Duration { return step*time.Duration(col) + step/2 }
	fill := func(lane []rune, from, to time.Duration, mark rune) (drawn bool) {
		for col := range lane {
			if from <= middle(col) && middle(col) < to {
				lane[col], drawn = mark, true
			}
		}
		return drawn
	}
	column := func(at time.Duration) int { return min(int(at/step), timelineWidth-1) }

	var b strings.Builder
	fmt.Fprintf(&b, "Who led when: %c leads, %c is dead and nobody knows, %c waits; a column is %.2f s\n",
		markLeads, markDead, markWaits, step.Seconds())
	b.WriteString("          " + scale(step) + "\n")
	for _, name := range names {
		lane := []rune(strings.Repeat(string(markAway), timelineWidth))
		for _, s := range h.stays {
			if s.who == name {
				fill(lane, s.from, s.to, markWaits)
			}
		}
		for _, g := range h.reigns {
			if g.who == name && !fill(lane, g.from, g.to, markLeads) {
				lane[column(g.from)] = markLeads
			}
		}
		for _, o := range handovers(h) {
			if o.from.who == name && o.cause == crashed {
				fill(lane, o.from.to-o.lingered, o.from.to, markDead)
			}
		}
		b.WriteString("  " + paint(name, 8) + trimRight(lane) + "\n")
	}
	lane := []rune(strings.Repeat(string(markAway), timelineWidth))
	for i, s := range h.sightings {
		if s.who == "" {
			continue
		}
		until := h.end
		if i+1 < len(h.sightings) {
			until = h.sightings[i+1].at
		}
		if mark := rune(s.who[0]); !fill(lane, s.at, until, mark) {
			lane[column(s.at)] = mark
		}
	}
	b.WriteString("  " + paint("observer", 8) + trimRight(lane) + "\n")

	lane = []rune(strings.Repeat(string(markAway), timelineWidth))
	for i, r := range h.removals {
		lane[column(r.at)] = rune('1' + i)
	}
	b.WriteString("  " + paint("act", 8) + trimRight(lane) + "\n")
	return b.String()
}

// scale returns the line of seconds above the lanes.
func scale(step time.Duration) string {
	every := time.Second
	for every/step < 8 {
		every *= 5
	}
	line := []byte(strings.Repeat(" ", timelineWidth+8))
	for at := time.Duration(0); at < step*timelineWidth; at += every {
		copy(line[at/step:], fmt.Sprintf("%ds", int(at.Seconds())))
	}
	return strings.TrimRight(string(line), " ")
}

func trimRight(lane []rune) string { return strings.TrimRight(string(lane), string(markAway)) }
