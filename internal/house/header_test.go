// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package house

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// headed are the kinds of files that begin with the licence: those that have comments.
var headed = []string{".go", ".sh", ".yml", ".yaml", ".css", ".js", ".html", "Makefile", ".ci/run"}

// header is what the first lines of such a file say, in whatever is a comment there. A line of its own may come first,
// as #!/bin/sh has to.
var header = []string{"SPDX-License-Identifier: Apache-2.0", "Copyright 2026 The concurrency Authors"}

// checkHeader returns what is wrong with the beginning of a file.
func checkHeader(name, text string) []string {
	lines := strings.SplitN(text, "\n", 4)
	for i, want := range header {
		if !slices.ContainsFunc(lines[:min(len(lines), i+2)], func(line string) bool { return strings.Contains(line, want) }) {
			return []string{fmt.Sprintf("%s:1: begins without %q in a comment", name, want)}
		}
	}
	return nil
}

func hasHeader(name string) bool {
	return slices.ContainsFunc(headed, func(end string) bool { return strings.HasSuffix(name, end) })
}

func TestEveryFileBeginsWithItsLicence(t *testing.T) {
	r := openRepository(t)
	var problems []string
	checked := make(map[string]int)
	for _, name := range r.paths {
		if hasHeader(name) {
			checked[path.Ext(name)]++
			problems = append(problems, checkHeader(name, r.read(t, name))...)
		}
	}
	require.Greater(t, checked[".go"], 100)
	require.Positive(t, checked[".html"])
	requireNone(t, problems)
}

func TestCheckHeader(t *testing.T) {
	good := "// SPDX-License-Identifier: Apache-2.0\n// Copyright 2026 The concurrency Authors\n\npackage p\n"
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"GoFile":                   {good, 0},
		"ScriptWithItsFirstLine":   {"#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n# Copyright 2026 The concurrency Authors\n", 0},
		"NoHeader":                 {"package p\n", 1},
		"Empty":                    {"", 1},
		"AnotherLicence":           {strings.Replace(good, "Apache-2.0", "MIT", 1), 1},
		"NoCopyright":              {strings.Replace(good, "Copyright 2026", "By", 1), 1},
		"HeaderFarDown":            {"package p\n\n\n\n" + good, 1},
		"CopyrightBeforeIdentifer": {"// x\n// Copyright 2026 The concurrency Authors\n// SPDX-License-Identifier: Apache-2.0\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			require.Len(t, checkHeader("file", c.text), c.want)
		})
	}
}
