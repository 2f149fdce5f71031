// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package house

import (
	"fmt"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An arrow says what of this repository a package may import: code in its program, and tests besides that and besides
// the package itself. A name that ends in /... stands for all packages below.
type arrow struct{ from, code, tests string }

// arrows has a row for every package, so that a new one has to say where it stands. The root package is the bottom:
// users import it, and it imports nothing of ours. etcdtest stands beside it: it is an etcd, and knows no elections but
// those of its example.
var arrows = []arrow{
	{from: ".", tests: "etcdtest"},
	{from: "etcdtest", tests: "."},
	{from: "leader", code: ".", tests: "etcdtest"},
	{from: "leader/leaderprom", code: "leader", tests: ". etcdtest"},
	{from: "leader/compare", code: ". leader", tests: "etcdtest"},

	{from: "cmd/elect", code: ". leader leader/leaderprom cmd/elect/internal/...", tests: ""},
	{from: "cmd/elect/internal/child"},
	{from: "cmd/elect/internal/visible"},
	{from: "cmd/elect/internal/demo", code: "."},
	{from: "cmd/elect/internal/survey", code: "."},
	{from: "cmd/elect/internal/page", code: ". cmd/elect/internal/survey cmd/elect/internal/visible"},
	{from: "cmd/elect/e2e", tests: "."},

	{from: "internal/tool"},
	{from: "internal/house", tests: "leader leader/leaderprom"},
	{from: "internal/compat", code: "internal/tool"},
	{from: "internal/servers", code: "internal/tool"},
	{from: "internal/migration", tests: ". internal/tool"},
	{from: "internal/explore", code: ". etcdtest"},

	{from: "bench", code: "."},
	{from: "chaos/cmd/chaos", code: "chaos/internal/..."},
	{from: "chaos/internal/...", code: ". chaos/internal/..."},
}

func TestImportsPointOneWay(t *testing.T) {
	r := openRepository(t)
	imports := make(map[string][]imported)
	for _, name := range r.named(".go") {
		if slices.Contains(strings.Split(name, "/"), "testdata") {
			continue
		}
		own, err := ownImports(name, r.read(t, name))
		require.NoError(t, err)
		imports[path.Dir(name)] = append(imports[path.Dir(name)], own...)
	}
	require.Greater(t, len(imports), 20)
	requireNone(t, checkArrows(arrows, imports))
}

// An imported is one import of a package of this repository by a file.
type imported struct {
	file string
	what string // the folder of the package
}

// ownImports returns which packages of this repository a file imports.
func ownImports(name, text string) ([]imported, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var own []imported
	for _, spec := range file.Imports {
		what, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		if what == ownPath {
			own = append(own, imported{name, "."})
		} else if dir, ok := strings.CutPrefix(what, ownPath+"/"); ok {
			own = append(own, imported{name, dir})
		}
	}
	return own, nil
}

// checkArrows returns which imports, by folder of the importing package, the table does not allow, and where it names
// what is not there.
func checkArrows(table []arrow, imports map[string][]imported) []string {
	var problems []string
	for dir, own := range imports {
		i := slices.IndexFunc(table, func(a arrow) bool { return covers(a.from, dir) })
		if i < 0 {
			problems = append(problems, fmt.Sprintf("%s: has no row in arrows: say there what it may import", dir))
			continue
		}
		for _, imp := range own {
			may := strings.Fields(table[i].code)
			if strings.HasSuffix(imp.file, "_test.go") {
				may = append(may, strings.Fields(table[i].tests)...)
				may = append(may, dir)
			}
			if !slices.ContainsFunc(may, func(what string) bool { return covers(what, imp.what) }) {
				problems = append(problems, fmt.Sprintf("%s: must not import %s", imp.file, imp.what))
			}
		}
	}
	for _, a := range table {
		there := false
		for dir := range imports {
			there = there || covers(a.from, dir)
		}
		if !there {
			problems = append(problems, fmt.Sprintf("arrows: %s is no package", a.from))
		}
	}
	slices.Sort(problems)
	return problems
}

// covers reports whether a name of the table stands for the package in dir.
func covers(name, dir string) bool {
	if below, ok := strings.CutSuffix(name, "/..."); ok {
		return strings.HasPrefix(dir, below+"/")
	}
	return name == dir
}

func TestCheckArrows(t *testing.T) {
	table := []arrow{{from: "."}, {from: "kit"}, {from: "top/...", code: ".", tests: "kit"}}
	base := map[string][]imported{".": nil, "kit": nil, "top/a": nil}
	require.Empty(t, checkArrows(table, base))
	for name, c := range map[string]struct {
		dir, file, what string
		want            []string
	}{
		"DownIsAllowed":              {"top/a", "top/a/a.go", ".", nil},
		"ATestMayUseMore":            {"top/a", "top/a/a_test.go", "kit", nil},
		"ATestMayUseItsOwnPackage":   {"top/a", "top/a/a_test.go", "top/a", nil},
		"UpIsNot":                    {".", "a.go", "top/a", []string{"a.go: must not import top/a"}},
		"CodeMayNotUseWhatTestsMay":  {"top/a", "top/a/a.go", "kit", []string{"top/a/a.go: must not import kit"}},
		"SidewaysIsNot":              {"kit", "kit/kit.go", ".", []string{"kit/kit.go: must not import ."}},
		"ANewPackageHasToSayWhere":   {"new", "new/new.go", ".", []string{"new: has no row in arrows: say there what it may import"}},
		"TheFolderAboveIsNotCovered": {"top", "top/top.go", ".", []string{"top: has no row in arrows: say there what it may import"}},
	} {
		t.Run(name, func(t *testing.T) {
			imports := map[string][]imported{".": nil, "kit": nil, "top/a": nil}
			imports[c.dir] = []imported{{c.file, c.what}}
			require.Equal(t, c.want, checkArrows(table, imports))
		})
	}
	t.Run("ARowOfNoPackage", func(t *testing.T) {
		require.Equal(t, []string{"arrows: gone is no package"}, checkArrows(append(table, arrow{from: "gone"}), base))
	})
	own, err := ownImports("a.go", "package a\n\nimport (\n\t\"fmt\"\n\tx \""+ownPath+"\"\n\t_ \""+ownPath+"/leader\"\n)\n")
	require.NoError(t, err)
	require.Equal(t, []imported{{"a.go", "."}, {"a.go", "leader"}}, own)
}
