// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
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
}

// TestKinds runs a plan of one fault of each kind, looks a second after it has begun for what its name says, and sees
// that nothing is left of it in the end.
func TestKinds(t *testing.T) {
	type scene struct {
		e *Etcd
		a *clientv3.Client
		w clientv3.WatchChan // of a, on k, open since before the fault
	}
	put := func(t *testing.T, s scene) (answered, applied bool) {
		_, err := s.a.Put(within(t, time.Second), "mine", "v")
		return err == nil, exists(s.e, "mine")
	}
	answers := func(answered, applied bool) func(*testing.T, scene) {
		return func(t *testing.T, s scene) {
			gotAnswered, gotApplied := put(t, s)
			require.Equal(t, answered, gotAnswered, "answered")
			require.Equal(t, applied, gotApplied, "applied")
		}
	}
	hears := func(t *testing.T, s scene) {
		s.e.Put("k", "v")
		require.Len(t, next(t, s.w).Events, 1)
	}
	deaf := func(t *testing.T, s scene) {
		s.e.Put("k", "v")
		silent(t, s.w)
	}
	isCut := func(t *testing.T, s scene) {
		require.Empty(t, s.e.Watches(), "its connection is broken")
		answers(false, false)(t, s)
	}
	isSilent := func(t *testing.T, s scene) {
		require.Len(t, s.e.Watches(), 1, "its connection is not broken")
		answers(false, false)(t, s)
		deaf(t, s)
	}
	looks := map[Kind]func(*testing.T, scene){
		Cut:             isCut,
		Swallow:         isSilent,
		SwallowRequests: func(t *testing.T, s scene) { answers(false, false)(t, s); hears(t, s) },
		SwallowReplies:  func(t *testing.T, s scene) { answers(false, true)(t, s); deaf(t, s) },
		Break: func(t *testing.T, s scene) {
			require.Equal(t, 2, s.e.Requests("a")["WatchCreate"], "its watch was opened anew")
			answers(true, true)(t, s)
		},
		Delay: func(t *testing.T, s scene) {
			begin := time.Now()
			answers(true, true)(t, s)
			require.GreaterOrEqual(t, time.Since(begin), 200*time.Millisecond)
		},
		DropRequest: answers(false, false),
		DropReply:   answers(false, true),
		CutWatch: func(t *testing.T, s scene) {
			_, open := <-s.w
			require.False(t, open)
		},
		CompactWatch: func(t *testing.T, s scene) { require.ErrorIs(t, next(t, s.w).Err(), rpctypes.ErrCompacted) },
		SilenceWatch: func(t *testing.T, s scene) { answers(true, true)(t, s); deaf(t, s) },
		HoldWatch: func(t *testing.T, s scene) {
			go s.a.Watch(within(t, time.Second), "new")
			time.Sleep(time.Second)
			require.Len(t, s.e.Watches(), 1, "there is no new one")
			hears(t, s)
		},
		Pause:       isSilent,
		Compact:     func(t *testing.T, s scene) { require.ErrorIs(t, s.e.Compact(0), rpctypes.ErrCompacted) },
		RevokeLease: func(t *testing.T, s scene) { require.Empty(t, s.e.Leases()) },
		StopMember:  isCut,
		LoseLeader: func(t *testing.T, s scene) {
			require.False(t, s.e.Member(0).HasLeader())
			_, err := s.a.Get(t.Context(), "k", clientv3.WithSerializable())
			require.NoError(t, err)
			answers(false, false)(t, s)
		},
		PauseMember: isSilent,
	}
	for _, kind := range append(Kinds(), RevokeLease) {
		bubble(t, string(kind), 1, func(t *testing.T, e *Etcd, a *clientv3.Client) {
			_, err := a.Grant(t.Context(), 600)
			require.NoError(t, err)
			s := scene{e, a, a.Watch(t.Context(), "k")}
			f := Fault{At: time.Second, For: 10 * time.Second, Kind: kind, Delay: 100 * time.Millisecond, Participant: "a", Member: -1}
			if kind.ofMember() {
				f.Participant, f.Member = "", 0
			}
			over := make(chan struct{})
			go func() {
				defer close(over)
				e.Run(t.Context(), Plan{Duration: 20 * time.Second, Faults: []Fault{f}})
			}()
			time.Sleep(2 * time.Second)
			require.Contains(t, looks, kind)
			looks[kind](t, s)
			<-over
			time.Sleep(3 * time.Minute)
			answers(true, true)(t, s)
		})
	}
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
