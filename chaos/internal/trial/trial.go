// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package trial runs workers against a cluster, in processes of their own, while
// faults go on, and takes down what happens.
package trial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency/chaos/internal/check"
	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
	"github.com/seed-da5263fb/concurrency/chaos/internal/history"
	"github.com/seed-da5263fb/concurrency/chaos/internal/lane"
	"github.com/seed-da5263fb/concurrency/chaos/internal/member"
	"github.com/seed-da5263fb/concurrency/chaos/internal/network"
	"github.com/seed-da5263fb/concurrency/chaos/internal/proc"
	"github.com/seed-da5263fb/concurrency/chaos/internal/report"
	"github.com/seed-da5263fb/concurrency/chaos/internal/worker"
)

// Child runs what this process was started as by a trial, and reports false if
// it was not.
func Child() bool {
	mains := map[string]func(string) error{member.Role: member.Main, worker.Role: worker.Main}
	main := mains[proc.Role()]
	if main == nil {
		return false
	}
	if err := main(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "chaos: %s: %v\n", proc.Role(), err)
		os.Exit(1)
	}
	return true
}

// Config is a trial's.
type Config struct {
	Seed     uint64
	Duration time.Duration // about: whole storms and calms
	Faults   []fault.Kind
	Command  string // for the report
	Logs     string // a folder for the members' logs, none are kept if it is empty
	Logf     func(format string, args ...any)
}

// Shortest is how long a trial lasts at least.
const Shortest = 15 * time.Second

// Plan returns what goes wrong when.
func (c Config) Plan() []fault.Storm { return fault.Plan(c.faults()) }

func (c Config) faults() fault.Config {
	var lanes []string
	for _, l := range lane.All() {
		lanes = append(lanes, l.String())
	}
	return fault.Config{
		Seed: c.Seed, Kinds: c.Faults, Duration: c.Duration, TTL: ttl * time.Second,
		Members: members, Workers: workers, Lanes: lanes,
	}
}

// Run makes a trial, and returns what it showed. It returns when all processes
// that it started are gone and its temporary folder is removed, also when ctx ends;
// then the report is of what there was until then. An error says that nothing
// could be shown.
func Run(ctx context.Context, c Config) (*report.Report, error) {
	if err := proc.Supported(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "concurrency-chaos-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the members' data: %w", err)
	}
	defer os.RemoveAll(dir)
	net := network.New()
	defer net.Close()
	cluster, err := newCluster(net, dir, c.Logs)
	if err != nil {
		return nil, err
	}
	defer cluster.stop()
	if err := cluster.start(ctx); err != nil {
		return nil, err
	}
	recorder, err := history.Start(cluster.config.Clients)
	if err != nil {
		return nil, err
	}
	defer recorder.Close()
	crew, err := newCrew(net, cluster.config.Clients, c.Seed)
	if err != nil {
		return nil, err
	}
	defer crew.stop()
	t := &trial{
		Config: c, cluster: cluster, crew: crew, recorder: recorder,
		injector: &injector{cluster: cluster, crew: crew, recorder: recorder, busy: make(map[string]bool)},
	}
	for i := range workers {
		if err := crew.start(i); err != nil {
			return nil, err
		}
	}
	return t.run(ctx), nil
}

type trial struct {
	Config
	cluster  *cluster
	crew     *crew
	recorder *history.Recorder
	injector *injector
	record   check.Record

	mu     sync.Mutex
	stalls []proc.Stall
}

// run goes through the plan, ends the workers, and judges.
func (t *trial) run(ctx context.Context) *report.Report {
	began := time.Now()
	wctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go proc.WatchStalls(wctx, func(s proc.Stall) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.stalls = append(t.stalls, s)
	})
	rep := &report.Report{
		Command: t.Command, Seed: t.Seed, Began: began, Versions: versions(), TTL: ttl * time.Second, Plan: t.Plan(),
	}
	err := t.storms(ctx, rep.Plan)
	if err == nil {
		err = t.wind(ctx)
	}
	t.crew.stop()
	t.snapshot()
	rep.Faults, rep.Took = t.injector.applied, time.Since(began)
	if err != nil {
		rep.Aborted, t.record.CutOff = err.Error(), true
	}
	t.Logf("judging %d events and %d changes", len(t.record.Events), len(t.record.Changes))
	rep.Judge(t.record)
	return rep
}

// storms goes through the plan.
func (t *trial) storms(ctx context.Context, plan []fault.Storm) error {
	for i, s := range plan {
		t.injector.storm(ctx, i+1, s)
		if err := t.broken(ctx); err != nil {
			return err
		}
		calm := check.Calm{From: proc.Now()}
		proc.Sleep(ctx, t.faults().Calm())
		calm.Until = proc.Now()
		if err := t.broken(ctx); err != nil {
			return err
		}
		t.record.Calms = append(t.record.Calms, calm)
		t.Logf("storm %d of %d is over: %d faults", i+1, len(plan), len(s.Faults))
	}
	return nil
}

// broken returns why the trial cannot go on.
func (t *trial) broken(ctx context.Context) error {
	if ctx.Err() != nil {
		return errors.New("it was interrupted")
	}
	return errors.Join(t.injector.broken, t.cluster.err(), t.crew.err())
}

const (
	// retireWithin is how long a worker may take to give up all its places: the end of
	// a request, of a resignation, and of a session, each with its time limit.
	retireWithin = 15 * time.Second
	// catchUpWithin is how long observers may take to see the last change.
	catchUpWithin = 5 * time.Second
)

// wind ends the work, and takes down what is left of it: the sets, and keys that
// should be gone.
func (t *trial) wind(ctx context.Context) error {
	late := time.After(retireWithin)
	for _, idle := range t.crew.retire() {
		select {
		case <-idle:
		case <-late:
			return fmt.Errorf("a worker did not give up its places within %v", retireWithin)
		case <-ctx.Done():
			return t.broken(ctx)
		}
	}
	t.Logf("all workers have stopped")
	gone := time.Now().Add(ttl*time.Second + fault.AfterTTL)
	for {
		resp, err := t.cluster.admins[0].Get(ctx, lane.QueuePrefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
		if err != nil {
			return fmt.Errorf("look for keys that are left: %w", err)
		}
		t.record.Left = nil
		for _, kv := range resp.Kvs {
			t.record.Left = append(t.record.Left, string(kv.Key))
		}
		if len(t.record.Left) == 0 || time.Now().After(gone) {
			break
		}
		proc.Sleep(ctx, 200*time.Millisecond)
	}
	t.record.Sets = make(map[string][]string)
	for _, l := range lane.All() {
		resp, err := t.cluster.admins[0].Get(ctx, l.Set(), clientv3.WithPrefix())
		if err != nil {
			return fmt.Errorf("read the sets: %w", err)
		}
		for _, kv := range resp.Kvs {
			t.record.Sets[l.String()] = append(t.record.Sets[l.String()], worker.Elements(string(kv.Value))...)
		}
	}
	// Observers, and the recorder, hear of the last changes in a moment.
	for until := time.Now().Add(catchUpWithin); time.Now().Before(until) && !t.caughtUp(); {
		proc.Sleep(ctx, 200*time.Millisecond)
	}
	return t.broken(ctx)
}

// caughtUp reports whether the last that each observer of this package saw is the
// last of the history.
func (t *trial) caughtUp() bool {
	t.snapshot()
	leaders := history.Leaders(t.record.Changes)
	for _, l := range lane.All() {
		if l.Package == lane.This && !l.Mutex && !t.record.CaughtUp(l.String(), leaders[l.String()], worker.ByLeaders(l)) {
			return false
		}
	}
	return true
}

// snapshot takes down what is known by now.
func (t *trial) snapshot() {
	events, lives := t.crew.journal()
	changes, gaps := t.recorder.Changes()
	t.injector.mu.Lock()
	defer t.injector.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.record = check.Record{
		TTL: ttl * time.Second, Events: events, Lives: lives, Changes: changes, Gaps: gaps, Revocations: t.cluster.revocations(),
		Faults: t.injector.applied, Calms: t.record.Calms, Sets: t.record.Sets, Left: t.record.Left,
		Stalls: t.stalls,
	}
}

// versions tells what ran.
func versions() []string {
	vs := []string{runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, fmt.Sprintf("%d CPUs", runtime.NumCPU())}
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if strings.HasPrefix(m.Path, "go.etcd.io/etcd/server") || strings.HasPrefix(m.Path, "go.etcd.io/etcd/client/v3") {
			vs = append(vs, m.Path+" "+m.Version)
		}
	}
	return vs
}
