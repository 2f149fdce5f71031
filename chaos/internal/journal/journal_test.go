// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package journal

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func follow(t *testing.T, text string) []Event {
	t.Helper()
	var events []Event
	require.NoError(t, Follow(strings.NewReader(text), func(ev Event) { events = append(events, ev) }))
	return events
}

func TestJournal(t *testing.T) {
	t.Run("BringsWhatWasWritten", func(t *testing.T) {
		var out bytes.Buffer
		w := NewWriter(&out, 2, 3)
		ev := Event{At: 7 * time.Second, Kind: Saw, Lane: "lane", Key: "k", Rev: 4, ModRev: 5, Value: "v"}
		w.Write(ev)
		ev.Worker, ev.Life = 2, 3
		require.Equal(t, []Event{ev}, follow(t, out.String()))
	})
	t.Run("StampsWithTheMachinesClock", func(t *testing.T) {
		var out bytes.Buffer
		w := NewWriter(&out, 0, 1)
		w.Write(Event{Kind: Stopped})
		w.Write(Event{Kind: Stopped})
		events := follow(t, out.String())
		require.Positive(t, events[0].At)
		require.GreaterOrEqual(t, events[1].At, events[0].At)
	})
	t.Run("LeavesOutALineThatWasCutOff", func(t *testing.T) {
		require.Len(t, follow(t, `{"at":1,"kind":"stopped"}`+"\n"+`{"at":2,"ki`), 1)
	})
	t.Run("KeepsLinesShortEnoughToPassWhole", func(t *testing.T) {
		var out bytes.Buffer
		NewWriter(&out, 0, 1).Write(Event{Kind: Idle, Note: strings.Repeat("x", 1<<20)})
		require.Less(t, out.Len(), 4096)
	})
	t.Run("SaysWhichLineIsNoEvent", func(t *testing.T) {
		err := Follow(strings.NewReader("panic: no\n"), func(Event) {})
		require.ErrorContains(t, err, "panic: no")
	})
}
