// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package house

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ownPath is the module path of the repository's root.
const ownPath = "github.com/seed-da5263fb/concurrency"

// skipped are folders that hold no source: git's own, and what make servers, make chaos and make bench write.
var skipped = []string{".git", ".cache", "chaos-report", "bench/results"}

// A repository is the source tree as it lies on disk.
type repository struct {
	fsys  fs.FS
	dir   string   // where it lies
	paths []string // of its files, with slashes, in order
}

// openRepository lists the files of the repository that this test is part of.
func openRepository(t *testing.T) repository {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	r := repository{fsys: os.DirFS(dir), dir: dir}
	err = fs.WalkDir(r.fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // gone since it was listed
			return nil
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(skipped, name):
			return fs.SkipDir
		case d.Type().IsRegular():
			r.paths = append(r.paths, name)
		}
		return nil
	})
	require.NoError(t, err)
	require.Contains(t, r.paths, "go.mod")
	return r
}

// read returns the text of a file.
func (r repository) read(t *testing.T, name string) string {
	t.Helper()
	text, err := fs.ReadFile(r.fsys, name)
	require.NoError(t, err)
	return string(text)
}

// named returns the files whose names end in suffix.
func (r repository) named(suffix string) []string {
	var found []string
	for _, name := range r.paths {
		if strings.HasSuffix(name, suffix) {
			found = append(found, name)
		}
	}
	return found
}

// modules returns the folders that have a go.mod.
func (r repository) modules() []string {
	var dirs []string
	for _, name := range r.paths {
		if path.Base(name) == "go.mod" {
			dirs = append(dirs, path.Dir(name))
		}
	}
	return dirs
}

// goCommand runs the go command in dir, as if there were no workspace, and returns what it printed to each output.
func goCommand(t *testing.T, dir string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GOWORK=off", "GOFLAGS=")
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// requireNone fails with one line for each problem.
func requireNone(t *testing.T, problems []string) {
	t.Helper()
	require.Empty(t, problems, "problems: %d\n%s", len(problems), strings.Join(problems, "\n"))
}

// writeFiles writes a small source tree and returns its folder.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	return dir
}
