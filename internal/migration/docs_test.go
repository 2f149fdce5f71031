// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package migration

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(path))
	require.NoError(t, err)
	return string(text)
}

// items returns the items of the lists of a Markdown page, each on one line.
func items(page string) []string {
	var all []string
	open := false
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "- "):
			all, open = append(all, line[2:]), true
		case open && strings.HasPrefix(line, "  "):
			all[len(all)-1] += " " + strings.TrimSpace(line)
		default:
			open = false
		}
	}
	return all
}

// TestEachChangeNamesWhatShowsIt reads docs/migrating.md: each item of a list says
// which rows of docs/guarantees.md or which tests show it. (That the tests are there is
// seen by internal/house, of all pages.)
func TestEachChangeNamesWhatShowsIt(t *testing.T) {
	page := read(t, "../../docs/migrating.md")
	guarantees := read(t, "../../docs/guarantees.md")
	row := regexp.MustCompile(`"((?:[^"\\]|\\.)+)"`)
	link := regexp.MustCompile(`\[(Test\w+)\]\(`)
	changes := items(page)
	require.Greater(t, len(changes), 20)
	for _, change := range changes {
		_, shown, found := strings.Cut(change, "Shown by ")
		require.True(t, found, "nothing shows: %s", change)
		var count int
		for _, m := range row.FindAllStringSubmatch(shown, -1) {
			count++
			says := strings.ReplaceAll(m[1], `\"`, `"`)
			require.True(t, strings.Contains(guarantees, "\n| "+says+" | "), "no row of docs/guarantees.md: %s", says)
		}
		count += len(link.FindAllString(shown, -1))
		require.NotZero(t, count, "no row and no test: %s", shown)
	}
}

// TestTheCommandsUndoEachOther runs both on files with imports of several kinds.
func TestTheCommandsUndoEachOther(t *testing.T) {
	dir := t.TempDir()
	m := &module{dir: dir}
	const text = `package p // uses concurrency

import (
	"go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	c "go.etcd.io/etcd/client/v3/concurrency"
	"go.etcd.io/etcd/client/v3/concurrency/other"
)

var s *concurrency.Session
`
	file := filepath.Join(dir, "folder", "p.go")
	require.NoError(t, os.Mkdir(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	require.NoError(t, m.followTheDocs(limit(t), "../..", importPath))
	changed := read(t, file)
	require.Equal(t, 2, strings.Count(changed, "\""+ours+"\"\n"))
	require.NotContains(t, changed, "\""+original+"\"")
	require.Contains(t, changed, "\""+original+"/other\"")
	require.NoError(t, m.followTheDocs(limit(t), "../..", goingBack))
	require.Equal(t, text, read(t, file))
}
