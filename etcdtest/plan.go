// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Fault is one fault of a [Plan].
type Fault struct {
	At, For     time.Duration // since the plan began, and for how long; faults that only happen once have no For
	Kind        Kind
	Participant string // for faults of a link
	Member      int    // for faults of a member, or of a link to one member; -1 for all
	Delay       time.Duration
}

// String is one line of a trace.
func (f Fault) String() string {
	s := fmt.Sprintf("%8s %s", f.At.Round(time.Millisecond), f.Kind)
	if f.Participant != "" {
		s += " of " + f.Participant
	}
	switch {
	case f.Kind == StopMember || f.Kind == PauseMember:
		s += fmt.Sprintf(" %d", f.Member)
	case f.Member >= 0:
		s += fmt.Sprintf(" at member %d", f.Member)
	}
	if f.Delay > 0 {
		s += fmt.Sprintf(" by %s", f.Delay.Round(time.Millisecond))
	}
	if f.For > 0 {
		s += fmt.Sprintf(" for %s", f.For.Round(time.Millisecond))
	}
	return s
}

// Kind is a kind of fault, named after the method that causes it.
type Kind string

// The kinds of faults that a plan may hold.
const (
	Cut             Kind = "cut"
	Swallow         Kind = "swallow"
	SwallowRequests Kind = "swallow requests"
	SwallowReplies  Kind = "swallow replies"
	Break           Kind = "break"
	Delay           Kind = "delay"
	DropRequest     Kind = "drop request"
	DropReply       Kind = "drop reply"
	CutWatch        Kind = "cut watch"
	CompactWatch    Kind = "compact watch"
	SilenceWatch    Kind = "silence watch"
	HoldWatch       Kind = "hold watch"
	Pause           Kind = "pause"
	Compact         Kind = "compact"
	RevokeLease     Kind = "revoke lease"
	StopMember      Kind = "stop member"
	LoseLeader      Kind = "lose leader"
	PauseMember     Kind = "pause member"
)

// Kinds returns all kinds of faults but those that take away what a participant has done nothing to lose: revoked leases.
func Kinds() []Kind {
	return []Kind{
		Cut, Swallow, SwallowRequests, SwallowReplies, Break, Delay, DropRequest, DropReply,
		CutWatch, CompactWatch, SilenceWatch, HoldWatch, Pause, Compact, StopMember, LoseLeader, PauseMember,
	}
}

func (k Kind) once() bool {
	return slices.Contains([]Kind{Break, DropRequest, DropReply, CutWatch, CompactWatch, Compact, RevokeLease}, k)
}

func (k Kind) ofMember() bool { return k == StopMember || k == LoseLeader || k == PauseMember }

func (k Kind) ofAll() bool { return k == Compact || k == RevokeLease }

// Storm says what faults to draw.
type Storm struct {
	Participants []string
	Members      int           // one if zero
	Duration     time.Duration // the whole; all is healed when it ends
	Every        time.Duration // between faults, on average; two seconds if zero
	Longest      time.Duration // that a fault lasts; five seconds if zero
	Kinds        []Kind        // [Kinds] if none
}

// Plan is a list of faults in the order in which they happen.
type Plan struct {
	Seed     uint64
	Duration time.Duration
	Faults   []Fault
}

// NewPlan draws a plan. The same seed and storm give the same plan.
func NewPlan(seed uint64, storm Storm) Plan {
	r := rand.New(rand.NewPCG(seed, 0x5707))
	every, longest, kinds := storm.Every, storm.Longest, storm.Kinds
	if every == 0 {
		every = 2 * time.Second
	}
	if longest == 0 {
		longest = 5 * time.Second
	}
	if kinds == nil {
		kinds = Kinds()
	}
	members := max(storm.Members, 1)
	p := Plan{Seed: seed, Duration: storm.Duration}
	for at := draw(r, 2*every); at < storm.Duration; at += draw(r, 2*every) {
		f := Fault{At: at, Kind: kinds[r.IntN(len(kinds))], Member: -1}
		length, member := draw(r, longest), r.IntN(members)
		if !f.Kind.once() {
			f.For = min(length, storm.Duration-at)
		}
		switch {
		case f.Kind.ofAll():
		case f.Kind.ofMember():
			f.Member = member
		case len(storm.Participants) == 0:
			continue
		default:
			f.Participant = storm.Participants[r.IntN(len(storm.Participants))]
			if f.Kind != Pause && members > 1 && r.IntN(2) == 0 {
				f.Member = member
			}
		}
		if f.Kind == Delay {
			f.Delay = draw(r, time.Second)
		}
		p.Faults = append(p.Faults, f)
	}
	return p
}

// draw returns a duration of up to d, and of at least a millisecond.
func draw(r *rand.Rand, d time.Duration) time.Duration {
	return time.Millisecond + time.Duration(r.Int64N(int64(d)))
}

// String lists the faults, a line each.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, %s:\n", p.Seed, p.Duration)
	for _, f := range p.Faults {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}

// Run causes the faults of a plan at their times and returns when its duration is over, or when ctx ends; then it heals
// every link and member that the plan names. A fault that is healed heals everything else that is wrong with its link.
func (e *Etcd) Run(ctx context.Context, p Plan) {
	type step struct {
		at time.Duration
		do func()
	}
	var steps []step
	for _, f := range p.Faults {
		fault := e.faultOf(f)
		steps = append(steps, step{f.At, fault.do}, step{f.At + f.For, fault.undo})
	}
	slices.SortStableFunc(steps, func(a, b step) int { return int(a.at - b.at) })
	start := time.Now()
	wait := func(until time.Duration) bool {
		if left := time.Until(start.Add(until)); left > 0 {
			select {
			case <-time.After(left):
			case <-ctx.Done():
			}
		}
		return ctx.Err() == nil
	}
	defer e.healAll(p)
	for _, s := range steps {
		if s.at >= p.Duration || !wait(s.at) {
			break
		}
		s.do()
	}
	if ctx.Err() == nil {
		wait(p.Duration)
	}
}

// effect is what a fault does, and what ends it.
type effect struct{ do, undo func() }

func (e *Etcd) faultOf(f Fault) effect {
	nothing := func() {}
	if f.Kind.ofMember() {
		m := e.Member(f.Member)
		switch f.Kind {
		case StopMember:
			return effect{m.Stop, m.Restart}
		case LoseLeader:
			return effect{m.LoseLeader, m.RegainLeader}
		default:
			return effect{m.Pause, m.Resume}
		}
	}
	if f.Kind.ofAll() {
		return effect{func() { e.takeAway(f.Kind) }, nothing}
	}
	l := e.Link(f.Participant)
	if f.Member >= 0 {
		l = e.Link(f.Participant, f.Member)
	}
	switch f.Kind {
	case Cut:
		return effect{l.Cut, l.Heal}
	case Swallow:
		return effect{l.Swallow, l.Heal}
	case SwallowRequests:
		return effect{l.SwallowRequests, l.Heal}
	case SwallowReplies:
		return effect{l.SwallowReplies, l.Heal}
	case Break:
		return effect{l.Break, nothing}
	case Delay:
		return effect{func() { l.Delay(f.Delay, f.Delay) }, l.Heal}
	case DropRequest:
		return effect{func() { l.DropRequest() }, nothing}
	case DropReply:
		return effect{func() { l.DropReply() }, nothing}
	case CutWatch:
		return effect{func() { l.CutWatch() }, nothing}
	case CompactWatch:
		return effect{func() { l.CompactWatch() }, nothing}
	case SilenceWatch:
		return effect{func() { l.SilenceWatch() }, l.Heal}
	case HoldWatch:
		return effect{func() { l.HoldWatch() }, l.Heal}
	case Pause:
		return effect{func() { e.Pause(f.Participant) }, func() { e.Resume(f.Participant) }}
	}
	panic(fmt.Sprintf("etcdtest: unknown kind of fault %q", f.Kind))
}

// takeAway revokes the oldest lease, or compacts everything.
func (e *Etcd) takeAway(k Kind) {
	if k == Compact {
		e.Compact(0) // an error says that there was nothing to compact
		return
	}
	leases := e.Leases()
	if len(leases) > 0 {
		oldest := slices.MinFunc(leases, func(a, b Lease) int { return int(a.ID - b.ID) })
		e.Revoke(oldest.ID) // an error says that it has just ended
	}
}

func (e *Etcd) healAll(p Plan) {
	stopped := map[int]bool{}
	for _, f := range p.Faults {
		if f.Participant != "" {
			e.Link(f.Participant).Heal()
			e.Resume(f.Participant)
		}
		if f.Kind.ofMember() {
			stopped[f.Member] = true
		}
	}
	for i := range e.Members() {
		if !stopped[i] {
			continue
		}
		m := e.Member(i)
		m.Resume()
		m.RegainLeader()
		m.startIfStopped()
	}
}
