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

// TestTheMapIsComplete sees that CONTRIBUTING.md says where to find what: it names each package, or a folder above it,
// and each file of the root package.
func TestTheMapIsComplete(t *testing.T) {
	r := openRepository(t)
	p := parsePage("CONTRIBUTING.md", r.read(t, "CONTRIBUTING.md"))
	requireNone(t, checkMap(p, r.named(".go")))
}

// checkMap returns which of the Go files the page does not name, by file in the root and by folder elsewhere.
func checkMap(p page, files []string) []string {
	named := make(map[string]bool)
	for _, s := range p.spans {
		named[strings.TrimSuffix(s.text, "/")] = true
	}
	var problems []string
	for _, file := range files {
		dir := path.Dir(file)
		if dir == "." {
			if !strings.HasSuffix(file, "_test.go") && !named[file] {
				problems = append(problems, fmt.Sprintf("%s: the map does not name %s", p.name, file))
			}
			continue
		}
		for ; dir != "." && !named[dir]; dir = path.Dir(dir) {
		}
		if dir == "." {
			problems = append(problems, fmt.Sprintf("%s: the map does not name %s/", p.name, path.Dir(file)))
		}
	}
	slices.Sort(problems)
	return slices.Compact(problems)
}

func TestCheckMap(t *testing.T) {
	p := parsePage("MAP.md", "`a.go`: one. `kit/`: another.\n")
	require.Empty(t, checkMap(p, []string{"a.go", "a_test.go", "kit/kit.go", "kit/below/below.go"}))
	require.Equal(t, []string{"MAP.md: the map does not name b.go"}, checkMap(p, []string{"a.go", "b.go"}))
	require.Equal(t, []string{"MAP.md: the map does not name gone/"}, checkMap(p, []string{"gone/a.go", "gone/b.go"}))
}
