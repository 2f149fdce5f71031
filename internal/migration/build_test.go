// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package migration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency/internal/tool"
)

const (
	ours     = "github.com/seed-da5263fb/concurrency"
	original = "go.etcd.io/etcd/client/v3/concurrency"
	client   = "go.etcd.io/etcd/client/v3"
	etcdctl  = "go.etcd.io/etcd/etcdctl/v3"
	server   = "go.etcd.io/etcd/server/v3"
)

// buildTime is for three programs with an empty build cache.
const buildTime = 8 * time.Minute

// env keeps a workspace around the repository out of temporary modules.
var env = []string{"GOWORK=off", "GOFLAGS=-mod=mod"}

// programs are the paths of what is tried.
type programs struct {
	original string // etcdctl as it is published
	migrated string // etcdctl after the import path was changed
	services string // the services after the import path was changed
	elect    string // this repository's command line
}

// builds gives the two etcdctls names.
func (p programs) builds() map[string]string {
	return map[string]string{"Original": p.original, "Migrated": p.migrated}
}

var buildFolder string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		defer func() { _ = os.RemoveAll(buildFolder) }()
		return m.Run()
	}())
}

// build returns the programs, built once for all tests.
func build(t *testing.T) programs {
	t.Helper()
	if testing.Short() {
		t.Skip("builds etcdctl and etcd's services")
	}
	p, err := buildOnce()
	require.NoError(t, err)
	return p
}

var buildOnce = sync.OnceValues(func() (p programs, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildTime)
	defer cancel()
	if buildFolder, err = os.MkdirTemp("", "concurrency-migration-"); err != nil {
		return p, err
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return p, err
	}
	version, err := tool.Output(ctx, root, env[:1], "go", "list", "-m", "-f", "{{.Version}}", client)
	if err != nil {
		return p, err
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum")) // for a machine that cannot ask the checksum database
	if err != nil {
		return p, err
	}
	old := &module{filepath.Join(buildFolder, "original"), sums}
	if err := old.create(ctx, "original", "-require="+etcdctl+"@"+version); err != nil {
		return p, err
	}
	if p.original, err = old.build(ctx, etcdctl); err != nil {
		return p, err
	}

	p.elect = filepath.Join(buildFolder, "elect")
	if _, err := tool.Output(ctx, root, env[:1], "go", "build", "-ldflags=-s -w", "-o", p.elect, "./cmd/elect"); err != nil {
		return p, err
	}

	migrated := &module{filepath.Join(buildFolder, "migrated"), sums}
	if err := migrated.create(ctx, "migrated"); err != nil {
		return p, err
	}
	if err := migrated.copySources(ctx, version); err != nil {
		return p, err
	}
	if err := migrated.followTheDocs(ctx, root, importPath); err != nil {
		return p, err
	}
	// What go get would do, for a version that may not be published yet.
	err = migrated.edit(ctx, "-require="+ours+"@v0.0.0", "-replace="+ours+"="+root,
		"-require="+etcdctl+"@"+version, "-replace="+etcdctl+"=./etcdctl", "-require="+server+"@"+version)
	if err != nil {
		return p, err
	}
	if p.migrated, err = migrated.build(ctx, etcdctl); err != nil {
		return p, err
	}
	if p.services, err = migrated.build(ctx, "migrated/services"); err != nil {
		return p, err
	}
	return p, errors.Join(migrated.checkLinks(ctx, etcdctl), migrated.checkLinks(ctx, "migrated/services"))
})

// A module is one that is made for the test.
type module struct {
	dir  string
	sums []byte
}

func (m *module) run(ctx context.Context, name string, args ...string) (string, error) {
	return tool.Output(ctx, m.dir, env, name, args...)
}

func (m *module) edit(ctx context.Context, flags ...string) error {
	_, err := m.run(ctx, "go", append([]string{"mod", "edit"}, flags...)...)
	return err
}

func (m *module) create(ctx context.Context, name string, flags ...string) error {
	err := errors.Join(
		os.Mkdir(m.dir, 0o755),
		os.WriteFile(filepath.Join(m.dir, "go.mod"), []byte("module "+name+"\n\ngo 1.26.0\n"), 0o644),
		os.WriteFile(filepath.Join(m.dir, "go.sum"), m.sums, 0o644),
	)
	if err != nil || len(flags) == 0 {
		return err
	}
	return m.edit(ctx, flags...)
}

func (m *module) build(ctx context.Context, pkg string) (path string, err error) {
	path = filepath.Join(m.dir, "bin", strings.ReplaceAll(pkg, "/", "-"))
	_, err = m.run(ctx, "go", "build", "-ldflags=-s -w", "-o", path, pkg)
	return path, err
}

// copySources copies etcdctl and the services out of the module cache, where
// files are read-only. The services come with a program around them, since etcd
// has them within its server.
func (m *module) copySources(ctx context.Context, version string) error {
	out, err := m.run(ctx, "go", "mod", "download", "-json", etcdctl+"@"+version, server+"@"+version)
	if err != nil {
		return err
	}
	folders := map[string]string{}
	for decoder := json.NewDecoder(strings.NewReader(out)); ; {
		var mod struct{ Path, Dir string }
		if err := decoder.Decode(&mod); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		folders[mod.Path] = mod.Dir
	}
	api := filepath.Join(folders[server], "etcdserver", "api")
	for from, to := range map[string]string{
		folders[etcdctl]:                      "etcdctl",
		filepath.Join(api, "v3election"):      "v3election",
		filepath.Join(api, "v3lock"):          "v3lock",
		filepath.Join("testdata", "services"): "services",
	} {
		if err := os.CopyFS(filepath.Join(m.dir, to), os.DirFS(from)); err != nil {
			return err
		}
	}
	// What clients and servers say to each other stays the published module's:
	// a protocol buffer can be registered only once in a program.
	return errors.Join(
		os.RemoveAll(filepath.Join(m.dir, "v3election", "v3electionpb")),
		os.RemoveAll(filepath.Join(m.dir, "v3lock", "v3lockpb")),
	)
}

// The headings of docs/migrating.md that have a command below them.
const (
	importPath = "## The import path"
	goingBack  = "## Going back"
)

// followTheDocs runs the command that docs/migrating.md gives below a heading for
// changing imports.
func (m *module) followTheDocs(ctx context.Context, root, heading string) error {
	page, err := os.ReadFile(filepath.Join(root, "docs", "migrating.md"))
	if err != nil {
		return err
	}
	_, section, _ := strings.Cut(string(page), "\n"+heading+"\n")
	found := regexp.MustCompile("(?s)^[^#]*?```sh\n(grep -rl.*?)```").FindStringSubmatch(section)
	if found == nil {
		return fmt.Errorf("docs/migrating.md has no command that begins with grep -rl below %q", heading)
	}
	command := found[1]
	if _, err := m.run(ctx, "sh", "-c", "sed --version"); err != nil {
		command = strings.Replace(command, "sed -i ", "sed -i '' ", 1) // as the page says for macOS and the BSDs
	}
	_, err = m.run(ctx, "sh", "-c", command)
	return err
}

// checkLinks makes sure that a program uses this package, and that nothing else
// in it uses the original: this package does, for STM.
func (m *module) checkLinks(ctx context.Context, pkg string) error {
	out, err := m.run(ctx, "go", "list", "-deps", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, pkg)
	if err != nil {
		return err
	}
	var users []string
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if slices.Contains(fields[1:], original) {
			users = append(users, fields[0])
		}
	}
	if !slices.Equal(users, []string{ours}) {
		return fmt.Errorf("%s: %s is used by %v, and should be by %s alone", pkg, original, users, ours)
	}
	return nil
}
