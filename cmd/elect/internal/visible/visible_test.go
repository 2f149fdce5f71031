// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package visible_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/visible"
)

func TestText(t *testing.T) {
	for s, want := range map[string]string{
		"host-1":              "host-1",
		"Zürich 東京":           "Zürich 東京",
		"":                    `""`,
		" host":               `" host"`,
		"host ":               `"host "`,
		`"host"`:              `"\"host\""`,
		"two\nlines":          `"two\nlines"`,
		"\x1b[2J\x1b]0;x\x07": `"\x1b[2J\x1b]0;x\a"`,
		"\u009b2J":            `"\u009b2J"`,
		"txt.\u202eexe":       `"txt.\u202eexe"`,
		"zero\u200bwidth":     `"zero\u200bwidth"`,
		"\xff\xfe":            `"\xff\xfe"`,
		"<script>":            "<script>",
	} {
		require.Equal(t, want, visible.Text(s))
	}
}

func TestClip(t *testing.T) {
	require.Equal(t, "host-1", visible.Clip("host-1", 6))
	require.Equal(t, "host…", visible.Clip("host-1", 5))
	require.Equal(t, "東…", visible.Clip("東京都", 4), "they take two columns each")
	long := visible.Clip(strings.Repeat("é", 100000), 20)
	require.Equal(t, 20, visible.Width(long))
	require.True(t, strings.HasSuffix(long, "…"))
	require.LessOrEqual(t, len(visible.Clip("a"+strings.Repeat("\u0301", 100000), 20)), 200, "marks that take no column")
}

// FuzzText looks for bytes whose text a terminal would obey, or that cannot be
// told from other bytes' text.
func FuzzText(f *testing.F) {
	f.Add("a", "b")
	f.Add("\x1b[0m", `"\x1b[0m"`)
	f.Add("", `""`)
	f.Fuzz(func(t *testing.T, a, b string) {
		require.False(t, strings.ContainsFunc(visible.Text(a), func(r rune) bool { return !unicode.IsPrint(r) }))
		require.LessOrEqual(t, visible.Width(visible.Clip(a, 12)), 12)
		if a != b {
			require.NotEqual(t, visible.Text(a), visible.Text(b))
		}
	})
}

// FuzzJSON checks that nothing but what can be seen is left, and the meaning stays.
func FuzzJSON(f *testing.F) {
	f.Add("host-1")
	f.Add("\x1b[2J \x7f \u009b \u202e \U000e0001 東京 \"quoted\" \\")
	f.Fuzz(func(t *testing.T, s string) {
		text, err := json.Marshal(s)
		require.NoError(t, err)
		shown := visible.JSON(text)
		require.False(t, strings.ContainsFunc(string(shown), func(r rune) bool { return !unicode.IsPrint(r) }))
		var want, got string
		require.NoError(t, json.Unmarshal(text, &want))
		require.NoError(t, json.Unmarshal(shown, &got))
		require.Equal(t, want, got)
	})
}
