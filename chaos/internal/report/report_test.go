// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency/chaos/internal/check"
	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
	"github.com/seed-da5263fb/concurrency/chaos/internal/history"
	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
)

const (
	fenced   = "this-election-fenced"
	unfenced = "this-election-unfenced"
)

// report makes a report in which one element was lost in a lane, none if the lane
// is empty.
func report(lostIn string) *Report {
	r := &Report{
		Command: "go test", Seed: 7, TTL: 3 * time.Second,
		Plan:   []fault.Storm{{For: time.Second, Faults: []fault.Fault{{Kind: fault.Compact}}}},
		Faults: []fault.Applied{{Fault: fault.Fault{Kind: fault.Compact}, From: 1e9, To: 2e9, Rev: 3}},
	}
	queue := "queue/" + fenced + "/a"
	r.Judge(check.Record{
		Events: []journal.Event{
			{At: 1e9, Kind: journal.Elected, Lane: fenced, Life: 1, Key: queue, Rev: 2},
			{At: 2e9, Kind: journal.Return, Lane: lostIn, Life: 1, What: journal.Add, Result: journal.OK, Value: "e"},
			{At: 3e9, Kind: journal.Over, Lane: fenced, Life: 1, Key: queue, Rev: 2, Note: "resigned"},
		},
		Changes:     []history.Change{{At: 1e9, Rev: 2, CreateRev: 2, Lease: 0xa, Key: queue}},
		Revocations: []history.Revocation{{At: 1e9, Lease: 0xb, Leader: true}, {At: 2e9, Lease: 0xb}, {At: 3e9, Lease: 0xb, Leader: true, Left: 2}},
	})
	return r
}

func TestHeld(t *testing.T) {
	t.Run("WhenAllWasKept", func(t *testing.T) {
		require.True(t, report("").Held())
	})
	t.Run("NotWhenAnElementWasLostInSpiteOfTheFence", func(t *testing.T) {
		r := report(fenced)
		require.False(t, r.Held())
		require.Contains(t, r.Markdown(), "NOT ALL HELD")
		require.Contains(t, r.Markdown(), "this-election-fenced, no acknowledged element is lost: 1 problems")
	})
	t.Run("AlsoWhenAnElementWasLostWithoutAFence", func(t *testing.T) {
		r := report(unfenced)
		require.True(t, r.Held())
		require.Contains(t, r.Markdown(), "Without the fence 1 elements were lost under the same faults: the check bites.")
	})
	t.Run("NotWhenItWasAborted", func(t *testing.T) {
		r := report("")
		r.Aborted = "it was interrupted"
		require.False(t, r.Held())
	})
	t.Run("NotBeforeItWasJudged", func(t *testing.T) {
		require.False(t, new(Report).Held())
	})
	t.Run("NotWhenPartOfTheHistoryIsMissing", func(t *testing.T) {
		r := new(Report)
		r.Judge(check.Record{Gaps: []history.Gap{{Prefix: "queue/", From: 1, To: 9}}})
		require.False(t, r.Held())
	})
	t.Run("NotWhenAKeyIsLeft", func(t *testing.T) {
		r := new(Report)
		r.Judge(check.Record{Left: []string{"queue/" + fenced + "/a"}})
		require.False(t, r.Held())
	})
}

func TestMarkdownCountsWhatMembersRevokedBehindRaftsLeader(t *testing.T) {
	require.Contains(t, report("").Markdown(), "Members revoked 3 leases that they had found expired; at 2 of these they were not raft's leader")
}

func TestFiles(t *testing.T) {
	read := func(r *Report) map[string]string {
		folder := filepath.Join(t.TempDir(), "new")
		require.NoError(t, r.WriteTo(folder))
		entries, err := os.ReadDir(folder)
		require.NoError(t, err)
		files := make(map[string]string)
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(folder, e.Name()))
			require.NoError(t, err)
			files[e.Name()] = string(text)
		}
		return files
	}
	t.Run("JSONCanBeReadAgain", func(t *testing.T) {
		var again Report
		require.NoError(t, json.Unmarshal([]byte(read(report(""))["report.json"]), &again))
		require.EqualValues(t, 7, again.Seed)
		require.NotEmpty(t, again.Verdicts)
	})
	t.Run("TimelineIsXMLWithTermsAndFaults", func(t *testing.T) {
		picture := read(report(""))["timeline.svg"]
		require.Contains(t, picture, "revision 2")
		require.Contains(t, picture, ">compact</text>")
		d := xml.NewDecoder(strings.NewReader(picture))
		for {
			if _, err := d.Token(); err != nil {
				require.True(t, errors.Is(err, io.EOF), err)
				return
			}
		}
	})
	t.Run("JournalIsKeptWhereSomethingWasBroken", func(t *testing.T) {
		require.NotContains(t, read(report("")), "journal.jsonl")
		journal := read(report(fenced))["journal.jsonl"]
		require.Contains(t, journal, `"kind":"elected"`)
		require.Contains(t, journal, `{"revocation":{"at":1000000000,`)
	})
}
