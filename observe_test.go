// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	v3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/tests/v3/framework/integration"

	"github.com/seed-da5263fb/concurrency"
)

func TestObserve(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)

	t.Run("BeginsWithWhoLeadsNow", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "first")
		require.NoError(t, e.Proclaim(bounded(t), "second"))
		resp := receive(t, newElection(t, client).Observe(bounded(t)))
		require.Len(t, resp.Kvs, 1)
		require.EqualValues(t, 1, resp.Count)
		require.Equal(t, e.Key(), string(resp.Kvs[0].Key))
		require.Equal(t, "second", string(resp.Kvs[0].Value))
		require.Equal(t, e.Rev(), resp.Kvs[0].CreateRevision)
	})

	t.Run("WaitsForTheFirstLeader", func(t *testing.T) {
		e := newElection(t, client)
		seen := e.Observe(bounded(t))
		lead(t, e, "first")
		require.Equal(t, "first", value(receive(t, seen)))
	})

	t.Run("BringsEveryLeaderAndProclamationInOrder", func(t *testing.T) {
		const leaders, proclamations = 5, 4
		leader := newElection(t, client)
		lead(t, leader, "leader 0")
		seen := newElection(t, client).Observe(bounded(t))
		require.Equal(t, "leader 0", value(receive(t, seen)))
		var want []string
		for i := range leaders {
			for j := range proclamations {
				want = append(want, fmt.Sprint(i, "/", j))
				require.NoError(t, leader.Proclaim(bounded(t), fmt.Sprint(i, "/", j)))
			}
			next := newElection(t, client)
			won := campaign(t, next, fmt.Sprint("leader ", i+1), 2)
			require.NoError(t, leader.Resign(bounded(t)))
			require.NoError(t, receive(t, won))
			want = append(want, fmt.Sprint("leader ", i+1))
			leader = next
		}
		var got []string
		last := int64(0)
		for range want {
			resp := receive(t, seen)
			got = append(got, value(resp))
			require.Greater(t, resp.Header.Revision, last, "the header has the revision of the change")
			last = resp.Header.Revision
		}
		require.Equal(t, want, got)
	})

	t.Run("SaysNothingOfThoseWhoWait", func(t *testing.T) {
		leader, waiter := newElection(t, client), newElection(t, client)
		lead(t, leader, "leader")
		seen := leader.Observe(bounded(t))
		require.Equal(t, "leader", value(receive(t, seen)))
		ctx, cancel := context.WithCancel(t.Context())
		result := background(func() error { return waiter.Campaign(ctx, "waiter") })
		eventually(t, func() bool { return len(candidates(t, leader)) == 2 }, "waiter is in the queue")
		cancel()
		require.ErrorIs(t, receive(t, result), context.Canceled)
		require.NoError(t, leader.Proclaim(bounded(t), "proclaimed"))
		require.Equal(t, "proclaimed", value(receive(t, seen)))
	})

	t.Run("SaysNothingOfVacancies", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "first")
		seen := e.Observe(bounded(t))
		require.Equal(t, "first", value(receive(t, seen)))
		for i := range 3 {
			require.NoError(t, e.Resign(bounded(t)))
			lead(t, e, fmt.Sprint(i))
		}
		for i := range 3 {
			require.Equal(t, fmt.Sprint(i), value(receive(t, seen)))
		}
	})

	t.Run("SaysNothingOfOtherElectionsAndStrayKeys", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "first")
		seen := e.Observe(bounded(t))
		require.Equal(t, "first", value(receive(t, seen)))
		strays(t, client, t.Name())
		require.NoError(t, e.Proclaim(bounded(t), "second"))
		require.Equal(t, "second", value(receive(t, seen)))
	})

	t.Run("IsNotMisledByOlderStrayKeys", func(t *testing.T) {
		strays(t, client, t.Name())
		e := newElection(t, client)
		seen := e.Observe(bounded(t))
		lead(t, e, "leader")
		require.Equal(t, "leader", value(receive(t, seen)))
	})

	t.Run("ClosesWithItsContext", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "leader")
		ctx, cancel := context.WithCancel(t.Context())
		seen := e.Observe(ctx)
		receive(t, seen)
		cancel()
		closes(t, seen)
	})

	t.Run("ClosesWithItsContextWhileNobodyReads", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "leader")
		ctx, cancel := context.WithCancel(t.Context())
		seen := e.Observe(ctx)
		cancel()
		eventually(t, func() bool {
			_, ok := <-seen // at the most what was under way
			return !ok
		}, "closed")
	})

	t.Run("ClosesWithTheClient", func(t *testing.T) {
		own := connect(t, clus)
		e := newElection(t, own)
		lead(t, e, "leader")
		seen := e.Observe(t.Context())
		receive(t, seen)
		require.NoError(t, own.Close())
		closes(t, seen)
	})

	t.Run("DoesNotEndWithTheSession", func(t *testing.T) {
		s, e := newSession(t, client), newElection(t, client)
		seen := concurrency.NewElection(s, t.Name()).Observe(bounded(t))
		lead(t, e, "first")
		require.Equal(t, "first", value(receive(t, seen)))
		require.NoError(t, s.Close())
		require.NoError(t, e.Proclaim(bounded(t), "second"))
		require.Equal(t, "second", value(receive(t, seen)))
	})

	t.Run("DoesNotEndWhenEtcdRefusesForAWhile", func(t *testing.T) {
		own := connect(t, clus)
		e, kv := newElection(t, own), tapInto(own)
		kv.interceptNext(func(func() error) error { return rpctypes.ErrPermissionDenied })
		seen := e.Observe(bounded(t))
		eventually(t, func() bool { return kv.requests.Load() > 1 }, "asked again")
		lead(t, e, "leader")
		require.Equal(t, "leader", value(receive(t, seen)))
	})

	t.Run("SendsNoRequestAtAHandover", func(t *testing.T) {
		own := connect(t, clus)
		observer, kv := newElection(t, own), tapInto(own)
		leader, next := newElection(t, client), newElection(t, client)
		lead(t, leader, "leader")
		seen := observer.Observe(bounded(t))
		require.Equal(t, "leader", value(receive(t, seen)))
		kv.requests.Store(0)
		won := campaign(t, next, "next", 2)
		require.NoError(t, leader.Resign(bounded(t)))
		require.NoError(t, receive(t, won))
		require.Equal(t, "next", value(receive(t, seen)))
		require.Zero(t, kv.requests.Load())
	})

	t.Run("SkipsASlowReaderAheadToTheNewest", func(t *testing.T) {
		const updates, maxReads = 5000, 1000
		e := newElection(t, client)
		lead(t, e, "first")
		ctx := bounded(t)
		slow := e.Observe(ctx)
		eager := e.Observe(ctx)
		proclaimMany(t, client, e.Key(), updates)
		require.NoError(t, e.Proclaim(ctx, "newest"))
		for value(receive(t, eager)) != "newest" {
		}
		require.NoError(t, e.Proclaim(ctx, "newer still")) // behind everything that the slow one is to be told
		require.Equal(t, "newer still", value(receive(t, eager)))

		reads, last, lastRev := 0, "", int64(0)
		for last != "newer still" {
			resp := receive(t, slow)
			require.Greater(t, resp.Kvs[0].ModRevision, lastRev, "never backwards")
			lastRev, last = resp.Kvs[0].ModRevision, value(resp)
			reads++
		}
		require.LessOrEqual(t, reads, maxReads)
	})
}

func TestLeaders(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)
	next := func(t *testing.T, pull func() (concurrency.Candidate, error, bool)) concurrency.Candidate {
		t.Helper()
		c, err, ok := pull()
		require.True(t, ok)
		require.NoError(t, err)
		return c
	}
	vacancy := concurrency.Candidate{}

	t.Run("BringsLeadersProclamationsAndVacancies", func(t *testing.T) {
		s := newSession(t, client)
		e := concurrency.NewElection(s, t.Name())
		pull, stop := iter.Pull2(e.Leaders(bounded(t)))
		defer stop()
		require.Equal(t, vacancy, next(t, pull), "it begins with who leads now")
		lead(t, e, "first")
		first := next(t, pull)
		require.Equal(t, concurrency.Candidate{Key: e.Key(), Value: "first", Rev: e.Rev(), ModRev: e.Rev(), Lease: s.Lease()}, first)
		require.NoError(t, e.Proclaim(bounded(t), "second"))
		second := next(t, pull)
		require.Equal(t, "second", second.Value)
		require.Equal(t, first.Rev, second.Rev)
		require.Equal(t, e.Header().Revision, second.ModRev)
		require.NoError(t, e.Resign(bounded(t)))
		require.Equal(t, vacancy, next(t, pull))
		lead(t, e, "again")
		require.Equal(t, "again", next(t, pull).Value)
	})

	t.Run("BringsNoVacancyBetweenALeaderAndTheNextInTheQueue", func(t *testing.T) {
		leader, second := newElection(t, client), newElection(t, client)
		pull, stop := iter.Pull2(leader.Leaders(bounded(t)))
		defer stop()
		require.Equal(t, vacancy, next(t, pull))
		lead(t, leader, "leader")
		require.Equal(t, "leader", next(t, pull).Value)
		won := campaign(t, second, "second", 2)
		require.NoError(t, leader.Resign(bounded(t)))
		require.NoError(t, receive(t, won))
		require.Equal(t, "second", next(t, pull).Value)
	})

	t.Run("TellsTheEndOfASession", func(t *testing.T) {
		s := newSession(t, client)
		lead(t, concurrency.NewElection(s, t.Name()), "leader")
		pull, stop := iter.Pull2(newElection(t, client).Leaders(bounded(t)))
		defer stop()
		require.Equal(t, s.Lease(), next(t, pull).Lease)
		require.NoError(t, s.Close())
		require.Equal(t, vacancy, next(t, pull))
	})

	t.Run("EndsWithTheCauseOfItsContext", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		err := lastError(newElection(t, client).Leaders(ctx), func() { cancel(errByTest) })
		require.ErrorIs(t, err, errByTest)
	})

	t.Run("EndsWithTheClient", func(t *testing.T) {
		own := connect(t, clus)
		err := lastError(newElection(t, own).Leaders(bounded(t)), func() { own.Close() })
		require.ErrorContains(t, err, "client is closed")
	})

	t.Run("EndsWithWhatEtcdRefuses", func(t *testing.T) {
		own := connect(t, clus)
		e, kv := newElection(t, own), tapInto(own)
		kv.intercept(func(func() error) error { return rpctypes.ErrPermissionDenied })
		err := lastError(e.Leaders(bounded(t)), func() {})
		require.ErrorIs(t, err, rpctypes.ErrPermissionDenied)
	})

	t.Run("DoesNotEndWithALostAnswer", func(t *testing.T) {
		own := connect(t, clus)
		e, kv := newElection(t, own), tapInto(own)
		kv.interceptNext(func(func() error) error { return errLost })
		pull, stop := iter.Pull2(e.Leaders(bounded(t)))
		defer stop()
		require.Equal(t, vacancy, next(t, pull))
	})

	t.Run("BeginsAnewEachTimeItIsUsed", func(t *testing.T) {
		e := newElection(t, client)
		leaders := e.Leaders(bounded(t))
		for range leaders {
			break
		}
		lead(t, e, "leader")
		for c, err := range leaders {
			require.NoError(t, err)
			require.Equal(t, "leader", c.Value)
			break
		}
	})
}

func TestObserveAcrossLostConnections(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1, UseBridge: true})
	bridge := clus.Members[0].Bridge()
	observing, client := connect(t, clus), connectPastBridge(t, clus.Members[0])

	t.Run("LeavesNothingOut", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "first")
		seen := newElection(t, observing).Observe(bounded(t))
		require.Equal(t, "first", value(receive(t, seen)))
		for i := range 4 {
			bridge.DropConnections()
			require.NoError(t, e.Proclaim(bounded(t), fmt.Sprint(i, " while cut")))
			require.Equal(t, fmt.Sprint(i, " while cut"), value(receive(t, seen)))
			require.NoError(t, e.Proclaim(bounded(t), fmt.Sprint(i, " after")))
			require.Equal(t, fmt.Sprint(i, " after"), value(receive(t, seen)))
		}
	})

	t.Run("GoesOnWithTheNewestWhereTheRestWasCompactedAway", func(t *testing.T) {
		e, next := newElection(t, client), newElection(t, client)
		lead(t, e, "first")
		seen := newElection(t, observing).Observe(bounded(t))
		require.Equal(t, "first", value(receive(t, seen)))

		bridge.PauseConnections()
		bridge.DropConnections()
		for i := range 10 {
			require.NoError(t, e.Proclaim(bounded(t), fmt.Sprint(i)))
		}
		won := campaign(t, next, "next", 2)
		require.NoError(t, e.Resign(bounded(t)))
		require.NoError(t, receive(t, won))
		require.NoError(t, next.Proclaim(bounded(t), "newest"))
		_, err := client.Compact(bounded(t), revision(t, client), v3.WithCompactPhysical())
		require.NoError(t, err)
		bridge.UnpauseConnections()

		require.Equal(t, "newest", value(receive(t, seen)))
		require.NoError(t, next.Proclaim(bounded(t), "after"))
		require.Equal(t, "after", value(receive(t, seen)))
	})

	t.Run("TellsAVacancyThatWasCompactedAway", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "first")
		pull, stop := iter.Pull2(newElection(t, observing).Leaders(bounded(t)))
		defer stop()
		c, err, _ := pull()
		require.NoError(t, err)
		require.Equal(t, "first", c.Value)

		bridge.PauseConnections()
		bridge.DropConnections()
		require.NoError(t, e.Resign(bounded(t)))
		_, err = client.Compact(bounded(t), revision(t, client), v3.WithCompactPhysical())
		require.NoError(t, err)
		bridge.UnpauseConnections()

		c, err, _ = pull()
		require.NoError(t, err)
		require.Zero(t, c)
	})

	t.Run("IsNotDisturbedByACompactionOfWhatItHasSeen", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "first")
		seen := newElection(t, observing).Observe(bounded(t))
		require.Equal(t, "first", value(receive(t, seen)))
		for i := range 5 {
			require.NoError(t, e.Proclaim(bounded(t), fmt.Sprint(i)))
			_, err := client.Compact(bounded(t), e.Header().Revision)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(i), value(receive(t, seen)))
		}
	})
}

func TestObserveWithASilentMember(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 3, UseBridge: true})
	client := connectPastBridge(t, clus.Members[0])
	e := newElection(t, client)
	lead(t, e, "first")
	observer := concurrency.NewElection(newSession(t, connect(t, clus), concurrency.WithTTL(3)), t.Name())
	seen := observer.Observe(bounded(t))
	require.Equal(t, "first", value(receive(t, seen)))
	for i, m := range clus.Members {
		t.Run(fmt.Sprint("GoesOnWithoutMember", i), func(t *testing.T) {
			m.Bridge().Blackhole()
			defer m.Bridge().Unblackhole()
			for j := range 3 { // the first may still come through
				require.NoError(t, e.Proclaim(bounded(t), fmt.Sprint(i, "/", j)))
			}
			for j := range 3 {
				require.Equal(t, fmt.Sprint(i, "/", j), value(receive(t, seen)))
			}
		})
	}
}

func TestObserveOnThreeMembers(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 3})
	// The first knows only the member that is restarted, the second all.
	pinned, free := connect(t, clus, 0), connect(t, clus)
	e, next := newElection(t, connect(t, clus, 1, 2)), newElection(t, connect(t, clus, 1, 2))
	lead(t, e, "first")
	var seen []<-chan *v3.GetResponse
	for _, client := range []*v3.Client{pinned, free} {
		seen = append(seen, concurrency.NewElection(newSession(t, client), t.Name()).Observe(bounded(t)))
	}
	everybody := func(t *testing.T, want string, observers ...<-chan *v3.GetResponse) {
		t.Helper()
		for _, c := range observers {
			require.Equal(t, want, value(receive(t, c)))
		}
	}
	everybody(t, "first", seen...)

	t.Run("LeavesNothingOutWhileAMemberIsDown", func(t *testing.T) {
		stopMember(t, clus, 0)
		require.NoError(t, e.Proclaim(bounded(t), "without a member"))
		everybody(t, "without a member", seen[1])
		won := campaign(t, next, "next", 2)
		require.NoError(t, e.Resign(bounded(t)))
		require.NoError(t, receive(t, won))
		everybody(t, "next", seen[1])
	})

	t.Run("LeavesNothingOutAfterTheMemberIsBack", func(t *testing.T) {
		require.NoError(t, clus.Members[0].Restart(quiet{t}))
		everybody(t, "without a member", seen[0])
		everybody(t, "next", seen[0])
		require.NoError(t, next.Proclaim(bounded(t), "all back"))
		everybody(t, "all back", seen...)
	})
}

// value returns what the leader of an answer of Observe has to say.
func value(resp *v3.GetResponse) string { return string(resp.Kvs[0].Value) }

// lastError returns the error that an iteration ends with, which began makes
// happen when it has begun.
func lastError(leaders iter.Seq2[concurrency.Candidate, error], began func()) (last error) {
	for c, err := range leaders {
		if err != nil && c != (concurrency.Candidate{}) {
			return fmt.Errorf("an error comes with candidate %v", c)
		}
		last = err
		began()
	}
	return last
}

// proclaimMany sets the value of a leader's key n times, from several goroutines
// since one after another would take long.
func proclaimMany(t *testing.T, client *v3.Client, key string, n int) {
	t.Helper()
	var all sync.WaitGroup
	var count atomic.Int64
	for range 16 {
		all.Go(func() {
			for i := count.Add(1); i <= int64(n); i = count.Add(1) {
				if _, err := client.Put(bounded(t), key, fmt.Sprint(i), v3.WithIgnoreLease()); !noError(t, err) {
					return
				}
			}
		})
	}
	all.Wait()
}
