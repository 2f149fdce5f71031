// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// folder makes a folder with files in it.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	return dir
}

func TestRewrite(t *testing.T) {
	const text = `package p // uses "a/b"

import (
	"a/b"
	c "a/b/c"
)

var s = "a/b" + b.X + c.X
`
	dir := folder(t, map[string]string{
		"p.go":           text,
		"q/named.go":     "package q\n\nimport x \"a/b\"\n",
		"q/other.go":     "package q\n\nimport \"a/bb\"\n",
		"q/testdata.txt": `import "a/b"`,
	})
	files, err := rewrite(dir, "a/b", "d/e/b")
	require.NoError(t, err)
	require.Equal(t, 2, files)
	for name, want := range map[string]string{
		"p.go": `package p // uses "a/b"

import (
	"d/e/b"
	c "a/b/c"
)

var s = "a/b" + b.X + c.X
`,
		"q/named.go":     "package q\n\nimport x \"d/e/b\"\n",
		"q/other.go":     "package q\n\nimport \"a/bb\"\n",
		"q/testdata.txt": `import "a/b"`,
	} {
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		require.NoError(t, err)
		require.Equal(t, want, string(text), name)
	}
}

func TestReplaceOnce(t *testing.T) {
	for text, want := range map[string]string{"a b c": "a x c", "a c": "", "b b": ""} {
		file := filepath.Join(folder(t, map[string]string{"f": text}), "f")
		err := replaceOnce(file, "b", "x")
		if want == "" {
			require.ErrorContains(t, err, "expected once", text)
			want = text
		} else {
			require.NoError(t, err)
		}
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}

func TestCheckText(t *testing.T) {
	names := "package p\n\nimport _ \"" + original + "\"\n"
	b := &build{dir: folder(t, map[string]string{"client/v3/concurrency/doc.go": names, "client/v3/concurrency2.go": "package p\n"})}
	require.NoError(t, b.checkText())
	b = &build{dir: folder(t, map[string]string{"server/v3/p.go": names})}
	require.ErrorContains(t, b.checkText(), "p.go still names")
}
