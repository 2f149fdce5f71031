// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	ms  = time.Millisecond
	ttl = 3 * time.Second
)

// goodHistory is one in which all is as it should be.
func goodHistory() history {
	h := history{
		reigns: []reign{
			{who: "ada", rev: 2, from: 2 * time.Second, to: 5001 * ms, why: resigned.why()},
			{who: "ben", rev: 3, from: 5004 * ms, to: 8001 * ms, why: deleted.why()},
			{who: "cleo", rev: 4, from: 8002 * ms, to: 13900 * ms, why: crashed.why()},
			{who: "dan", rev: 5, from: 14200 * ms, to: 19900 * ms, why: cutOff.why()},
			{who: "eve", rev: 6, from: 20200 * ms, to: 23000 * ms, why: resigned.why()},
		},
		removals: []removal{
			{resigned, "ada", 5 * time.Second},
			{deleted, "ben", 8 * time.Second},
			{crashed, "cleo", 11 * time.Second},
			{cutOff, "dan", 17 * time.Second},
		},
		sightings: []sighting{{at: 1 * time.Second}},
		end:       24 * time.Second,
	}
	for _, g := range h.reigns {
		h.stays = append(h.stays, stay{who: g.who, from: 1900 * ms, to: g.to, over: true})
		h.sightings = append(h.sightings, sighting{g.who, g.rev, g.from})
		h.deeds = append(h.deeds, deed{g.rev, 10 * g.rev}, deed{g.rev, 10*g.rev + 1})
	}
	h.sightings = append(h.sightings, sighting{at: 23 * time.Second})
	return h
}

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*history)
		want  string // in the error; none if empty
	}{
		"AllIsWell": {func(*history) {}, ""},
		"TwoLedAtOnce": {
			func(h *history) { h.reigns[3].from = h.reigns[2].to - 1*ms },
			"cleo and dan led at once for 1.00ms, from 13.90s",
		},
		"TwoLedAtOnceAfterAResignation": {
			func(h *history) { h.reigns[1].from = h.reigns[0].to - time.Microsecond },
			"ada and ben led at once",
		},
		"OneReignWithinAnother": {
			func(h *history) { h.reigns[1].to, h.removals[1].at = 30*time.Second, 29*time.Second },
			"ben and dan led at once",
		},
		"AnOverlapBesideTheNextReign": {
			func(h *history) { h.reigns[0].to = 8500 * ms },
			"ada and cleo led at once",
		},
		"ADeletionIsHeardOfAMomentLater": {
			func(h *history) { h.reigns[2].from = h.reigns[1].to - 1*ms }, "",
		},
		"ADeletionIsHeardOfTooLate": {
			func(h *history) { h.reigns[1].to = h.reigns[2].from + 501*ms },
			"ben and cleo led at once for 501ms",
		},
		"NobodyLedForTooLong": {
			func(h *history) { h.reigns[1].from = 5502 * ms },
			"handover from ada to ben (resigned): nobody led for 501ms, and the bound is 500ms",
		},
		"ACrashIsCountedFromTheCrash": {
			func(h *history) { h.reigns[3].from = 15501 * ms },
			"handover from cleo to dan (crashed): nobody led for 4.50s, and the bound is 4.5s",
		},
		"TheOldTermLastedTooLong": {
			func(h *history) { h.reigns[3].to = 20501 * ms },
			"handover from dan to eve (cut off): the old term lasted 3.50s longer, and the bound is 3.5s",
		},
		"ALeaderFellByItself": {
			func(h *history) { h.removals = h.removals[1:] },
			"ada stopped leading though nobody had removed it",
		},
		"TheTermEndedForAnotherReason": {
			func(h *history) { h.reigns[1].why = resigned.why() },
			"handover from ben to cleo (key deleted): the term ended with",
		},
		"ACauseIsMissing": {
			func(h *history) { h.reigns = h.reigns[:4] },
			"there was no handover from a leader that was removed: cut off",
		},
		"TheObserverSawAnother": {
			func(h *history) { h.sightings[2].who = "eve" },
			"the observer says [ada@2 eve@3",
		},
		"TheObserverSawOneMore": {
			func(h *history) { h.sightings = append(h.sightings, sighting{"ada", 7, h.end}) },
			"eve@6 ada@7]",
		},
		"TheObserverWentBack": {
			func(h *history) { h.sightings[2].rev = 2 },
			"after one of revision 2",
		},
		"ALateWriteWasTaken": {
			func(h *history) { h.deeds[3].term = 2 },
			"a write of term 2 at revision 31 came after one of term 3 at revision 30",
		},
		"AWriteOfNobody": {
			func(h *history) { h.deeds[9].term = 9 },
			"of term 9, which nobody has won",
		},
		"NoWrites": {func(h *history) { h.deeds = nil }, "no leader has written anything"},
	} {
		t.Run(name, func(t *testing.T) {
			h := goodHistory()
			c.spoil(&h)
			err := judge(h, handovers(h), ttl)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestHandovers(t *testing.T) {
	h := goodHistory()
	h.reigns[0], h.reigns[4] = h.reigns[4], h.reigns[0] // recorded in any order
	var got []string
	for _, o := range handovers(h) {
		got = append(got, fmt.Sprintf("%s>%s %s: over after %v, vacant %v, slack %v", o.from.who, o.to.who, o.cause, o.lingered, o.vacant, o.slack))
	}
	require.Equal(t, []string{
		"ada>ben resigned: over after 1ms, vacant 3ms, slack 3ms",
		"ben>cleo key deleted: over after 1ms, vacant 1ms, slack 1ms",
		"cleo>dan crashed: over after 2.9s, vacant 3.2s, slack 300ms",
		"dan>eve cut off: over after 2.9s, vacant 300ms, slack 300ms",
	}, got)
}

func TestTableMarksWhatFailed(t *testing.T) {
	h := goodHistory()
	h.reigns[3].from = h.reigns[2].to - 1*ms
	rows := table(handovers(h), ttl)
	require.Regexp(t, `(?m)^1 +ada resigned +ben +after 1\.00ms +3\.00ms +500ms +3\.00ms +ok$`, rows)
	require.Regexp(t, `(?m)^3 +cleo crashed +dan +after 2\.90s +2\.90s +4\.50s +-1\.00ms +FAIL$`, rows)
}

func TestSummaryHidesNoOverlap(t *testing.T) {
	h := goodHistory()
	require.Contains(t, summary(h, handovers(h)), "no two led at once; the least slack was 1.00ms (key deleted)")
	h.reigns[2].from = h.reigns[1].to - 1*ms
	text := summary(h, handovers(h))
	require.NotContains(t, text, "no two")
	require.Contains(t, text, "cleo led for 1.00ms before ben had heard")
}
