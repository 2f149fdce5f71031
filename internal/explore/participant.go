// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package explore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	v3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

// A participant makes sessions and competes with them, one thing after the
// other, at random.
type participant struct {
	*world
	name   string
	rng    *rand.Rand
	ttl    int
	client *v3.Client

	sessions []*concurrency.Session // all that were made
	holders  *sync.WaitGroup
	past     *concurrency.Term // one that was held before
}

// A contender is an Election or a Mutex.
type contender interface {
	contend(ctx context.Context, value string) error
	resign(ctx context.Context) error
	Term() *concurrency.Term
	Key() string
}

type election struct{ *concurrency.Election }

func (e election) contend(ctx context.Context, v string) error { return e.Campaign(ctx, v) }
func (e election) resign(ctx context.Context) error            { return e.Resign(ctx) }

type tryElection struct{ election }

func (e tryElection) contend(ctx context.Context, v string) error { return e.TryCampaign(ctx, v) }

type lock struct{ *concurrency.Mutex }

func (l lock) contend(ctx context.Context, _ string) error { return l.Lock(ctx) }
func (l lock) resign(ctx context.Context) error {
	err := l.Unlock(ctx)
	if errors.Is(err, concurrency.ErrLockReleased) {
		return nil
	}
	return err
}

// A campaign is one call that competes, as the one who called knows it.
type campaign struct {
	who, key   string
	ttl        time.Duration
	begin, end time.Time
	ctxEnd     time.Time // zero if its context did not end
	rev        int64     // of the term won
	err        error
}

// A reign is one term, as the one who held it knew it.
type reign struct {
	who, key string
	rev      int64
	won      time.Time
	over     time.Time // when Term.Done closed
	why      error
}

func (p *participant) run() {
	for p.stop.Err() == nil {
		var s *concurrency.Session
		var err error
		p.withinOf(context.Background(), "NewSession", 2*time.Second, func(context.Context) error {
			s, err = concurrency.NewSession(p.client, concurrency.WithTTL(p.ttl), concurrency.WithStartTimeout(2*time.Second))
			return err
		})
		if err != nil {
			p.pause(time.Second)
			continue
		}
		p.log("%s: session %x", p.name, s.Lease())
		p.sessions = append(p.sessions, s)
		p.mu.Lock()
		p.world.sessions[fmt.Sprintf("%x", s.Lease())] = s
		p.mu.Unlock()
		p.use(s)
		if p.stop.Err() != nil {
			return // the session stays, to see whether a ghost stays with it
		}
		if p.rng.IntN(4) == 0 {
			s.Orphan()
			p.log("%s: orphaned %x", p.name, s.Lease())
		} else {
			p.closeSession(s)
		}
	}
}

// use competes with s until it is over, or for a while.
func (p *participant) use(s *concurrency.Session) {
	for range 1 + p.rng.IntN(12) {
		if p.stop.Err() != nil || s.Err() != nil {
			return
		}
		name := names[p.rng.IntN(len(names))]
		switch p.rng.IntN(8) {
		case 0:
			p.pause(2 * time.Second)
		case 1:
			p.compete(s, name, tryElection{election{concurrency.NewElection(s, name)}})
		case 2:
			p.compete(s, name, lock{concurrency.NewMutex(s, name)})
		case 3:
			// Two of one session share a candidacy.
			var both sync.WaitGroup
			seed := p.rng.Uint64()
			both.Go(func() {
				twin := *p
				twin.name, twin.rng = p.name+"'", rand.New(rand.NewPCG(seed, 0))
				twin.compete(s, name, election{concurrency.NewElection(s, name)})
			})
			p.compete(s, name, election{concurrency.NewElection(s, name)})
			both.Wait()
		default:
			p.compete(s, name, election{concurrency.NewElection(s, name)})
		}
	}
}

// compete contends for a place, holds it for a while, and gives it up.
func (p *participant) compete(s *concurrency.Session, name string, c contender) {
	limit := time.Duration(p.rng.IntN(12_000)) * time.Millisecond
	switch p.rng.IntN(6) {
	case 0, 1:
		limit = time.Hour // until somebody stops
	case 2, 3:
		limit = time.Duration(p.rng.IntN(int(maxRT))) // perhaps while a request is under way
	}
	key := fmt.Sprintf("%s/%x", name, s.Lease())
	p.count(key, +1)
	kept := false
	defer func() {
		if !kept {
			p.count(key, -1)
		}
	}()
	camp := &campaign{who: p.name, key: key, ttl: s.TTL(), begin: time.Now()}
	p.mu.Lock()
	p.campaigns = append(p.campaigns, camp)
	p.mu.Unlock()
	value := fmt.Sprintf("%s%d", p.name, p.rng.IntN(1000))
	err := p.within(fmt.Sprintf("%T for %s", c, key), limit, func(ctx context.Context) error {
		err := c.contend(ctx, value)
		p.mu.Lock()
		defer p.mu.Unlock()
		camp.end, camp.err = time.Now(), err
		if t := c.Term(); err == nil && t != nil {
			camp.rev = t.Rev()
		}
		if ctx.Err() != nil {
			camp.ctxEnd = time.Now()
		}
		return err
	})
	if err != nil {
		return
	}
	t := c.Term()
	if t == nil {
		return // lost again already, and known to be
	}
	p.reign(t)

	for range p.rng.IntN(4) {
		p.pause(2 * time.Second)
		if e, ok := c.(election); ok && p.rng.IntN(2) == 0 {
			p.within("proclaim", 3*time.Second, func(ctx context.Context) error {
				return e.Proclaim(ctx, fmt.Sprintf("%s%d", p.name, p.rng.IntN(1000)))
			})
		}
		// Fenced writes, whatever the term's state: they must not be applied late.
		p.write(t)
		if p.past != nil {
			p.write(p.past)
		}
		if t.Err() != nil || p.stop.Err() != nil {
			break
		}
	}
	p.past = t
	if p.rng.IntN(8) == 0 && p.stop.Err() == nil {
		kept = true
		return // it is given up with the session
	}
	if c.Key() == "" && s.Err() == nil {
		// The key is gone. To resign late must not touch a newer one of the session.
		newer := concurrency.NewElection(s, name)
		if p.within("newer campaign for "+key, 2*time.Second, func(ctx context.Context) error {
			return newer.Campaign(ctx, "newer")
		}) == nil {
			if t := newer.Term(); t != nil {
				p.reign(t)
			}
		}
		defer p.resign(s, "resign newer", key, newer.Resign)
	}
	p.resign(s, "resign", key, c.resign)
}

// resign tries until it succeeds: a place whose Resign has failed is still held
// (seed 81763).
func (p *participant) resign(s *concurrency.Session, what, key string, resign func(context.Context) error) {
	for p.withinOf(context.Background(), what+" "+key, 2*time.Second, resign) != nil && s.Err() == nil {
		p.doubt(key)
		time.Sleep(100 * time.Millisecond)
	}
}

// reign notes what the holder of t knows of it.
func (p *participant) reign(t *concurrency.Term) {
	r := &reign{who: p.name, key: t.Key(), rev: t.Rev(), won: time.Now()}
	p.mu.Lock()
	p.reigns = append(p.reigns, r)
	p.mu.Unlock()
	p.holders.Go(func() {
		<-t.Done()
		r.over, r.why = time.Now(), t.Err()
		p.log("%s: term %d of %s over: %v", p.name, r.rev, r.key, r.why)
	})
}

// write writes under the fence of t.
func (p *participant) write(t *concurrency.Term) {
	p.within(fmt.Sprintf("write fenced by term %d", t.Rev()), 3*time.Second, func(ctx context.Context) error {
		_, err := p.client.Txn(ctx).If(t.Fence()).Then(v3.OpPut("data/"+t.Key(), fmt.Sprint(t.Rev()))).Commit()
		return err
	})
}

func (p *participant) count(key string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.uses[key] += n
}

func (p *participant) closeSession(s *concurrency.Session) error {
	begin, left := time.Now(), time.Until(s.Deadline())
	err := s.Close()
	p.log("%s: closed %x: %v", p.name, s.Lease(), err)
	if took := time.Since(begin); took > max(left, 0)+time.Second {
		p.problem("%s: Close took %v, with %v of the lease left", p.name, took, left)
	}
	return err
}

func (p *participant) closeSessions() {
	for _, s := range p.sessions {
		_ = s.Close()
	}
	p.holders.Wait()
}

// within calls f with a context that ends after limit, or when everybody stops,
// and sees that f returns within a second of that.
func (p *participant) within(what string, limit time.Duration, f func(context.Context) error) error {
	return p.withinOf(p.stop, what, limit, f)
}

func (p *participant) withinOf(parent context.Context, what string, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(parent, limit)
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	context.AfterFunc(ctx, func() {
		select {
		case <-done:
		case <-time.After(time.Second + time.Millisecond):
			p.problem("%s: %s has not returned a second after its context ended", p.name, what)
		}
	})
	p.log("%s: %s", p.name, what)
	err := f(ctx)
	p.log("%s: %s: %v", p.name, what, err)
	return err
}

// pause waits for up to d, or until everybody stops.
func (p *participant) pause(d time.Duration) {
	select {
	case <-time.After(time.Duration(p.rng.Int64N(int64(d)))):
	case <-p.stop.Done():
	}
}
