// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package lane names what workers contend for.
package lane

import (
	"strconv"
	"strings"
)

// The two packages that run side by side.
const (
	This     = "this"
	Original = "original"
)

// A Lane is one election or one mutex that all workers contend for, with a set
// and a register that only who leads writes to.
type Lane struct {
	Package string // This or Original
	Mutex   bool   // and else an election
	Fenced  bool   // whether writes are guarded by the term's fence
}

// All returns all lanes.
func All() []Lane {
	var all []Lane
	for _, pkg := range []string{This, Original} {
		for _, mutex := range []bool{false, true} {
			for _, fenced := range []bool{true, false} {
				all = append(all, Lane{pkg, mutex, fenced})
			}
		}
	}
	return all
}

// String returns the lane's name.
func (l Lane) String() string {
	kind, fence := "election", "unfenced"
	if l.Mutex {
		kind = "mutex"
	}
	if l.Fenced {
		fence = "fenced"
	}
	return l.Package + "-" + kind + "-" + fence
}

// QueuePrefix is what the names of all elections and mutexes begin with.
const QueuePrefix = "queue/"

// RegisterPrefix is what the keys of all registers begin with.
const RegisterPrefix = "register/"

// Queue returns the name of the lane's election or mutex.
func (l Lane) Queue() string { return QueuePrefix + l.String() }

// Register returns the key of the lane's register.
func (l Lane) Register() string { return RegisterPrefix + l.String() }

// Set returns what the keys of the lane's set begin with. The set is kept in parts,
// so that a write stays small, however long the trial lasts; the last key in order
// is the part that is added to.
func (l Lane) Set() string { return "set/" + l.String() + "/" }

// Of returns the name of the lane that a key of a queue belongs to, and the lease
// that the key is named by; ok tells whether it is a candidate's.
func Of(key string) (name string, lease int64, ok bool) {
	rest, found := strings.CutPrefix(key, QueuePrefix)
	name, hex, cut := strings.Cut(rest, "/")
	if !found || !cut {
		return "", 0, false
	}
	lease, err := strconv.ParseInt(hex, 16, 64)
	return name, lease, err == nil && lease > 0 && strconv.FormatInt(lease, 16) == hex
}
