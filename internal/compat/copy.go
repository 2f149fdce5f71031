// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/seed-da5263fb/concurrency/internal/tool"
)

// env is added to the environment of every go command: a workspace around the repository must not change the build.
var env = []string{"GOWORK=off"}

// build is the temporary module.
type build struct {
	root *module
	dir  string
}

func (b *build) run(ctx context.Context, name string, args ...string) (string, error) {
	return tool.Output(ctx, b.dir, env, name, args...)
}

// prepare fills the folder: the copies of etcd's modules with the imports changed, and a go.mod that puts them and the
// package under test together.
func (b *build) prepare(ctx context.Context) error {
	// An empty module, so that the download neither reads nor writes the repository's go.mod.
	if err := b.write("go.mod", fmt.Sprintf("module compat\n\ngo %s\n", b.root.goes)); err != nil {
		return err
	}
	// The checksums that the repository trusts, for a machine that cannot ask the checksum database.
	sums, err := os.ReadFile(filepath.Join(b.root.dir, "go.sum"))
	if err != nil {
		return err
	}
	if err := b.write("go.sum", string(sums)); err != nil {
		return err
	}
	var requires, replaces strings.Builder
	fmt.Fprintf(&requires, "\t%s v0.0.0\n", b.root.path)
	fmt.Fprintf(&replaces, "\t%s => %s\n", b.root.path, strconv.Quote(b.root.dir))
	for _, m := range copied {
		dir := filepath.Join(b.dir, filepath.FromSlash(short(m.path)))
		if err := b.copy(ctx, m.path, dir); err != nil {
			return err
		}
		files, err := rewrite(dir, original, b.root.path)
		if err != nil {
			return err
		}
		if files != m.files {
			return fmt.Errorf("%s: %d files import %s, expected %d", m.path, files, original, m.files)
		}
		fmt.Fprintf(&requires, "\t%s %s\n", m.path, etcdVersion)
		fmt.Fprintf(&replaces, "\t%s => ./%s\n", m.path, short(m.path))
	}
	if err := b.mend(ctx); err != nil {
		return err
	}
	if err := b.checkText(); err != nil {
		return err
	}
	return b.write("go.mod", fmt.Sprintf("module compat\n\ngo %s\n\nrequire (\n%s)\n\nreplace (\n%s)\n", b.root.goes, requires.String(), replaces.String()))
}

// copy copies a module from the module cache, where the files are read-only, into dir, where they are not.
func (b *build) copy(ctx context.Context, path, dir string) error {
	out, err := b.run(ctx, "go", "mod", "download", "-json", path+"@"+etcdVersion)
	if err != nil {
		return err
	}
	var mod struct{ Dir string }
	if err := json.Unmarshal([]byte(out), &mod); err != nil {
		return err
	}
	return os.CopyFS(dir, os.DirFS(mod.Dir))
}

// mend changes what the published tests need to be built outside etcd's own repository, and the one test that asks for
// what this package rules out.
func (b *build) mend(ctx context.Context) error {
	dir := filepath.Join(b.dir, filepath.FromSlash(short(tests)))
	// cache/v3, which one file of tests needs, was never published.
	if err := os.Remove(filepath.Join(dir, "integration", "cache_test.go")); err != nil {
		return err
	}
	if _, err := b.run(ctx, "go", "mod", "edit", "-droprequire=go.etcd.io/etcd/cache/v3", filepath.Join(dir, "go.mod")); err != nil {
		return err
	}
	// TestElectionWithAuthEnabled orphans its sessions before they campaign, so that the lease of the second candidate
	// expires while it waits: with the original it "wins" with a key that is gone. Here the session is orphaned after.
	return replaceOnce(filepath.Join(dir, "integration", "v3_election_test.go"),
		"\t\t\ts.Orphan()\n\n\t\t\te := concurrency.NewElection(s, campaign.pfx)\n",
		"\t\t\tdefer s.Orphan()\n\n\t\t\te := concurrency.NewElection(s, campaign.pfx)\n")
}

func (b *build) write(name, text string) error {
	return os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o644)
}

// replaceOnce replaces a text that has to be in the file exactly once.
func replaceOnce(file, from, to string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if n := bytes.Count(text, []byte(from)); n != 1 {
		return fmt.Errorf("%s: the text to change is there %d times, expected once: %q", file, n, from)
	}
	return os.WriteFile(file, bytes.Replace(text, []byte(from), []byte(to), 1), 0o644)
}

// rewrite changes the imports of one package, in all Go files in and below dir, into those of another, and returns in how many
// files it did. Both packages have the same name, so nothing else in the files has to change.
func rewrite(dir, from, to string) (int, error) {
	var files int
	err := eachGoFile(dir, func(file string, text []byte) error {
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, file, text, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			if spec.Path.Value != strconv.Quote(from) {
				continue
			}
			at, end := fset.Position(spec.Path.Pos()).Offset, fset.Position(spec.Path.End()).Offset
			files++
			return os.WriteFile(file, []byte(string(text[:at])+strconv.Quote(to)+string(text[end:])), 0o644)
		}
		return nil
	})
	return files, err
}

// checkText makes sure that nothing in the copies so much as mentions the original, except the original.
func (b *build) checkText() error {
	own := filepath.Join(b.dir, filepath.FromSlash(short(original))) + string(filepath.Separator)
	return eachGoFile(b.dir, func(file string, text []byte) error {
		if !strings.HasPrefix(file, own) && bytes.Contains(text, []byte(original)) {
			return fmt.Errorf("%s still names %s", file, original)
		}
		return nil
	})
}

func eachGoFile(dir string, do func(file string, text []byte) error) error {
	return filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(file) != ".go" {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return do(file, text)
	})
}
