// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"go.etcd.io/etcd/tests/v3/framework/integration"

	"github.com/seed-da5263fb/concurrency/etcdtest"
)

// The guarantees of doc.go, one test for each. Every case runs against this
// package and against the one that it takes the place of, by the same code. A
// case does not fail by itself: it returns a verdict, which has to be nil for this
// package, and of the kind that the case names for the original. docs/guarantees.md
// is these cases as tables; go test -run TestGuaranteesDocIsCurrent -update writes it.

func TestGuarantee1OneLeaderPerRevision(t *testing.T) { guarantee1.test(t) }
func TestGuarantee2StepDownFirst(t *testing.T)        { guarantee2.test(t) }
func TestGuarantee3NoFalseVictory(t *testing.T)       { guarantee3.test(t) }
func TestGuarantee4NoGhosts(t *testing.T)             { guarantee4.test(t) }
func TestGuarantee5NothingHangs(t *testing.T)         { guarantee5.test(t) }
func TestGuarantee6FirstComeFirstLed(t *testing.T)    { guarantee6.test(t) }
func TestGuarantee7ObserversSeeItAll(t *testing.T)    { guarantee7.test(t) }
func TestGuarantee8StateTellsTheTruth(t *testing.T)   { guarantee8.test(t) }
func TestGuarantee9NamesAreApart(t *testing.T)        { guarantee9.test(t) }

// init lets more cases run beside each other than there are processors: those on
// real clusters mostly wait. The flag -parallel still decides where it is given.
func init() {
	testing.Init()
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
}

func allGuarantees() []*guarantee {
	return []*guarantee{
		guarantee1, guarantee2, guarantee3, guarantee4, guarantee5, guarantee6, guarantee7, guarantee8, guarantee9,
	}
}

// A guarantee is one of those that doc.go numbers.
type guarantee struct {
	number int
	title  string
	cases  []guaranteeCase
}

// A guaranteeCase is a situation in which a guarantee has to hold.
type guaranteeCase struct {
	says    string // what has to hold, as a sentence; the subtest is named by it
	on      []place
	members int  // of the etcd; 1 if 0
	alone   bool // not beside other cases
	own     bool // a real cluster of its own, which it may break
	mixed   bool // both packages take part, in one run
	run     func(*world) error

	original kind   // what the original's verdict is
	does     string // what the original does
	ours     string // what this package does
}

// A place is what a case runs on.
type place string

const (
	memory  place = "memory"  // etcdtest, in virtual time
	cluster place = "cluster" // real members in this process
)

var (
	onMemory  = []place{memory}
	onCluster = []place{cluster}
	onBoth    = []place{memory, cluster}
)

// A kind says in what way a guarantee is broken.
type kind string

const (
	passes       kind = ""
	falseVictory kind = "false victory"
	overlap      kind = "overlap"          // still leading when the lease is gone
	unfenced     kind = "no fence"         // claims what it does not have
	ghost        kind = "ghost"            // a key that nobody answers for
	hangs        kind = "hangs"            // does not return, or not in time
	givesUp      kind = "gives up"         // ends where it could go on
	harms        kind = "harms another"    // deletes the key of another
	writes       kind = "writes"           // where it must not
	misleads     kind = "misleading error" // about something else than what is the matter
	misses       kind = "misses"           // does not see what was there to see
	falls        kind = "falls behind"     // without bound
	untold       kind = "not told"         // does not say what is the matter
	lies         kind = "untrue state"     // says what is not so
	mixes        kind = "mixes names"      // takes one name's keys for another's
	admits       kind = "admits two"       // where one has to exclude the other
	races        kind = "data race"        // not run
	lacks        kind = "lacks it"         // not run
)

// runs reports whether a case can be run against a package that fails this way.
func (k kind) runs() bool { return k != races && k != lacks }

// A verdict is why a case is not passed.
type verdict struct {
	kind kind
	text string
}

func (v *verdict) Error() string { return fmt.Sprintf("%s: %s", v.kind, v.text) }

func fails(k kind, format string, args ...any) error {
	return &verdict{k, fmt.Sprintf(format, args...)}
}

// test runs the cases: first those that share no cluster with others, since
// etcd's framework has one cluster at a time.
func (g *guarantee) test(t *testing.T) {
	size := 0
	for _, c := range g.cases {
		if c.shares() {
			size = max(size, c.size())
		} else {
			t.Run(c.name(), func(t *testing.T) { c.test(t, nil) })
		}
	}
	if size == 0 {
		return
	}
	shared := startCluster(t, integration.ClusterConfig{Size: size})
	for _, c := range g.cases {
		if c.shares() {
			t.Run(c.name(), func(t *testing.T) { c.test(t, shared) })
		}
	}
}

func (c *guaranteeCase) size() int { return max(1, c.members) }

// shares reports whether the case runs on a cluster that others run on as well.
func (c *guaranteeCase) shares() bool { return slices.Contains(c.on, cluster) && !c.own }

func (c *guaranteeCase) test(t *testing.T, shared *integration.Cluster) {
	parallel := shared != nil && !c.alone
	if parallel {
		t.Parallel()
	}
	for _, pkg := range []*implementation{this, original} {
		t.Run(pkg.name, func(t *testing.T) {
			if parallel {
				t.Parallel()
			}
			if pkg == original && c.mixed {
				t.Skip("it takes part in the other run")
			}
			if pkg == original && !c.original.runs() {
				t.Skipf("the original: %s: %s", c.original, c.does)
			}
			for _, p := range c.on {
				c.judge(t, pkg, p, shared)
			}
		})
	}
}

// judge runs a case and compares its verdict with what is expected.
func (c *guaranteeCase) judge(t *testing.T, pkg *implementation, p place, shared *integration.Cluster) {
	want := c.original
	if pkg == this {
		want = passes
	}
	slow := 2 * time.Second
	if want != passes {
		slow = 0 // a machine that is too busy to pass is no surprise then
	}
	var err error
	switch {
	case p == memory:
		synctest.Test(t, func(t *testing.T) {
			err = c.run(newWorld(t, pkg, etcdtest.New(t, etcdtest.WithMembers(c.size())), nil, 0))
		})
	case c.own:
		t.Run("cluster", func(t *testing.T) {
			clus := startCluster(t, integration.ClusterConfig{Size: c.size()})
			err = c.run(newWorld(t, pkg, nil, clus, slow))
		})
	default:
		err = c.run(newWorld(t, pkg, nil, shared, slow))
	}
	if err != nil {
		t.Logf("on %s: %v", p, err)
	}
	var v *verdict
	switch {
	case want == passes:
		require.NoError(t, err, "on %s", p)
	case errors.As(err, &v):
		require.Equal(t, want, v.kind, "on %s", p)
	default:
		require.Failf(t, "wrong verdict", "on %s: expected %s, got %v", p, want, err)
	}
}

// name is the sentence in the form of a test's name.
func (c *guaranteeCase) name() string {
	var b strings.Builder
	says := strings.NewReplacer("/", " slash ", `""`, "empty").Replace(c.says)
	for word := range strings.FieldsFuncSeq(says, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		r := []rune(word)
		b.WriteString(string(unicode.ToUpper(r[0])) + string(r[1:]))
	}
	return b.String()
}

var updateDoc = flag.Bool("update", false, "write docs/guarantees.md")

const guaranteesDoc = "docs/guarantees.md"

func TestGuaranteesDocIsCurrent(t *testing.T) {
	want := renderGuarantees()
	if *updateDoc {
		require.NoError(t, os.MkdirAll("docs", 0o755))
		require.NoError(t, os.WriteFile(guaranteesDoc, []byte(want), 0o644))
	}
	got, err := os.ReadFile(guaranteesDoc)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "stale: go test -run TestGuaranteesDocIsCurrent -update")
}

func TestGuaranteeCasesAreNamedApart(t *testing.T) {
	for _, g := range allGuarantees() {
		names := make(map[string]bool)
		for _, c := range g.cases {
			require.False(t, names[c.name()], c.name())
			names[c.name()] = true
			require.NotEmpty(t, c.ours, c.name())
			require.Equal(t, c.original == passes, c.does == "", "%s: say what the original does where it fails", c.name())
		}
	}
}

// renderGuarantees returns docs/guarantees.md.
func renderGuarantees() string {
	var b strings.Builder
	all, failed, missing := 0, 0, 0
	for _, g := range allGuarantees() {
		for _, c := range g.cases {
			all++
			switch {
			case !c.original.runs():
				missing++
			case c.original != passes:
				failed++
			}
		}
	}
	fmt.Fprintf(&b, `# The guarantees, case by case

<!-- Generated from the cases in guarantee*_test.go by: go test -run TestGuaranteesDocIsCurrent -update . -->

Each row is a test that runs against this package and against the original, etcd's `+"`client/v3/concurrency`"+` v3.7.3,
by the same code. This package passes all %d. The original passes %d, fails %d in the way that the row names, and is
not run on %d: what they ask for is missing there, or cannot be asked for without a data race.

*On* is what a case runs on: *memory* is `+"`etcdtest`"+`, in virtual time; *cluster* is real members, one if no number is
given. Run them with `+"`go test . -run Guarantee`"+`, or one of them with the name of its row, written together:
`+"`go test . -run 'Guarantee3/%s'`"+`.
`, all, all-failed-missing, failed, missing, guarantee3.cases[0].name())
	for _, g := range allGuarantees() {
		fmt.Fprintf(&b, "\n## %d. %s\n\n| case | the original | this package | on |\n|---|---|---|---|\n", g.number, g.title)
		for _, c := range g.cases {
			does := "passes"
			if c.mixed {
				does = "takes part"
			}
			if c.original != passes {
				does = fmt.Sprintf("**%s**: %s", c.original, c.does)
			}
			var on []string
			for _, p := range c.on {
				s := string(p)
				if c.members > 1 {
					s += fmt.Sprint(" of ", c.members)
				}
				on = append(on, s)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", c.says, does, c.ours, strings.Join(on, ", "))
		}
	}
	return b.String()
}
