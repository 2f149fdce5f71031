// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package house

import (
	"context"
	"fmt"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

// programs are what the pages tell a reader to run besides what is checked here. A new one is added with where the
// reader has it from.
var programs = map[string]string{
	"cat": "everywhere", "curl": "everywhere", "date": "everywhere", "echo": "everywhere", "export": "the shell",
	"grep": "everywhere", "kill": "the shell", "printf": "the shell", "sed": "everywhere", "sleep": "everywhere",
	"sudo": "everywhere", "timeout": "coreutils", "trap": "the shell", "true": "the shell", "wait": "the shell", "xargs": "everywhere",
	"apt-get": "Debian", "docker": "its project", "etcdctl": "etcd", "etcdutl": "etcd", "git": "its project",
	"gofmt": "Go", "jq": "its project", "kubectl": "Kubernetes", "psql": "PostgreSQL", "systemctl": "systemd",
}

// foreignFlags are flags of other programs that the pages name without a command.
var foreignFlags = map[string]string{
	"election-timeout": "etcd", "grpc-keepalive-min-time": "etcd", "initial-advertise-peer-urls": "etcdutl",
	"initial-cluster": "etcdutl", "mark-compacted": "etcdutl", "name": "etcdutl",
}

// TestCommandsExist tries what the pages, and CI, run: that each target of make, each package, each test, and each
// subcommand and flag is there. Which it is that each command does, the tests of each show.
func TestCommandsExist(t *testing.T) {
	if testing.Short() {
		t.Skip("builds elect")
	}
	r := openRepository(t)
	help := electHelp(t, r)
	for _, sub := range []string{"run", "nothing"} {
		_, ok := help(sub)
		require.Equal(t, sub == "run", ok, "whether elect has a subcommand %s", sub)
	}
	c := newCommandChecker(r.fsys, r.read(t, "Makefile"), help)
	for _, name := range r.named(".md") {
		c.page(parsePage(name, r.read(t, name)))
	}
	c.script(".ci/run", 0, r.read(t, ".ci/run"), func(args []string) []string {
		if args[0] != "step" {
			return nil
		}
		return args[1:]
	})
	require.Greater(t, c.checked, 30)
	requireNone(t, c.problems)
}

// electHelp builds elect, and returns a function that asks it for the help of a subcommand; false if there is none.
func electHelp(t *testing.T, r repository) func(args ...string) (string, bool) {
	t.Helper()
	elect := filepath.Join(t.TempDir(), "elect")
	_, stderr, err := goCommand(t, r.dir, "build", "-o", elect, "./cmd/elect")
	require.NoError(t, err, "%s", stderr)
	asked := make(map[string]string)
	return func(args ...string) (string, bool) {
		key := strings.Join(args, " ")
		if _, ok := asked[key]; !ok {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			// What elect does not know it refuses, or it shows the help of the command above.
			out, _ := exec.CommandContext(ctx, elect, append(slices.Clone(args), "--help")...).Output()
			asked[key] = string(out)
		}
		usage := "elect"
		for _, arg := range args {
			usage += " " + arg
		}
		return asked[key], regexp.MustCompile(`(?m)^  ` + regexp.QuoteMeta(usage) + `( |$)`).MatchString(asked[key])
	}
}

// A commandChecker tells what is wrong with commands.
type commandChecker struct {
	fsys      fs.FS
	targets   map[string]bool // of the Makefile
	variables map[string]bool
	help      func(args ...string) (string, bool) // of elect
	checked   int
	problems  []string
}

var (
	makeTarget   = regexp.MustCompile(`(?m)^([a-z][\w-]*):`)
	makeVariable = regexp.MustCompile(`(?m)^([A-Z_]+) \?=`)
	prompt       = regexp.MustCompile(`(?m)^\$ `)
	outputLine   = regexp.MustCompile(`(?m)^[^$].*$`) // of a console: what does not begin with the prompt
	checkedSpan  = regexp.MustCompile(`^(make|go (run|test|vet|install)|cd \S+ &&|elect [a-z]+( |$))`)
)

func newCommandChecker(fsys fs.FS, makefile string, help func(args ...string) (string, bool)) *commandChecker {
	c := &commandChecker{fsys: fsys, help: help, targets: make(map[string]bool), variables: make(map[string]bool)}
	for _, m := range makeTarget.FindAllStringSubmatch(makefile, -1) {
		c.targets[m[1]] = true
	}
	for _, m := range makeVariable.FindAllStringSubmatch(makefile, -1) {
		c.variables[m[1]] = true
	}
	return c
}

// page checks the shell's blocks of a page, its indented blocks, which are for commands alone, and the commands within
// its lines. All of them are run from the repository's root.
func (c *commandChecker) page(p page) {
	for _, b := range p.blocks {
		if slices.Contains([]string{"sh", "bash", "shell", "console"}, b.lang) || b.lang == "" && checkedSpan.MatchString(b.text) {
			text := b.text
			if b.lang == "console" {
				text = outputLine.ReplaceAllString(text, "")
			}
			c.script(p.name, b.line-1, text, nil)
		}
	}
	for _, s := range p.spans {
		switch {
		case checkedSpan.MatchString(s.text) && s.text != "make":
			c.script(p.name, s.line-1, s.text, nil)
		case strings.HasPrefix(s.text, "--"):
			c.flags(p.name, s)
		}
	}
}

// flags checks flags that stand for themselves: they are elect's or chaos', or named in foreignFlags.
func (c *commandChecker) flags(name string, s span) {
	elect, _ := c.goFiles(".", "./cmd/elect")
	chaos, _ := c.goFiles(".", "./chaos/cmd/chaos")
	for _, m := range regexp.MustCompile(`--([a-z][a-z-]*)`).FindAllStringSubmatch(s.text, -1) {
		c.checked++
		if _, ok := foreignFlags[m[1]]; !ok && !defines(append(elect, chaos...), m[1]) {
			c.problems = append(c.problems, fmt.Sprintf("%s:%d: neither elect nor chaos has a flag --%s", name, s.line, m[1]))
		}
	}
}

// script checks the commands of a script, or what of each of them only returns.
func (c *commandChecker) script(name string, before int, text string, only func([]string) []string) {
	dir := "."
	for _, cmd := range shellCommands(prompt.ReplaceAllString(text, "")) {
		args := cmd.args
		if only != nil {
			if args = only(args); len(args) == 0 {
				continue
			}
		}
		problem := func(format string, a ...any) {
			c.problems = append(c.problems, fmt.Sprintf("%s:%d: %s: %s", name, before+cmd.line, strings.Join(args, " "), fmt.Sprintf(format, a...)))
		}
		c.checked++
		args = behindPrefix(args)
		switch args[0] {
		case "cd":
			dir = path.Join(dir, args[len(args)-1])
			if info, err := fs.Stat(c.fsys, dir); err != nil || !info.IsDir() {
				problem("there is no folder %s", dir)
				return
			}
		case "make":
			c.make(args[1:], problem)
		case "go":
			c.goCommand(dir, args[1:], problem)
		case "elect":
			c.elect(args[1:], problem)
		default:
			if _, ok := programs[args[0]]; !ok && only == nil {
				problem("what is %s? Add it to programs in command_test.go, with where a reader has it from", args[0])
			}
		}
	}
}

// behindPrefix takes off a program that runs the rest of its command line.
func behindPrefix(args []string) []string {
	switch {
	case args[0] == "timeout" && len(args) > 2:
		return args[2:]
	case args[0] == "sudo" && len(args) > 1:
		return args[1:]
	}
	return args
}

func (c *commandChecker) make(args []string, problem func(string, ...any)) {
	for _, arg := range args {
		if name, _, ok := strings.Cut(arg, "="); ok {
			if !c.variables[name] {
				problem("the Makefile has no variable %s", name)
			}
		} else if !c.targets[arg] {
			problem("the Makefile has no target %s", arg)
		}
	}
}

// withValue are the flags of the go command, and of go test, whose value may be the next word.
var withValue = []string{"C", "bench", "benchtime", "count", "coverprofile", "cpu", "fuzz", "fuzztime", "o", "p", "parallel", "run", "tags", "timeout"}

// plain are those that have none.
var plain = []string{"a", "benchmem", "cover", "failfast", "json", "n", "race", "short", "v", "x"}

// goCommand checks go run, test, build, install and vet; other subcommands it leaves alone.
func (c *commandChecker) goCommand(dir string, args []string, problem func(string, ...any)) {
	if len(args) == 0 || !slices.Contains([]string{"run", "test", "build", "install", "vet"}, args[0]) {
		return
	}
	var packages, unknown []string
	var run string
	rest := args[1:]
	for len(rest) > 0 {
		arg := rest[0]
		rest = rest[1:]
		if !strings.HasPrefix(arg, "-") {
			packages = append(packages, arg)
			if args[0] == "run" {
				break // what follows is for the program
			}
			continue
		}
		flag, value, given := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch {
		case slices.Contains(withValue, flag):
			if !given && len(rest) > 0 {
				value, rest = rest[0], rest[1:]
			}
			if flag == "run" {
				run = value
			}
		case !slices.Contains(plain, flag):
			unknown = append(unknown, flag)
			if !given && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && !strings.HasPrefix(rest[0], ".") {
				rest = rest[1:]
			}
		}
	}
	if len(packages) == 0 {
		packages = []string{"."}
	}
	var code []string // of the packages
	for _, pkg := range packages {
		files, elsewhere := c.goFiles(dir, pkg)
		if elsewhere {
			return
		}
		if len(files) == 0 {
			problem("there is no package %s", pkg)
			return
		}
		code = append(code, files...)
	}
	if args[0] == "run" {
		if len(packages) == 1 && path.Join(dir, packages[0]) == "cmd/elect" {
			c.elect(rest, problem)
			return
		}
		for _, arg := range rest {
			if strings.HasPrefix(arg, "-") {
				flag, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
				unknown = append(unknown, flag)
			}
		}
	}
	for _, flag := range unknown {
		if !defines(code, flag) {
			problem("there is no flag -%s", flag)
		}
	}
	if run != "" {
		c.run(run, code, problem)
	}
}

// defines reports whether one of the files defines a flag.
func defines(code []string, flag string) bool {
	re := regexp.MustCompile(`\.\w+\((?:&?[\w.]+, )?"` + regexp.QuoteMeta(flag) + `", `)
	return slices.ContainsFunc(code, re.MatchString)
}

// goFiles returns the texts of the Go files of the packages that arg stands for in dir, or that they are not this
// repository's.
func (c *commandChecker) goFiles(dir, arg string) (texts []string, elsewhere bool) {
	arg, version, _ := strings.Cut(arg, "@")
	switch own, ok := strings.CutPrefix(arg, ownPath); {
	case ok:
		dir = path.Join(".", own)
	case version != "" || !strings.HasPrefix(arg, "."):
		return nil, true
	default:
		dir = path.Join(dir, arg)
	}
	deep := path.Base(dir) == "..."
	if deep {
		dir = path.Dir(dir)
	}
	_ = fs.WalkDir(c.fsys, dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case d.IsDir() && name != dir && (!deep || slices.Contains(skipped, name)):
			return fs.SkipDir
		case path.Ext(name) == ".go":
			text, err := fs.ReadFile(c.fsys, name)
			if err == nil {
				texts = append(texts, string(text))
			}
		}
		return nil
	})
	return texts, false
}

var testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Example|Fuzz|Benchmark)\w*)\(`)

// run checks that a pattern of go test matches a test; of the subtests it knows nothing.
func (c *commandChecker) run(pattern string, code []string, problem func(string, ...any)) {
	top, _, _ := strings.Cut(pattern, "/")
	re, err := regexp.Compile(top)
	if err != nil {
		problem("%v", err)
		return
	}
	for _, text := range code {
		for _, m := range testFunc.FindAllStringSubmatch(text, -1) {
			if re.MatchString(m[1]) {
				return
			}
		}
	}
	problem("no test matches %s", top)
}

var (
	helpFlag    = regexp.MustCompile(`(?m)^ +(?:-(\w), )?(?:    )?--([a-z][a-z-]*)`)
	lowerLetter = regexp.MustCompile(`^[a-z]`)
)

// elect checks a command line of elect: the subcommand, and the flags up to --.
func (c *commandChecker) elect(args []string, problem func(string, ...any)) {
	var sub []string
	help, _ := c.help()
	if len(args) > 0 && lowerLetter.MatchString(args[0]) {
		sub = append(sub, args[0])
		var ok bool
		if help, ok = c.help(sub...); !ok {
			problem("elect has no subcommand %s", args[0])
			return
		}
	}
	flags := make(map[string]bool)
	for _, m := range helpFlag.FindAllStringSubmatch(help, -1) {
		flags["-"+m[1]], flags["--"+m[2]] = true, true
	}
	for _, arg := range args {
		if arg == "--" {
			return
		}
		flag, _, _ := strings.Cut(arg, "=")
		if strings.HasPrefix(flag, "-") && !flags[flag] {
			problem("elect %s has no flag %s", strings.Join(sub, " "), flag)
		}
	}
}

func TestCommandChecker(t *testing.T) {
	fsys := fstest.MapFS{
		"main_test.go":      {Data: []byte("package p\n\nfunc TestA(t *testing.T) {}\n\nvar u = flag.Bool(\"update\", false, \"\")\n")},
		"tool/main.go":      {Data: []byte("package main\n\nfunc f() { flag.StringVar(&cfg.out, \"out\", \"\", \"\") }\n")},
		"cmd/elect/main.go": {Data: []byte("package main\n\nfunc f() { flags.BoolVar(&cfg.bar, \"bar\", false, \"\") }\n")},
		"docs/a.md":         {Data: []byte("")},
	}
	makefile := "N ?= 1\ntest: ## all\n\tgo test\n"
	help := func(args ...string) (string, bool) {
		switch strings.Join(args, " ") {
		case "":
			return "Flags:\n  -o, --output string   how\n", true
		case "list":
			return "Flags:\n      --watch   on\n  -o, --output string   how\n", true
		}
		return "", false
	}
	for text, want := range map[string]string{
		"make test N=3":                          "",
		"go test ./... -run TestA":               "",
		"go test -run '^TestA$/sub' -update .":   "",
		"cd tool && go run . -out x":             "",
		"go run ./tool -out=x":                   "",
		"go run ./cmd/elect list a":              "",
		"go install " + ownPath + "/tool@latest": "",
		"go run example.com/x@v1 -any":           "",
		"elect list a --watch -o json -- x --y":  "",
		"ETCDCTL_USER=x etcdctl get a | jq .":    "",
		"$ make test":                            "",
		"make gone":                              "the Makefile has no target gone",
		"make test X=1":                          "the Makefile has no variable X",
		"cd gone && make test":                   "there is no folder gone",
		"cd tool && go test ./gone":              "there is no package ./gone",
		"go run ./docs":                          "there is no package ./docs",
		"go run ./tool -in=x":                    "there is no flag -in",
		"go test . -gone":                        "there is no flag -gone",
		"go test -run TestGone .":                "no test matches TestGone",
		"go test -run '(' .":                     "missing closing )",
		"go install " + ownPath + "/gone@latest": "there is no package " + ownPath + "/gone",
		"elect gone a":                           "elect has no subcommand gone",
		"elect list --gone":                      "elect list has no flag --gone",
		"elect --watch":                          "elect  has no flag --watch",
		"go run ./cmd/elect gone":                "elect has no subcommand gone",
		"echo x | gonectl":                       "what is gonectl?",
		"timeout 9 elect gone":                   "elect has no subcommand gone",
		"make test \\\n  gone":                   "the Makefile has no target gone",
	} {
		t.Run(text, func(t *testing.T) {
			c := newCommandChecker(fsys, makefile, help)
			c.page(parsePage("a.md", "Text.\n\n```sh\n"+text+"\n```\n"))
			require.Positive(t, c.checked)
			if want == "" {
				require.Empty(t, c.problems)
			} else {
				require.Len(t, c.problems, 1)
				require.Contains(t, c.problems[0], "a.md:4: ")
				require.Contains(t, c.problems[0], want)
			}
		})
	}
	t.Run("AFlagByItself", func(t *testing.T) {
		c := newCommandChecker(fsys, makefile, help)
		c.page(parsePage("a.md", "Try `--bar`, `--gone`, and `--name` of etcdutl.\n"))
		require.Equal(t, []string{"a.md:1: neither elect nor chaos has a flag --gone"}, c.problems)
	})
	t.Run("OutputOfAConsoleIsNoCommand", func(t *testing.T) {
		c := newCommandChecker(fsys, makefile, help)
		c.page(parsePage("a.md", "```console\n$ make gone\nmake more\n```\n"))
		require.Len(t, c.problems, 1)
	})
	t.Run("WithinALineAndIndented", func(t *testing.T) {
		c := newCommandChecker(fsys, makefile, help)
		c.page(parsePage("a.md", "See `make gone`, `make`, and `elect NAME`.\n\n    go run ./gone\n\nOr `elect gone x`.\n"))
		require.Len(t, c.problems, 3)
	})
}
