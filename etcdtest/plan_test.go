// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

func TestPlan(t *testing.T) {
	storm := Storm{Participants: []string{"a", "b"}, Members: 3, Duration: time.Minute, Kinds: append(Kinds(), RevokeLease)}

	t.Run("TheSameSeedGivesTheSameFaults", func(t *testing.T) {
		require.Equal(t, NewPlan(7, storm), NewPlan(7, storm))
		require.NotEqual(t, NewPlan(7, storm).String(), NewPlan(8, storm).String())
	})
	for seed := range uint64(12) {
		t.Run("AfterTheStormAllIsWell", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := New(t, WithMembers(3), WithSeed(seed))
				ctx, cancel := context.WithCancel(t.Context())
				for _, name := range storm.Participants {
					go campaignOn(ctx, e.Client(name), name)
				}
				p := NewPlan(seed, storm)
				e.Run(ctx, p)
				cancel()
				time.Sleep(3 * time.Minute) // grpc waits for up to two before it connects again
				for _, name := range storm.Participants {
					c, done := context.WithTimeout(t.Context(), 3*time.Second)
					_, err := e.Client(name).Put(c, "after", name)
					done()
					require.NoError(t, err, p)
				}
			})
		})
	}
	t.Run("EveryKindCanBeRun", func(t *testing.T) {
		for _, k := range append(Kinds(), RevokeLease) {
			synctest.Test(t, func(t *testing.T) {
				e := New(t)
				c := e.Client("a")
				p := NewPlan(1, Storm{Participants: []string{"a"}, Duration: 10 * time.Second, Kinds: []Kind{k}})
				require.NotEmpty(t, p.Faults)
				e.Run(t.Context(), p)
				time.Sleep(3 * time.Minute)
				_, err := c.Put(t.Context(), "k", "v")
				if k == DropRequest || k == DropReply {
					return // the healing has disarmed the traps, or this was their request
				}
				require.NoError(t, err, p)
			})
		}
	})
}

// campaignOn is a participant that never gives up.
func campaignOn(ctx context.Context, c *clientv3.Client, name string) {
	for ctx.Err() == nil {
		s, err := concurrency.NewSession(c, concurrency.WithTTL(3), concurrency.WithContext(ctx))
		if err != nil {
			time.Sleep(time.Second)
			continue
		}
		e := concurrency.NewElection(s, "storm")
		cctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		if e.Campaign(cctx, name) == nil {
			time.Sleep(time.Second)
			e.Resign(cctx)
		}
		cancel()
		s.Orphan()
	}
}
