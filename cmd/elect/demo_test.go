// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// command returns the demo as a process, whose temporary folder is dir.
func command(t *testing.T, dir string, flags ...string) *exec.Cmd {
	t.Helper()
	if testing.Short() {
		t.Skip("runs the demo")
	}
	path, err := build()
	require.NoError(t, err)
	cmd := exec.Command(path, append([]string{"demo"}, flags...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "TERM=xterm-256color")
	return cmd
}

func TestDemo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plot := filepath.Join(t.TempDir(), "timeline.svg")
	cmd := command(t, dir, "--plot", plot)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	out := stdout.String()
	require.NoError(t, err, "%s%s", out, &stderr)
	require.Less(t, time.Since(began), 40*time.Second)
	require.Empty(t, stderr.String(), "loggers are silent")
	require.NotContains(t, out, "\x1b", "no escape codes in a pipe")
	require.NotContains(t, out, "\r")

	for i, cause := range []string{"resigned", "key deleted", "crashed", "cut off"} {
		row := regexp.MustCompile(`(?m)^` + string(rune('1'+i)) + ` +\w+ ` + cause + ` .* ok$`)
		require.Regexp(t, row, out)
	}
	require.Regexp(t, `(?m)^  ada +[·█]`, out, "a lane of the timeline")
	require.Contains(t, out, "etcd refuses it by the fence")
	require.Regexp(t, `(?m)^PASS: 5 leaders`, out)
	for _, line := range strings.Split(out, "\n") {
		require.Equal(t, strings.TrimRight(line, " "), line, "no blanks at the end of a line")
	}
	requireNothingLeft(t, out, dir)

	require.Contains(t, out, "The timeline is drawn in "+plot+"\n")
	svg, err := os.ReadFile(plot)
	require.NoError(t, err)
	require.NoError(t, xml.Unmarshal(svg, new(struct{ XMLName xml.Name })))
	for _, row := range regexp.MustCompile(`(?m)^\d +(\w+) (resigned|key deleted|crashed|cut off) `).FindAllStringSubmatch(out, -1) {
		require.Contains(t, string(svg), ">"+row[1]+": "+row[2]+"<", "the picture is of this run")
	}
}

func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			dir := t.TempDir()
			plot := filepath.Join(t.TempDir(), "timeline.svg")
			cmd := command(t, dir, "--plot", plot)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			pipe, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())

			var out strings.Builder
			lines := bufio.NewScanner(pipe)
			for lines.Scan() {
				out.WriteString(lines.Text() + "\n")
				if strings.Contains(lines.Text(), "ACT 1") {
					break
				}
			}
			require.Contains(t, out.String(), "ACT 1")
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, entries, 1, "the members' folder")

			began := time.Now()
			require.NoError(t, cmd.Process.Signal(sig))
			_, err = io.Copy(&out, pipe)
			require.NoError(t, err)
			err = cmd.Wait()
			require.Less(t, time.Since(began), 8*time.Second)
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, exitInterrupted, exit.ExitCode())
			require.Equal(t, "elect: interrupted\n", stderr.String())
			requireNothingLeft(t, out.String(), dir)
			require.NoFileExists(t, plot)
		})
	}
}

// TestDemoWithoutReader closes the pipe that the demo writes to, as "| head" does.
func TestDemoWithoutReader(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := command(t, dir)
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = bufio.NewReader(pipe).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, pipe.Close())
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, exitFailed, exit.ExitCode(), "and not ended by SIGPIPE")
	requireNothingLeft(t, "", dir)
}

// TestDemoSaysAtOnceThatThePlotCannotBeWritten runs in this process: the demo would
// begin with a line on stdout.
func TestDemoSaysAtOnceThatThePlotCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	for name, c := range map[string]struct{ path, want string }{
		"InAFolderThatIsNotThere": {filepath.Join(dir, "no", "t.svg"), "no such file or directory"},
		"InAFile":                 {filepath.Join(file, "t.svg"), "not a directory"},
		"AFolder":                 {dir, dir + " is not a regular file; name another one"},
		"ADevice":                 {"/dev/null", "/dev/null is not a regular file; name another one"},
		"NoName":                  {"", "no file is named; use --plot FILE.svg"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, exitFailed, run([]string{"demo", "--plot", c.path}, &stdout, &stderr))
			require.Empty(t, stdout.String())
			require.Regexp(t, `^elect: demo: --plot: .*\n$`, stderr.String())
			require.Contains(t, stderr.String(), c.want)
		})
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
}

func TestClaim(t *testing.T) {
	t.Run("TakesBackAFileThatItMade", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "t.svg")
		giveUp, err := claim(path)
		require.NoError(t, err)
		require.FileExists(t, path)
		giveUp()
		require.NoFileExists(t, path)
	})
	t.Run("LeavesAnOldPictureAlone", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "t.svg")
		require.NoError(t, os.WriteFile(path, []byte("old"), 0o644))
		giveUp, err := claim(path)
		require.NoError(t, err)
		giveUp()
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, "old", string(text))
	})
}

// requireNothingLeft checks that the ports which the output names are free, and
// the folder empty.
func requireNothingLeft(t *testing.T, out, dir string) {
	t.Helper()
	for _, address := range regexp.MustCompile(`127\.0\.0\.1:\d+`).FindAllString(out, -1) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		require.Error(t, err, "somebody still listens at %s", address)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}
