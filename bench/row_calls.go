// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	v3 "go.etcd.io/etcd/client/v3"

	this "github.com/seed-da5263fb/concurrency"
)

// calls measures the calls that do not wait for anybody.
func calls(l *lab) error {
	return l.each(3, func(c *cluster) error {
		const queued = 10 // candidates, while Leader and Candidates are asked
		m := measure{row: "calls", members: len(c.members), what: "time", unit: "ms"}
		kinds := make(map[string][]func() error) // of all contenders, by setting
		var order []string
		add := func(setting, name string, f func() error) {
			if kinds[setting] == nil {
				order = append(order, setting)
			}
			m := m
			m.setting = setting
			turn := 0
			kinds[setting] = append(kinds[setting], func() error {
				begin := time.Now()
				if err := f(); err != nil {
					return fmt.Errorf("%s, %s: %w", setting, name, err)
				}
				if turn++; turn > warmUps {
					l.addTime(m, name, time.Since(begin))
				}
				return nil
			})
		}

		for _, of := range contenders {
			client, err := c.client(0)
			if err != nil {
				return err
			}
			sessions, err := openSessions(of, []*v3.Client{client}, queued, ttl)
			if err != nil {
				return err
			}
			s := sessions[0]
			add("session made and closed", of.name, func() error {
				s, err := of.newSession(client, ttl)
				if err != nil {
					return err
				}
				return s.Close()
			})
			free := of.newMutex(s, l.name("free"))
			add("Lock + Unlock", of.name, func() error {
				if err := free.Lock(l.ctx); err != nil {
					return err
				}
				return free.Unlock(l.ctx)
			})
			taken := l.name("taken")
			if err := of.newMutex(s, taken).Lock(l.ctx); err != nil {
				return err
			}
			refused := of.newMutex(sessions[1], taken)
			add("TryLock refused", of.name, func() error {
				return expect(refused.TryLock(l.ctx), this.ErrLocked.Error())
			})
			led := l.name("led")
			for i, s := range sessions {
				e := of.newElection(s, led)
				if i == 0 {
					if err := e.Campaign(l.ctx, "leader"); err != nil {
						return err
					}
					add("Leader", of.name, func() error { _, err := e.Leader(l.ctx); return err })
					continue
				}
				won(l.ctx, e)
			}
			add("read of the whole queue", of.name, l.readQueue(client, led, s))
			// The original has no TryCampaign: beside it stands its TryLock.
			if own, ok := sessions[1].(*this.Session); ok {
				e := this.NewElection(own, taken)
				add("TryCampaign refused", of.name, func() error {
					if err := e.TryCampaign(l.ctx, "candidate"); !errors.Is(err, this.ErrElectionNotLeader) {
						return fmt.Errorf("expected a refusal, got %w", err)
					}
					return nil
				})
			} else {
				add("TryCampaign refused", of.name, func() error {
					return expect(refused.TryLock(l.ctx), this.ErrLocked.Error())
				})
			}
		}
		for _, setting := range order {
			for turn := range warmUps + l.size.calls {
				if err := rotate(turn, kinds[setting]...); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// readQueue returns Candidates, and the bare read that users of the original
// write for it.
func (l *lab) readQueue(client *v3.Client, led string, s session) func() error {
	if own, ok := s.(*this.Session); ok {
		e := this.NewElection(own, led)
		return func() error { _, err := e.Candidates(l.ctx); return err }
	}
	return func() error {
		_, err := client.Get(l.ctx, led+"/", v3.WithPrefix(), v3.WithSort(v3.SortByCreateRevision, v3.SortAscend))
		return err
	}
}

// expect returns nil if err has the text that both packages give it.
func expect(err error, text string) error {
	if err == nil {
		return errors.New("expected: " + text)
	}
	if err.Error() != text {
		return err
	}
	return nil
}

// contendedLocks measures, while k sessions lock and unlock one mutex as fast as
// they can, how long it is from one Lock's return to the next's.
func contendedLocks(l *lab) error {
	return l.each(3, func(c *cluster) error {
		for _, k := range l.size.contended {
			m := measure{"contended locks", len(c.members), fmt.Sprintf("%d lockers", k), "time per lock", "ms"}
			var rounds []func() error
			const slices = 3 // of each contender, in turn
			for _, of := range contenders {
				clients, err := c.dialAll(min(k, mostClients))
				if err != nil {
					return err
				}
				sessions, err := openSessions(of, clients, k, ttl)
				if err != nil {
					return err
				}
				name := l.name("contended")
				rounds = append(rounds, func() error {
					times, err := lockInTurn(l.ctx, of, sessions, name, max(l.size.cycles, k)/slices+1)
					l.add(m, of.name, times...)
					return err
				})
			}
			for turn := range slices {
				if err := rotate(turn, rounds...); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// lockInTurn lets all sessions contend until the lock was taken so many times.
func lockInTurn(ctx context.Context, of contender, sessions []session, name string, cycles int) ([]float64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	taken := make(chan time.Time, cycles+len(sessions)) // sent while the lock is held
	over := make(chan struct{})
	errs := make(chan error, len(sessions))
	for _, s := range sessions {
		m := of.newMutex(s, name)
		go func() {
			for {
				if err := m.Lock(ctx); err != nil {
					errs <- err
					return
				}
				select {
				case taken <- time.Now():
				case <-over:
				}
				if err := m.Unlock(ctx); err != nil {
					errs <- err
					return
				}
				select {
				case <-over:
					errs <- nil
					return
				default:
				}
			}
		}()
	}
	var times []float64
	var last time.Time
	for i := range cycles + 1 {
		at, err := await(taken, "for the next lock")
		if err != nil {
			return nil, err
		}
		if i > 0 {
			times = append(times, at.Sub(last).Seconds()*1e3)
		}
		last = at
	}
	close(over)
	for range sessions {
		err, lost := await(errs, "for the lockers to end")
		if lost != nil {
			return nil, lost
		}
		if err != nil {
			return nil, err
		}
	}
	return times, nil
}
