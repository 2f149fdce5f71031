// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package trial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
	"github.com/seed-da5263fb/concurrency/chaos/internal/history"
	"github.com/seed-da5263fb/concurrency/chaos/internal/network"
	"github.com/seed-da5263fb/concurrency/chaos/internal/proc"
)

// requestTimeout bounds a request that is a fault, or that finds out where to
// strike.
const requestTimeout = 3 * time.Second

// An injector does what a plan says.
type injector struct {
	cluster  *cluster
	crew     *crew
	recorder *history.Recorder

	mu        sync.Mutex
	busy      map[string]bool // what has a fault now: no two at a time
	applied   []fault.Applied
	compacted int64 // up to where
	broken    error // a fault that could not be taken back
}

// storm does the faults of a storm, and returns when all are taken back, also
// when ctx ends.
func (in *injector) storm(ctx context.Context, n int, s fault.Storm) {
	begin := time.Now()
	var faults sync.WaitGroup
	for _, f := range s.Faults {
		if sleep(ctx, time.Until(begin.Add(f.At))); ctx.Err() != nil {
			break
		}
		faults.Go(func() { in.apply(ctx, n, f) })
	}
	sleep(ctx, time.Until(begin.Add(s.For)))
	faults.Wait()
}

// apply does one fault, waits for as long as it is to last, and takes it back.
func (in *injector) apply(ctx context.Context, storm int, f fault.Fault) {
	a := fault.Applied{Fault: f, Storm: storm, From: proc.Now()}
	undo, err := in.do(ctx, &a)
	if undo != nil {
		if err == nil {
			sleep(ctx, f.For)
		}
		if back := undo(); back != nil {
			err = errors.Join(err, back)
			in.mu.Lock()
			in.broken = errors.Join(in.broken, fmt.Errorf("take back %v: %w", f, back))
			in.mu.Unlock()
		}
	}
	a.To = proc.Now()
	switch {
	case errors.Is(err, errBusy):
		a.Skipped, a.Failed = true, err.Error()
	case err != nil:
		a.Failed = err.Error()
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.applied = append(in.applied, a)
}

var errBusy = errors.New("what it is aimed at has a fault already, or is not there")

// do does a fault. The function that it returns takes it back.
func (in *injector) do(ctx context.Context, a *fault.Applied) (undo func() error, err error) {
	if a.Worker == fault.LaneLeader {
		// The plan stays as it was drawn; who it was counts for the checks.
		if a.Worker = in.crew.leading(a.Lane); a.Worker < 0 {
			return nil, errBusy
		}
	}
	switch a.Kind {
	case fault.MemberKill, fault.MemberPause:
		return in.atMember(ctx, a)
	case fault.WorkerKill, fault.WorkerPause:
		return in.atWorker(a)
	case fault.ClientCut, fault.ClientSilence, fault.ClientSlow:
		a.Target = fmt.Sprintf("w%d-%v", a.Worker, a.Members)
		var ls []linkWay
		for _, m := range a.Members {
			ls = append(ls, linkWay{in.crew.links[a.Worker][m], a.Way})
		}
		return in.atLinks(a, ls)
	case fault.PeerCut, fault.PeerSilence, fault.PeerSlow:
		return in.atPeers(ctx, a)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	switch a.Kind {
	case fault.Compact:
		return nil, in.compact(ctx, a)
	case fault.Defrag:
		m, err := in.member(ctx, a)
		if err != nil {
			return nil, err
		}
		_, err = in.cluster.admins[m].Defragment(ctx, in.cluster.config.Clients[m])
		return nil, err
	case fault.MoveLeader:
		return nil, in.moveLeader(ctx, a)
	case fault.Revoke, fault.DeleteKey:
		return nil, in.strike(ctx, a)
	}
	panic("bug: a fault that nobody can do: " + a.Kind)
}

// claim takes what a fault is aimed at, or fails if another fault has it.
func (in *injector) claim(names ...string) (release func(), err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, n := range names {
		if in.busy[n] {
			return nil, errBusy
		}
	}
	for _, n := range names {
		in.busy[n] = true
	}
	return func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		for _, n := range names {
			delete(in.busy, n)
		}
	}, nil
}

// member returns which member a fault is aimed at.
func (in *injector) member(ctx context.Context, a *fault.Applied) (int, error) {
	if a.Member != fault.RaftLeader {
		a.Target = fmt.Sprintf("m%d", a.Member)
		return a.Member, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	m, err := in.cluster.leader(ctx)
	a.Target = fmt.Sprintf("m%d, raft's leader", m)
	return m, err
}

func (in *injector) atMember(ctx context.Context, a *fault.Applied) (func() error, error) {
	m, err := in.member(ctx, a)
	if err != nil {
		return nil, err
	}
	release, err := in.claim(fmt.Sprintf("m%d", m))
	if err != nil {
		return nil, err
	}
	if a.Kind == fault.MemberPause {
		p := in.cluster.proc(m)
		return func() error { defer release(); return p.Resume() }, p.Pause()
	}
	in.cluster.kill(m)
	return func() error {
		defer release()
		if err := in.cluster.startMember(m); err != nil || ctx.Err() != nil {
			return err
		}
		return in.cluster.ready(ctx, m)
	}, nil
}

func (in *injector) atWorker(a *fault.Applied) (func() error, error) {
	a.Target = fmt.Sprintf("w%d", a.Worker)
	release, err := in.claim(a.Target)
	if err != nil {
		return nil, err
	}
	if a.Kind == fault.WorkerPause {
		p := in.crew.proc(a.Worker)
		return func() error { defer release(); return p.Resume() }, p.Pause()
	}
	in.crew.kill(a.Worker)
	return func() error { defer release(); return in.crew.start(a.Worker) }, nil
}

// A linkWay is a link, and what of it is to fail.
type linkWay struct {
	*network.Link
	way fault.Way
}

// atPeers does what is to happen between a member and some of the others. Each
// pair has two links, one for the connections that each side opens.
func (in *injector) atPeers(ctx context.Context, a *fault.Applied) (func() error, error) {
	m, err := in.member(ctx, a)
	if err != nil {
		return nil, err
	}
	opposite := map[fault.Way]fault.Way{fault.There: fault.Back, fault.Back: fault.There, fault.Both: fault.Both}
	var ls []linkWay
	for _, p := range a.Peers {
		other := (m + 1 + p) % members
		a.Target += fmt.Sprintf(", m%d", other)
		ls = append(ls, linkWay{in.cluster.peers[m][other], a.Way}, linkWay{in.cluster.peers[other][m], opposite[a.Way]})
	}
	return in.atLinks(a, ls)
}

func (in *injector) atLinks(a *fault.Applied, links []linkWay) (func() error, error) {
	var names []string
	for _, l := range links {
		names = append(names, l.Name())
	}
	release, err := in.claim(names...)
	if err != nil {
		return nil, err
	}
	undo := func() error {
		defer release()
		var errs error
		for _, l := range links {
			errs = errors.Join(errs, l.Heal())
		}
		return errs
	}
	for _, l := range links {
		err = errors.Join(err, l.fail(a.Fault))
	}
	return undo, err
}

func (l linkWay) fail(f fault.Fault) error {
	ways := map[fault.Way][]network.Direction{
		fault.There: {network.ToServer}, fault.Back: {network.ToClient}, fault.Both: {network.ToServer, network.ToClient},
	}
	var errs error
	for _, d := range ways[l.way] {
		switch {
		case f.Kind == fault.ClientSilence || f.Kind == fault.PeerSilence:
			errs = errors.Join(errs, l.Silence(d))
		case f.KBps > 0:
			errs = errors.Join(errs, l.Narrow(d, f.KBps))
		default:
			errs = errors.Join(errs, l.Slow(d, f.Latency, f.Latency/2))
		}
	}
	if f.Kind == fault.ClientCut || f.Kind == fault.PeerCut {
		errs = l.Cut()
	}
	return errs
}

// compact throws away what the recorder has, so that the history stays whole, and
// observers that lag behind it lose some.
func (in *injector) compact(ctx context.Context, a *fault.Applied) error {
	rev := in.recorder.Rev()
	in.mu.Lock()
	done := rev <= in.compacted
	in.compacted = max(rev, in.compacted)
	in.mu.Unlock()
	if done {
		return errBusy
	}
	a.Rev = rev // before it is known to be done: an answer may be lost
	a.Target = fmt.Sprintf("revision %d", rev)
	return in.anywhere(ctx, func(ctx context.Context, c *clientv3.Client) error {
		_, err := c.Compact(ctx, rev)
		return err
	})
}

func (in *injector) moveLeader(ctx context.Context, a *fault.Applied) error {
	from, err := in.cluster.leader(ctx)
	if err != nil {
		return err
	}
	c := in.cluster.admins[from]
	list, err := c.MemberList(ctx, clientv3.WithSerializable())
	if err != nil {
		return err
	}
	for _, m := range list.Members {
		if m.Name != fmt.Sprintf("m%d", from) && in.free(m.Name) {
			a.Target = fmt.Sprintf("m%d to %s", from, m.Name)
			_, err := c.MoveLeader(ctx, m.ID)
			return err
		}
	}
	return errBusy
}

func (in *injector) free(name string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return !in.busy[name]
}

// strike revokes the lease of a lane's candidate, or deletes its key.
func (in *injector) strike(ctx context.Context, a *fault.Applied) error {
	queue := in.recorder.Candidates(a.Lane)
	slices.SortFunc(queue, func(x, y history.Change) int { return cmp.Compare(x.CreateRev, y.CreateRev) })
	at := 0
	if a.Waiting {
		at = 1
	}
	if len(queue) <= at {
		return errBusy
	}
	c := queue[at]
	// Before it is known to be done: an answer may be lost.
	a.Key, a.Rev, a.Target = c.Key, c.CreateRev, c.Key
	return in.anywhere(ctx, func(ctx context.Context, client *clientv3.Client) error {
		if a.Kind == fault.Revoke {
			_, err := client.Revoke(ctx, clientv3.LeaseID(c.Lease))
			return err
		}
		_, err := client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(c.Key), "=", c.CreateRev)).
			Then(clientv3.OpDelete(c.Key)).Commit()
		return err
	})
}

// anywhere makes a request of one member after the other until one does it. The
// request has to be one that may be repeated.
func (in *injector) anywhere(ctx context.Context, request func(context.Context, *clientv3.Client) error) error {
	var errs error
	for _, c := range in.cluster.admins {
		rctx, cancel := context.WithTimeout(ctx, requestTimeout/members)
		err := request(rctx, c)
		cancel()
		if err == nil {
			return nil
		}
		errs = errors.Join(errs, err)
	}
	return errs
}
