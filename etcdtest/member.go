// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"context"
	"fmt"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
)

const (
	clusterID     = 0xe7cd
	firstMemberID = 0xe7cd_0001
	leaderMisses  = 3 // election timeouts without a leader before streams that require one are cancelled
)

// Member is one of the servers. All members answer from one store. A member has a leader as long as it runs, has not
// lost it by LoseLeader, and can reach, with itself, more than half of all members of which the same is true. All
// methods are safe for concurrent use.
type Member struct {
	etcd  *Etcd
	s     *store
	index int
	host  string

	life sync.Mutex // held while the member starts or stops

	// Guarded by the store's mutex.
	running  bool
	isolated bool
	frozen   *view         // without a leader: what was applied when it was lost
	back     chan struct{} // closed when there is a leader again
	monitor  *time.Timer
	streams  map[*serverStream]bool // those that require a leader

	// Guarded by the network's mutex.
	paused   bool
	listener *listener
	server   *grpc.Server
}

// ID is the member's id, as it is in the header of its answers.
func (m *Member) ID() uint64 { return uint64(firstMemberID + m.index) }

// Endpoint is the member's address for the endpoints of a client.
func (m *Member) Endpoint() string { return "http://" + m.host }

// HasLeader tells whether the member knows a leader.
func (m *Member) HasLeader() bool {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	return m.running && m.frozen == nil
}

// Stop ends the member's process: its connections break, and new ones are refused until Restart.
func (m *Member) Stop() {
	m.life.Lock()
	defer m.life.Unlock()
	m.stop()
}

func (m *Member) stop() {
	n := m.etcd.network
	n.mu.Lock()
	server := m.server
	if m.listener != nil {
		m.listener.Close()
	}
	m.listener, m.server = nil, nil
	for _, p := range n.paths {
		if p.member == m {
			p.breakLocked()
		}
	}
	n.mu.Unlock()
	m.set(func() { m.running = false })
	if server != nil {
		server.Stop()
	}
}

// Restart starts a member that was stopped, or stops and starts one that runs.
func (m *Member) Restart() {
	m.life.Lock()
	defer m.life.Unlock()
	m.stop()
	m.start()
}

// start does nothing when the test is over.
func (m *Member) start() {
	server := m.etcd.newServer(m)
	l := newListener(memberAddr{m})
	n := m.etcd.network
	n.mu.Lock()
	closed := n.closed
	if !closed {
		m.listener, m.server = l, server
		n.changeLocked()
	}
	n.mu.Unlock()
	if closed {
		server.Stop()
		return
	}
	m.set(func() { m.running = true })
	go server.Serve(l)
}

func (m *Member) startIfStopped() {
	m.life.Lock()
	defer m.life.Unlock()
	m.s.mu.Lock()
	running := m.running
	m.s.mu.Unlock()
	if !running {
		m.start()
	}
}

// LoseLeader cuts the member off from the other members, but not from its clients. It goes on answering serializable
// reads from what it knew. Everything else waits, first for the leader and in the end in vain; watches hear nothing. Requests
// that require a leader (as those of [clientv3.WithRequireLeader] do) are refused at once, and open streams that
// require one end after two to three election timeouts.
//
// A member that was the leader stops being it, and another takes over at once if more than half of them can reach each
// other. A new leader gives every lease its whole time anew. Without a leader anywhere, no lease expires.
func (m *Member) LoseLeader() { m.set(func() { m.isolated = true }) }

// RegainLeader undoes LoseLeader. The watches hear all that they have missed.
func (m *Member) RegainLeader() { m.set(func() { m.isolated = false }) }

// Pause makes the member stand still: what is sent to it or by it arrives only after Resume, in order. The others go on
// without it, so a paused member is not a member without a leader; it is merely silent.
func (m *Member) Pause() { m.etcd.network.set(func() { m.paused = true }) }

// Resume ends Pause.
func (m *Member) Resume() { m.etcd.network.set(func() { m.paused = false }) }

func (m *Member) set(f func()) {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	f()
	m.s.electLocked()
}

func (m *Member) viewLocked() view {
	if m.frozen != nil {
		return *m.frozen
	}
	return m.s.viewLocked()
}

func (m *Member) header(rev int64) *pb.ResponseHeader {
	return &pb.ResponseHeader{ClusterId: clusterID, MemberId: m.ID(), Revision: rev, RaftTerm: m.s.term}
}

// electLocked settles who leads after a member has come or gone. It takes no time, where raft takes one to two election
// timeouts.
func (s *store) electLocked() {
	connected, leader := 0, -1
	for _, m := range s.members {
		if !m.running || m.isolated {
			continue
		}
		connected++
		if leader < 0 || m.index == s.leader {
			leader = m.index
		}
	}
	if connected <= len(s.members)/2 {
		leader = -1
	}
	changed := leader != s.leader
	s.leader = leader
	switch {
	case changed && leader >= 0:
		s.term++
		s.promoteLocked()
	case changed:
		s.armScanLocked() // that is, stop it
	}
	for _, m := range s.members {
		switch has := leader >= 0 && !m.isolated; {
		case m.running && !has && m.frozen == nil:
			m.freezeLocked()
		case m.frozen != nil && (has || !m.running):
			m.thawLocked()
		}
	}
}

func (m *Member) freezeLocked() {
	s := m.s
	v := s.viewLocked()
	m.frozen, m.back = &v, make(chan struct{})
	at := s.tickAfter(time.Now().Add(1), s.cfg.election).Add((leaderMisses - 1) * s.cfg.election)
	m.monitor = time.AfterFunc(time.Until(at), m.cancelStreams)
}

func (m *Member) thawLocked() {
	from := m.frozen.rev
	m.frozen = nil
	m.monitor.Stop()
	close(m.back)
	m.s.thawLocked(m, from)
}

func (m *Member) cancelStreams() {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if m.frozen == nil {
		return
	}
	for st := range m.streams {
		st.cancel(rpctypes.ErrGRPCNoLeader)
	}
}

// awaitLeader returns nil at once if there is a leader. Otherwise it waits for one, or until ctx ends, or until the
// server's own patience does: then it returns late. It reports whether it had to wait.
func (m *Member) awaitLeader(ctx context.Context, late error) (waited bool, err error) {
	m.s.mu.Lock()
	frozen, back := m.frozen != nil, m.back
	m.s.mu.Unlock()
	if !frozen {
		return false, nil
	}
	timer := time.NewTimer(5*time.Second + 2*m.s.cfg.election)
	defer timer.Stop()
	select {
	case <-back:
		m.s.mu.Lock()
		defer m.s.mu.Unlock()
		if !m.running {
			return true, rpctypes.ErrGRPCStopped
		}
		return true, nil
	case <-ctx.Done():
		return true, context.Cause(ctx)
	case <-timer.C:
		return true, late
	}
}

// awaitWrite is what a request does that must go through the log: it waits for a leader and then goes on.
func (m *Member) awaitWrite(ctx context.Context) error {
	_, err := m.awaitLeader(ctx, rpctypes.ErrGRPCTimeout)
	return err
}

// awaitRead is what a linearizable read does. When a leader comes while it waits, it is told to come again.
func (m *Member) awaitRead(ctx context.Context) error {
	waited, err := m.awaitLeader(ctx, rpctypes.ErrGRPCTimeout)
	if waited && err == nil {
		return rpctypes.ErrGRPCLeaderChanged
	}
	return err
}

func hostOf(index int) string { return fmt.Sprintf("member%d:2379", index) }
