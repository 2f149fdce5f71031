// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDependencies shows that a service links nothing for this package that it would not link for the etcd client's,
// but for the standard library, and of that nothing that is for tests.
func TestDependencies(t *testing.T) {
	original := linked(t, originalPath)
	require.Contains(t, original, "go.etcd.io/etcd/client/v3")
	for path, standard := range linked(t, ownPath) {
		if standard {
			require.NotRegexp(t, `^testing(/|$)`, path)
		} else if path != ownPath {
			require.Contains(t, original, path, "linked by this package and not by the etcd client")
		}
	}
}

// linked returns the packages that a program which imports path links, with whether each is in the standard library.
func linked(t *testing.T, path string) map[string]bool {
	t.Helper()
	pkgs := make(map[string]bool)
	for line := range strings.Lines(goOutput(t, "list", "-deps", "-f", "{{.ImportPath}} {{.Standard}}", path)) {
		dep, standard, _ := strings.Cut(strings.TrimSpace(line), " ")
		pkgs[dep] = standard == "true"
	}
	return pkgs
}

// TestModule shows that the package is built here as it is in its users' builds, where neither a replace, an exclude nor
// a workspace of this repository counts.
func TestModule(t *testing.T) {
	var mod struct {
		Module  struct{ Path string }
		Replace []any
		Exclude []any
	}
	require.NoError(t, json.Unmarshal([]byte(goOutput(t, "mod", "edit", "-json")), &mod))
	require.Equal(t, ownPath, mod.Module.Path)
	require.Empty(t, mod.Replace)
	require.Empty(t, mod.Exclude)
	require.NoFileExists(t, "go.work")
}
