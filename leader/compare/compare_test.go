// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package compare

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A call is one call of the service's function.
type call struct {
	who                 string
	began, asked, ended time.Time // asked: its context ended
}

// A trial is one system with two candidates, a and b, of which a leads.
type trial struct {
	*testing.T
	system
	reports map[string][]time.Duration
	deaf    map[string]time.Duration // for how long a function goes on after its context has ended

	mu    sync.Mutex
	calls []*call
	stops map[string]context.CancelFunc
	over  map[string]chan time.Time // when a candidate's run returned
}

// rounds is how often each scenario is run, at different moments between two
// renewals.
const rounds = 6

// try runs a scenario on each system, in virtual time, and logs what it reports as
// the rows of the tables in docs/comparison.md.
func try(t *testing.T, deaf map[string]time.Duration, scenario func(t *trial, name string)) {
	reports := make(map[string][]time.Duration)
	for _, name := range []string{leaderRun, clientGo, clientGoRelease} {
		t.Run(name, func(t *testing.T) {
			for i := range rounds {
				synctest.Test(t, func(t *testing.T) {
					tr := &trial{
						T: t, system: newSystem(t, name), deaf: deaf, reports: reports,
						stops: make(map[string]context.CancelFunc), over: make(map[string]chan time.Time),
					}
					for _, who := range []string{"a", "b"} {
						tr.run(who)
						time.Sleep(30 * time.Second)
					}
					require.Len(t, tr.calls, 1)
					time.Sleep(time.Duration(i) * 800 * time.Millisecond)
					scenario(tr, name)
					for _, who := range []string{"a", "b"} {
						tr.heal(who)
						tr.stops[who]()
					}
					time.Sleep(time.Minute)
				})
			}
		})
	}
	for what, ds := range reports {
		slices.Sort(ds)
		t.Logf("| %s | %.1f to %.1f s |", what, ds[0].Seconds(), ds[len(ds)-1].Seconds())
	}
}

func (t *trial) run(who string) {
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan time.Time, 1)
	t.stops[who], t.over[who] = stop, over
	go func() {
		assert.NoError(t, t.start(ctx, who, func(ctx context.Context) {
			c := &call{who: who, began: time.Now()}
			t.mu.Lock()
			t.calls = append(t.calls, c)
			t.mu.Unlock()
			<-ctx.Done()
			t.mu.Lock()
			c.asked = time.Now()
			t.mu.Unlock()
			time.Sleep(t.deaf[who])
			t.mu.Lock()
			c.ended = time.Now()
			t.mu.Unlock()
		}))
		over <- time.Now()
	}()
}

// get returns the n-th call, the zero call if there was none.
func (t *trial) get(n int) call {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n >= len(t.calls) {
		return call{}
	}
	return *t.calls[n]
}

// report takes one measurement down.
func (t *trial) report(name, what string, d time.Duration) {
	what += " | " + name
	t.reports[what] = append(t.reports[what], d)
}

// overlap is for how long both functions ran at once; negative if nobody ran.
func overlap(first, second call) time.Duration { return first.ended.Sub(second.began) }

func TestTheLeaderIsCutOff(t *testing.T) {
	try(t, nil, func(t *trial, name string) {
		cut := time.Now()
		t.silence("a")
		time.Sleep(2 * time.Minute)
		a, b := t.get(0), t.get(1)
		require.Equal(t, "b", b.who)
		t.report(name, "cut off → its context ends", a.asked.Sub(cut))
		t.report(name, "cut off → the next one leads", b.began.Sub(cut))
		t.report(name, "both run at once for", overlap(a, b))
		if name == leaderRun {
			require.LessOrEqual(t, overlap(a, b), -3*time.Second) // the margin
		}
	})
}

func TestTheAPIIsSlow(t *testing.T) {
	for _, d := range []time.Duration{time.Second, 4 * time.Second, 6 * time.Second} {
		t.Run(fmt.Sprint(d), func(t *testing.T) {
			try(t, nil, func(t *trial, name string) {
				begin := time.Now()
				t.slow("a", d)
				t.slow("b", d)
				time.Sleep(10 * time.Minute)
				t.mu.Lock()
				defer t.mu.Unlock()
				var led time.Duration
				for _, c := range t.calls {
					end := c.asked
					if end.IsZero() {
						end = time.Now()
					}
					led += end.Sub(later(c.began, begin))
				}
				t.report(name, fmt.Sprintf("answers take %v for 600 s: somebody leads for", d), led)
				if name == leaderRun && d <= 4*time.Second {
					require.Equal(t, 10*time.Minute, led) // in one term
				}
			})
		})
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func TestTheAPIIsDown(t *testing.T) {
	for _, d := range []time.Duration{4 * time.Second, 5 * time.Minute} {
		t.Run(fmt.Sprint(d), func(t *testing.T) {
			try(t, nil, func(t *trial, name string) {
				t.silence("a")
				t.silence("b")
				down := time.Now()
				time.Sleep(d)
				t.heal("a")
				t.heal("b")
				up := time.Now()
				time.Sleep(3 * time.Minute)
				a, next := t.get(0), t.get(1)
				require.Equal(t, d < time.Minute, a.asked.IsZero(), "the leader stays for as long as its lease does")
				if a.asked.IsZero() {
					t.report(name, fmt.Sprintf("down for %v, and the leader stays", d), d)
					return
				}
				t.report(name, fmt.Sprintf("down for %v → its context ends", d), a.asked.Sub(down))
				require.False(t, next.began.IsZero(), "nobody leads after")
				t.report(name, fmt.Sprintf("back after %v → somebody leads", d), next.began.Sub(up))
			})
		})
	}
}

func TestTheFunctionHangsAfterACut(t *testing.T) {
	try(t, map[string]time.Duration{"a": time.Minute}, func(t *trial, name string) {
		t.silence("a")
		time.Sleep(3 * time.Minute)
		t.report(name, "cut off, and the function goes on for 1 min: both run at once for", overlap(t.get(0), t.get(1)))
	})
}

func TestTheProcessIsToldToStop(t *testing.T) {
	try(t, nil, func(t *trial, name string) {
		told := time.Now()
		t.stops["a"]()
		time.Sleep(time.Minute)
		next := t.get(1)
		require.False(t, next.began.IsZero(), "nobody leads after")
		t.report(name, "told to stop → the next one leads", next.began.Sub(told))
	})
}

func TestTheProcessIsToldToStopAndTheFunctionTakesTenSeconds(t *testing.T) {
	try(t, map[string]time.Duration{"a": 10 * time.Second}, func(t *trial, name string) {
		told := time.Now()
		t.stops["a"]()
		returned := (<-t.over["a"]).Sub(told)
		time.Sleep(time.Minute)
		t.report(name, "told to stop, and the function takes 10 s: run returns after", returned)
		t.report(name, "told to stop, and the function takes 10 s: both run at once for", overlap(t.get(0), t.get(1)))
		if name == leaderRun {
			require.LessOrEqual(t, overlap(t.get(0), t.get(1)), time.Duration(0))
			require.GreaterOrEqual(t, returned, 10*time.Second)
		}
	})
}
