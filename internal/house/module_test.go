// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package house

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheMakefileKnowsEveryModule keeps a new module from being left out of make modules and make tidy, and so of CI.
func TestTheMakefileKnowsEveryModule(t *testing.T) {
	r := openRepository(t)
	modules := r.modules()
	require.Greater(t, len(modules), 1)
	requireNone(t, checkModules(r.read(t, "Makefile"), modules))
}

var modulesLine = regexp.MustCompile(`(?m)^MODULES = (.*)$`)

// checkModules returns how the MODULES of a Makefile differ from the folders that have a go.mod.
func checkModules(makefile string, dirs []string) []string {
	m := modulesLine.FindStringSubmatch(makefile)
	if m == nil {
		return []string{"Makefile: has no line MODULES = FOLDER:TIMEOUT…"}
	}
	listed := map[string]bool{".": true}
	for _, word := range strings.Fields(m[1]) {
		dir, _, _ := strings.Cut(word, ":")
		listed[dir] = true
	}
	var problems []string
	for _, dir := range dirs {
		if !listed[dir] {
			problems = append(problems, fmt.Sprintf("Makefile: MODULES lacks %s, which has a go.mod", dir))
		}
		delete(listed, dir)
	}
	for dir := range listed {
		problems = append(problems, fmt.Sprintf("Makefile: MODULES names %s, which has no go.mod", dir))
	}
	return problems
}

func TestCheckModules(t *testing.T) {
	require.Empty(t, checkModules("MODULES = a:10m b/c:5m\n", []string{".", "a", "b/c"}))
	require.Len(t, checkModules("MODULES = a:10m\n", []string{".", "a", "b"}), 1)
	require.Len(t, checkModules("MODULES = a:10m b:1m\n", []string{".", "a"}), 1)
	require.Len(t, checkModules("", []string{"."}), 1)
}

// TestEveryModuleIsTidy may ask the module proxy for what only go mod tidy wants. It skips what it cannot know without it.
func TestEveryModuleIsTidy(t *testing.T) {
	if testing.Short() {
		t.Skip("may need the network")
	}
	r := openRepository(t)
	for _, dir := range r.modules() {
		t.Run(dir, func(t *testing.T) {
			diff, stderr, err := goCommand(t, r.dir+"/"+dir, "mod", "tidy", "-diff")
			if err != nil && diff == "" && unreachable.MatchString(stderr) {
				t.Skipf("the module proxy cannot be reached: %s", stderr)
			}
			require.NoError(t, err, "run go mod tidy in %s\n%s%s", dir, diff, stderr)
		})
	}
}

// unreachable matches what the go command says when there is no network, or no proxy allowed.
var unreachable = regexp.MustCompile(`dial tcp|module lookup disabled|i/o timeout|TLS handshake timeout|connection re`)

func TestAModuleThatIsNotTidyIsFound(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"go.mod":        "module example.com/a\n\ngo 1.26\n\nrequire example.com/unused v0.0.0\n\nreplace example.com/unused => ./unused\n",
		"a.go":          "package a\n",
		"unused/go.mod": "module example.com/unused\n\ngo 1.26\n",
	})
	diff, _, err := goCommand(t, dir, "mod", "tidy", "-diff")
	require.Error(t, err)
	require.Contains(t, diff, "-require example.com/unused")
}

// TestExamplesCompile has vet look at the tests and examples of the root module: that they compile, and that an example
// is named after something that there is. The other modules are vetted by make modules.
func TestExamplesCompile(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles all packages")
	}
	_, stderr, err := goCommand(t, openRepository(t).dir, "vet", "-tests", "./...")
	require.NoError(t, err, "%s", stderr)
}

func TestAnExampleOfNothingIsFound(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"go.mod":    "module example.com/a\n\ngo 1.26\n",
		"a.go":      "package a\n",
		"a_test.go": "package a\n\nfunc ExampleNothing() {}\n",
	})
	_, stderr, err := goCommand(t, dir, "vet", "-tests", "./...")
	require.Error(t, err)
	require.Contains(t, stderr, "ExampleNothing refers to unknown identifier")
}
