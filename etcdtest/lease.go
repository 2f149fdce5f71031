// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"cmp"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

const (
	maxTTL        = 9_000_000_000 // seconds; the server grants no more
	scanInterval  = 500 * time.Millisecond
	firstLeaseID  = 0x694d_0000_0000_0000
	leaseIDStride = 0x11
)

// lease is a lease as the raft leader sees it. It lives until it is revoked: one whose time is over still counts until
// the scan comes by, and only a renewal must wait for that.
type lease struct {
	id, ttl     int64
	participant string // who asked for it
	granted     time.Time
	expiry      time.Time
	keys        map[string]bool
	gone        chan struct{} // closed when it is revoked
}

func (l *lease) sortedKeys() []string {
	keys := make([]string, 0, len(l.keys))
	for k := range l.keys {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (s *store) grantLocked(id, ttl int64) (*lease, error) {
	for id == 0 {
		s.leaseSeq++
		if free := firstLeaseID + s.leaseSeq*leaseIDStride; s.leases[free] == nil {
			id = free
		}
	}
	if ttl > maxTTL {
		return nil, rpctypes.ErrGRPCLeaseTTLTooLarge
	}
	if s.leases[id] != nil {
		return nil, rpctypes.ErrGRPCLeaseExist
	}
	now := time.Now()
	l := &lease{id: id, ttl: max(ttl, s.cfg.minTTL), granted: now, keys: map[string]bool{}, gone: make(chan struct{})}
	l.expiry = now.Add(time.Duration(l.ttl) * time.Second)
	s.leases[id] = l
	s.armScanLocked()
	return l, nil
}

// revokeLocked deletes the lease and its keys, in one revision and in the order of their names.
func (s *store) revokeLocked(id int64) error {
	l := s.leases[id]
	if l == nil {
		return rpctypes.ErrGRPCLeaseNotFound
	}
	w := s.writeLocked()
	for _, k := range l.sortedKeys() {
		w.delete([]byte(k), nil)
	}
	delete(s.leases, id)
	close(l.gone)
	w.commit()
	return nil
}

func (s *store) detachLocked(name string) {
	if id, ok := s.leased[name]; ok {
		delete(s.leased, name)
		delete(s.leases[id].keys, name)
	}
}

// leasesLocked lists the leases by the time they have left.
func (s *store) leasesLocked() []*lease {
	var out []*lease
	for _, l := range s.leases {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b *lease) int {
		return cmp.Or(a.expiry.Compare(b.expiry), cmp.Compare(a.id, b.id))
	})
	return out
}

// armScanLocked sets the timer to the scan that will find the next expired lease. The server scans every half second;
// here only those scans happen that may find something, at the same times. (A renewal leaves the timer as it is: it
// fires early, finds nothing, and is set again.)
func (s *store) armScanLocked() {
	if s.scan != nil {
		s.scan.Stop()
		s.scan = nil
	}
	if len(s.leases) == 0 || s.leader < 0 || s.closed {
		return
	}
	var next time.Time
	for _, l := range s.leases {
		if next.IsZero() || l.expiry.Before(next) {
			next = l.expiry
		}
	}
	s.scan = time.AfterFunc(time.Until(s.tickAfter(next, scanInterval)), s.expire)
}

// tickAfter is the first tick of a loop of the server at or after t.
func (s *store) tickAfter(t time.Time, every time.Duration) time.Time {
	since := max(t.Sub(s.start), 0)
	return s.start.Add((since + every - 1) / every * every)
}

func (s *store) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.leader < 0 {
		return // without a leader nothing expires; the next one starts the clocks anew
	}
	now := time.Now()
	for _, l := range s.leasesLocked() {
		if now.Before(l.expiry) {
			break
		}
		must(s.revokeLocked(l.id))
	}
	s.armScanLocked()
}

// promoteLocked is what a new raft leader does: it does not know how much time the leases had left, so it gives each
// its whole time anew, and an election timeout on top.
func (s *store) promoteLocked() {
	close(s.promoted)
	s.promoted = make(chan struct{})
	for _, l := range s.leases {
		l.expiry = time.Now().Add(s.cfg.election + time.Duration(l.ttl)*time.Second)
	}
	s.armScanLocked()
}

func must(err error) {
	if err != nil {
		panic("bug: " + err.Error())
	}
}
