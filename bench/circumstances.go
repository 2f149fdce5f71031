// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// writeCircumstances tells on what, with what and of what size a run was.
func (r *report) writeCircumstances(b *strings.Builder) {
	fmt.Fprintf(b, "| | |\n|---|---|\n")
	fmt.Fprintf(b, "| machine | %s, %d CPUs, %s, %s/%s |\n", processor(), runtime.NumCPU(), memory(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(b, "| Go | %s |\n", runtime.Version())
	fmt.Fprintf(b, "| versions | %s |\n", strings.Join(versions(), ", "))
	fmt.Fprintf(b, "| began | %s, took %.0f s |\n", r.began.UTC().Format("2006-01-02 15:04 MST"), r.took.Seconds())
	fmt.Fprintf(b, "| load average | %s before, %s after |\n", r.loadBefore, r.loadAfter)
	fmt.Fprintf(b, "| etcd | embedded, members on the loopback interface, data in a temporary directory, default settings |\n")
	fmt.Fprintf(b, "| clients | each on one member; etcd's own leader is the last to get one |\n")
	fmt.Fprintf(b, "| sizes | `%+v` |\n", r.size)
}

// versions are those of what is measured.
func versions() []string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	var vs []string
	for _, m := range info.Deps {
		switch m.Path {
		case "go.etcd.io/etcd/client/v3", "go.etcd.io/etcd/server/v3", "google.golang.org/grpc", "k8s.io/client-go":
			vs = append(vs, m.Path+" "+m.Version)
		}
	}
	return vs
}

func processor() string { return field("/proc/cpuinfo", "model name", "processor unknown") }

func memory() string { return field("/proc/meminfo", "MemTotal", "memory unknown") }

// field returns what a file of lines such as "name : value" says of a name.
func field(file, name, otherwise string) string {
	f, err := os.Open(file)
	if err != nil {
		return otherwise
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return otherwise
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(b))[:1], " ")
}
