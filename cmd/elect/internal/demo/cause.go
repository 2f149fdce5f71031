// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"fmt"
	"time"

	"github.com/seed-da5263fb/concurrency"
)

// A cause is why a leader stops to lead.
type cause int

const (
	unexplained cause = iota
	resigned
	deleted
	crashed
	cutOff
)

// What the bounds are made of.
const (
	// busy is for two requests and a watch event, or a timer, on a machine that has
	// other things to do. Alone they take a few milliseconds.
	busy = 500 * time.Millisecond
	// scan is how often a server looks for leases that have run out.
	scan = 500 * time.Millisecond
	// renewalsPerTTL is how often a session renews its lease.
	renewalsPerTTL = 3
	// revoke is for the members to agree that a lease is revoked, and for the
	// next candidate to hear of it.
	revoke = time.Second
)

// guard is the share of the TTL by which a session ends before its lease can.
func guard(ttl time.Duration) time.Duration { return ttl / 100 }

func (c cause) String() string {
	return [...]string{"unexplained", "resigned", "key deleted", "crashed", "cut off"}[c]
}

// why is the error that the old leader's Term ends with.
func (c cause) why() error {
	return [...]error{nil, concurrency.ErrResigned, concurrency.ErrKeyDeleted,
		concurrency.ErrSessionExpired, concurrency.ErrSessionExpired}[c]
}

// vacancy is how long nobody may lead, and why so long.
func (c cause) vacancy(ttl time.Duration) (time.Duration, string) {
	switch c {
	case resigned, deleted:
		return busy, "a watch event and a read; the rest is room for a busy machine"
	case crashed:
		return ttl + scan + revoke, fmt.Sprintf(
			"the lease lasts %v from the last renewal; etcd looks for expired leases each %v; %v for the members to\n"+
				"  agree on that and for the next one to hear of it", ttl, scan, revoke)
	case cutOff:
		return ttl/renewalsPerTTL + guard(ttl) + scan + revoke, fmt.Sprintf(
			"etcd may have taken one more renewal, of one each %v, than was answered; the session ends %v early;\n"+
				"  %v and %v as for a crash", ttl/renewalsPerTTL, guard(ttl), scan, revoke)
	}
	return 0, "nothing was done to the leader"
}

// lingering is how long the old leader's term may last after the removal began.
func (c cause) lingering(ttl time.Duration) time.Duration {
	switch c {
	case crashed, cutOff:
		return ttl + busy
	}
	return busy
}

// overlap is by how much the old term may end after the new one began, as the
// clock tells. It is 0 but for one case: an operator who deletes the key takes
// the lead from one and gives it to the next in the same instant, and both hear
// of it at about the same time, each from its own member. What the old
// leader still writes then is refused by its fence.
func (c cause) overlap() time.Duration {
	if c == deleted {
		return busy
	}
	return 0
}
