// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package trial

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
	"github.com/seed-da5263fb/concurrency/chaos/internal/history"
	"github.com/seed-da5263fb/concurrency/chaos/internal/proc"
)

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
		if proc.Sleep(ctx, time.Until(begin.Add(f.At))); ctx.Err() != nil {
			break
		}
		faults.Go(func() { in.apply(ctx, n, f) })
	}
	proc.Sleep(ctx, time.Until(begin.Add(s.For)))
	faults.Wait()
}

// apply does one fault, waits for as long as it is to last, and takes it back.
func (in *injector) apply(ctx context.Context, storm int, f fault.Fault) {
	a := fault.Applied{Fault: f, Storm: storm, From: proc.Now()}
	undo, err := in.do(ctx, &a)
	if undo != nil {
		if err == nil {
			proc.Sleep(ctx, f.For)
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
		return in.atClient(a)
	case fault.PeerCut, fault.PeerSilence, fault.PeerSlow:
		return in.atPeers(ctx, a)
	}
	return nil, in.atEtcd(ctx, a)
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
	if err == nil {
		a.Target = fmt.Sprintf("m%d, raft's leader", m)
	}
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
