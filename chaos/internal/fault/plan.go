// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package fault

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Config is what a plan is made for.
type Config struct {
	Seed             uint64
	Kinds            []Kind
	Duration         time.Duration // of all
	TTL              time.Duration
	Members, Workers int
	Lanes            []string
}

// A Storm is a time of faults. All of them are over when it ends.
type Storm struct {
	For    time.Duration `json:"for"`
	Faults []Fault       `json:"faults"` // in order of At
}

const (
	stormFor = 25 * time.Second
	// AfterTTL is what an election may take beyond the TTL until it has a leader.
	AfterTTL = 2 * time.Second
	// settle is what a calm lasts beyond that, to see who is left in the queues.
	settle = 1500 * time.Millisecond
)

// Calm returns how long the calm after a storm is.
func (c Config) Calm() time.Duration { return c.TTL + AfterTTL + settle }

// A slot has one fault at a time, drawn from kinds with their weights.
type slot struct {
	weights  map[Kind]int
	gap      [2]time.Duration
	duration [2]time.Duration
}

// slots are what goes wrong independently of each other.
func (c Config) slots() []slot {
	sec := func(from, to float64) [2]time.Duration {
		return [2]time.Duration{time.Duration(from * float64(time.Second)), time.Duration(to * float64(time.Second))}
	}
	workers := slot{
		map[Kind]int{WorkerPause: 3, WorkerKill: 1}, sec(1, 5),
		[2]time.Duration{c.TTL + 1500*time.Millisecond, c.TTL + 4*time.Second},
	}
	return []slot{
		{map[Kind]int{MemberKill: 1, MemberPause: 1}, sec(3, 12), sec(1, 6)},
		workers, workers,
		{map[Kind]int{ClientCut: 1, ClientSilence: 2, ClientSlow: 1}, sec(1, 6), sec(2, 10)},
		{map[Kind]int{ClientCut: 1, ClientSilence: 2, ClientSlow: 1}, sec(1, 6), sec(2, 10)},
		{map[Kind]int{PeerCut: 1, PeerSilence: 2, PeerSlow: 1}, sec(3, 12), sec(1, 6)},
		{map[Kind]int{Compact: 3, Defrag: 1, MoveLeader: 2, Revoke: 2, DeleteKey: 2}, sec(0.3, 2.5), sec(0, 0)},
	}
}

// Plan draws all storms. The same configuration gives the same plan.
func Plan(c Config) []Storm {
	r := rand.New(rand.NewPCG(c.Seed, 0))
	var storms []Storm
	for left := c.Duration; len(storms) == 0 || left >= c.Calm()+stormFor/2; {
		s := Storm{For: max(min(stormFor, left-c.Calm()), stormFor/5)}
		left -= s.For + c.Calm()
		for _, sl := range c.slots() {
			s.Faults = append(s.Faults, c.draw(r, sl, s.For)...)
		}
		slices.SortStableFunc(s.Faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
		storms = append(storms, s)
	}
	return storms
}

func (c Config) draw(r *rand.Rand, s slot, storm time.Duration) []Fault {
	var deck []Kind
	for _, k := range Kinds() { // in this order, so that the seed decides
		if slices.Contains(c.Kinds, k) {
			deck = append(deck, slices.Repeat([]Kind{k}, s.weights[k])...)
		}
	}
	if len(deck) == 0 {
		return nil
	}
	var faults []Fault
	for at := between(r, s.gap); ; {
		f := Fault{
			Kind: deck[r.IntN(len(deck))], At: at, For: between(r, s.duration),
			Member: r.IntN(c.Members), Worker: r.IntN(c.Workers), Lane: c.Lanes[r.IntN(len(c.Lanes))],
			Waiting: r.IntN(3) == 0, Way: []Way{There, Back, Both, Both}[r.IntN(4)],
		}
		if r.IntN(5) < 3 {
			f.Member = RaftLeader
		}
		// Leaders above all: they have more to lose.
		if r.IntN(4) > 0 {
			f.Worker = LaneLeader
		}
		f.Peers = some(r, c.Members-1)
		f.Members = some(r, c.Members)
		if r.IntN(4) == 0 {
			f.KBps = 4 + r.Int64N(60)
		} else {
			f.Latency = between(r, [2]time.Duration{50 * time.Millisecond, 700 * time.Millisecond})
		}
		f = f.essential()
		if f.At+f.For > storm {
			return faults
		}
		faults = append(faults, f)
		at += f.For + between(r, s.gap)
	}
}

// essential returns f without what its kind has no use for.
func (f Fault) essential() Fault {
	e := Fault{Kind: f.Kind, At: f.At, For: f.For}
	switch f.Kind {
	case MemberKill, MemberPause, Defrag:
		e.Member = f.Member
	case WorkerPause:
		e.Worker = f.Worker
	case WorkerKill:
		e.Worker, e.For = f.Worker, f.For/4
	case ClientCut, ClientSilence, ClientSlow:
		e.Worker, e.Members = f.Worker, f.Members
	case PeerCut, PeerSilence, PeerSlow:
		e.Member, e.Peers = f.Member, f.Peers
	case Revoke, DeleteKey:
		e.Lane, e.Waiting = f.Lane, f.Waiting
	}
	if e.Worker == LaneLeader {
		e.Lane = f.Lane
	}
	switch f.Kind {
	case ClientSilence, PeerSilence:
		e.Way = f.Way
	case ClientSlow, PeerSlow:
		e.Way, e.Latency, e.KBps = f.Way, f.Latency, f.KBps
		if e.KBps > 0 {
			e.Latency = 0
		}
	}
	return e
}

// some returns one or more of the numbers below n, more often all of them.
func some(r *rand.Rand, n int) []int {
	var chosen []int
	all := r.IntN(2) == 0
	for i := range n {
		if all || r.IntN(2) == 0 {
			chosen = append(chosen, i)
		}
	}
	if len(chosen) == 0 {
		chosen = []int{r.IntN(n)}
	}
	return chosen
}

// between draws a duration, in whole milliseconds for whoever reads the plan.
func between(r *rand.Rand, d [2]time.Duration) time.Duration {
	return (d[0] + time.Duration(r.Int64N(int64(d[1]-d[0])+1))).Truncate(time.Millisecond)
}

// Describe tells a plan, a line for each fault.
func Describe(storms []Storm) string {
	var b strings.Builder
	for i, s := range storms {
		fmt.Fprintf(&b, "storm %d, %v, then calm\n", i+1, s.For)
		for _, f := range s.Faults {
			fmt.Fprintf(&b, "  %7.3fs %v\n", f.At.Seconds(), f)
		}
	}
	return b.String()
}
