// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func plain(name string, width int) string { return fmt.Sprintf("%-*s", width, name) }

func TestTimeline(t *testing.T) {
	h := history{
		stays: []stay{
			{who: "ada", from: 2 * time.Second, to: 10 * time.Second},
			{who: "ben", from: 2 * time.Second, to: 32 * time.Second},
			{who: "ada", from: 12 * time.Second, to: 28 * time.Second},
		},
		reigns: []reign{
			{who: "ada", rev: 2, from: 4 * time.Second, to: 10 * time.Second},
			{who: "ben", rev: 3, from: 10*time.Second + 2*ms, to: 31 * time.Second},
		},
		removals:  []removal{{resigned, "ada", 10 * time.Second}},
		sightings: []sighting{{at: 0}, {"ada", 2, 4 * time.Second}, {"ben", 3, 10 * time.Second}, {at: 31 * time.Second}},
		end:       32 * time.Second,
	}
	require.Equal(t, strings.Join([]string{
		"Who led when: █ leads, × is dead and nobody knows, · waits; a column is 0.50 s",
		"          0s        5s        10s       15s       20s       25s       30s",
		"  ada         ····████████████    ································",
		"  ben         ················██████████████████████████████████████████··",
		"  cleo    ",
		"  dan     ",
		"  eve     ",
		"  observer        aaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
		"  act                         1",
		"",
	}, "\n"), timeline(h, plain))
}

func TestTimelineShowsAReignThatIsShorterThanAColumn(t *testing.T) {
	h := history{
		stays:  []stay{{who: "eve", from: 10 * time.Second, to: 20 * time.Second}},
		reigns: []reign{{who: "eve", rev: 2, from: 15400 * ms, to: 15410 * ms}},
		end:    64 * time.Second,
	}
	require.Contains(t, timeline(h, plain), "\n  eve               ·····█····\n")
}

func TestTimelineTellsADeadLeaderFromALivingOne(t *testing.T) {
	h := history{
		reigns: []reign{
			{who: "dan", rev: 2, from: 10 * time.Second, to: 16 * time.Second},
			{who: "eve", rev: 3, from: 17 * time.Second, to: 20 * time.Second},
		},
		removals: []removal{{crashed, "dan", 14 * time.Second}},
		end:      64 * time.Second,
	}
	require.Contains(t, timeline(h, plain), "\n  dan               ████××\n  eve                      ███\n")
}

func TestTimelineOfNothing(t *testing.T) {
	require.NotPanics(t, func() { timeline(history{}, plain) })
}
