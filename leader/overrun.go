// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader

import (
	"fmt"
	"os"
	"time"
)

// An Overrun is a policy about functions that do not return in time. While such a
// function runs, another process may lead.
type Overrun int

const (
	// OverrunLog logs when an overrun begins, and when it ends, with how long it
	// took.
	OverrunLog Overrun = iota
	// OverrunExit logs, and ends the process by os.Exit(1).
	OverrunExit
	// OverrunPanic logs, and ends the process by a panic that nothing recovers, which
	// tells what every goroutine does.
	OverrunPanic
)

// awaitReturn waits for the function after its context has ended, and reports it
// if it overruns: if it still runs when the term is over, and Margin has passed
// since the context ended. As long as the lease is kept alive, as after an end on
// purpose, or a renewal that is answered after all, the function may take its time:
// nobody else leads before it returns. That is only logged.
func (k *reign) awaitReturn() {
	end, ended := k.ended(), time.Now()
	k.steppingDown(end)
	lost, termDone := false, k.term.Done()
	patience := k.cfg.Margin
	slow := time.NewTimer(patience)
	defer slow.Stop()
	for {
		select {
		case <-k.returned:
			return
		case <-termDone:
			termDone, lost = nil, true
		case <-slow.C:
			if !lost {
				k.log.Warn("leader: the function has not returned; the leadership is kept until it does",
					"term", k.term.Rev(), "reason", string(end.Reason), "for", time.Since(ended))
			}
			patience *= 2
			slow.Reset(patience)
		}
		if lost && time.Since(ended) >= k.cfg.Margin {
			k.overrun(end, ended)
			return
		}
	}
}

// overrun reports an overrun by policy, and how long it takes.
func (k *reign) overrun(end *EndError, ended time.Time) {
	begin := time.Now()
	err := fmt.Errorf("leader: the function still runs %v after its context ended (%s), and another process may lead",
		begin.Sub(ended).Round(time.Millisecond), end.Reason)
	k.mu.Lock()
	k.stats.overrunBegins(begin)
	k.view.LastError, k.view.LastErrorAt = err, begin
	k.notifyLocked()
	k.mu.Unlock()
	k.log.Error("leader: overrun", "term", k.term.Rev(), "err", err)
	if k.cfg.Hooks.Error != nil {
		k.cfg.Hooks.Error(err)
	}
	if k.cfg.Overrun != OverrunLog {
		k.abort(k.cfg.Overrun, err)
	}
	<-k.returned
	took := time.Since(begin)
	k.mu.Lock()
	k.stats.overrunEnds(took)
	k.mu.Unlock()
	k.log.Error("leader: overrun ended", "term", k.term.Rev(), "overrun", took)
}

// abort ends the process as the policy has it.
func abort(policy Overrun, err error) {
	if policy == OverrunPanic {
		panic(err) // tested in a process that takes its coverage with it
	}
	os.Exit(1)
}
