// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	originalPath = "go.etcd.io/etcd/client/v3/concurrency"
	ownPath      = "github.com/seed-da5263fb/concurrency"
)

// TestAPI shows that a change of the import path is all that a program needs: what the etcd client's package exports,
// this one exports, of the same kind and type. It may export more.
func TestAPI(t *testing.T) {
	original, own := loadPackages(t, originalPath, ownPath)
	require.Empty(t, compareAPI(original, own), "not a drop-in for %s", originalPath)
}

// loadPackages type-checks two packages from the export data that the compiler wrote for them, in one universe: a type of
// a third package is the same type in both.
func loadPackages(t *testing.T, a, b string) (*types.Package, *types.Package) {
	t.Helper()
	files := make(map[string]string)
	for line := range strings.Lines(goOutput(t, "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", a, b)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[path] = file
	}
	imp := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(files[path])
	})
	pkgA, err := imp.Import(a)
	require.NoError(t, err)
	pkgB, err := imp.Import(b)
	require.NoError(t, err)
	require.NotEmpty(t, exportedNames(pkgA))
	return pkgA, pkgB
}

// goOutput runs the go command in the package's folder and returns what it printed.
func goOutput(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "go %s: %s", strings.Join(args, " "), &stderr)
	return string(out)
}

// compareAPI returns what a program written for package old would miss in package new: one line for each difference, none
// for an addition.
func compareAPI(old, new *types.Package) []string {
	c := &apiComparison{old: old, new: new, seen: make(map[[2]*types.Named]bool)}
	for _, name := range exportedNames(old) {
		c.object(old.Scope().Lookup(name), new.Scope().Lookup(name))
	}
	return c.diffs
}

func exportedNames(pkg *types.Package) []string {
	var names []string
	for _, name := range pkg.Scope().Names() {
		if ast.IsExported(name) {
			names = append(names, name)
		}
	}
	return names
}

type apiComparison struct {
	old, new *types.Package
	diffs    []string
	seen     map[[2]*types.Named]bool // the pairs of named types that were compared, or are being
}

func (c *apiComparison) differ(name, format string, args ...any) {
	c.diffs = append(c.diffs, name+": "+fmt.Sprintf(format, args...))
}

// object compares what one exported name stands for.
func (c *apiComparison) object(old, new types.Object) {
	name := old.Name()
	if new == nil {
		c.differ(name, "missing")
		return
	}
	if reflect.TypeOf(old) != reflect.TypeOf(new) {
		c.differ(name, "%s, was %s", new, old)
		return
	}
	if old, ok := old.(*types.TypeName); ok {
		c.typeName(name, old.Type(), new.Type())
		return
	}
	if !c.same(old.Type(), new.Type()) {
		c.differ(name, "%s, was %s", new.Type(), old.Type())
	}
	if old, ok := old.(*types.Const); ok && !constant.Compare(old.Val(), token.EQL, new.(*types.Const).Val()) {
		c.differ(name, "%s, was %s", new.(*types.Const).Val(), old.Val())
	}
}

// typeName compares what an exported type name stands for: a type that the package declares, or one of another package.
func (c *apiComparison) typeName(name string, old, new types.Type) {
	oldNamed, ok := types.Unalias(old).(*types.Named)
	if !ok || oldNamed.Obj().Pkg() != c.old {
		if !c.same(old, new) {
			c.differ(name, "%s, was %s", new, old)
		}
		return
	}
	newNamed, ok := types.Unalias(new).(*types.Named)
	if !ok {
		c.differ(name, "not a type of its own: %s", new)
		return
	}
	c.named(name, oldNamed, newNamed)
}

// named compares two declared types: their methods, and as much of what they are made of as other packages can see.
func (c *apiComparison) named(name string, old, new *types.Named) {
	if c.seen[[2]*types.Named{old, new}] {
		return
	}
	c.seen[[2]*types.Named{old, new}] = true
	if !c.sameTypeParams(old.TypeParams(), new.TypeParams()) {
		c.differ(name, "type parameters differ")
		return
	}
	c.underlying(name, old.Underlying(), new.Underlying())
	if types.IsInterface(old) {
		return // its methods are what it is made of
	}
	c.methods(name, "", old, new)
	c.methods("*"+name, "*", types.NewPointer(old), types.NewPointer(new))
}

// methods compares the exported methods that can be called on a value of a type, be they its own or promoted.
func (c *apiComparison) methods(name, star string, old, new types.Type) {
	have := types.NewMethodSet(new)
	for method := range types.NewMethodSet(old).Methods() {
		if !method.Obj().Exported() {
			continue
		}
		m := method.Obj().Name()
		if found := have.Lookup(nil, m); found == nil {
			c.differ(name, "no method %s", m)
		} else if !c.same(method.Type(), found.Type()) {
			c.differ(name, "method %s: %s, was %s", m, found.Type(), method.Type())
		}
	}
}

func (c *apiComparison) underlying(name string, old, new types.Type) {
	if reflect.TypeOf(old) != reflect.TypeOf(new) {
		c.differ(name, "%s, was %s", new, old)
		return
	}
	oldStruct, ok := old.(*types.Struct)
	if !ok {
		if !c.same(old, new) {
			c.differ(name, "%s, was %s", new, old)
		}
		return
	}
	have := make(map[string]*types.Var)
	for field := range new.(*types.Struct).Fields() {
		have[field.Name()] = field
	}
	for field := range oldStruct.Fields() {
		if !field.Exported() {
			continue
		}
		switch found := have[field.Name()]; {
		case found == nil:
			c.differ(name, "no field %s", field.Name())
		case found.Embedded() != field.Embedded():
			c.differ(name, "field %s: embedded is %t, was %t", field.Name(), found.Embedded(), field.Embedded())
		case !c.same(field.Type(), found.Type()):
			c.differ(name, "field %s: %s, was %s", field.Name(), found.Type(), field.Type())
		}
	}
}

// same reports whether two types are identical, a type that the old package declares being taken for the one that the
// new package has under that name. It is types.Identical but for that.
func (c *apiComparison) same(old, new types.Type) bool {
	old, new = types.Unalias(old), types.Unalias(new)
	if reflect.TypeOf(old) != reflect.TypeOf(new) {
		return false
	}
	switch old := old.(type) {
	case *types.Named:
		return c.sameNamed(old, new.(*types.Named))
	case *types.Pointer:
		return c.same(old.Elem(), new.(*types.Pointer).Elem())
	case *types.Slice:
		return c.same(old.Elem(), new.(*types.Slice).Elem())
	case *types.Array:
		new := new.(*types.Array)
		return old.Len() == new.Len() && c.same(old.Elem(), new.Elem())
	case *types.Map:
		new := new.(*types.Map)
		return c.same(old.Key(), new.Key()) && c.same(old.Elem(), new.Elem())
	case *types.Chan:
		new := new.(*types.Chan)
		return old.Dir() == new.Dir() && c.same(old.Elem(), new.Elem())
	case *types.Signature:
		new := new.(*types.Signature)
		return old.Variadic() == new.Variadic() && c.sameTypeParams(old.TypeParams(), new.TypeParams()) &&
			c.same(old.Params(), new.Params()) && c.same(old.Results(), new.Results())
	case *types.Tuple:
		new := new.(*types.Tuple)
		for i := range min(old.Len(), new.Len()) {
			if !c.same(old.At(i).Type(), new.At(i).Type()) {
				return false
			}
		}
		return old.Len() == new.Len()
	case *types.Struct:
		return c.sameStruct(old, new.(*types.Struct))
	case *types.Interface:
		return c.sameInterface(old, new.(*types.Interface))
	case *types.Union:
		new := new.(*types.Union)
		for i := range min(old.Len(), new.Len()) {
			if old.Term(i).Tilde() != new.Term(i).Tilde() || !c.same(old.Term(i).Type(), new.Term(i).Type()) {
				return false
			}
		}
		return old.Len() == new.Len()
	case *types.TypeParam:
		return old.Index() == new.(*types.TypeParam).Index()
	default:
		return types.Identical(old, new) // basic types
	}
}

// sameNamed compares uses of two declared types. What an exported one is made of is compared under its own name. The
// name of one that is not exported means nothing to other packages, and what it is made of does.
func (c *apiComparison) sameNamed(old, new *types.Named) bool {
	switch obj := old.Obj(); {
	case obj.Pkg() != c.old:
		if old.Origin() != new.Origin() {
			return false
		}
	case obj.Exported():
		// Whatever the new package calls so: even the old package's own type is the wrong one if that is another.
		named := c.new.Scope().Lookup(obj.Name())
		if named == nil {
			return false
		}
		if is, ok := types.Unalias(named.Type()).(*types.Named); !ok || is.Origin() != new.Origin() {
			return false
		}
	default:
		if new.Obj().Exported() {
			return false
		}
		c.named(obj.Name(), old.Origin(), new.Origin())
	}
	oldArgs, newArgs := old.TypeArgs(), new.TypeArgs()
	for i := range min(oldArgs.Len(), newArgs.Len()) {
		if !c.same(oldArgs.At(i), newArgs.At(i)) {
			return false
		}
	}
	return oldArgs.Len() == newArgs.Len()
}

func (c *apiComparison) sameTypeParams(old, new *types.TypeParamList) bool {
	for i := range min(old.Len(), new.Len()) {
		if !c.same(old.At(i).Constraint(), new.At(i).Constraint()) {
			return false
		}
	}
	return old.Len() == new.Len()
}

// sameStruct compares struct types without a name, which are identical only with all their fields.
func (c *apiComparison) sameStruct(old, new *types.Struct) bool {
	if old.NumFields() != new.NumFields() {
		return false
	}
	for i := range old.NumFields() {
		a, b := old.Field(i), new.Field(i)
		if a.Name() != b.Name() || a.Embedded() != b.Embedded() || old.Tag(i) != new.Tag(i) || !c.same(a.Type(), b.Type()) {
			return false
		}
	}
	return true
}

// sameInterface compares method sets: who implements or embeds an interface would notice a method that was added. (That
// go/types sorts the methods by their names spares the search.)
func (c *apiComparison) sameInterface(old, new *types.Interface) bool {
	if old.NumMethods() != new.NumMethods() {
		return false
	}
	for i := range old.NumMethods() {
		if old.Method(i).Name() != new.Method(i).Name() || !c.same(old.Method(i).Type(), new.Method(i).Type()) {
			return false
		}
	}
	if old.IsMethodSet() && new.IsMethodSet() {
		return true // what they embed is among the methods
	}
	for i := range min(old.NumEmbeddeds(), new.NumEmbeddeds()) {
		if !c.same(old.EmbeddedType(i), new.EmbeddedType(i)) {
			return false
		}
	}
	return old.NumEmbeddeds() == new.NumEmbeddeds()
}

// TestAPIComparison shows that TestAPI would notice.
func TestAPIComparison(t *testing.T) {
	for _, tc := range []struct {
		name     string
		old, new string
		want     []string // a part of each difference, in order
	}{
		{"EqualPackages",
			`type T struct{ n int }; func (t *T) M(u T) (*T, error) { return nil, nil }; var V error; const C = 1; func F(...T) {}`,
			`type T struct{ s string }; func (x *T) M(y T) (*T, error) { return nil, nil }; var V error; const C = 1; func F(...T) {}`,
			nil},
		{"AdditionsAreWelcome",
			`type T struct{ A int }; func F() {}`,
			`type T struct{ A int; B int }; func (T) M() {}; func F() {}; func G() {}; type U int`,
			nil},
		{"MissingName", `func F() {}; func G() {}`, `func G() {}`, []string{"F: missing"}},
		{"UnexportedInsteadOfExported", `type T int`, `type t int`, []string{"T: missing"}},
		{"FunctionBecomesVariable", `func F() {}`, `var F = func() {}`, []string{"F: var"}},
		{"VariableBecomesConstant", `var V int = 1`, `const V int = 1`, []string{"V: const"}},
		{"ChangedParameter", `func F(int) {}`, `func F(int64) {}`, []string{"F: func(int64)"}},
		{"AddedParameter", `func F() {}`, `func F(int) {}`, []string{"F: func(int)"}},
		{"AddedOption", `func F() {}`, `func F(...int) {}`, []string{"F: func(...int)"}},
		{"SliceInsteadOfVariadic", `func F(...int) {}`, `func F([]int) {}`, []string{"F: func([]int)"}},
		{"ChangedResult", `func F() int { return 0 }`, `func F() (int, error) { return 0, nil }`, []string{"F: func() (int, error)"}},
		{"ChangedResultOfMethod",
			`type T int; func (T) M() error { return nil }`,
			`type T int; func (T) M() {}`,
			[]string{"T: method M", "*T: method M"}},
		{"ChannelDirection", `func F() <-chan int { return nil }`, `func F() chan int { return nil }`, []string{"F: func() chan int"}},
		{"MissingMethod", `type T int; func (*T) M() {}`, `type T int`, []string{"*T: no method M"}},
		{"PointerReceiverInsteadOfValue", `type T int; func (T) M() {}`, `type T int; func (*T) M() {}`, []string{"T: no method M"}},
		{"ValueReceiverInsteadOfPointer", `type T int; func (*T) M() {}`, `type T int; func (T) M() {}`, nil},
		{"PromotedMethodIsAMethod",
			`type T struct{}; func (T) M() {}`,
			`type e struct{}; func (e) M() {}; type T struct{ e }`,
			nil},
		{"MissingField", `type T struct{ A, B int }`, `type T struct{ A int }`, []string{"T: no field B"}},
		{"ChangedField", `type T struct{ A int }`, `type T struct{ A string }`, []string{"T: field A: string"}},
		{"EmbeddedField", `type E int; type T struct{ E }`, `type E int; type T struct{ E E }`, []string{"T: field E: embedded"}},
		{"ChangedUnderlying", `type T int`, `type T int32`, []string{"T: int32, was int"}},
		{"StructBecomesInterface", `type T struct{}`, `type T interface{}`, []string{"T: interface"}},
		{"AliasInsteadOfType", `type T struct{}`, `type T = struct{}`, []string{"T: not a type of its own"}},
		{"ChangedAlias", `type T = int`, `type T = string`, []string{"T: "}},
		{"InterfaceWithFewerMethods", `type T interface{ A(); B() }`, `type T interface{ A() }`, []string{"T: interface"}},
		{"InterfaceWithMoreMethods", `type T interface{ A() }`, `type T interface{ A(); B() }`, []string{"T: interface"}},
		{"InterfaceWithAnotherMethod", `type T interface{ A() }`, `type T interface{ A(T) }`, []string{"T: interface"}},
		{"ChangedFuncType", `type o struct{}; type T func(*o)`, `type o struct{}; type T func(o)`, []string{"T: func"}},
		{"UnexportedTypeMayHaveAnotherName", `type o struct{}; type T func(*o)`, `type p struct{ n int }; type T func(*p)`, nil},
		{"UnexportedTypeLosesAMethod",
			`type o struct{}; func (o) M() {}; func F() o { return o{} }`,
			`type o struct{}; func F() o { return o{} }`,
			[]string{"o: no method M", "*o: no method M"}},
		{"AnotherTypeOfThePackage", `type T int; type U int; func F(T) {}`, `type T int; type U int; func F(U) {}`, []string{"F: func(new.U)"}},
		{"AnotherPackagesType", `import "io"; func F(io.Reader) {}`, `import "io"; func F(io.Writer) {}`, []string{"F: func(io.Writer)"}},
		{"SameNameInAnotherPackage", `type Reader interface{}; func F(Reader) {}`, `import "io"; type Reader interface{}; func F(io.Reader) {}`, []string{"F: func(io.Reader)"}},
		{"ChangedConstant", `const C = 1`, `const C = 2`, []string{"C: 2, was 1"}},
		{"ChangedTypeOfConstant", `type I int; const C I = 1`, `type I int; const C = 1`, []string{"C: untyped int"}},
		{"ChangedTypeOfVariable", `var V error`, `type E struct{}; func (E) Error() string { return "" }; var V E`, []string{"V: new.E"}},
		{"GenericFunction", `func F[K comparable](K) {}`, `func F[K any](K) {}`, []string{"F: func[K any]"}},
		{"GenericType", `type T[A any] struct{}; func F(T[int]) {}`, `type T[A any] struct{}; func F(T[string]) {}`, []string{"F: func(new.T[string])"}},
		{"HandedOnByAlias",
			`type T interface{ A(); b() }; type I int; const C I = 1; func F(T) *T { return nil }`,
			`import "old"; type T = old.T; type I = old.I; const C = old.C; func F(t T) *old.T { return nil }`,
			nil},
		{"HandedOnFromElsewhere", `type T = error; func F(T) {}`, `type T = error; func F(error) {}`, nil},
		{"HandedOnByAliasOfAnother",
			`type T struct{}; type U struct{}; func (U) M() {}`,
			`import "old"; type T = old.U; type U = old.T`,
			[]string{"U: no method M", "*U: no method M"}},
		{"OldTypeBesideANewOneOfThatName",
			`type T int; func F() T { return 0 }`,
			`import "old"; type T int; func F() old.T { return 0 }`,
			[]string{"F: func() old.T"}},
		{"AliasWhoseMethodsSpeakOfTheOldType",
			`type T int; type U struct{}; func (*U) M(T) {}`,
			`import "old"; type T int; type U = old.U`,
			[]string{"*U: method M"}},
		{"InterfaceWrittenOut", `type A interface{ M() }; type T interface{ A; N() }`, `type A interface{ M() }; type T interface{ M(); N() }`, nil},
		{"ConstraintOfAnotherType", `type T interface{ ~int | string }`, `type T interface{ ~int | ~string }`, []string{"T: interface"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			old := checkSource(t, "old", tc.old, nil)
			new := checkSource(t, "new", tc.new, old)
			diffs := compareAPI(old, new)
			require.Len(t, diffs, len(tc.want), "%s", diffs)
			for i, want := range tc.want {
				require.True(t, strings.HasPrefix(diffs[i], want), "%q does not start with %q", diffs[i], want)
			}
		})
	}
}

var standardLibrary = importer.ForCompiler(token.NewFileSet(), "source", nil)

// checkSource type-checks the declarations of a package, which may import the standard library and old.
func checkSource(t *testing.T, path, decls string, old *types.Package) *types.Package {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path+".go", "package "+path+"\n"+decls, 0)
	require.NoError(t, err)
	cfg := types.Config{Importer: importerFunc(func(path string) (*types.Package, error) {
		if path == "old" {
			return old, nil
		}
		return standardLibrary.Import(path)
	})}
	pkg, err := cfg.Check(path, fset, []*ast.File{file}, nil)
	require.NoError(t, err)
	return pkg
}

type importerFunc func(path string) (*types.Package, error)

func (f importerFunc) Import(path string) (*types.Package, error) { return f(path) }
