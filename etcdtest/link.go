// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"slices"
	"time"
)

// Link is the network between one participant and the members, or some of them. Its faults stay in force until Heal,
// also for connections that are made later; where a fault is set twice, the last setting counts. All methods are safe
// for concurrent use.
type Link struct {
	etcd        *Etcd
	participant string
	paths       []*path
}

func (l *Link) covers(m *Member) bool {
	return slices.ContainsFunc(l.paths, func(p *path) bool { return p.member == m })
}

func (l *Link) members() []*Member {
	var ms []*Member
	for _, p := range l.paths {
		ms = append(ms, p.member)
	}
	return ms
}

func (l *Link) change(f func(p *path)) {
	l.etcd.network.set(func() {
		for _, p := range l.paths {
			f(p)
		}
	})
}

// Swallow is silence both ways: whatever is sent is lost, nobody gets an error, and new connections are tried without
// an answer. A connection on which something was lost breaks when the link is healed, since TCP does not deliver a
// stream with a hole in it. For silence in which nothing is lost, see [Etcd.Pause].
func (l *Link) Swallow() {
	l.change(func(p *path) { p.ways[requests].swallow, p.ways[replies].swallow = true, true })
}

// SwallowRequests is silence from the participant to the members. Answers and watch events still arrive.
func (l *Link) SwallowRequests() {
	l.change(func(p *path) { p.ways[requests].swallow = true })
}

// SwallowReplies is silence from the members to the participant: requests are applied, and their answers lost.
func (l *Link) SwallowReplies() {
	l.change(func(p *path) { p.ways[replies].swallow = true })
}

// Cut breaks all connections and refuses new ones, until Heal.
func (l *Link) Cut() {
	l.change(func(p *path) {
		p.cut = true
		p.breakLocked()
	})
}

// Break breaks all connections once. New ones may be made at once.
func (l *Link) Break() {
	l.change(func(p *path) { p.breakLocked() })
}

// Delay makes everything take d longer each way, and up to jitter on top of that, at random. Nothing overtakes.
func (l *Link) Delay(d, jitter time.Duration) {
	l.DelayRequests(d, jitter)
	l.DelayReplies(d, jitter)
}

// DelayRequests is Delay for the way to the members alone.
func (l *Link) DelayRequests(d, jitter time.Duration) { l.delay(requests, d, jitter) }

// DelayReplies is Delay for the way back alone.
func (l *Link) DelayReplies(d, jitter time.Duration) { l.delay(replies, d, jitter) }

func (l *Link) delay(dir direction, d, jitter time.Duration) {
	l.change(func(p *path) { p.ways[dir].delay, p.ways[dir].jitter = d, jitter })
}

// Heal undoes everything that was done to the link: its network faults, the traps that have not been sprung, and its
// silent and held watches. What is delayed and under way still arrives when it was going to, and is not overtaken. Heal
// does not resume a participant or a member that is paused.
func (l *Link) Heal() {
	l.change(func(p *path) {
		p.cut = false
		p.ways = [2]way{}
		p.mendLocked()
	})
	l.etcd.traps.remove(l)
	l.healWatches()
}
