// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package explore

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var mutants = flag.Bool("mutants", false, "break the package in known ways, and see that the exploration finds out")

// enough is within how many seeds a mutant has to be caught.
const enough = 1200

// A mutant is the package with one fault: in file, old is replaced by new.
type mutant struct {
	name  string
	edits []edit
}

type edit struct{ file, old, new string }

var known = []mutant{
	{"TheDeadlineCountsFromWhenTheAnswerCame", []edit{{"renew.go", `if e := a.sent.Add(k.ttl);`, `if e := time.Now().Add(k.ttl);`}}},
	{"TheOwnKeyIsNotChecked", []edit{
		{"key.go", `		if !stands(resp, c.rev) {
			return nil, nil, c.over()`, `		if false {
			return nil, nil, c.over()`},
		{"key.go", `	if !stands(resp, c.rev) {
		return false, false, c.over()`, `	if false {
		return false, false, c.over()`},
	}},
	{"NothingIsWithdrawnAfterAnUnclearAnswer", []edit{
		{"seat.go", `st.unclear = st.unclear || unclear`, `st.unclear = false`},
		{"sweep.go", `		st.unclear, st.sweeping = true, true
		go st.sweep()`, `		_ = st.sweep`},
	}},
	{"ResignDeletesByNameOnly", []edit{{"sweep.go", `return c.Txn(ctx).If(v3.Compare(v3.CreateRevision(key), "=", rev)).Then`, `return c.Txn(ctx).Then`}}},
	{"TheObserverWatchesFromOneRevisionTooLate", []edit{{"observe.go", `v3.WithRev(o.rev)`, `v3.WithRev(o.rev+2)`}}},
	{"ABrokenWatchIsNotFollowedByARead", []edit{
		{"wait.go", `recheck := time.NewTimer(s.recheck())`, `recheck := time.NewTimer(time.Hour)`},
		{"wait.go", `			w.failures, verified = 0, true
			recheck.Reset(s.recheck())`, `			w.failures, verified = 0, false
			recheck.Reset(time.Hour)`},
		{"wait.go", `		case resp, ok := <-front.events():
			if watchErr(resp, ok) != nil {
				return w.failed(ctx)
			}`, `		case resp, ok := <-front.events():
			if watchErr(resp, ok) != nil {
				front = nil
				continue
			}`},
	}},
	{"TheDeadlineIsTwiceTheTTL", []edit{{"renew.go", `if e := a.sent.Add(k.ttl);`, `if e := a.sent.Add(2 * k.ttl);`}}},
	{"TheObserverSkipsDeletions", []edit{{"observe.go", `		} else {
			delete(o.table, string(ev.Kv.Key))`, `		} else if ev.Type == mvccpb.Event_PUT {
			delete(o.table, string(ev.Kv.Key))`}}},
	{"TheObserverGoesOnFromNowAfterACompaction", []edit{{"observe.go", `o.rev, o.from = 0, resp.CompactRevision`, `o.rev, o.from = 0, 0`}}},
	{"TheFenceIsOnTheWrongRevision", []edit{{"term.go", `return v3.Compare(v3.CreateRevision(t.candidacy.key), "=", t.candidacy.rev)`, `return v3.Compare(v3.ModRevision(t.candidacy.key), ">", t.candidacy.rev-1)`}}},
	{"CleaningUpDeletesTheKeyOfASibling", []edit{{"seat.go", `return st.contenders > 0 || st.current != nil && st.current.users > 0`, `return st.contenders > 0 || st.current != nil && st.current.users > 1`}}},
}

func TestTheTextThatAMutantChangesIsThere(t *testing.T) {
	for _, m := range known {
		t.Run(m.name, func(t *testing.T) { m.overlay(t, t.TempDir()) })
	}
}

// TestMutantsAreCaught builds each mutant with its files laid over the package's,
// so that nothing of it is in the package, and explores it.
func TestMutantsAreCaught(t *testing.T) {
	if !*mutants {
		t.Skip("takes minutes; run with -mutants, or make mutants")
	}
	for _, m := range known {
		t.Run(m.name, func(t *testing.T) {
			explorer := m.build(t)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			begin := time.Now()
			out, err := exec.CommandContext(ctx, explorer, "-test.run=TestNoScheduleBreaksAGuarantee", "-test.timeout=290s",
				"-seeds="+strconv.Itoa(enough)).CombinedOutput()
			var exit *exec.ExitError
			require.True(t, errors.As(err, &exit), "not caught within %d seeds: %v", enough, err)
			found := regexp.MustCompile(`seed (\d+):\n\s+(.*)`).FindSubmatch(out)
			require.NotNil(t, found, "it failed for another reason:\n%s", out)
			t.Logf("caught by seed %s in %v: %s", found[1], time.Since(begin).Round(time.Second/10), found[2])
		})
	}
}

// overlay writes the mutant's files to dir, and returns which ones they replace.
func (m mutant) overlay(t *testing.T, dir string) map[string]string {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	overlay := make(map[string]string)
	for _, e := range m.edits {
		path := filepath.Join(root, e.file)
		from := path
		if mutated, ok := overlay[path]; ok {
			from = mutated
		}
		text, err := os.ReadFile(from)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(text), e.old), "the place to break in %s is there once:\n%s", e.file, e.old)
		overlay[path] = filepath.Join(dir, e.file)
		require.NoError(t, os.WriteFile(overlay[path], []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o600))
	}
	return overlay
}

// build returns the path of the exploration built with the mutant.
func (m mutant) build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	config, err := json.Marshal(map[string]any{"Replace": m.overlay(t, dir)})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), config, 0o600))
	explorer := filepath.Join(dir, "explorer")
	out, err := exec.Command("go", "test", "-c", "-overlay", filepath.Join(dir, "overlay.json"), "-o", explorer, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return explorer
}
