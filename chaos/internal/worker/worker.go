// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package worker runs one worker in a process of its own: it contends in all
// lanes at once, writes while it leads, observes the elections, and tells what
// happens in a journal.
package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
	"github.com/seed-da5263fb/concurrency/chaos/internal/lane"
	"github.com/seed-da5263fb/concurrency/chaos/internal/proc"
)

// Role is what a worker's process is started as.
const Role = "worker"

// Stop is the line on standard input at which a worker gives up all places, and
// only observes on.
const Stop = "stop"

// Config is a worker's, and fits into one argument.
type Config struct {
	Index, Life int
	Seed        uint64
	Endpoints   []string // the links to the members
	TTL         int      // of sessions, in seconds
}

// Arg returns c as a process's argument.
func (c Config) Arg() string {
	arg, err := json.Marshal(c)
	if err != nil {
		panic("bug: " + err.Error())
	}
	return string(arg)
}

// A worker is what the lanes of one process share.
type worker struct {
	Config
	*journal.Writer
	clients map[string]*clientv3.Client // by package
	ops     atomic.Int64
}

// Main is the worker's process: it runs until its standard input closes.
func Main(arg string) error {
	w := &worker{clients: make(map[string]*clientv3.Client)}
	if err := json.Unmarshal([]byte(arg), &w.Config); err != nil {
		return fmt.Errorf("a worker's configuration: %w", err)
	}
	w.Writer = journal.NewWriter(os.Stdout, w.Index, w.Life)
	for _, pkg := range []string{lane.This, lane.Original} {
		client, err := newClient(w.Endpoints)
		if err != nil {
			return err
		}
		w.clients[pkg] = client
	}

	working, stop := context.WithCancel(context.Background())
	observing, quit := context.WithCancel(context.Background())
	defer quit()
	go proc.WatchStalls(observing, func(s proc.Stall) {
		w.Write(journal.Event{At: s.To, Kind: journal.Stalled, Late: s.To - s.From})
	})
	var lanes sync.WaitGroup
	for i, l := range lane.All() {
		lanes.Go(func() {
			r := rand.New(rand.NewPCG(w.Seed, uint64(w.Index)<<32|uint64(w.Life)<<8|uint64(i)))
			(&contest{worker: w, lane: l, rand: r}).run(working)
		})
		if !l.Mutex {
			go w.observe(observing, l)
		}
	}
	go func() {
		<-working.Done()
		lanes.Wait()
		w.Write(journal.Event{Kind: journal.Stopped})
	}()
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if in.Text() == Stop {
			stop()
		}
	}
	stop()
	return in.Err()
}

func newClient(endpoints []string) (*clientv3.Client, error) {
	// A client that was cut off for a while is back within about a second, and not
	// within gRPC's two minutes: the trial asks what the packages add to that.
	params := grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
		MinConnectTimeout: time.Second,
	}
	return clientv3.New(clientv3.Config{
		Endpoints:   endpoints,
		Logger:      zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(params)},
	})
}

// observe tells who leads in an election, as one of the two ways to observe says.
func (w *worker) observe(ctx context.Context, l lane.Lane) {
	for ctx.Err() == nil {
		s, err := newSession(l.Package, w.clients[l.Package], w.TTL)
		if err != nil {
			proc.Sleep(ctx, 500*time.Millisecond)
			continue
		}
		w.Write(journal.Event{Kind: journal.Observing, Lane: l.String()})
		err = w.watch(ctx, l, s)
		if ctx.Err() == nil {
			w.Write(journal.Event{Kind: journal.Deaf, Lane: l.String(), Note: fmt.Sprint(err)})
		}
		_ = s.Close()
	}
}

// watch observes until the observer ends, which should be when ctx does.
func (w *worker) watch(ctx context.Context, l lane.Lane, s session) error {
	c := newContender(l, s)
	if this, ok := c.(thisElection); ok && ByLeaders(l) {
		for c, err := range this.Leaders(ctx) {
			if err != nil {
				return err
			}
			w.Write(journal.Event{Kind: journal.Saw, Lane: l.String(), Key: c.Key, Rev: c.Rev, ModRev: c.ModRev, Value: c.Value})
		}
		return errors.New("the iteration of Leaders ended without an error")
	}
	for resp := range c.(observable).Observe(ctx) {
		kv := resp.Kvs[0]
		w.Write(journal.Event{
			Kind: journal.Saw, Lane: l.String(), Key: string(kv.Key), Rev: kv.CreateRevision, ModRev: kv.ModRevision, Value: string(kv.Value),
		})
	}
	return errors.New("the channel of Observe was closed")
}

type observable interface {
	Observe(ctx context.Context) <-chan *clientv3.GetResponse
}

// ByLeaders reports whether a lane's observers use Leaders, which tells vacancies,
// and not Observe.
func ByLeaders(l lane.Lane) bool { return l.Package == lane.This && l.Fenced }
