// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package worker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
	"github.com/seed-da5263fb/concurrency/chaos/internal/lane"
	"github.com/seed-da5263fb/concurrency/chaos/internal/proc"
)

// A contest is what a worker does in one lane: contend, lead for a while, resign,
// rest, and again.
type contest struct {
	*worker
	lane    lane.Lane
	rand    *rand.Rand
	session session
	added   int // elements so far
	wrote   int // values of the register and proclamations so far
}

// requestTimeout bounds a request that is made while leading.
const requestTimeout = 2 * time.Second

func (c *contest) run(ctx context.Context) {
	for ctx.Err() == nil {
		s, err := newSession(c.lane.Package, c.clients[c.lane.Package], c.TTL)
		if err != nil {
			proc.Sleep(ctx, c.between(200, 500))
			continue
		}
		c.session = s
		c.tell(journal.Event{Kind: journal.Session})
		for ctx.Err() == nil && !closed(s.Done()) && c.turn(ctx) {
		}
		_ = s.Close()
		c.tell(journal.Event{Kind: journal.Ended})
	}
}

// turn contends once, and leads if it wins. It reports whether the session can be
// used again.
func (c *contest) turn(ctx context.Context) bool {
	e := newContender(c.lane, c.session)
	c.tell(journal.Event{Kind: journal.Contend})
	actx, cancel := context.WithTimeout(ctx, c.between(2000, 10000))
	defer cancel()
	late := lateness(actx)
	err := e.acquire(actx, c.value())
	if err != nil {
		c.tell(journal.Event{Kind: journal.Idle, Note: err.Error(), Late: late()})
		if c.rand.IntN(3) == 0 {
			proc.Sleep(ctx, c.between(1000, 3000)) // long enough to see whether a key was left behind
		} else {
			proc.Sleep(ctx, c.between(100, 300))
		}
		return true
	}
	r := e.reign()
	c.tell(journal.Event{Kind: journal.Elected, Key: r.key, Rev: r.rev})

	var once sync.Once
	over := func(note string) {
		at := proc.Now()
		once.Do(func() { c.tell(journal.Event{At: at, Kind: journal.Over, Key: r.key, Rev: r.rev, Note: note}) })
	}
	resigned := make(chan struct{})
	defer close(resigned)
	go func() {
		select {
		case <-r.done:
			over(fmt.Sprint("done: ", r.why()))
		case <-resigned:
		}
	}()

	certain := c.lead(ctx, e, r)
	if !certain {
		if c.rand.IntN(3) > 0 {
			c.holdOn(ctx, r)
		}
		over("gave up its session")
		return false
	}
	over("resigned")
	rctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	late = lateness(rctx)
	if err := e.release(rctx); err != nil {
		c.tell(journal.Event{Kind: journal.Idle, Note: "resign: " + err.Error(), Late: late()})
		return false
	}
	c.tell(journal.Event{Kind: journal.Idle, Late: late()})
	proc.Sleep(ctx, c.between(50, 400))
	return true
}

// lead works for a while. It returns false when a write may be applied yet: the
// fence lets it pass for as long as this very term lasts, also between two later
// writes of the same term, which it would undo. So the term has to end for good.
func (c *contest) lead(ctx context.Context, e contender, r reign) (certain bool) {
	for range 3 + c.rand.IntN(6) {
		// The only look at whether the term lasts. It is not repeated between
		// thinking and writing: that would narrow the gap in which the term can end,
		// and would not close it.
		if ctx.Err() != nil || closed(r.done) {
			return true
		}
		var result string
		switch c.rand.IntN(10) {
		case 0, 1:
			result = c.write(r)
		case 2, 3:
			result = c.read(r)
		case 4:
			pctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
			_ = e.proclaim(pctx, c.value()) // observers see what etcd has, whatever was answered
			cancel()
		default:
			result = c.add(ctx, r)
		}
		switch result {
		case journal.Unknown:
			return false
		case journal.Refused:
			return true
		}
		proc.Sleep(ctx, c.between(5, 40))
	}
	return true
}

// holdOn believes in the term, without an answer, until it is told that the term is
// over: how late that is, is what the trial wants to know.
func (c *contest) holdOn(ctx context.Context, r reign) {
	enough := time.NewTimer(2 * time.Duration(c.TTL) * time.Second)
	defer enough.Stop()
	select {
	case <-r.done:
	case <-enough.C:
	case <-ctx.Done():
	}
}

func (c *contest) tell(ev journal.Event) {
	ev.Lane, ev.Lease = c.lane.String(), int64(c.session.Lease())
	c.Write(ev)
}

// value returns a value that nobody has used before.
func (c *contest) value() string {
	c.wrote++
	return fmt.Sprintf("%d.%d.%d", c.Index, c.Life, c.wrote)
}

// between returns a duration by chance, in milliseconds.
func (c *contest) between(from, to int) time.Duration {
	return time.Duration(from+c.rand.IntN(to-from)) * time.Millisecond
}

// lateness returns a function that tells how long ago ctx ended.
func lateness(ctx context.Context) func() time.Duration {
	var mu sync.Mutex
	var ended time.Duration
	context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		ended = proc.Now()
	})
	return func() time.Duration {
		now := proc.Now()
		mu.Lock()
		defer mu.Unlock()
		if ended == 0 {
			return 0
		}
		return max(now-ended, 0)
	}
}

func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
