// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package tool_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency/internal/tool"
)

// goTest runs go test on a module with one file of tests.
func goTest(t *testing.T, tests string, args ...string) *tool.Report {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module m\n\ngo 1.26\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "m_test.go"), []byte("package m\n\nimport \"testing\"\n\n"+tests), 0o644))
	return tool.GoTest(t.Context(), dir, []string{"GOWORK=off", "GOFLAGS="}, append(args, "-vet=off", ".")...)
}

func failures(r *tool.Report) string {
	var b strings.Builder
	r.WriteFailures(&b, false)
	return b.String()
}

func TestGoTest(t *testing.T) {
	t.Run("CountsTestsAndNotSubtests", func(t *testing.T) {
		r := goTest(t, `
			func TestA(t *testing.T) { t.Run("x", func(t *testing.T) {}); t.Run("y", func(t *testing.T) {}) }
			func TestB(t *testing.T) { t.Skip("the server is too old") }
			func TestC(t *testing.T) { t.Run("x", func(t *testing.T) { t.Skip() }) }`)
		require.NoError(t, r.Err)
		require.Equal(t, []string{"TestA", "TestC"}, r.Passed)
		require.Equal(t, []string{"TestB"}, r.Skipped)
		require.Contains(t, r.Reason("TestB"), "the server is too old")
		require.Empty(t, r.Failed)
	})
	t.Run("TellsWhatTheFailedTestSaid", func(t *testing.T) {
		r := goTest(t, `
			func TestA(t *testing.T) { t.Log("fine") }
			func TestB(t *testing.T) { t.Run("x", func(t *testing.T) { t.Error("broken here") }) }`)
		require.Error(t, r.Err)
		require.Equal(t, []string{"TestA"}, r.Passed)
		require.Equal(t, []string{"TestB"}, r.Failed)
		require.Contains(t, failures(r), "broken here")
		require.NotContains(t, failures(r), "fine")
	})
	t.Run("APanicFailsTheTestThatRan", func(t *testing.T) {
		r := goTest(t, `
			func TestA(t *testing.T) {}
			func TestB(t *testing.T) { c := make(chan int); go panic("lost"); <-c }`)
		require.Error(t, r.Err)
		require.Equal(t, []string{"TestB"}, r.Failed)
		require.Contains(t, failures(r), "lost")
	})
	t.Run("ATimeoutFailsTheTestThatRan", func(t *testing.T) {
		r := goTest(t, `func TestA(t *testing.T) { select {} }`, "-timeout=100ms")
		require.Error(t, r.Err)
		require.Equal(t, []string{"TestA"}, r.Failed)
	})
	t.Run("ABuildErrorIsShown", func(t *testing.T) {
		r := goTest(t, `func TestA(t *testing.T) { undefinedName() }`)
		require.Error(t, r.Err)
		require.Empty(t, r.Passed)
		require.Contains(t, failures(r), "undefinedName")
	})
	t.Run("AFailureOutsideOfTestsIsShown", func(t *testing.T) {
		r := goTest(t, `
			func TestA(t *testing.T) {}
			func TestMain(m *testing.M) { m.Run(); println("a goroutine leaked"); panic("at the end") }`)
		require.Error(t, r.Err)
		require.Equal(t, []string{"TestA"}, r.Passed)
		require.Contains(t, failures(r), "a goroutine leaked")
	})
	t.Run("NothingRan", func(t *testing.T) {
		r := goTest(t, `func TestA(t *testing.T) {}`, "-run=TestB")
		require.NoError(t, r.Err)
		require.Empty(t, r.Passed)
	})
}

func TestCommand(t *testing.T) {
	t.Run("EndsWithAllThatItStarted", func(t *testing.T) {
		read, write, err := os.Pipe()
		require.NoError(t, err)
		defer read.Close()
		ctx, cancel := context.WithCancelCause(t.Context())
		// The child of the shell, as the tests are of the go command. It ignores the interrupt.
		cmd := tool.Command(ctx, "", nil, "sh", "-c", `trap "" INT; sleep 60 & trap "exit 3" INT; echo started; wait`)
		cmd.Stdout = write
		require.NoError(t, cmd.Start())
		require.NoError(t, write.Close())
		require.NoError(t, read.SetReadDeadline(time.Now().Add(30*time.Second)))
		lines := bufio.NewReader(read)
		_, err = lines.ReadString('\n')
		require.NoError(t, err)

		stop := errors.New("stop")
		cancel(stop)
		require.ErrorIs(t, tool.Wait(ctx, cmd), stop)
		_, err = lines.ReadString('\n')
		require.ErrorIs(t, err, io.EOF, "somebody still holds the pipe")
	})
	t.Run("OutputTellsWhyItFailed", func(t *testing.T) {
		_, err := tool.Output(t.Context(), "", nil, "sh", "-c", "echo some reason >&2; exit 3")
		require.ErrorContains(t, err, "some reason")
		require.ErrorContains(t, err, "exit status 3")
	})
}
