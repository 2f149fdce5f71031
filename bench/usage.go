// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"bytes"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cpuTime returns how much CPU this process has used: clients and members
// together, which is what a change costs whoever pays for it.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("bug: getrusage of the own process: " + err.Error())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A footprint is what the process holds at a moment.
type footprint struct {
	bytes          int64 // of live heap and of stacks, both sides
	client, server int   // goroutines
}

// weigh collects garbage, and returns what is left.
func weigh() footprint {
	runtime.GC()
	runtime.GC() // what finalizers and pools held through the first one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f := footprint{bytes: int64(m.HeapAlloc + m.StackInuse)}
	f.client, f.server = countGoroutines()
	return f
}

func (f footprint) minus(before footprint) footprint {
	return footprint{f.bytes - before.bytes, f.client - before.client, f.server - before.server}
}

var goroutineGroup = regexp.MustCompile(`(?m)^(\d+) @ `)

// countGoroutines tells those of the members from all others by their stacks.
func countGoroutines() (client, server int) {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		panic("bug: write to a buffer: " + err.Error())
	}
	for group := range strings.SplitSeq(b.String(), "\n\n") {
		m := goroutineGroup.FindStringSubmatch(group)
		if m == nil {
			continue
		}
		n, _ := strconv.Atoi(m[1])
		if ofServer(group) {
			server += n
		} else {
			client += n
		}
	}
	return client, server
}

func ofServer(stack string) bool {
	for _, mark := range []string{"etcd/server/v3", "grpc.(*Server)", "http2Server", "NewServerTransport", "go.etcd.io/raft", "bbolt"} {
		if strings.Contains(stack, mark) {
			return true
		}
	}
	return false
}

// waitQuiet waits until hardly anything happens any more: what was started is then
// under way, and what was ended gone. It looks at the number of goroutines, and at
// the CPU, since many may stand in a line for one thing.
func waitQuiet() {
	const (
		interval = 300 * time.Millisecond
		idle     = interval / 5 // what etcd's own heartbeats and a few renewals take
		most     = time.Minute
	)
	for end := time.Now().Add(most); time.Now().Before(end); {
		before, cpu := runtime.NumGoroutine(), cpuTime()
		time.Sleep(interval)
		// Timers and retries come and go by ones.
		if d := runtime.NumGoroutine() - before; cpuTime()-cpu < idle && -3 < d && d < 3 {
			return
		}
	}
}
