// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	v3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/etcdtest"
)

// TestSeldom has what happens seldom, and takes a hand to bring about: etcd refuses
// one request among others, or somebody interferes between two of them. It is in
// virtual time.
func TestSeldom(t *testing.T) {
	session := func(t *testing.T, client *v3.Client) *concurrency.Session {
		s, err := concurrency.NewSession(client)
		require.NoError(t, err)
		return s
	}
	election := func(t *testing.T, client *v3.Client) *concurrency.Election {
		return concurrency.NewElection(session(t, client), "x")
	}
	leader := func(t *testing.T, etcd *etcdtest.Etcd) *concurrency.Election {
		e := election(t, etcd.Client("leader"))
		require.NoError(t, e.Campaign(t.Context(), "leader"))
		return e
	}
	campaign := func(ctx context.Context, e *concurrency.Election) <-chan error {
		won := make(chan error, 1)
		go func() { won <- e.Campaign(ctx, "a") }()
		return won
	}
	// afterWaiting lets e lead after old.
	afterWaiting := func(t *testing.T, old, e *concurrency.Election) {
		won := campaign(t.Context(), e)
		synctest.Wait()
		require.NoError(t, old.Resign(t.Context()))
		require.NoError(t, <-won)
	}

	cases := map[string]func(t *testing.T, etcd *etcdtest.Etcd){
		"LeaderTellsThatEtcdRefusesToReadTheQueueBehindAStrayKey": func(t *testing.T, etcd *etcdtest.Etcd) {
			etcd.Put("x/stray", "")
			client := etcd.Client("a")
			e, kv := election(t, client), refuseReads(client)
			kv.allowed.Store(1)
			_, err := e.Leader(t.Context())
			require.ErrorIs(t, err, rpctypes.ErrPermissionDenied)
		},
		"CampaignTellsThatEtcdRefusesToReadTheKeysAhead": func(t *testing.T, etcd *etcdtest.Etcd) {
			_ = leader(t, etcd)
			etcd.Put("x/7b", "stray")
			client := etcd.Client("a")
			e := election(t, client)
			refuseReads(client)
			require.ErrorIs(t, e.Campaign(t.Context(), "a"), rpctypes.ErrPermissionDenied)
			require.Len(t, etcd.Keys("x/"), 2, "its own key is deleted")
		},
		"TryCampaignTellsThatEtcdRefusesToReadWhoLeads": func(t *testing.T, etcd *etcdtest.Etcd) {
			_ = leader(t, etcd)
			client := etcd.Client("a")
			e := election(t, client)
			refuseReads(client)
			require.ErrorIs(t, e.TryCampaign(t.Context(), "a"), rpctypes.ErrPermissionDenied)
		},
		"TryCampaignWinsThoughStrayKeysAreMadeAllTheTime": func(t *testing.T, etcd *etcdtest.Etcd) {
			client := etcd.Client("a")
			e, kv := election(t, client), tapInto(client)
			kv.intercept(func(send func() error) error {
				etcd.Put("x/stray", "again")
				etcd.Delete("x/stray")
				etcd.Put("x/stray", "again")
				return send()
			})
			require.NoError(t, e.TryCampaign(t.Context(), "a"))
			require.NoError(t, e.Term().Err())
		},
		"TryCampaignSaysWhoLeadsThoughStrayKeysWereMadeBefore": func(t *testing.T, etcd *etcdtest.Etcd) {
			client := etcd.Client("a")
			e, kv := election(t, client), tapInto(client)
			var late *concurrency.Election
			kv.intercept(func(send func() error) error {
				etcd.Delete("x/stray")
				if kv.requests.Load() == 13 { // four refusals with two reads each, and then it queues up
					late = leader(t, etcd)
				} else if late == nil {
					etcd.Put("x/stray", "again")
				}
				return send()
			})
			err := e.TryCampaign(t.Context(), "a")
			var refusal *concurrency.LeaderError
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, late.Key(), refusal.Leader.Key)
			require.Len(t, etcd.Keys("x/"), 1, "its own key is deleted")
		},
		"TryCampaignWinsWhenTheStrayKeysAreGoneAtLast": func(t *testing.T, etcd *etcdtest.Etcd) {
			client := etcd.Client("a")
			e, kv := election(t, client), tapInto(client)
			kv.intercept(func(send func() error) error {
				etcd.Delete("x/stray")
				if kv.requests.Load() < 13 {
					etcd.Put("x/stray", "again")
				}
				return send()
			})
			require.NoError(t, e.TryCampaign(t.Context(), "a"))
			require.EqualValues(t, 13, kv.requests.Load(), "its place in the queue is the victory")
		},
		"ALeaderErrorNamesTheLeader": func(t *testing.T, etcd *etcdtest.Etcd) {
			l := leader(t, etcd)
			err := election(t, etcd.Client("a")).TryCampaign(t.Context(), "a")
			require.ErrorContains(t, err, l.Key())
			require.ErrorContains(t, err, `"leader"`)
		},
		"CampaignTellsWhyItsKeyOfBeforeCannotBeDeleted": func(t *testing.T, etcd *etcdtest.Etcd) {
			_ = leader(t, etcd)
			client := etcd.Client("a")
			e, kv := election(t, client), tapInto(client)
			ctx, cancel := context.WithCancel(t.Context())
			won := campaign(ctx, e)
			time.Sleep(time.Second)
			kv.intercept(func(func() error) error { return rpctypes.ErrPermissionDenied })
			cancel()
			require.ErrorIs(t, <-won, context.Canceled)
			require.ErrorIs(t, e.Campaign(t.Context(), "a"), rpctypes.ErrPermissionDenied)

			kv.intercept(func(send func() error) error { return send() })
			time.Sleep(time.Second)
			require.Len(t, etcd.Keys("x/"), 1, "deleted as soon as it is allowed")
		},
		"CampaignThatWaitsForItsKeyOfBeforeToGoEndsWithTheClient": func(t *testing.T, etcd *etcdtest.Etcd) {
			_ = leader(t, etcd)
			client := etcd.Client("a")
			e := election(t, client)
			ctx, cancel := context.WithCancel(t.Context())
			won := campaign(ctx, e)
			time.Sleep(time.Second)
			etcd.Link("a").Swallow()
			cancel()
			require.ErrorIs(t, <-won, context.Canceled)
			again := campaign(t.Context(), e)
			synctest.Wait()
			require.NoError(t, client.Close())
			require.Error(t, <-again)
		},
		"TheTermOfOneWhoWaitedTakesTheWatchOfItsKeyOver": func(t *testing.T, etcd *etcdtest.Etcd) {
			l, e := leader(t, etcd), election(t, etcd.Client("a"))
			won := campaign(t.Context(), e)
			synctest.Wait()
			require.NoError(t, l.Resign(t.Context()))
			require.NoError(t, <-won)
			over := e.Term().Done()
			synctest.Wait()
			require.Equal(t, 2, etcd.Requests("a")["WatchCreate"], "of the key ahead and of its own")
			etcd.Delete(e.Key())
			<-over
			require.ErrorIs(t, e.Term().Err(), concurrency.ErrKeyDeleted)
			synctest.Wait()
			require.Empty(t, etcd.Watches())
		},
		"TheWatchOfAKeyIsClosedWithTheTermThatNobodyAsked": func(t *testing.T, etcd *etcdtest.Etcd) {
			l, e := leader(t, etcd), election(t, etcd.Client("a"))
			won := campaign(t.Context(), e)
			synctest.Wait()
			require.NoError(t, l.Resign(t.Context()))
			require.NoError(t, <-won)
			synctest.Wait()
			require.Len(t, etcd.Watches(), 1)
			require.NoError(t, e.Resign(t.Context()))
			synctest.Wait()
			require.Empty(t, etcd.Watches())
		},
		"CampaignThatWaitsWithAnOrphanedSessionEndsWithTheClient": func(t *testing.T, etcd *etcdtest.Etcd) {
			_ = leader(t, etcd)
			client := etcd.Client("a")
			s := session(t, client)
			won := campaign(t.Context(), concurrency.NewElection(s, "x"))
			synctest.Wait()
			s.Orphan()
			synctest.Wait()
			require.NoError(t, client.Close())
			begin := time.Now()
			require.Error(t, <-won)
			require.Less(t, time.Since(begin), time.Second)
		},
		"ALeadershipResumedWithAClosedSessionIsOver": func(t *testing.T, etcd *etcdtest.Etcd) {
			l := leader(t, etcd)
			s := session(t, etcd.Client("a"))
			require.NoError(t, s.Close())
			e := concurrency.ResumeElection(s, "x", l.Key(), l.Rev())
			require.ErrorIs(t, e.Term().Err(), concurrency.ErrSessionClosed)
		},
		"ALeadershipIsResumedWithAKeyOfAnyForm": func(t *testing.T, etcd *etcdtest.Etcd) {
			s := session(t, etcd.Client("a"))
			rev := etcd.Put("other", "before")
			e := concurrency.ResumeElection(s, "x", "other", rev)
			require.NoError(t, e.Proclaim(t.Context(), "after"))
			require.Equal(t, "after", etcd.Keys("other")[0].Value)
		},
		"AnObserverBehindTwoCompactionsPassesNothingOverThatEtcdStillHas": func(t *testing.T, etcd *etcdtest.Etcd) {
			l := leader(t, etcd)
			client := etcd.Client("o")
			e := election(t, client)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			seen := e.Observe(ctx)
			require.Equal(t, "leader", string((<-seen).Kvs[0].Value))
			etcd.Link("o").Cut()
			require.NoError(t, l.Proclaim(t.Context(), "2"))
			require.NoError(t, l.Proclaim(t.Context(), "3"))
			require.NoError(t, etcd.Compact(0))
			tapInto(client).interceptNext(func(send func() error) error {
				require.NoError(t, l.Proclaim(t.Context(), "4"))
				require.NoError(t, etcd.Compact(0))
				require.NoError(t, l.Proclaim(t.Context(), "5"))
				return send()
			})
			etcd.Link("o").Heal()
			require.Equal(t, "4", string((<-seen).Kvs[0].Value))
			require.Equal(t, "5", string((<-seen).Kvs[0].Value))
		},
		"AWatchOfTheKeyAheadThatIsCutIsOpenedAgain": func(t *testing.T, etcd *etcdtest.Etcd) {
			l := leader(t, etcd)
			e := election(t, etcd.Client("a"))
			won := campaign(t.Context(), e)
			time.Sleep(time.Second)
			require.Equal(t, 1, etcd.Link("a").CompactWatch(l.Key()))
			time.Sleep(time.Second)
			begin := time.Now()
			require.NoError(t, l.Resign(t.Context()))
			require.NoError(t, <-won)
			require.Less(t, time.Since(begin), time.Second)
		},
		"AWaiterWhosePredecessorsGoInARowWatchesTwoKeys": func(t *testing.T, etcd *etcdtest.Etcd) {
			var ahead []*concurrency.Election
			for i := range 6 {
				e := election(t, etcd.Client(fmt.Sprint(i)))
				campaign(t.Context(), e)
				ahead = append(ahead, e)
				time.Sleep(time.Second)
			}
			etcd.Link("a").Delay(50*time.Millisecond, 0)
			campaign(t.Context(), election(t, etcd.Client("a")))
			for len(ahead) > 1 { // each goes while the watches for it are being opened
				time.Sleep(160 * time.Millisecond)
				require.NoError(t, ahead[len(ahead)-1].Resign(t.Context()))
				ahead = ahead[:len(ahead)-1]
			}
			time.Sleep(5 * time.Second)
			watched := 0
			for _, w := range etcd.Watches() {
				if w.Participant == "a" {
					watched++
				}
			}
			require.Equal(t, 2, watched)
		},
		"NothingIsKeptOfAnOrphanedSessionThatIsForgotten": func(t *testing.T, etcd *etcdtest.Etcd) {
			client := etcd.Client("a")
			grown := heapGrowth(t, 2000, func(int) { // as etcd's election service does for each request
				s, err := concurrency.NewSession(client, concurrency.WithLease(0x7b))
				require.NoError(t, err)
				s.Orphan()
				_ = concurrency.ResumeElection(s, "x", "x/7b", 5)
			})
			require.Less(t, grown, 5000, "a seat left behind is five objects")
		},
		"NothingIsWatchedForATermThatNobodyAsksFor": func(t *testing.T, etcd *etcdtest.Etcd) {
			e := election(t, etcd.Client("a"))
			afterWaiting(t, leader(t, etcd), e)
			time.Sleep(time.Minute)
			require.Empty(t, etcd.Watches(), "nobody would read what it brings")
			term := e.Term()
			_ = term.Done()
			synctest.Wait()
			etcd.Delete(e.Key())
			synctest.Wait()
			require.ErrorIs(t, term.Err(), concurrency.ErrKeyDeleted)
		},
		"NothingIsWatchedForASessionThatWasOrphanedWhileItWaited": func(t *testing.T, etcd *etcdtest.Etcd) {
			s := session(t, etcd.Client("a"))
			s.Orphan()
			afterWaiting(t, leader(t, etcd), concurrency.NewElection(s, "x"))
			time.Sleep(time.Minute)
			require.Empty(t, etcd.Watches())
		},
		"NothingIsWatchedForATermThatIsAskedForWhenItIsOver": func(t *testing.T, etcd *etcdtest.Etcd) {
			s := session(t, etcd.Client("a"))
			e := concurrency.NewElection(s, "x")
			afterWaiting(t, leader(t, etcd), e)
			s.Orphan()
			require.ErrorIs(t, e.Term().Err(), concurrency.ErrSessionOrphaned)
			synctest.Wait()
			require.Empty(t, etcd.Watches())
		},
		"ATermReadsItsKeyAtItsOwnPaceBesideAnObserver": func(t *testing.T, etcd *etcdtest.Etcd) {
			client := etcd.Client("a")
			e := election(t, client)
			require.NoError(t, e.Campaign(t.Context(), "a"))
			reads := func() int { // in the hour that follows
				before := etcd.Requests("a")["Txn"]
				time.Sleep(time.Hour)
				return etcd.Requests("a")["Txn"] - before
			}
			_ = e.Term().Done()
			alone := reads()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for range 3 {
				<-e.Observe(ctx) // it asks for signs of life, which come on all watches of the stream
			}
			require.InDelta(t, alone, reads(), float64(alone)/20)
		},
		"LocksThatWaitTellThatTheirSessionIsOverWhateverFailedBefore": func(t *testing.T, etcd *etcdtest.Etcd) {
			require.NoError(t, concurrency.NewMutex(session(t, etcd.Client("leader")), "x").Lock(t.Context()))
			client := etcd.Client("a")
			kv := tapInto(client)
			s := session(t, client)
			errs := make(chan error, 4)
			for range cap(errs) {
				go func() { errs <- concurrency.NewMutex(s, "x").Lock(t.Context()) }()
			}
			synctest.Wait()
			own := etcd.Keys("x/")[1].Key
			kv.intercept(func(func() error) error { return rpctypes.ErrNoLeader })
			time.Sleep(25 * time.Second) // until each of them asks in vain whether its key stands
			etcd.Delete(own)
			kv.intercept(func(send func() error) error { return send() })
			for range cap(errs) {
				require.ErrorIs(t, <-errs, concurrency.ErrSessionExpired)
			}
		},
		"ALockerThatWaitsForAnotherOfItsSessionPanicsWhenTheClientCloses": func(t *testing.T, etcd *etcdtest.Etcd) {
			client := etcd.Client("a")
			s := session(t, client)
			concurrency.NewLocker(s, "x").Lock()
			panicked := make(chan any, 1)
			go func() {
				defer func() { panicked <- recover() }()
				concurrency.NewLocker(s, "x").Lock()
			}()
			synctest.Wait()
			require.NoError(t, client.Close())
			require.Equal(t, context.Canceled, <-panicked)
		},
		"ALockerOfAClosedSessionPanics": func(t *testing.T, etcd *etcdtest.Etcd) {
			s := session(t, etcd.Client("a"))
			require.NoError(t, s.Close())
			require.PanicsWithValue(t, concurrency.ErrSessionClosed, concurrency.NewLocker(s, "x").Lock)
		},
		"NothingIsKeptOfALockerThatIsForgotten": func(t *testing.T, etcd *etcdtest.Etcd) {
			s := session(t, etcd.Client("a"))
			mutexes := heapGrowth(t, 300, func(i int) {
				m := concurrency.NewMutex(s, fmt.Sprint("mutex", i))
				require.NoError(t, m.Lock(t.Context()))
				require.NoError(t, m.Unlock(t.Context()))
			})
			lockers := heapGrowth(t, 300, func(i int) {
				l := concurrency.NewLocker(s, fmt.Sprint("locker", i))
				l.Lock()
				defer l.Unlock()
			})
			require.InDelta(t, mutexes, lockers, 300, "what etcd keeps is the same")
		},
		"NewSessionTellsWhyEtcdRefusesALease": func(t *testing.T, etcd *etcdtest.Etcd) {
			_, err := concurrency.NewSession(etcd.Client("a"), concurrency.WithTTL(9_000_000_001))
			require.ErrorIs(t, err, rpctypes.ErrLeaseTTLTooLarge)
		},
		"AnOptionIsIgnoredWithoutALoggerAsWell": func(t *testing.T, etcd *etcdtest.Etcd) {
			//lint:ignore SA1019 it is the way to have none
			client := v3.NewCtxClient(t.Context()).WithLogger(nil)
			defer client.Close()
			client.Lease = v3.NewLease(etcd.Client("a"))
			s, err := concurrency.NewSession(client, concurrency.WithTTL(-1))
			require.NoError(t, err)
			require.Equal(t, time.Minute, s.TTL())
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, etcdtest.New(t)) })
		})
	}
}

// A readRefuser is a KV that refuses reads that are no transactions, but for the
// first few.
type readRefuser struct {
	v3.KV
	allowed atomic.Int32
}

func refuseReads(client *v3.Client) *readRefuser {
	kv := &readRefuser{KV: client.KV}
	client.KV = kv
	return kv
}

func (kv *readRefuser) Get(ctx context.Context, key string, opts ...v3.OpOption) (*v3.GetResponse, error) {
	if kv.allowed.Add(-1) < 0 {
		return nil, rpctypes.ErrPermissionDenied
	}
	return kv.KV.Get(ctx, key, opts...)
}

// heapGrowth returns how many objects more there are after n calls of f.
func heapGrowth(t *testing.T, n int, f func(i int)) int {
	if raceDetector {
		t.Skip("the race detector has objects of its own")
	}
	objects := func() int {
		time.Sleep(time.Minute)
		synctest.Wait()
		runtime.GC()
		runtime.GC() // what the first one finds may hold more
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapObjects)
	}
	for i := range 100 {
		f(-1 - i)
	}
	before := objects()
	for i := range n {
		f(i)
	}
	return objects() - before
}

func TestASilentMemberHoldsARequestUpForLessThanAThirdOfTheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		etcd := etcdtest.New(t, etcdtest.WithMembers(3))
		e := behindALeader(t, etcd)
		etcd.Link("a", 0).Swallow()
		var longest time.Duration
		for range 6 { // the client asks its members in turn
			begin := time.Now()
			require.ErrorIs(t, e.TryCampaign(t.Context(), "a"), concurrency.ErrElectionNotLeader)
			longest = max(longest, time.Since(begin))
		}
		require.Positive(t, longest, "one request has met the silent member")
		require.Less(t, longest, 8*time.Second, "a refusal takes two requests")
	})
}

func TestARefusalComesThroughTheOneMemberOfThreeThatAnswersAlsoPastAStrayKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		etcd := etcdtest.New(t, etcdtest.WithMembers(3))
		etcd.Put("x/stray", "older than all candidates")
		e := behindALeader(t, etcd)
		etcd.Link("a", 0, 2).SwallowReplies()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		require.ErrorIs(t, e.TryCampaign(ctx, "a"), concurrency.ErrElectionNotLeader)
	})
}

// behindALeader returns participant a's side, with a TTL of 12 s, of an election that
// somebody else leads, when a is connected to all members.
func behindALeader(t *testing.T, etcd *etcdtest.Etcd) *concurrency.Election {
	election := func(participant string) *concurrency.Election {
		s, err := concurrency.NewSession(etcd.Client(participant), concurrency.WithTTL(12))
		require.NoError(t, err)
		return concurrency.NewElection(s, "x")
	}
	require.NoError(t, election("leader").Campaign(t.Context(), "leader"))
	e := election("a")
	synctest.Wait()
	return e
}
