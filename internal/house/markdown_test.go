// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package house

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// A page is what these tests want to know of a Markdown document.
type page struct {
	name   string
	text   string // without blocks and comments
	prose  string // the text with code spans blanked
	blocks []block
	spans  []span // of code in the prose
	// anchors are what links can point to: those that GitHub makes of headings, and those written as HTML.
	anchors map[string]bool
}

// A block is a block of code.
type block struct {
	line int    // of its first line
	lang string // as the fence says; empty if indented
	text string
}

// A span is code within a line.
type span struct {
	line int
	text string
}

var (
	fenceLine  = regexp.MustCompile("^([ \t]*)(`{3,}|~{3,})[ \t]*([A-Za-z0-9]*)")
	heading    = regexp.MustCompile(`^ {0,3}#{1,6}[ \t]+(.*?)[ \t#]*$`)
	listItem   = regexp.MustCompile(`^[ \t]*([-*+]|\d+[.)])[ \t]`)
	htmlAnchor = regexp.MustCompile(`<[a-z]+[^>]* (?:id|name)="([^"]+)"`)
	linkText   = regexp.MustCompile(`!?\[([^\]]*)\](\([^)]*\)|\[[^\]]*\])`)
	comment    = regexp.MustCompile(`(?s)<!--.*?-->`)
)

// parsePage reads as much Markdown as this repository's pages use: fenced and indented code, code spans, headings with
// #, lists, links.
func parsePage(name, text string) page {
	p := page{name: name, anchors: make(map[string]bool)}
	text = comment.ReplaceAllStringFunc(text, blank)
	lines := strings.Split(text, "\n")
	slugs := make(map[string]int)
	rest := make([]string, len(lines)) // what is in no block, at its place
	inList, blankBefore := false, true
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if m := fenceLine.FindStringSubmatch(line); m != nil {
			b := block{line: i + 2, lang: strings.ToLower(m[3])}
			for i++; i < len(lines) && !strings.HasPrefix(strings.TrimLeft(lines[i], " \t"), m[2]); i++ {
				b.text += strings.TrimPrefix(lines[i], m[1]) + "\n"
			}
			p.blocks = append(p.blocks, b)
			blankBefore = false
			continue
		}
		if strings.HasPrefix(line, "    ") && blankBefore && !inList {
			b := block{line: i + 1}
			for ; i < len(lines) && (strings.HasPrefix(lines[i], "    ") || strings.TrimSpace(lines[i]) == ""); i++ {
				b.text += strings.TrimPrefix(lines[i], "    ") + "\n"
			}
			i--
			p.blocks = append(p.blocks, b)
			blankBefore = true
			continue
		}
		if blankBefore && line != "" && !unicode.IsSpace(rune(line[0])) {
			inList = false
		}
		inList = inList || listItem.MatchString(line)
		blankBefore = strings.TrimSpace(line) == ""
		rest[i] = line
		if m := heading.FindStringSubmatch(line); m != nil {
			slug := slugOf(m[1])
			if n := slugs[slug]; n > 0 {
				p.anchors[fmt.Sprintf("%s-%d", slug, n)] = true
			} else {
				p.anchors[slug] = true
			}
			slugs[slug]++
		}
		for _, m := range htmlAnchor.FindAllStringSubmatch(line, -1) {
			p.anchors[m[1]] = true
		}
	}
	p.text = strings.Join(rest, "\n")
	p.blankSpans(p.text)
	return p
}

// blankSpans finds the spans of code, which end where as many backquotes are as they begin with, or with the paragraph
// at the latest.
func (p *page) blankSpans(text string) {
	var out strings.Builder
	line := 1
	emit := func(s string) {
		out.WriteString(s)
		line += strings.Count(s, "\n")
	}
	for {
		begin := strings.IndexByte(text, '`')
		if begin < 0 {
			emit(text)
			p.prose = out.String()
			return
		}
		emit(text[:begin])
		text = text[begin:]
		ticks := text[:len(text)-len(strings.TrimLeft(text, "`"))]
		rest := text[len(ticks):]
		end := strings.Index(rest, ticks)
		if end < 0 || strings.Contains(rest[:end], "\n\n") {
			emit(ticks)
			text = rest
			continue
		}
		p.spans = append(p.spans, span{line, strings.Join(strings.Fields(rest[:end]), " ")})
		emit(ticks + blank(rest[:end]) + ticks)
		text = rest[end+len(ticks):]
	}
}

// blank replaces all but line ends by spaces.
func blank(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		return ' '
	}, s)
}

// slugOf returns the anchor that GitHub makes of a heading: in lower case, without punctuation, with hyphens for spaces.
func slugOf(heading string) string {
	heading = linkText.ReplaceAllString(heading, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.In(r, unicode.Letter, unicode.Mark, unicode.Number):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

func TestParsePage(t *testing.T) {
	p := parsePage("a.md", strings.Join([]string{
		"# The `Title`, done",
		"",
		"See `make x` and [this](b.md), not `[that](c.md)`; a span may go `over",
		"a line`.",
		"",
		"```sh",
		"# Not a heading",
		"make y",
		"```",
		"",
		"    go test .",
		"",
		"- an item",
		"",
		"    which goes on [here](d.md)",
		"",
		"## Twice",
		"## Twice",
		`<a id="mark"></a> <!-- [gone](e.md) -->`,
	}, "\n"))
	require.Equal(t, []block{{7, "sh", "# Not a heading\nmake y\n"}, {11, "", "go test .\n\n"}}, p.blocks)
	require.Equal(t, []span{{1, "Title"}, {3, "make x"}, {3, "[that](c.md)"}, {3, "over a line"}}, p.spans)
	require.Equal(t, map[string]bool{"the-title-done": true, "twice": true, "twice-1": true, "mark": true}, p.anchors)
	require.Contains(t, p.prose, "[this](b.md)")
	require.Contains(t, p.prose, "[here](d.md)")
	require.NotContains(t, p.prose, "that")
	require.NotContains(t, p.prose, "gone")
	require.NotContains(t, p.prose, "make y")
}

func TestSlugOf(t *testing.T) {
	for heading, want := range map[string]string{
		"Try it":                   "try-it",
		"1. One leader, always":    "1-one-leader-always",
		"What `Done` says":         "what-done-says",
		"leader.Run and client-go": "leaderrun-and-client-go",
		"A [link](x.md) in it":     "a-link-in-it",
		"snake_case & more":        "snake_case--more",
		"Größe":                    "größe",
	} {
		require.Equal(t, want, slugOf(heading))
	}
}
