// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import "regexp"

// A row is one thing to measure, with the settings and cluster sizes that it has.
type row struct {
	name  string
	title string
	run   func(*lab) error
}

var rows = []row{
	{"uncontested", "Campaign and Resign with nobody else about", uncontested},
	{"handover", "from Resign until the next Campaign returns, the waiter fresh (8 ms in the queue) or old (300 ms)", handover},
	{"handover under writes", "the same while other clients write", handoverLoaded},
	{"queue", "candidates, each with its own session on one of up to 20 clients, queue up, and each that leads resigns", queueUp},
	{"join", "how long others wait for their writes while candidates join one queue, 500 a second", joinCost},
	{"observers", "observers on up to 20 clients see the next leader", observe},
	{"crash", "leaders that crash, and leaders that are cut off from etcd", failovers},
	{"sessions", "sessions of one client kept alive, less what an idle client costs", keepAlive},
	{"calls", "calls that wait for nobody", calls},
	{"contended locks", "sessions that lock and unlock one mutex as fast as they can: from one lock to the next", contendedLocks},
	{"many elections", "a session that leads in very many elections is closed, and another waits in each", manyElections},
	{"on purpose", "a handover on purpose beside client-go's leader election with its fake clientset, both at their defaults", onPurpose},
}

func re(pattern string) *regexp.Regexp { return regexp.MustCompile(pattern) }

// The bounds. A factor of one is "at most the original's".
var bounds = []bound{
	{row: "uncontested", what: "time", stat: median, against: nameLimit, factor: 1.06},
	{row: "handover", what: "time", stat: median, against: nameLimit, factor: 1.4},
	{row: "handover under writes", what: "time", stat: p95, against: nameLimit, factor: 2.5},

	{row: "queue", what: "time per handover", setting: re(`^\d{1,3} `), stat: median, against: nameOriginal, factor: 1},
	{row: "queue", what: "time per handover", setting: re(`^\d{4,} `), stat: median, against: nameOriginal, factor: 0.8},
	{row: "queue", what: "CPU per handover", stat: median, against: nameOriginal, factor: 1.3},
	{row: "queue", what: "bytes per waiter", stat: median, against: nameOriginal, factor: 2},
	{row: "queue", what: "client goroutines per waiter", stat: median, against: nameOriginal, factor: 2},
	{row: "join", what: "time of others' writes", stat: p99, against: nameOriginal, factor: 1},

	{row: "observers", what: "time until the last one knows", setting: re(`^\d{3,} `), stat: median, against: nameOriginal, factor: 0.2},
	{row: "observers", what: "CPU of a handover", setting: re(`^\d{3,} `), stat: median, against: nameOriginal, factor: 0.3},
	{row: "observers", what: "requests of observers at a handover", stat: median, factor: 0},

	{row: "crash", what: "time without a leader", stat: median, against: nameOriginal, plus: "time from stepping down to the next leader"},
	{row: "crash", what: "time from stepping down to the next leader", stat: least, factor: 0},
	{row: "crash", what: "time from the cut to the next leader", stat: median, against: nameOriginal, plus: "time from stepping down to the next leader"},

	{row: "sessions", what: "CPU", setting: re(`^\d{3,} `), stat: median, against: nameOriginal, factor: 1.2},
	{row: "sessions", what: "requests sent", stat: median, against: nameOriginal, factor: 1.2},
	{row: "sessions", what: "requests received", stat: median, against: nameOriginal, factor: 1.2},
	{row: "sessions", what: "Authenticate calls", stat: most, factor: 0},
	{row: "sessions", what: "bytes per session", setting: re(`^1000 `), stat: median, against: nameOriginal, factor: 2},

	{row: "calls", what: "time", stat: median, against: nameOriginal, factor: 1},
	{row: "contended locks", what: "time per lock", stat: median, against: nameOriginal, factor: 1},
	{row: "many elections", what: "time until the last one leads", stat: median, against: nameOriginal, factor: 1},
}
