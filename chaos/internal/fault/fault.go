// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package fault decides from a seed what goes wrong when.
package fault

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Kind is a sort of fault.
type Kind string

// All kinds.
const (
	MemberKill    Kind = "member-kill"    // SIGKILL, and started again
	MemberPause   Kind = "member-pause"   // SIGSTOP
	WorkerPause   Kind = "worker-pause"   // SIGSTOP, for longer than the TTL
	WorkerKill    Kind = "worker-kill"    // SIGKILL, and started again
	ClientCut     Kind = "client-cut"     // a worker's links to some members refuse connections
	ClientSilence Kind = "client-silence" // they swallow bytes, one way or both
	ClientSlow    Kind = "client-slow"    // they are slow
	PeerCut       Kind = "peer-cut"       // the same between two members, or between one and both others
	PeerSilence   Kind = "peer-silence"
	PeerSlow      Kind = "peer-slow"
	Compact       Kind = "compact"
	Defrag        Kind = "defrag"
	MoveLeader    Kind = "move-leader"
	Revoke        Kind = "revoke"     // a candidate's lease
	DeleteKey     Kind = "delete-key" // a candidate's key
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{
		MemberKill, MemberPause, WorkerPause, WorkerKill, ClientCut, ClientSilence, ClientSlow,
		PeerCut, PeerSilence, PeerSlow, Compact, Defrag, MoveLeader, Revoke, DeleteKey,
	}
}

// Parse reads a list of kinds: names with commas between them, "all" or "none".
func Parse(list string) ([]Kind, error) {
	switch list {
	case "all":
		return Kinds(), nil
	case "none":
		return nil, nil
	}
	var kinds []Kind
	for name := range strings.SplitSeq(list, ",") {
		k := Kind(strings.TrimSpace(name))
		if !slices.Contains(Kinds(), k) {
			return nil, fmt.Errorf("no fault is called %q: choose from all, none, or some of %v, with commas between them", k, Kinds())
		}
		kinds = append(kinds, k)
	}
	return kinds, nil
}

// RaftLeader in place of a member stands for the one that is raft's leader when
// the fault comes.
const RaftLeader = -1

// LaneLeader in place of a worker stands for the one that leads the fault's lane
// when the fault comes.
const LaneLeader = -1

// A Way is which bytes a link swallows or delays.
type Way string

// The three ways: what the client of the link sends, what its server sends, and
// both.
const (
	There Way = "there"
	Back  Way = "back"
	Both  Way = "both"
)

// A Fault is one of a plan.
type Fault struct {
	Kind Kind          `json:"kind"`
	At   time.Duration `json:"at"`            // from the begin of its storm
	For  time.Duration `json:"for,omitempty"` // 0: it is done at once

	Member  int           `json:"member"`            // which one, or RaftLeader
	Peers   []int         `json:"peers,omitempty"`   // which of the others the member's links to fail: the next, the one after that
	Worker  int           `json:"worker"`            // which one, or LaneLeader
	Members []int         `json:"members,omitempty"` // which ones the worker's links to fail
	Way     Way           `json:"way,omitempty"`
	Latency time.Duration `json:"latency,omitempty"` // with a jitter of half of it
	KBps    int64         `json:"kbps,omitempty"`    // instead of latency
	Lane    string        `json:"lane,omitempty"`    // whose candidate is struck, or whose leader is the worker
	Waiting bool          `json:"waiting,omitempty"` // one that waits, not the leader
}

// String tells what the fault is, without its time.
func (f Fault) String() string {
	member := fmt.Sprintf("m%d", f.Member)
	if f.Member == RaftLeader {
		member = "raft's leader"
	}
	quality := string(f.Way)
	switch {
	case f.KBps > 0:
		quality = fmt.Sprintf("%s, %d kB/s", f.Way, f.KBps)
	case f.Latency > 0:
		quality = fmt.Sprintf("%s, %v", f.Way, f.Latency)
	}
	worker := fmt.Sprintf("w%d", f.Worker)
	if f.Worker == LaneLeader {
		worker = "who leads " + f.Lane
	}
	who := "the leader"
	if f.Waiting {
		who = "a candidate that waits"
	}
	var what string
	switch f.Kind {
	case MemberKill, MemberPause, Defrag:
		what = fmt.Sprintf("%s %s", f.Kind, member)
	case WorkerPause, WorkerKill:
		what = fmt.Sprintf("%s %s", f.Kind, worker)
	case ClientCut:
		what = fmt.Sprintf("%s %s from %v", f.Kind, worker, f.Members)
	case ClientSilence, ClientSlow:
		what = fmt.Sprintf("%s %s and %v, %s", f.Kind, worker, f.Members, quality)
	case PeerCut:
		what = fmt.Sprintf("%s %s from %d of the others", f.Kind, member, len(f.Peers))
	case PeerSilence, PeerSlow:
		what = fmt.Sprintf("%s %s and %d of the others, %s", f.Kind, member, len(f.Peers), quality)
	case Revoke, DeleteKey:
		what = fmt.Sprintf("%s %s of %s", f.Kind, who, f.Lane)
	default:
		what = string(f.Kind)
	}
	if f.For > 0 {
		what += fmt.Sprintf(" for %v", f.For)
	}
	return what
}

// Applied is what became of a fault.
type Applied struct {
	Fault
	Storm  int           `json:"storm"`
	From   time.Duration `json:"from"` // on the machine's clock: before it began
	To     time.Duration `json:"to"`   // after it was taken back
	Target string        `json:"target,omitempty"`
	Key    string        `json:"key,omitempty"` // that was struck, and its create revision
	Rev    int64         `json:"rev,omitempty"` // also: up to where was compacted
	Failed string        `json:"failed,omitempty"`
	// Skipped: what it was aimed at had a fault already, or was not there.
	Skipped bool `json:"skipped,omitempty"`
}
