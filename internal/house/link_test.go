// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestLinksLeadSomewhere(t *testing.T) {
	r := openRepository(t)
	pages := r.named(".md")
	require.Greater(t, len(pages), 5)
	links := 0
	var problems []string
	for _, name := range pages {
		p := parsePage(name, r.read(t, name))
		links += len(linksOf(p))
		problems = append(problems, checkLinks(r.fsys, p)...)
	}
	require.Greater(t, links, 50)
	requireNone(t, problems)
}

// A link is one link of a page, to another one or to within it.
type link struct {
	line   int
	target string
}

var (
	inlineLink    = regexp.MustCompile(`\]\(<?([^()\s>]*(?:\([^()]*\)[^()\s>]*)?)>?(?:\s+"[^"]*")?\)`)
	referenceLink = regexp.MustCompile(`(?m)^ {0,3}\[[^\]]+\]:\s+<?([^\s>]+)`)
	autoLink      = regexp.MustCompile(`<(https?://[^>\s]*)>`)
	lineAnchor    = regexp.MustCompile(`^L(\d+)(?:-L(\d+))?$`)
	nameLink      = regexp.MustCompile("\\[(?:((?:Test|Example|Fuzz|Benchmark)\\w*)|`((?:\\w+\\.)?\\w+)`)\\]\\(([^)\\s#]+\\.go)\\)(?:\\s+`/(\\w+)`)?")
)

func linksOf(p page) []link {
	var links []link
	for _, re := range []*regexp.Regexp{inlineLink, referenceLink, autoLink} {
		for _, m := range re.FindAllStringSubmatchIndex(p.prose, -1) {
			links = append(links, link{1 + strings.Count(p.prose[:m[0]], "\n"), p.prose[m[2]:m[3]]})
		}
	}
	return links
}

// checkLinks returns which links of a page lead nowhere. Of those that leave the repository it judges only the form.
func checkLinks(fsys fs.FS, p page) []string {
	var problems []string
	for _, l := range linksOf(p) {
		if why := checkLink(fsys, p, l.target); why != "" {
			problems = append(problems, fmt.Sprintf("%s:%d: the link to %q: %s", p.name, l.line, l.target, why))
		}
	}
	return append(problems, checkNames(fsys, p)...)
}

// checkLink returns what is wrong with a link, "" if nothing is.
func checkLink(fsys fs.FS, p page, target string) string {
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return "is no URL"
	case u.Scheme == "https":
		if !strings.Contains(u.Host, ".") {
			return "has no host"
		}
		return ""
	case u.Scheme != "" || u.Host != "":
		return "use https"
	case strings.HasPrefix(u.Path, "/"):
		return "make it relative to the page"
	case u.Path == "" && u.Fragment == "":
		return "is empty"
	}
	name := p.name
	if u.Path != "" {
		name = path.Join(path.Dir(p.name), u.Path)
	}
	if !fs.ValidPath(name) {
		return "leaves the repository"
	}
	info, err := fs.Stat(fsys, name)
	switch {
	case err != nil:
		return "there is no " + name
	case u.Fragment == "":
		return ""
	case info.IsDir():
		return "a folder has no anchors"
	}
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err.Error()
	}
	if path.Ext(name) == ".md" {
		if !parsePage(name, string(text)).anchors[u.Fragment] {
			return fmt.Sprintf("%s has no heading for #%s", name, u.Fragment)
		}
		return ""
	}
	m := lineAnchor.FindStringSubmatch(u.Fragment)
	if m == nil {
		return "only pages have anchors; lines are #L1"
	}
	lines := strings.Count(string(text), "\n")
	for _, number := range m[1:] {
		if n, _ := strconv.Atoi(number); n > lines {
			return fmt.Sprintf("%s has %d lines", name, lines)
		}
	}
	return ""
}

// checkNames returns which links that name a test, as [TestX](x_test.go) or with a subtest behind it, or something else
// in code style, as [`T.Method`](t.go), lead to a Go file that does not declare it.
func checkNames(fsys fs.FS, p page) []string {
	var problems []string
	for _, m := range nameLink.FindAllStringSubmatch(p.text, -1) {
		name := path.Join(path.Dir(p.name), m[3])
		code, err := fs.ReadFile(fsys, name)
		if err != nil {
			continue // told by checkLink
		}
		what := m[1] + m[2]
		declared, err := declarations(string(code))
		switch {
		case err != nil:
			problems = append(problems, fmt.Sprintf("%s: %v", p.name, err))
		case !declared[what]:
			problems = append(problems, fmt.Sprintf("%s: %s does not declare %s", p.name, name, what))
		case m[4] != "" && !strings.Contains(string(code), `"`+m[4]+`"`):
			problems = append(problems, fmt.Sprintf("%s: %s has no subtest %s of %s", p.name, name, m[4], what))
		}
	}
	return problems
}

// declarations returns the names that a Go file declares, those of methods with their type's before them.
func declarations(code string) (map[string]bool, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", code, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	names := make(map[string]bool)
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil {
				name = receiver(d.Recv.List[0].Type) + "." + name
			}
			names[name] = true
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					names[s.Name.Name] = true
				case *ast.ValueSpec:
					for _, name := range s.Names {
						names[name.Name] = true
					}
				}
			}
		}
	}
	return names, nil
}

func TestCheckLinks(t *testing.T) {
	fsys := fstest.MapFS{
		"README.md":      {Data: []byte("# Title\n\n## Try it\n")},
		"docs/a.md":      {Data: []byte("# A\n")},
		"code.go":        {Data: []byte("package p\n\nvar X = 1\n\nfunc (t *T[K]) Do() {}\n")},
		"code_test.go":   {Data: []byte("package p\n\nfunc TestX(t *testing.T) {\n\tt.Run(\"Sub\", nil)\n}\n")},
		"folder/file.go": {Data: []byte("package q\n")},
	}
	for text, want := range map[string]string{
		"[a](../README.md)":                       "",
		"[a](../README.md#try-it)":                "",
		"[a](#here)":                              "",
		"[a](../folder)":                          "",
		"[a](../code.go#L3)":                      "",
		"[a](https://example.com/x_(y)?z#f)":      "",
		"`[a](gone.md)`":                          "",
		"[TestX](../code_test.go) `/Sub`":         "",
		"[`T.Do`](../code.go), [`X`](../code.go)": "",
		"[`T.Gone`](../code.go)":                  "code.go does not declare T.Gone",
		"[`Do`](../code.go)":                      "code.go does not declare Do",
		"[a](gone.md)":                            `docs/a.md:3: the link to "gone.md": there is no docs/gone.md`,
		"[a](../readme.md)":                       "there is no readme.md",
		"[a](../README.md#gone)":                  "README.md has no heading for #gone",
		"[a](#gone)":                              "docs/a.md has no heading for #gone",
		"[a](../../out.md)":                       "leaves the repository",
		"[a](/README.md)":                         "make it relative to the page",
		"[a](../code.go#L9)":                      "code.go has 5 lines",
		"[a](../code.go#X)":                       "only pages have anchors",
		"[a](../folder#x)":                        "a folder has no anchors",
		"[a](http://example.com)":                 "use https",
		"[a](https://nowhere)":                    "has no host",
		"[a]()":                                   "is empty",
		"[a]: gone.md":                            "there is no docs/gone.md",
		"![picture](gone.svg)":                    "there is no docs/gone.svg",
		"[![badge](gone.svg)](../README.md)":      "there is no docs/gone.svg",
		"[TestGone](../code_test.go)":             "code_test.go does not declare TestGone",
		"[TestX](../code_test.go) `/Gone`":        "code_test.go has no subtest Gone of TestX",
		"[a](../README.md) and `x` [b](../no)":    "there is no no",
	} {
		t.Run(text, func(t *testing.T) {
			page := "# Here\n\n" + text + "\n"
			fsys["docs/a.md"].Data = []byte(page)
			problems := checkLinks(fsys, parsePage("docs/a.md", page))
			if want == "" {
				require.Empty(t, problems)
			} else {
				require.Len(t, problems, 1)
				require.Contains(t, problems[0], want)
			}
		})
	}
}
