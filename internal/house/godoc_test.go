// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryPackageAndEveryExportedNameIsDocumented(t *testing.T) {
	r := openRepository(t)
	packages := make(map[string]map[string]string)
	for _, name := range r.named(".go") {
		if dir := path.Dir(name); !slices.Contains(strings.Split(name, "/"), "testdata") {
			if packages[dir] == nil {
				packages[dir] = make(map[string]string)
			}
			packages[dir][name] = r.read(t, name)
		}
	}
	require.Greater(t, len(packages), 20)
	var problems []string
	for dir, files := range packages {
		found, err := checkDocs(dir, files)
		require.NoError(t, err)
		problems = append(problems, found...)
	}
	slices.Sort(problems)
	requireNone(t, problems)
}

// checkDocs returns what is undocumented in the package whose files have these texts: the package itself, or an exported
// name. A name's doc comment begins with the name, behind an article perhaps, so that go doc and a search find it; one
// comment may stand for all names of a group of constants or variables.
func checkDocs(dir string, files map[string]string) ([]string, error) {
	c := docChecker{fset: token.NewFileSet()}
	documented, code := false, false
	for name, text := range files {
		file, err := parser.ParseFile(c.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(name, "_test.go") {
			// A package of tests alone is documented by one of them.
			documented = documented || file.Doc != nil && !strings.HasSuffix(file.Name.Name, "_test")
			continue
		}
		code = true
		documented = documented || file.Doc != nil
		for _, decl := range file.Decls {
			c.decl(decl)
		}
	}
	if !documented && (code || len(files) > 0) {
		c.problems = append(c.problems, dir+": the package has no doc comment")
	}
	return c.problems, nil
}

type docChecker struct {
	fset     *token.FileSet
	problems []string
}

func (c *docChecker) problem(pos token.Pos, format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf("%s: %s", c.fset.Position(pos), fmt.Sprintf(format, args...)))
}

// named sees that one of the comments is there and begins with the name.
func (c *docChecker) named(name *ast.Ident, doc *ast.CommentGroup) {
	if !name.IsExported() {
		return
	}
	words := strings.Fields(doc.Text())
	if len(words) == 0 {
		c.problem(name.Pos(), "%s has no doc comment", name)
		return
	}
	first := words[0]
	if len(words) > 1 && first != name.Name && slices.Contains([]string{"A", "An", "The"}, first) {
		first = words[1]
	}
	if strings.TrimRight(first, ",.:;") != name.Name && strings.TrimSuffix(first, "'s") != name.Name {
		c.problem(name.Pos(), "the doc comment of %s begins with %q", name, first)
	}
}

func (c *docChecker) decl(decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil || ast.IsExported(receiver(d.Recv.List[0].Type)) {
			c.named(d.Name, d.Doc)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				doc := s.Doc
				if doc == nil && (!d.Lparen.IsValid() || len(d.Specs) == 1) {
					doc = d.Doc
				}
				c.named(s.Name, doc)
			case *ast.ValueSpec:
				switch {
				case s.Doc != nil:
					c.named(s.Names[0], s.Doc)
				case s.Comment == nil && d.Lparen.IsValid() && d.Doc != nil: // one comment for the group
				case s.Comment == nil:
					c.named(s.Names[0], d.Doc)
				}
			}
		}
	}
}

// receiver returns the name of a method's receiver type.
func receiver(typ ast.Expr) string {
	switch t := typ.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.IndexListExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}

func TestCheckDocs(t *testing.T) {
	const doc = "// Package p is for tests.\npackage p\n\n"
	for name, c := range map[string]struct {
		text string
		want string // part of the one problem; none if empty
	}{
		"PackageWithoutDoc":        {"package p\n", "the package has no doc comment"},
		"LicenceIsNoDoc":           {"// Copyright\n\npackage p\n", "the package has no doc comment"},
		"FuncWithDoc":              {doc + "// F does.\nfunc F() {}\n", ""},
		"FuncWithout":              {doc + "func F() {}\n", "p.go:4:6: F has no doc comment"},
		"FuncWithADocOfAnother":    {doc + "// G does.\nfunc F() {}\n", `p.go:5:6: the doc comment of F begins with "G"`},
		"UnexportedFunc":           {doc + "func f() {}\n", ""},
		"TypeWithAnArticle":        {doc + "// An A is.\ntype A int\n", ""},
		"TypeWithout":              {doc + "type A int\n", "A has no doc comment"},
		"TypeInAGroup":             {doc + "// These are.\ntype (\n\tA int\n\tB int\n)\n", "has no doc comment"},
		"MethodWithout":            {doc + "// A is.\ntype A int\n\nfunc (*A) M() {}\n", "M has no doc comment"},
		"MethodOfAGenericType":     {doc + "// A is.\ntype A[T any] struct{}\n\nfunc (A[T]) M() {}\n", "M has no doc comment"},
		"MethodOfAnUnexportedType": {doc + "type a int\n\nfunc (a) M() {}\n", ""},
		"ConstWithout":             {doc + "const C = 1\n", "C has no doc comment"},
		"ConstsWithADocOfTheGroup": {doc + "// How it ended.\nconst (\n\tC = 1\n\tD = 2\n)\n", ""},
		"ConstsWithLineComments":   {doc + "const (\n\tC = 1 // one\n\td = 2\n)\n", ""},
		"ConstsWithNeither":        {doc + "const (\n\tC = 1\n\td = 2\n)\n", "C has no doc comment"},
	} {
		t.Run(name, func(t *testing.T) {
			problems, err := checkDocs("p", map[string]string{"p.go": c.text})
			require.NoError(t, err)
			switch {
			case c.want == "":
				require.Empty(t, problems)
			case name == "TypeInAGroup":
				require.Len(t, problems, 2)
			default:
				require.Len(t, problems, 1)
				require.Contains(t, problems[0], c.want)
			}
		})
	}
	t.Run("OneFileOfThePackageHasTheDoc", func(t *testing.T) {
		problems, err := checkDocs("p", map[string]string{"p.go": "package p\n", "doc.go": doc, "p_test.go": "package p\n\nfunc F() {}\n"})
		require.NoError(t, err)
		require.Empty(t, problems)
	})
	t.Run("ADocOfTheTestPackageIsNotThePackages", func(t *testing.T) {
		problems, err := checkDocs("p", map[string]string{"p.go": "package p\n", "p_test.go": "// Package p_test is.\npackage p_test\n"})
		require.NoError(t, err)
		require.Len(t, problems, 1)
	})
}
