// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package trial

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/seed-da5263fb/concurrency/chaos/internal/check"
	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
	"github.com/seed-da5263fb/concurrency/chaos/internal/network"
	"github.com/seed-da5263fb/concurrency/chaos/internal/proc"
	"github.com/seed-da5263fb/concurrency/chaos/internal/worker"
)

const (
	workers = 4
	ttl     = 3 // seconds
	// mostEvents bounds what a trial keeps in memory, to some gigabytes: enough for
	// a day.
	mostEvents = 20_000_000
)

// A crew is the workers, each a process of its own with links of its own.
type crew struct {
	seed  uint64
	links [workers][members]*network.Link

	mu      sync.Mutex
	procs   [workers]*proc.Process
	dead    [workers]bool // by a fault
	lives   [workers]int
	events  []journal.Event
	past    []check.Life
	idle    [workers]chan struct{} // closed when the worker has stopped
	failed  error
	leaders map[string]journal.Event // by lane: the last election

	ends sync.WaitGroup // of lives
}

func newCrew(net *network.Network, addrs []string, seed uint64) (*crew, error) {
	c := &crew{seed: seed, leaders: make(map[string]journal.Event)}
	for w := range workers {
		for m, to := range addrs {
			port, err := network.FreePort(local)
			if err != nil {
				return nil, err
			}
			if c.links[w][m], err = net.Link(fmt.Sprintf("w%d-m%d", w, m), address(local, port), to); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// start begins a life of worker i.
func (c *crew) start(i int) error {
	var endpoints []string
	for _, l := range c.links[i] {
		endpoints = append(endpoints, l.Address())
	}
	c.mu.Lock()
	c.lives[i]++
	life := check.Life{Worker: i, Life: c.lives[i], From: proc.Now()}
	idle := make(chan struct{})
	c.idle[i], c.dead[i] = idle, false
	c.mu.Unlock()
	config := worker.Config{Index: i, Life: life.Life, Seed: c.seed, Endpoints: endpoints, TTL: ttl}
	p, err := proc.Start(worker.Role, config.Arg(), func(r io.Reader) {
		if err := journal.Follow(r, func(ev journal.Event) { c.take(ev, idle) }); err != nil {
			c.fail(err)
		}
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.procs[i] = p
	c.mu.Unlock()
	c.ends.Go(func() {
		<-p.Exited()
		life.To = proc.Now()
		c.mu.Lock()
		defer c.mu.Unlock()
		life.Killed = c.dead[i]
		c.past = append(c.past, life)
		select {
		case <-idle: // it was asked to end
		default:
			if !c.dead[i] {
				c.failed = errors.Join(c.failed, fmt.Errorf("worker w%d ended by itself", i))
			}
		}
	})
	return nil
}

// take keeps an event.
func (c *crew) take(ev journal.Event, idle chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.events) == mostEvents {
		c.failed = errors.Join(c.failed, fmt.Errorf("more than %d events: run a shorter trial", mostEvents))
	}
	if len(c.events) < mostEvents {
		c.events = append(c.events, ev)
	}
	switch ev.Kind {
	case journal.Elected:
		c.leaders[ev.Lane] = ev
	case journal.Stopped:
		close(idle)
	}
}

// leading returns which worker was the last to say that it leads a lane, or -1 if
// that was a life ago or nobody has.
func (c *crew) leading(lane string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	ev, ok := c.leaders[lane]
	if !ok || c.lives[ev.Worker] != ev.Life || c.dead[ev.Worker] {
		return -1
	}
	return ev.Worker
}

func (c *crew) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = errors.Join(c.failed, err)
}

// err returns what went wrong with the crew itself.
func (c *crew) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

func (c *crew) proc(i int) *proc.Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.procs[i]
}

func (c *crew) kill(i int) {
	c.mu.Lock()
	c.dead[i] = true
	p := c.procs[i]
	c.mu.Unlock()
	p.Kill()
}

// retire asks all workers to give up their places, and returns channels that close
// when they have. They observe on.
func (c *crew) retire() []chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	var idle []chan struct{}
	for i, p := range c.procs {
		if err := p.Tell(worker.Stop); err == nil {
			idle = append(idle, c.idle[i])
		}
	}
	return idle
}

// stop ends all workers, and returns when they are gone and all that they wrote
// was read.
func (c *crew) stop() {
	var stopping sync.WaitGroup
	for i := range workers {
		if p := c.proc(i); p != nil {
			stopping.Go(func() {
				_ = p.Resume()
				p.Stop(stopWithin)
			})
		}
	}
	stopping.Wait()
	c.ends.Wait()
}

// journal returns all events and lives. Those that last still have no end yet.
func (c *crew) journal() ([]journal.Event, []check.Life) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events), slices.Clone(c.past)
}
