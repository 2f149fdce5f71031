// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	v3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/tests/v3/framework/integration"

	"github.com/seed-da5263fb/concurrency"
)

// errLost is what a client returns for a request that the connection was lost
// under: whether it was applied is open.
var errLost = status.Error(codes.Unavailable, "connection lost by the test")

func TestCampaign(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)

	t.Run("LeadsWithAKeyNamedByTheLease", func(t *testing.T) {
		s := newSession(t, client)
		e := concurrency.NewElection(s, "of-keys")
		lead(t, e, "v")
		resp, err := client.Get(bounded(t), fmt.Sprintf("of-keys/%x", s.Lease()))
		require.NoError(t, err)
		require.Len(t, resp.Kvs, 1)
		require.Equal(t, "v", string(resp.Kvs[0].Value))
		require.EqualValues(t, s.Lease(), resp.Kvs[0].Lease)
		require.EqualValues(t, 1, resp.Kvs[0].Version, "written once")
	})

	t.Run("UncontestedIsOneRequest", func(t *testing.T) {
		own := connect(t, clus)
		e, kv := newElection(t, own), tapInto(own)
		lead(t, e, "v")
		require.EqualValues(t, 1, kv.requests.Load())
	})

	t.Run("SucceedsInOrderOfEntry", func(t *testing.T) {
		names := []string{"a", "b", "c", "d", "e"}
		var elections []*concurrency.Election
		var won []<-chan error
		for i, name := range names {
			e := newElection(t, client)
			won = append(won, campaign(t, e, name, i+1))
			elections = append(elections, e)
		}
		for i, e := range elections {
			require.NoError(t, receive(t, won[i]))
			require.Equal(t, names[i:], candidates(t, e))
			for _, later := range won[i+1:] {
				require.Empty(t, later, "nobody else has won")
			}
			require.NoError(t, e.Resign(bounded(t)))
		}
	})

	t.Run("ClosesTheGapOfAWaiterThatLeft", func(t *testing.T) {
		leader, middle, last := newElection(t, client), newElection(t, client), newElection(t, client)
		lead(t, leader, "leader")
		middleWon := campaign(t, middle, "middle", 2)
		lastWon := campaign(t, last, "last", 3)
		require.NoError(t, middle.Resign(bounded(t)))
		require.ErrorIs(t, receive(t, middleWon), concurrency.ErrResigned)
		require.Equal(t, []string{"leader", "last"}, candidates(t, leader))
		require.Empty(t, lastWon, "the leader still leads")
		require.NoError(t, leader.Resign(bounded(t)))
		require.NoError(t, receive(t, lastWon))
	})

	t.Run("CancelledWaiterLeavesNoKey", func(t *testing.T) {
		leader, waiter := newElection(t, client), newElection(t, client)
		lead(t, leader, "leader")
		ctx, cancel := context.WithCancel(t.Context())
		result := background(func() error { return waiter.Campaign(ctx, "waiter") })
		eventually(t, func() bool { return len(candidates(t, leader)) == 2 }, "waiter is in the queue")
		cancel()
		require.ErrorIs(t, receive(t, result), context.Canceled)
		require.Equal(t, []string{"leader"}, candidates(t, leader))
	})

	t.Run("TimedOutWaiterLeavesNoKey", func(t *testing.T) {
		leader, waiter := newElection(t, client), newElection(t, client)
		lead(t, leader, "leader")
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, waiter.Campaign(ctx, "waiter"), context.DeadlineExceeded)
		require.Equal(t, []string{"leader"}, candidates(t, leader))
	})

	t.Run("CancelledBeforeItBeginsWritesNothing", func(t *testing.T) {
		e := newElection(t, client)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		before := revision(t, client)
		require.ErrorIs(t, e.Campaign(ctx, "v"), context.Canceled)
		require.Equal(t, before, revision(t, client))
	})

	t.Run("ReturnsSoonAfterItsContextWhileEtcdIsSilent", func(t *testing.T) {
		own := connect(t, clus)
		e, kv := newElection(t, own), tapInto(own)
		asked, answer := make(chan struct{}, 100), make(chan struct{})
		kv.intercept(func(send func() error) error {
			asked <- struct{}{}
			<-answer
			return send()
		})
		ctx, cancel := context.WithCancel(t.Context())
		result := background(func() error { return e.Campaign(ctx, "v") })
		receive(t, asked)
		cancel()
		ended := time.Now()
		require.ErrorIs(t, receive(t, result), context.Canceled)
		require.Less(t, time.Since(ended), 2*time.Second)
		close(answer)
	})

	t.Run("TakesBackAKeyThatIsWrittenAfterItReturned", func(t *testing.T) {
		own := connect(t, clus)
		e, kv := newElection(t, own), tapInto(own)
		asked, answer := make(chan struct{}, 1), make(chan struct{})
		kv.interceptNext(func(send func() error) error {
			asked <- struct{}{}
			<-answer
			return send()
		})
		events := client.Watch(bounded(t), t.Name()+"/", v3.WithPrefix())
		ctx, cancel := context.WithCancel(t.Context())
		result := background(func() error { return e.Campaign(ctx, "late") })
		receive(t, asked)
		cancel()
		require.ErrorIs(t, receive(t, result), context.Canceled)
		require.Empty(t, candidates(t, e))
		close(answer)
		require.Equal(t, mvccpb.Event_PUT, nextEvent(t, events).Type)
		require.Equal(t, mvccpb.Event_DELETE, nextEvent(t, events).Type)
	})

	t.Run("TakesBackAKeyWhoseAnswerWasLost", func(t *testing.T) {
		own := connect(t, clus)
		e, kv := newElection(t, own), tapInto(own)
		ctx, cancel := context.WithCancel(t.Context())
		kv.interceptNext(func(send func() error) error {
			err := send()
			cancel()
			if err == nil {
				err = errLost
			}
			return err
		})
		require.ErrorIs(t, e.Campaign(ctx, "lost"), context.Canceled)
		eventually(t, func() bool { return len(candidates(t, e)) == 0 }, "no key")
	})

	t.Run("AsksAgainWhenTheAnswerIsLost", func(t *testing.T) {
		own := connect(t, clus)
		e, kv := newElection(t, own), tapInto(own)
		var first error
		kv.interceptNext(func(send func() error) error {
			first = send()
			return errLost
		})
		lead(t, e, "v")
		require.NoError(t, first)
		require.Equal(t, []string{"v"}, candidates(t, e))
		resp, err := client.Get(bounded(t), e.Key())
		require.NoError(t, err)
		require.EqualValues(t, 1, resp.Kvs[0].Version, "written once")
	})

	t.Run("HearsOfItsLeaseWhileTheLeaderStays", func(t *testing.T) {
		leader := newElection(t, client)
		lead(t, leader, "leader")
		s := newSession(t, client)
		waiting := campaign(t, concurrency.NewElection(s, t.Name()), "waiter", 2)
		_, err := client.Revoke(bounded(t), s.Lease())
		require.NoError(t, err)
		revoked := time.Now()
		require.ErrorIs(t, receive(t, waiting), concurrency.ErrKeyDeleted)
		require.Less(t, time.Since(revoked), 5*time.Second, "a renewal, 20 s away, is no excuse")
		require.Equal(t, []string{"leader"}, candidates(t, leader))
	})

	t.Run("HearsOfItsKeyWhileTheLeaderStays", func(t *testing.T) {
		leader, waiter := newElection(t, client), newElection(t, client)
		lead(t, leader, "leader")
		waiting := campaign(t, waiter, "waiter", 2)
		cs, err := leader.Candidates(bounded(t))
		require.NoError(t, err)
		remove(t, client, cs[1].Key)
		deleted := time.Now()
		require.ErrorIs(t, receive(t, waiting), concurrency.ErrKeyDeleted)
		require.Less(t, time.Since(deleted), 5*time.Second)
	})

	t.Run("IsPossibleAgainAfterTheKeyWasDeleted", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "first")
		remove(t, client, e.Key())
		lead(t, e, "second")
		require.Equal(t, []string{"second"}, candidates(t, e))
	})

	t.Run("EndsWithALeaseThatNeverWas", func(t *testing.T) {
		s := newSession(t, client, concurrency.WithLease(0x7a58))
		closes(t, s.Done())
		require.ErrorIs(t, concurrency.NewElection(s, t.Name()).Campaign(bounded(t), "v"), concurrency.ErrSessionExpired)
	})

	t.Run("EndsWithALeaseThatIsGoneUnnoticed", func(t *testing.T) {
		s := newSession(t, client)
		_, err := client.Revoke(bounded(t), s.Lease())
		require.NoError(t, err)
		require.ErrorIs(t, concurrency.NewElection(s, t.Name()).Campaign(bounded(t), "v"), rpctypes.ErrLeaseNotFound)
		closes(t, s.Done())
		require.ErrorIs(t, s.Err(), concurrency.ErrSessionExpired)
	})

	t.Run("IsNotHinderedByStrayKeys", func(t *testing.T) {
		strays(t, client, t.Name())
		leader, next := newElection(t, client), newElection(t, client)
		lead(t, leader, "leader")
		won := campaign(t, next, "next", 2)
		require.NoError(t, leader.Resign(bounded(t)))
		require.NoError(t, receive(t, won))
	})

	t.Run("RefusesAKeyThatIsAttachedToAnotherLease", func(t *testing.T) {
		s := newSession(t, client)
		e := concurrency.NewElection(s, t.Name())
		put(t, client, fmt.Sprintf("%s/%x", t.Name(), s.Lease()), "forged")
		require.Error(t, e.Campaign(bounded(t), "v"))
		require.Empty(t, e.Key())
	})

	// The server takes 1.5 MiB, and the client sends 2.
	for size, limit := range map[int]string{1_600_000: "TheServer", 3_000_000: "TheClient"} {
		t.Run("LeavesNothingOfAValueTooLargeFor"+limit, func(t *testing.T) {
			e := newElection(t, client)
			require.Error(t, e.Campaign(bounded(t), strings.Repeat("x", size)))
			require.Empty(t, keys(t, client, t.Name()))
			require.Empty(t, e.Key())
			lead(t, e, "small")
			require.Error(t, e.Campaign(bounded(t), strings.Repeat("x", size)), "as a proclamation")
		})
	}
	t.Run("ReturnsTheServersErrorForAValueTooLarge", func(t *testing.T) {
		err := newElection(t, client).Campaign(bounded(t), strings.Repeat("x", 1_600_000))
		require.ErrorIs(t, err, rpctypes.ErrRequestTooLarge)
	})
}

func TestCampaignsOfOneElection(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)

	t.Run("AreOneCandidacyAndEachReturns", func(t *testing.T) {
		leader, e := newElection(t, client), newElection(t, client)
		lead(t, leader, "leader")
		first := campaign(t, e, "first", 2)
		second := campaign(t, e, "second", 2) // the value of the last that entered
		require.Empty(t, first)
		require.NoError(t, leader.Resign(bounded(t)))
		require.NoError(t, receive(t, first))
		require.NoError(t, receive(t, second))
		require.Equal(t, []string{"second"}, candidates(t, e))
	})

	t.Run("DoNotDisturbOneAnotherWhenCancelled", func(t *testing.T) {
		leader, e := newElection(t, client), newElection(t, client)
		lead(t, leader, "leader")
		staying := campaign(t, e, "staying", 2)
		ctx, cancel := context.WithCancel(t.Context())
		leaving := background(func() error { return e.Campaign(ctx, "leaving") })
		eventually(t, func() bool { return candidates(t, e)[1] == "leaving" }, "both are in")
		cancel()
		require.ErrorIs(t, receive(t, leaving), context.Canceled)
		require.Len(t, candidates(t, e), 2)
		require.NoError(t, leader.Resign(bounded(t)))
		require.NoError(t, receive(t, staying))
	})

	t.Run("ProclaimWhileItLeads", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "first")
		rev, term := e.Rev(), e.Term()
		lead(t, e, "second")
		require.Equal(t, []string{"second"}, candidates(t, e))
		require.Equal(t, rev, e.Rev())
		require.Same(t, term, e.Term(), "the same leadership")
	})

	t.Run("LeaveTheLeadershipToItWhenCancelled", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "v")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, e.Campaign(ctx, "late"), context.Canceled)
		require.Equal(t, []string{"v"}, candidates(t, e))
	})

	t.Run("ManyAtOnceAllWin", func(t *testing.T) {
		e := newElection(t, client)
		var won []<-chan error
		for i := range 20 {
			won = append(won, background(func() error { return e.Campaign(bounded(t), fmt.Sprint(i)) }))
		}
		for _, w := range won {
			require.NoError(t, receive(t, w))
		}
		require.Len(t, candidates(t, e), 1)
		require.NoError(t, e.Resign(bounded(t)))
		require.Empty(t, candidates(t, e))
	})
}

func TestTwoElectionsOfOneSession(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)
	pair := func(t *testing.T) (*concurrency.Election, *concurrency.Election) {
		s := newSession(t, client)
		return concurrency.NewElection(s, t.Name()), concurrency.NewElection(s, t.Name())
	}

	t.Run("LeadTogether", func(t *testing.T) {
		a, b := pair(t)
		lead(t, a, "a")
		require.Empty(t, b.Key(), "b has not campaigned")
		lead(t, b, "b")
		require.Equal(t, a.Key(), b.Key())
		require.Equal(t, []string{"b"}, candidates(t, a))
	})

	t.Run("ResignForBoth", func(t *testing.T) {
		a, b := pair(t)
		lead(t, a, "a")
		lead(t, b, "b")
		term := b.Term()
		require.NoError(t, a.Resign(bounded(t)))
		closes(t, term.Done())
		require.ErrorIs(t, b.Proclaim(bounded(t), "b"), concurrency.ErrElectionNotLeader)
		require.Empty(t, candidates(t, a))
	})

	t.Run("SpareTheKeyThatTheOtherLeadsWith", func(t *testing.T) {
		a, b := pair(t)
		lead(t, a, "a")
		own, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, b.Campaign(own, "b"))
		require.Error(t, b.Campaign(bounded(t), strings.Repeat("x", 1_600_000)))
		require.Equal(t, []string{"a"}, candidates(t, a))
		require.NoError(t, a.Proclaim(bounded(t), "still"))
	})

	t.Run("SpareTheKeyThatTheOtherWaitsWith", func(t *testing.T) {
		leader := newElection(t, client)
		lead(t, leader, "leader")
		a, b := pair(t)
		waiting := campaign(t, a, "a", 2)
		ctx, cancel := context.WithCancel(t.Context())
		leaving := background(func() error { return b.Campaign(ctx, "b") })
		eventually(t, func() bool { return candidates(t, a)[1] == "b" }, "both are in")
		cancel()
		require.ErrorIs(t, receive(t, leaving), context.Canceled)
		require.Len(t, candidates(t, a), 2)
		require.NoError(t, leader.Resign(bounded(t)))
		require.NoError(t, receive(t, waiting))
	})
}

func TestTryCampaign(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)

	t.Run("WinsAtOnce", func(t *testing.T) {
		own := connect(t, clus)
		e, kv := newElection(t, own), tapInto(own)
		require.NoError(t, e.TryCampaign(bounded(t), "v"))
		require.EqualValues(t, 1, kv.requests.Load())
		require.Equal(t, []string{"v"}, candidates(t, e))
		require.NotNil(t, e.Term())
	})

	t.Run("RefusedTellsWhoLeads", func(t *testing.T) {
		leader, e := newElection(t, client), newElection(t, client)
		lead(t, leader, "the leader")
		err := e.TryCampaign(bounded(t), "v")
		var refusal *concurrency.LeaderError
		require.ErrorAs(t, err, &refusal)
		require.ErrorIs(t, err, concurrency.ErrElectionNotLeader)
		require.Equal(t, leader.Key(), refusal.Leader.Key)
		require.Equal(t, leader.Rev(), refusal.Leader.Rev)
		require.Equal(t, "the leader", refusal.Leader.Value)
	})

	t.Run("RefusedWritesNothing", func(t *testing.T) {
		leader, e := newElection(t, client), newElection(t, client)
		lead(t, leader, "leader")
		before := revision(t, client)
		require.Error(t, e.TryCampaign(bounded(t), "v"))
		require.Equal(t, before, revision(t, client))
		require.Empty(t, e.Key())
		require.Nil(t, e.Term())
	})

	t.Run("RefusedIsNoCandidacy", func(t *testing.T) {
		leader, e := newElection(t, client), newElection(t, client)
		lead(t, leader, "leader")
		require.Error(t, e.TryCampaign(bounded(t), "v"))
		require.NoError(t, leader.Resign(bounded(t)))
		require.Empty(t, candidates(t, e))
		require.NoError(t, e.TryCampaign(bounded(t), "v"))
	})

	t.Run("ByTheLeaderProclaims", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "first")
		rev := e.Rev()
		require.NoError(t, e.TryCampaign(bounded(t), "second"))
		require.Equal(t, []string{"second"}, candidates(t, e))
		require.Equal(t, rev, e.Rev())
	})

	t.Run("ByOneWhoWaitsIsRefusedAndSparesItsPlace", func(t *testing.T) {
		leader, e := newElection(t, client), newElection(t, client)
		lead(t, leader, "leader")
		won := campaign(t, e, "waiter", 2)
		require.ErrorIs(t, e.TryCampaign(bounded(t), "v"), concurrency.ErrElectionNotLeader)
		require.Equal(t, []string{"leader", "waiter"}, candidates(t, e))
		require.NoError(t, leader.Resign(bounded(t)))
		require.NoError(t, receive(t, won))
	})

	t.Run("WinsAmongStrayKeys", func(t *testing.T) {
		strays(t, client, t.Name())
		require.NoError(t, newElection(t, client).TryCampaign(bounded(t), "v"))
	})

	t.Run("RefusedAmongStrayKeysWritesNothing", func(t *testing.T) {
		strays(t, client, t.Name())
		leader, e := newElection(t, client), newElection(t, client)
		lead(t, leader, "leader")
		before := revision(t, client)
		var refusal *concurrency.LeaderError
		require.ErrorAs(t, e.TryCampaign(bounded(t), "v"), &refusal)
		require.Equal(t, leader.Key(), refusal.Leader.Key)
		require.Equal(t, before, revision(t, client))
	})

	t.Run("OfManyOneWins", func(t *testing.T) {
		strays(t, client, t.Name())
		var results []<-chan error
		for range 8 {
			e := newElection(t, client)
			results = append(results, background(func() error { return e.TryCampaign(bounded(t), "v") }))
		}
		wins := 0
		for _, r := range results {
			if err := receive(t, r); err == nil {
				wins++
			} else {
				require.ErrorIs(t, err, concurrency.ErrElectionNotLeader)
			}
		}
		require.Equal(t, 1, wins)
	})
}

func TestResign(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)

	t.Run("DeletesTheKey", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "v")
		require.NoError(t, e.Resign(bounded(t)))
		require.Empty(t, candidates(t, e))
	})

	t.Run("WithoutLeadershipDoesNothing", func(t *testing.T) {
		own := connect(t, clus)
		e, kv := newElection(t, own), tapInto(own)
		require.NoError(t, e.Resign(bounded(t)))
		lead(t, e, "v")
		require.NoError(t, e.Resign(bounded(t)))
		kv.requests.Store(0)
		require.NoError(t, e.Resign(bounded(t)))
		require.Zero(t, kv.requests.Load())
	})

	t.Run("EndsAWaitingCampaign", func(t *testing.T) {
		leader, e := newElection(t, client), newElection(t, client)
		lead(t, leader, "leader")
		waiting := campaign(t, e, "waiter", 2)
		require.NoError(t, e.Resign(bounded(t)))
		require.ErrorIs(t, receive(t, waiting), concurrency.ErrResigned)
		require.Equal(t, []string{"leader"}, candidates(t, e))
	})

	t.Run("EndsAWaitingCampaignThatHearsOfItFirst", func(t *testing.T) {
		own := connect(t, clus)
		leader, e, kv := newElection(t, client), newElection(t, own), tapInto(own)
		lead(t, leader, "leader")
		waiting := campaign(t, e, "waiter", 2)
		ended := make(chan struct{})
		kv.interceptMarked(func(send func() error) error {
			err := send()
			<-ended // the answer comes later than the watch's news
			return err
		})
		resigned := background(func() error { return e.Resign(markRequests(bounded(t))) })
		why := receive(t, waiting)
		close(ended)
		require.NoError(t, receive(t, resigned))
		require.ErrorIs(t, why, concurrency.ErrResigned)
	})

	t.Run("EndsACampaignThatIsAboutToEnter", func(t *testing.T) {
		own := connect(t, clus)
		e, kv := newElection(t, own), tapInto(own)
		asked, answer := make(chan struct{}, 1), make(chan struct{})
		kv.interceptNext(func(send func() error) error {
			asked <- struct{}{}
			<-answer
			return send()
		})
		entering := background(func() error { return e.Campaign(bounded(t), "v") })
		receive(t, asked)
		resigned := background(func() error { return e.Resign(bounded(t)) })
		require.ErrorIs(t, receive(t, entering), concurrency.ErrResigned)
		close(answer)
		require.NoError(t, receive(t, resigned))
		require.Empty(t, keys(t, client, t.Name()))
	})

	t.Run("SparesTheKeyOfALaterCandidacy", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "first")
		stale := concurrency.ResumeElection(newSession(t, client), t.Name(), e.Key(), e.Rev())
		require.NoError(t, e.Resign(bounded(t)))
		lead(t, e, "second")
		require.NoError(t, stale.Resign(bounded(t)))
		require.Equal(t, []string{"second"}, candidates(t, e))
	})

	for name, fault := range map[string]func(send func() error) error{
		"CanBeRepeatedWhenTheRequestWasLost": func(func() error) error { return errLost },
		"CanBeRepeatedWhenTheAnswerWasLost": func(send func() error) error {
			if err := send(); err != nil {
				return err
			}
			return errLost
		},
	} {
		t.Run(name, func(t *testing.T) {
			own := connect(t, clus)
			e, kv := newElection(t, own), tapInto(own)
			lead(t, e, "v")
			key, rev, term := e.Key(), e.Rev(), e.Term()
			kv.interceptNext(fault)
			require.ErrorIs(t, e.Resign(bounded(t)), errLost)
			require.Equal(t, key, e.Key(), "the state stands")
			require.Equal(t, rev, e.Rev())
			require.ErrorIs(t, term.Err(), concurrency.ErrResigned, "but the term is over")

			require.NoError(t, e.Resign(bounded(t)))
			require.Empty(t, e.Key())
			require.Zero(t, e.Rev())
			require.Empty(t, candidates(t, e))
		})
	}

	t.Run("ThatFailedCanBeFollowedByACampaign", func(t *testing.T) {
		own := connect(t, clus)
		e, kv := newElection(t, own), tapInto(own)
		lead(t, e, "v")
		old := e.Term()
		kv.interceptNext(func(func() error) error { return errLost })
		require.ErrorIs(t, e.Resign(bounded(t)), errLost)
		lead(t, e, "v")
		require.NoError(t, e.Term().Err())
		require.Error(t, old.Err())
	})
}

func TestProclaim(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)

	t.Run("SetsTheValueAndKeepsTheLease", func(t *testing.T) {
		s := newSession(t, client)
		e := concurrency.NewElection(s, t.Name())
		lead(t, e, "first")
		require.NoError(t, e.Proclaim(bounded(t), "second"))
		resp, err := e.Leader(bounded(t))
		require.NoError(t, err)
		require.Equal(t, "second", string(resp.Kvs[0].Value))
		require.EqualValues(t, s.Lease(), resp.Kvs[0].Lease)
		require.Equal(t, e.Rev(), resp.Kvs[0].CreateRevision)
		require.Equal(t, resp.Kvs[0].ModRevision, e.Header().Revision)
	})

	t.Run("NeedsLeadership", func(t *testing.T) {
		e := newElection(t, client)
		before := revision(t, client)
		require.ErrorIs(t, e.Proclaim(bounded(t), "v"), concurrency.ErrElectionNotLeader)
		require.Equal(t, before, revision(t, client))
	})

	t.Run("NeedsLeadershipThatLasts", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "v")
		remove(t, client, e.Key())
		require.ErrorIs(t, e.Proclaim(bounded(t), "w"), concurrency.ErrElectionNotLeader)
		require.Empty(t, candidates(t, e))
		require.Empty(t, e.Key())
	})

	t.Run("ThatFailedLeavesTheLeadership", func(t *testing.T) {
		own := connect(t, clus)
		e, kv := newElection(t, own), tapInto(own)
		lead(t, e, "v")
		kv.interceptNext(func(func() error) error { return errLost })
		require.ErrorIs(t, e.Proclaim(bounded(t), "w"), errLost)
		require.NoError(t, e.Term().Err())
		require.NoError(t, e.Proclaim(bounded(t), "w"))
	})

	t.Run("TooMuchLeavesTheValue", func(t *testing.T) {
		e := newElection(t, client)
		lead(t, e, "v")
		require.ErrorIs(t, e.Proclaim(bounded(t), strings.Repeat("x", 1_600_000)), rpctypes.ErrRequestTooLarge)
		require.Equal(t, []string{"v"}, candidates(t, e))
	})
}

func TestElectionStateTellsTheTruth(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)
	leader, e := newElection(t, client), newElection(t, client)
	noLeader := func(t *testing.T) {
		t.Helper()
		require.Empty(t, e.Key())
		require.Zero(t, e.Rev())
		require.Nil(t, e.Term())
	}
	lead(t, leader, "leader")

	// The subtests are the stages of one candidacy.
	t.Run("Before", func(t *testing.T) {
		noLeader(t)
		require.Nil(t, e.Header())
	})
	won := campaign(t, e, "candidate", 2)
	t.Run("Waiting", func(t *testing.T) {
		noLeader(t)
		require.Nil(t, e.Header())
		require.ErrorIs(t, e.Proclaim(bounded(t), "v"), concurrency.ErrElectionNotLeader)
	})
	t.Run("Won", func(t *testing.T) {
		cs, err := e.Candidates(bounded(t))
		require.NoError(t, err)
		require.NoError(t, leader.Resign(bounded(t)))
		require.NoError(t, receive(t, won))
		require.Equal(t, cs[1].Key, e.Key())
		require.Equal(t, cs[1].Rev, e.Rev())
		require.NoError(t, e.Term().Err())
		require.GreaterOrEqual(t, e.Header().Revision, leader.Header().Revision)
	})
	t.Run("Resigned", func(t *testing.T) {
		require.NoError(t, e.Resign(bounded(t)))
		noLeader(t)
		require.Equal(t, revision(t, client), e.Header().Revision)
		require.ErrorIs(t, e.Proclaim(bounded(t), "v"), concurrency.ErrElectionNotLeader)
	})
	t.Run("WonAgain", func(t *testing.T) {
		lead(t, e, "again")
		require.Equal(t, revision(t, client), e.Rev())
		require.Equal(t, e.Rev(), e.Header().Revision)
	})
}

func TestElectionNames(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)

	t.Run("MayHoldAnyBytes", func(t *testing.T) {
		for _, name := range []string{"", " ", "two words", "/", "//", "a/b/", "/a", "\xff\xfe", "\x00", "a\x00b", "ä世界", "0"} {
			first := concurrency.NewElection(newSession(t, client), name)
			next := concurrency.NewElection(newSession(t, client), name)
			require.NoError(t, first.TryCampaign(bounded(t), "first"), "name %q", name)
			won := campaign(t, next, "next", 2)
			resp, err := next.Leader(bounded(t))
			require.NoError(t, err)
			require.Equal(t, name+"/", strings.TrimSuffix(first.Key(), fmt.Sprintf("%x", resp.Kvs[0].Lease)), "name %q", name)
			require.NoError(t, first.Resign(bounded(t)))
			require.NoError(t, receive(t, won), "name %q", name)
			require.NoError(t, next.Resign(bounded(t)))
		}
	})

	t.Run("AreApart", func(t *testing.T) {
		names := []string{"", "a", "ab", "a/", "a/b", "a/b/c", "A"}
		for _, name := range names {
			e := concurrency.NewElection(newSession(t, client), name)
			require.NoError(t, e.TryCampaign(bounded(t), name), "name %q", name)
		}
		for _, name := range names {
			e := concurrency.NewElection(newSession(t, client), name)
			require.Equal(t, []string{name}, candidates(t, e))
		}
	})

	t.Run("OfOneSessionAreApart", func(t *testing.T) {
		s := newSession(t, client)
		a, b := concurrency.NewElection(s, t.Name()), concurrency.NewElection(s, t.Name()+"/b")
		lead(t, a, "a")
		lead(t, b, "b")
		require.NoError(t, a.Resign(bounded(t)))
		require.Equal(t, []string{"b"}, candidates(t, b))
		require.NoError(t, b.Term().Err())
	})
}

func TestLeader(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)

	t.Run("IsTheFirstCandidate", func(t *testing.T) {
		leader, other := newElection(t, client), newElection(t, client)
		lead(t, leader, "leader")
		won := campaign(t, other, "other", 2)
		resp, err := other.Leader(bounded(t))
		require.NoError(t, err)
		require.Len(t, resp.Kvs, 1)
		require.Equal(t, leader.Key(), string(resp.Kvs[0].Key))
		require.Equal(t, "leader", string(resp.Kvs[0].Value))
		require.NoError(t, leader.Resign(bounded(t)))
		require.NoError(t, receive(t, won))
	})

	t.Run("IsNobodyInAnEmptyElection", func(t *testing.T) {
		_, err := newElection(t, client).Leader(bounded(t))
		require.ErrorIs(t, err, concurrency.ErrElectionNoLeader)
	})

	t.Run("IsNobodyAmongStrayKeys", func(t *testing.T) {
		strays(t, client, t.Name())
		_, err := newElection(t, client).Leader(bounded(t))
		require.ErrorIs(t, err, concurrency.ErrElectionNoLeader)
	})

	t.Run("IsNoOlderStrayKey", func(t *testing.T) {
		strays(t, client, t.Name())
		e := newElection(t, client)
		lead(t, e, "leader")
		resp, err := e.Leader(bounded(t))
		require.NoError(t, err)
		require.Len(t, resp.Kvs, 1)
		require.Equal(t, e.Key(), string(resp.Kvs[0].Key))
	})

	t.Run("IsAskedWithTheCallersContext", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := newElection(t, client).Leader(ctx)
		require.Error(t, err)
		require.NotErrorIs(t, err, concurrency.ErrElectionNoLeader)
	})
}

func TestCandidates(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)

	t.Run("AreNoneInAnEmptyElection", func(t *testing.T) {
		require.Empty(t, candidates(t, newElection(t, client)))
	})

	t.Run("AreListedInOrderOfSuccessionWithoutStrays", func(t *testing.T) {
		strays(t, client, t.Name())
		s := newSession(t, client)
		leader := concurrency.NewElection(s, t.Name())
		lead(t, leader, "leader")
		campaign(t, newElection(t, client), "second", 2)
		campaign(t, newElection(t, client), "third", 3)
		require.NoError(t, leader.Proclaim(bounded(t), "proclaimed"))

		cs, err := leader.Candidates(bounded(t))
		require.NoError(t, err)
		require.Equal(t, concurrency.Candidate{
			Key:    leader.Key(),
			Value:  "proclaimed",
			Rev:    leader.Rev(),
			ModRev: leader.Header().Revision,
			Lease:  s.Lease(),
		}, cs[0])
		require.Equal(t, []string{"proclaimed", "second", "third"}, candidates(t, leader))
	})
}

func TestResumeElection(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 1})
	client := connect(t, clus)
	leading := func(t *testing.T) (*concurrency.Session, *concurrency.Election) {
		s := newSession(t, client)
		e := concurrency.NewElection(s, t.Name())
		lead(t, e, "v")
		return s, e
	}

	t.Run("LeadsFromTheStart", func(t *testing.T) {
		s, e := leading(t)
		r := concurrency.ResumeElection(s, t.Name(), e.Key(), e.Rev())
		require.Equal(t, e.Key(), r.Key())
		require.Equal(t, e.Rev(), r.Rev())
		require.NoError(t, r.Term().Err())
		require.NoError(t, r.Proclaim(bounded(t), "resumed"))
		require.Equal(t, []string{"resumed"}, candidates(t, e))
		require.NoError(t, r.Resign(bounded(t)))
		require.Empty(t, candidates(t, e))
	})

	t.Run("KeepsTheLeaseOfAnotherSession", func(t *testing.T) {
		s, e := leading(t)
		r := concurrency.ResumeElection(newSession(t, client), t.Name(), e.Key(), e.Rev())
		require.NoError(t, r.Proclaim(bounded(t), "resumed"))
		cs, err := r.Candidates(bounded(t))
		require.NoError(t, err)
		require.Equal(t, s.Lease(), cs[0].Lease)
		require.Equal(t, s.Lease(), r.Term().Lease())
	})

	t.Run("TakesTheNameWithASlashBehind", func(t *testing.T) {
		s, e := leading(t)
		r := concurrency.ResumeElection(s, t.Name()+"/", e.Key(), e.Rev())
		require.Equal(t, e.Key(), r.Key())
		require.NoError(t, r.Proclaim(bounded(t), "resumed"))
		require.Equal(t, []string{"resumed"}, candidates(t, r))
		resp, err := r.Leader(bounded(t))
		require.NoError(t, err)
		require.Equal(t, e.Key(), string(resp.Kvs[0].Key))
	})

	t.Run("FindsOutThatTheLeadershipIsOver", func(t *testing.T) {
		s, e := leading(t)
		key, rev := e.Key(), e.Rev()
		require.NoError(t, e.Resign(bounded(t)))
		r := concurrency.ResumeElection(s, t.Name(), key, rev)
		require.ErrorIs(t, r.Proclaim(bounded(t), "resumed"), concurrency.ErrElectionNotLeader)
		require.Empty(t, r.Key())
	})

	t.Run("IsNoLaterLeadership", func(t *testing.T) {
		s, e := leading(t)
		r := concurrency.ResumeElection(s, t.Name(), e.Key(), e.Rev()-1)
		require.ErrorIs(t, r.Proclaim(bounded(t), "resumed"), concurrency.ErrElectionNotLeader)
		require.Equal(t, []string{"v"}, candidates(t, e))
	})

	t.Run("SeesTheKeyDeleted", func(t *testing.T) {
		s, e := leading(t)
		r := concurrency.ResumeElection(s, t.Name(), e.Key(), e.Rev())
		done := r.Term().Done()
		remove(t, client, e.Key())
		closes(t, done)
	})
}

func TestElectionOnThreeMembers(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 3})
	client := connect(t, clus)

	t.Run("HandsOverWhileEtcdsLeaderIsStopped", func(t *testing.T) {
		first, second, third := newElection(t, client), newElection(t, connect(t, clus)), newElection(t, connect(t, clus))
		lead(t, first, "first")
		secondWon := campaign(t, second, "second", 2)
		thirdWon := campaign(t, third, "third", 3)

		stopped := clus.WaitLeader(t)
		stopMember(t, clus, stopped)
		defer func() { require.NoError(t, clus.Members[stopped].Restart(quiet{t})) }()
		require.NoError(t, first.Resign(bounded(t)))
		require.NoError(t, receive(t, secondWon))
		require.Empty(t, thirdWon)
		require.Equal(t, []string{"second", "third"}, candidates(t, first))
		require.NoError(t, second.Resign(bounded(t)))
		require.NoError(t, receive(t, thirdWon))
	})

	t.Run("WaitersOfEveryMemberHearTheHandover", func(t *testing.T) {
		var elections []*concurrency.Election
		var won []<-chan error
		for i := range 6 {
			e := newElection(t, connect(t, clus, i%3))
			won = append(won, campaign(t, e, fmt.Sprint(i), i+1))
			elections = append(elections, e)
		}
		for i, e := range elections {
			require.NoError(t, receive(t, won[i]))
			require.NoError(t, e.Resign(bounded(t)))
		}
	})
}

func TestElectionWithASilentMember(t *testing.T) {
	clus := startCluster(t, integration.ClusterConfig{Size: 3, UseBridge: true})
	client := connectPastBridge(t, clus.Members[0])
	for i, m := range clus.Members {
		t.Run(fmt.Sprint("WaiterWinsWithoutMember", i), func(t *testing.T) {
			leader, waiter := newElection(t, client), newElection(t, connect(t, clus), concurrency.WithTTL(3))
			lead(t, leader, "leader")
			won := campaign(t, waiter, "waiter", 2)
			m.Bridge().Blackhole()
			defer m.Bridge().Unblackhole()
			require.NoError(t, leader.Resign(bounded(t)))
			resigned := time.Now()
			require.NoError(t, receive(t, won))
			require.Less(t, time.Since(resigned), 6*time.Second, "about a TTL")
		})
	}
}

// nextEvent returns the next event of a watch whose answers bring one each.
func nextEvent(t *testing.T, c v3.WatchChan) *v3.Event {
	t.Helper()
	resp := receive(t, c)
	require.NoError(t, resp.Err())
	require.Len(t, resp.Events, 1)
	return resp.Events[0]
}

// strays writes keys under the name that are not of its candidates, in all the
// ways in which they could be mistaken for theirs.
func strays(t *testing.T, client *v3.Client, name string) {
	t.Helper()
	foreign, err := client.Grant(bounded(t), 60)
	require.NoError(t, err)
	put(t, client, name+"/", "no lease in its name")
	put(t, client, name+"/config", "not a candidate's name")
	put(t, client, fmt.Sprintf("%s/%x", name, foreign.ID), "not attached to a lease")
	put(t, client, name+"/7a59", "attached to another lease", v3.WithLease(foreign.ID))
	put(t, client, fmt.Sprintf("%s/0%x", name, foreign.ID), "lease not as candidates write it", v3.WithLease(foreign.ID))
	lead(t, concurrency.NewElection(newSession(t, client), name+"/nested"), "of another election")
}
