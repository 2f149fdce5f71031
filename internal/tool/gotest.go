// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package tool

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Report tells what a run of go test did. Tests and examples are counted, subtests are not: they belong to their test.
type Report struct {
	Passed  []string
	Failed  []string // including those that began and never ended
	Skipped []string

	// Err is why the run failed as a whole: a failed test, a build error, a goroutine leaked. It is nil only if go test
	// was content, and no test failed.
	Err error

	running map[string]bool
	output  map[string]*bytes.Buffer // by test; what belongs to none has the key ""
}

// event is one line of go test -json; see go doc test2json.
type event struct {
	Action string
	Test   string
	Output string
}

// GoTest runs go test -json with args in dir, with env added to the environment, and reports on it.
func GoTest(ctx context.Context, dir string, env []string, args ...string) *Report {
	r := &Report{running: make(map[string]bool), output: make(map[string]*bytes.Buffer)}
	cmd := Command(ctx, dir, env, "go", append([]string{"test", "-json"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		r.Err = err
		return r
	}
	r.read(stdout)
	r.Err = Wait(ctx, cmd)
	r.log("", stderr.String())
	r.end()
	return r
}

// read takes in the events of a run.
func (r *Report) read(from io.Reader) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				e = event{Action: "output", Output: string(line)} // go itself may complain in plain text
			}
			r.take(e)
		}
		if err != nil {
			return
		}
	}
}

func (r *Report) take(e event) {
	test, _, sub := strings.Cut(e.Test, "/")
	r.log(test, e.Output)
	if test == "" || sub {
		return
	}
	switch e.Action {
	case "run":
		r.running[test] = true
		return
	case "pass":
		r.Passed = append(r.Passed, test)
	case "fail":
		r.Failed = append(r.Failed, test)
	case "skip":
		r.Skipped = append(r.Skipped, test)
	default:
		return
	}
	delete(r.running, test)
}

// end counts the tests that began and did not end (a panic, a timeout) as failed ones.
func (r *Report) end() {
	for test := range r.running {
		r.Failed = append(r.Failed, test)
	}
	clear(r.running)
	slices.Sort(r.Failed)
	if r.Err == nil && len(r.Failed) > 0 {
		r.Err = fmt.Errorf("%d tests failed", len(r.Failed))
	}
}

func (r *Report) log(test, text string) {
	if text == "" {
		return
	}
	if r.output[test] == nil {
		r.output[test] = new(bytes.Buffer)
	}
	r.output[test].WriteString(text)
}

// Reason returns what the skipped test said last, which is why it was skipped.
func (r *Report) Reason(test string) string {
	var reason string
	if b := r.output[test]; b != nil {
		for line := range strings.Lines(b.String()) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--- ") && !strings.HasPrefix(line, "=== ") {
				reason = line
			}
		}
	}
	return reason
}

// serverLog matches what an etcd server in the test's process logs, hundreds of lines a test, below the level of an
// error.
var serverLog = regexp.MustCompile(`^\s*logger\.go:\d+: \S+\t(DEBUG|INFO|WARN)\t`)

// WriteFailures writes what the failed tests said, or if none failed and the run did, what belongs to no test. What the
// etcd servers logged is left out unless all is set.
func (r *Report) WriteFailures(w io.Writer, all bool) {
	failed := r.Failed
	if len(failed) == 0 {
		failed = []string{""}
	}
	for _, test := range failed {
		if r.output[test] == nil {
			continue
		}
		var dropped int
		for line := range strings.Lines(r.output[test].String()) {
			if !all && serverLog.MatchString(line) {
				dropped++
				continue
			}
			fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, "\n"))
		}
		if dropped > 0 {
			fmt.Fprintf(w, "    (%d lines of server log left out; -v shows them)\n", dropped)
		}
	}
}
