// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-isatty"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/visible"
)

// harmless is what the help of a command says about what it prints of etcd.
const harmless = `Names and values that hold what cannot be seen, as control characters and
terminal escapes do, are shown quoted. In json, bytes that are no UTF-8 are in a
field of their own, whose name ends in _base64.`

// maxColumns is how wide a column may be.
const maxColumns = 60

// isTerminal reports whether w understands escape codes.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) {
		return false
	}
	term := os.Getenv("TERM")
	return term != "" && term != "dumb" || os.Getenv("WT_SESSION") != ""
}

// A style is how to mark text on a terminal; none elsewhere.
type style bool

// styleOf returns the style for what is written to w.
func styleOf(w io.Writer) style { return style(isTerminal(w) && os.Getenv("NO_COLOR") == "") }

func (s style) paint(code, text string) string {
	if !s || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) dim(text string) string    { return s.paint("2", text) }
func (s style) leader(text string) string { return s.paint("1;32", text) }

// A table is rows whose columns are aligned when it is written.
type table struct {
	head  []string
	right []bool // the columns that are aligned to the right
	rows  [][]string
	mark  func(row int) bool // the rows that stand out; nil for none
}

// columns returns a table with the given heads; those that begin with > are of
// columns that are aligned to the right.
func columns(heads ...string) *table {
	t := &table{}
	for _, h := range heads {
		name, right := strings.CutPrefix(h, ">")
		t.head, t.right = append(t.head, name), append(t.right, right)
	}
	return t
}

// row adds a row of cells that may be shown as they are.
func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// write writes the table, without blanks at the ends of its lines.
func (t *table) write(w io.Writer) error {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], visible.Width(cell))
		}
	}
	s := styleOf(w)
	var out bytes.Buffer
	line := func(row []string, paint func(string) string) {
		var b strings.Builder
		for i, cell := range row {
			fill := strings.Repeat(" ", widths[i]-visible.Width(cell))
			if t.right[i] {
				b.WriteString(fill + cell)
			} else {
				b.WriteString(cell + fill)
			}
			b.WriteString("  ")
		}
		out.WriteString(paint(strings.TrimRight(b.String(), " ")) + "\n")
	}
	line(t.head, s.dim)
	for i, row := range t.rows {
		if t.mark != nil && t.mark(i) {
			line(row, s.leader)
		} else {
			line(row, func(text string) string { return text })
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// cell returns what anybody may have written as a table shows it.
func cell(s string) string { return visible.Clip(s, maxColumns) }

// writeJSON writes v as an object on one line.
func writeJSON(w io.Writer, v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s\n", visible.JSON(bytes.TrimSuffix(text.Bytes(), []byte("\n"))))
	return err
}

// candidateJSON is a candidate as the json format has it. A revision is where the
// candidate entered: its place in the order of succession.
type candidateJSON struct {
	Key         string `json:"key"`
	KeyBase64   string `json:"key_base64,omitempty"`
	Value       string `json:"value"`
	ValueBase64 string `json:"value_base64,omitempty"`
	Lease       string `json:"lease"`
	Rev         int64  `json:"revision"`
	ModRev      int64  `json:"value_revision"`
}

func newCandidateJSON(c concurrency.Candidate) candidateJSON {
	return candidateJSON{
		Key: c.Key, KeyBase64: base64IfNeeded(c.Key), Value: c.Value, ValueBase64: base64IfNeeded(c.Value),
		Lease: hexLease(c), Rev: c.Rev, ModRev: c.ModRev,
	}
}

// base64IfNeeded returns s encoded if json cannot hold it as it is.
func base64IfNeeded(s string) string {
	if utf8.ValidString(s) {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(s))
}

func hexLease(c concurrency.Candidate) string { return fmt.Sprintf("%x", int64(c.Lease)) }
