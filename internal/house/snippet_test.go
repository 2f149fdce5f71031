// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package house

import (
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// TestGoCodeInPagesCompiles type-checks the blocks of Go in all pages, each of which is one of these:
//
//   - a file, from package to end;
//   - an excerpt of a Go file that the page links to, and compiled with that;
//   - declarations or statements, which may use the packages in shortPaths by their names, and what standIns declares.
func TestGoCodeInPagesCompiles(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the packages that the snippets use")
	}
	r := openRepository(t)
	imp := exportedTypes(t, r.dir)
	checked := 0
	var problems []string
	for _, name := range r.named(".md") {
		p := parsePage(name, r.read(t, name))
		for _, b := range p.blocks {
			if b.lang == "go" {
				checked++
				problems = append(problems, checkSnippet(r.fsys, imp, p, b)...)
			}
		}
	}
	require.Positive(t, checked)
	requireNone(t, problems)
}

// shortPaths are the packages that a snippet may use without an import.
var shortPaths = map[string]string{
	"context": "context", "errors": "errors", "fmt": "fmt", "http": "net/http", "httptest": "net/http/httptest", "io": "io",
	"log": "log", "os": "os", "signal": "os/signal", "slog": "log/slog", "sql": "database/sql", "strconv": "strconv",
	"strings": "strings", "sync": "sync", "syscall": "syscall", "synctest": "testing/synctest", "testing": "testing",
	"tls": "crypto/tls", "time": "time",

	"clientv3": "go.etcd.io/etcd/client/v3", "v3": "go.etcd.io/etcd/client/v3", "grpc": "google.golang.org/grpc",
	"rpctypes":   "go.etcd.io/etcd/api/v3/v3rpc/rpctypes",
	"backoff":    "google.golang.org/grpc/backoff",
	"prometheus": "github.com/prometheus/client_golang/prometheus",
	"require":    "github.com/stretchr/testify/require",

	"concurrency": ownPath, "etcdtest": ownPath + "/etcdtest", "leader": ownPath + "/leader", "leaderprom": ownPath + "/leader/leaderprom",
}

// standIns are what a snippet of statements is taken to have about it.
const standIns = `
var (
	ctx       context.Context
	client    *clientv3.Client
	session   *concurrency.Session
	election  *concurrency.Election
	mutex     *concurrency.Mutex
	term      *concurrency.Term
	runner    *leader.Runner
	db        *sql.DB
	t         *testing.T
	err       error
	name, key, value, host string
)

func work(context.Context) error { return nil }
`

// checkSnippet returns why a block of Go does not compile.
func checkSnippet(fsys fs.FS, imp types.Importer, p page, b block) []string {
	if isExcerpt(fsys, p, b.text) {
		return nil
	}
	var problems []string
	for _, wrap := range wraps(fmt.Sprintf("//line %s:%d\n", p.name, b.line), b.text) {
		errs := typeCheck(imp, wrap)
		if len(errs) == 0 {
			return nil
		}
		if problems == nil {
			for _, err := range errs {
				problems = append(problems, err.Error()) // which names the page
			}
		}
	}
	return problems
}

// isExcerpt reports whether text is part of a Go file of this repository that the page links to, but for how far it is
// indented.
func isExcerpt(fsys fs.FS, p page, text string) bool {
	text = unindented(text)
	for _, l := range linksOf(p) {
		file, _, _ := strings.Cut(l.target, "#")
		if path.Ext(file) != ".go" || strings.Contains(file, "://") {
			continue
		}
		code, err := fs.ReadFile(fsys, path.Join(path.Dir(p.name), file))
		if err == nil && strings.Contains(unindented(string(code)), text) {
			return true
		}
	}
	return false
}

func unindented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return b.String()
}

// A wrapped is a snippet as files to compile: itself, with what makes a file of it, and what it may use.
type wrapped []string

// wraps returns the ways in which a snippet may be meant, the likeliest first: that is the one whose errors are told.
// place goes before it, and says where it stands.
func wraps(place, text string) []wrapped {
	first := firstToken(text)
	text = place + text
	if first == "package" {
		return []wrapped{{text}}
	}
	file := func(body string) wrapped {
		return wrapped{withImports("package snippet\n", body), withImports("package snippet\n", standIns)}
	}
	declarations := file(text)
	statements := file("func _() {\n" + text + "\n}\n")
	failing := file("func _() error {\n" + text + "\npanic(0)\n}\n")
	handling := file("func _(w http.ResponseWriter, r *http.Request) {\n" + text + "\n}\n")
	if slices.Contains([]string{"import", "func", "type"}, first) {
		return []wrapped{declarations, statements, failing}
	}
	return []wrapped{statements, failing, handling, declarations}
}

// firstToken returns the first word that is no comment.
func firstToken(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			return strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '(' })[0]
		}
	}
	return ""
}

// withImports puts before a file's declarations imports of what they use of shortPaths, unless they import it.
func withImports(clause, body string) string {
	file, err := parser.ParseFile(token.NewFileSet(), "", clause+body, parser.SkipObjectResolution)
	if err != nil {
		return clause + body // told by typeCheck
	}
	used := make(map[string]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && shortPaths[id.Name] != "" {
				used[id.Name] = true
			}
		}
		return true
	})
	for _, spec := range file.Imports {
		what, _ := strconv.Unquote(spec.Path.Value)
		for name, short := range shortPaths {
			if short == what {
				delete(used, name)
			}
		}
	}
	var imports strings.Builder
	for name := range used {
		fmt.Fprintf(&imports, "import %s %q\n", name, shortPaths[name])
	}
	return clause + imports.String() + body
}

// typeCheck returns the errors in the files of a package. That a variable or an import is not used is none: a snippet
// may end before it is.
func typeCheck(imp types.Importer, texts wrapped) []error {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, text := range texts {
		file, err := parser.ParseFile(fset, "snippet", text, parser.SkipObjectResolution)
		if err != nil {
			return []error{err}
		}
		files = append(files, file)
	}
	var errs []error
	conf := types.Config{
		Importer: imp,
		Error: func(err error) {
			if e := (types.Error{}); errors.As(err, &e) && e.Soft {
				return
			}
			errs = append(errs, err)
		},
	}
	_, _ = conf.Check("snippet", fset, files, nil) // its error is the first of errs
	return errs
}

// exportedTypes returns an importer of the packages of shortPaths and all that they import, as compiled now.
func exportedTypes(t *testing.T, dir string) types.Importer {
	t.Helper()
	args := []string{"list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}
	for _, what := range shortPaths {
		args = append(args, what)
	}
	stdout, stderr, err := goCommand(t, dir, args...)
	require.NoError(t, err, "%s", stderr)
	files := make(map[string]string)
	for line := range strings.Lines(stdout) {
		what, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[what] = file
	}
	return importer.ForCompiler(token.NewFileSet(), "gc", func(what string) (io.ReadCloser, error) {
		if files[what] == "" {
			return nil, fmt.Errorf("%s is none of the packages in shortPaths, nor imported by them", what)
		}
		return os.Open(files[what])
	})
}

func TestCheckSnippet(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the packages that the snippets use")
	}
	imp := exportedTypes(t, openRepository(t).dir)
	fsys := fstest.MapFS{"code.go": {Data: []byte("package p\n\nfunc f() {\n\tif gone {\n\t\treturn\n\t}\n}\n")}}
	const own = "github.com/seed-da5263fb/concurrency"
	for name, c := range map[string]struct{ text, want string }{
		"AFile":                     {"package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println() }\n", ""},
		"StatementsWithStandIns":    {"session, err := concurrency.NewSession(client)\nif err != nil {\n\tlog.Fatal(err)\n}\ndefer session.Close()\n", ""},
		"StatementsThatReturn":      {"if err := election.Campaign(ctx, host); err != nil {\n\treturn err\n}\n", ""},
		"Declarations":              {"func lead(ctx context.Context, term *concurrency.Term) error {\n\treturn nil\n}\n", ""},
		"DeclarationsWithAnImport":  {"import \"" + own + "/leader\"\n\nvar cfg = leader.Config{Election: \"a\"}\n", ""},
		"AVariableNobodyUses":       {"x := election.Key()\n", ""},
		"AnExcerptOfALinkedFile":    {"if gone {\n\treturn\n}\n", ""},
		"AFileWithAnUnknownName":    {"package main\n\nfunc main() { gone() }\n", "undefined: gone"},
		"AMethodThatDoesNotExist":   {"election.Gone(ctx)\n", "election.Gone undefined"},
		"TooFewArguments":           {"election.Campaign(ctx)\n", "not enough arguments"},
		"AResultThatIsNotAssigned":  {"session := concurrency.NewSession(client)\n", "assignment mismatch"},
		"AnImportOfWhatIsNotThere":  {"import \"" + own + "/gone\"\n\nvar _ = gone.X\n", "could not import"},
		"AnEllipsis":                {"if err != nil {\n\t…\n}\n", "illegal character"},
		"AnExcerptOfNothing":        {"if gone {\n\tpanic(1)\n}\n", "undefined: gone"},
		"AFileThatImportsInVain":    {"package main\n\nimport \"gone\"\n\nfunc main() { gone.X() }\n", "could not import"},
		"AFieldThatDoesNotExist":    {"cfg := leader.Config{Gone: 1}\n", "unknown field Gone"},
		"AWrongTypeInADeclaration":  {"func f() int { return \"\" }\n", "cannot use"},
		"AReturnThatDoesNotBelong":  {"return 1, 2\n", "too many return values"},
		"APackageThatHasNoShortcut": {"gone.Do(ctx)\n", "undefined: gone"},
	} {
		t.Run(name, func(t *testing.T) {
			p := parsePage("a.md", "See [code](code.go).\n\n```go\n"+c.text+"```\n")
			require.Len(t, p.blocks, 1)
			problems := checkSnippet(fsys, imp, p, p.blocks[0])
			if c.want == "" {
				require.Empty(t, problems)
			} else {
				require.NotEmpty(t, problems)
				require.Contains(t, strings.Join(problems, "\n"), c.want)
				require.Regexp(t, `^a\.md:[4-9]:`, problems[0])
			}
		})
	}
}
