// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package check

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency/chaos/internal/history"
	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
	"github.com/seed-da5263fb/concurrency/chaos/internal/lane"
)

// registerHistory makes a record out of operations. Writes that were applied are in etcd's
// history half way between their call and their return.
type registerHistory struct {
	Record
	ops int64
}

func (h *registerHistory) operation(what string, term int64, value, result string, from, to time.Duration) *registerHistory {
	h.ops++
	call := journal.Event{Lane: name, Kind: journal.Call, Op: h.ops, What: what, Rev: term, At: from}
	ret := call
	ret.Kind, ret.At, ret.Result, ret.Value = journal.Return, to, result, value
	if what == journal.Write {
		call.Value = value
	}
	h.Events = append(h.Events, call, ret)
	if what == journal.Write && result == journal.OK {
		h.applied(value, (from+to)/2)
	}
	return h
}

func (h *registerHistory) applied(value string, at time.Duration) *registerHistory {
	h.Changes = append(h.Changes, history.Change{Key: lane.RegisterPrefix + name, Value: value, At: at})
	return h
}

func (h *registerHistory) write(term int64, value, result string, from, to time.Duration) *registerHistory {
	return h.operation(journal.Write, term, value, result, from, to)
}

func (h *registerHistory) read(term int64, value string, from, to time.Duration) *registerHistory {
	return h.operation(journal.Read, term, value, journal.OK, from, to)
}

func TestRegister(t *testing.T) {
	new := func() *registerHistory { return &registerHistory{} }
	for _, c := range []struct {
		name string
		h    *registerHistory
		ok   bool
	}{
		{"AcceptsReadsOfWhatWasWritten", new().write(1, "a", journal.OK, 10, 20).read(1, "a", 30, 40).write(2, "b", journal.OK, 50, 60).read(2, "b", 70, 80), true},
		{"AcceptsEitherOrderOfWhatWasAtOneTime", new().write(1, "a", journal.OK, 10, 50).read(1, "", 20, 30).read(1, "a", 60, 70), true},
		{"SeesAReadOfAnOldValue", new().write(1, "a", journal.OK, 10, 20).write(1, "b", journal.OK, 30, 40).read(1, "a", 50, 60), false},
		{"SeesAWriteOfATermThatIsOver", new().write(1, "a", journal.OK, 10, 20).write(2, "b", journal.OK, 30, 40).write(1, "c", journal.OK, 50, 60), false},
		{"SeesAReadOfATermThatIsOver", new().write(2, "b", journal.OK, 30, 40).read(1, "b", 50, 60), false},
		{"SeesAWriteThatWasAcknowledgedAndLost", new().write(1, "a", journal.OK, 10, 20).read(1, "", 30, 40), false},
		{"DropsAWriteWithoutAnswerThatEtcdNeverHad", new().write(1, "a", journal.Unknown, 10, 20).read(1, "", 30, 40), true},
		{"SeesThatAWriteWithoutAnswerWasAppliedByEtcdsHistory", new().write(1, "a", journal.Unknown, 10, 20).applied("a", 25).read(1, "", 30, 40), false},
		{"SeesARefusedWriteThatWasApplied", new().write(1, "a", journal.Refused, 10, 20).applied("a", 25), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			report := c.h.Register(name)
			require.Equal(t, c.ok, len(report.Problems) == 0, report.Problems)
		})
	}

	t.Run("SeesAnAcknowledgedWriteThatIsNotInTheHistory", func(t *testing.T) {
		h := new().write(1, "a", journal.OK, 10, 20)
		h.Changes = nil
		require.NotEmpty(t, h.Register(name).Problems)
	})
	t.Run("SaysWhatCannotBeCompared", func(t *testing.T) {
		h := new()
		h.Gaps = []history.Gap{{Prefix: lane.RegisterPrefix, From: 1, To: 9}}
		require.NotEmpty(t, h.Register(name).Problems)
	})
	t.Run("DrawsTheSearch", func(t *testing.T) {
		picture := filepath.Join(t.TempDir(), "register.html")
		report := new().write(1, "a", journal.OK, 10, 20).read(1, "", 30, 40).Register(name)
		require.NoError(t, report.Draw(picture))
		html, err := os.ReadFile(picture)
		require.NoError(t, err)
		require.Contains(t, string(html), "term 1 writes a")
	})
}
