// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package visible shows bytes that anybody may have written to etcd so that they do
// no harm: no terminal obeys them, and no two of them look the same.
package visible

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// Text returns s as one line for people: as it is, if each of its runes can be
// seen, and else quoted as Go quotes it. So control characters, escape sequences,
// marks that turn the direction of writing, and bytes that are no UTF-8 are
// spelled out. What could be taken for a quoted text, or for nothing, is quoted
// too.
func Text(s string) string {
	if s == "" || s[0] == '"' || s[0] == ' ' || s[len(s)-1] == ' ' || !utf8.ValidString(s) {
		return strconv.Quote(s)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// Clip returns Text of s, cut off where it is wider than the given number of
// columns of a terminal.
func Clip(s string, columns int) string {
	// Each column takes at least a byte; runes that take none are bounded so too.
	if limit := 8 * columns; len(s) > limit {
		cut := limit
		for cut > limit-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
			cut--
		}
		return runewidth.Truncate(Text(s[:cut]), columns-1, "") + "…"
	}
	return runewidth.Truncate(Text(s), columns, "…")
}

// Width returns how many columns of a terminal s takes.
func Width(s string) int { return runewidth.StringWidth(s) }

// JSON returns a JSON text with the runes that cannot be seen escaped, so that it
// can be shown by a terminal. It means the same.
func JSON(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for _, r := range string(text) {
		switch {
		case r < 0x7f || unicode.IsPrint(r):
			out = utf8.AppendRune(out, r)
		// What is not ASCII stands in strings only, where an escape may stand for it.
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
