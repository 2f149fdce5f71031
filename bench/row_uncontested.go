// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"context"
	"time"

	v3 "go.etcd.io/etcd/client/v3"
)

const warmUps = 20

// uncontested measures Campaign and Resign with nobody else about, beside the two
// transactions that must be made for it.
func uncontested(l *lab) error {
	return l.each(3, func(c *cluster) error {
		var runs []func() error
		turn := 0
		add := func(name string, f func() error) {
			m := measure{"uncontested", len(c.members), "Campaign + Resign", "time", "ms"}
			runs = append(runs, func() error {
				begin := time.Now()
				if err := f(); err != nil {
					return err
				}
				if turn >= warmUps {
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
			s, err := of.newSession(client, ttl)
			if err != nil {
				return err
			}
			e := of.newElection(s, l.name("uncontested"))
			add(of.name, func() error {
				if err := e.Campaign(l.ctx, "candidate"); err != nil {
					return err
				}
				return e.Resign(l.ctx)
			})
		}
		client, err := c.client(0)
		if err != nil {
			return err
		}
		b, err := newBareCandidate(l.ctx, client, l.name("uncontested"))
		if err != nil {
			return err
		}
		add(nameLimit, func() error {
			if err := b.enter(l.ctx); err != nil {
				return err
			}
			return b.leave(l.ctx)
		})
		for ; turn < warmUps+l.size.uncontested; turn++ {
			if err := rotate(turn, runs...); err != nil {
				return err
			}
		}
		return nil
	})
}

// A bareCandidate is a candidate made of nothing but the transactions.
type bareCandidate struct {
	client *v3.Client
	key    string
	lease  v3.LeaseID
	rev    int64
}

func newBareCandidate(ctx context.Context, client *v3.Client, name string) (*bareCandidate, error) {
	lease, err := client.Grant(ctx, ttl*60)
	if err != nil {
		return nil, err
	}
	return &bareCandidate{client: client, key: candidateKey(name, lease.ID), lease: lease.ID}, nil
}

// enter writes the key where there is none.
func (b *bareCandidate) enter(ctx context.Context) error {
	resp, err := b.client.Txn(ctx).
		If(v3.Compare(v3.CreateRevision(b.key), "=", 0)).
		Then(v3.OpPut(b.key, "candidate", v3.WithLease(b.lease))).
		Else(v3.OpGet(b.key)).
		Commit()
	if err == nil {
		b.rev = resp.Header.Revision
	}
	return err
}

// leave deletes the key if it is the own one.
func (b *bareCandidate) leave(ctx context.Context) error {
	_, err := b.client.Txn(ctx).If(v3.Compare(v3.CreateRevision(b.key), "=", b.rev)).Then(v3.OpDelete(b.key)).Commit()
	return err
}
