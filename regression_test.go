// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	v3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/etcdtest"
)

// TestRegression has a case for each fault that a review or the exploration
// found, as small as it goes, in virtual time.
func TestRegression(t *testing.T) {
	txn := etcdtest.Method("Txn")
	session := func(t *testing.T, etcd *etcdtest.Etcd, who string, ttl int) *concurrency.Session {
		s, err := concurrency.NewSession(etcd.Client(who), concurrency.WithTTL(ttl))
		require.NoError(t, err)
		return s
	}
	within := func(t *testing.T, d time.Duration) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		t.Cleanup(cancel)
		return ctx
	}
	cases := map[string]func(t *testing.T, etcd *etcdtest.Etcd){
		"ALostAnswerDoesNotCostALaterCandidacyItsKey": func(t *testing.T, etcd *etcdtest.Etcd) {
			e := concurrency.NewElection(session(t, etcd, "a", 5), "x")
			etcd.Link("a").DropReply(txn)
			require.NoError(t, e.Campaign(t.Context(), "1"))
			lost := e.Term()
			etcd.Delete(e.Key())
			<-lost.Done()
			require.NoError(t, e.Campaign(t.Context(), "2"))
			time.Sleep(10 * time.Second)
			require.NoError(t, e.Term().Err())
			require.Len(t, etcd.Keys("x/"), 1)
		},
		"AnAttemptThatHangsDoesNotKeepAKeyAlive": func(t *testing.T, etcd *etcdtest.Etcd) {
			leader := concurrency.NewElection(session(t, etcd, "leader", 5), "x")
			require.NoError(t, leader.Campaign(t.Context(), "leader"))
			e := concurrency.NewElection(session(t, etcd, "a", 5), "x")
			hung := etcd.Link("a").DropReplySilently(txn)
			require.ErrorIs(t, e.Campaign(within(t, 3*time.Second), "a"), context.DeadlineExceeded)
			<-hung.Sprung()
			time.Sleep(2 * time.Second)
			require.Len(t, etcd.Keys("x/"), 1)
		},
		"AStrayKeyDoesNotHideAVictoryWhileNoWatchIsConfirmed": func(t *testing.T, etcd *etcdtest.Etcd) {
			leader := concurrency.NewElection(session(t, etcd, "leader", 5), "x")
			require.NoError(t, leader.Campaign(t.Context(), "leader"))
			etcd.Put("x/7b", "stray")
			etcd.Link("a").HoldWatch()
			e := concurrency.NewElection(session(t, etcd, "a", 5), "x")
			won := make(chan error, 1)
			go func() { won <- e.Campaign(t.Context(), "a") }()
			time.Sleep(time.Second)
			require.NoError(t, leader.Resign(t.Context()))
			resigned := time.Now()
			require.NoError(t, <-won)
			require.Less(t, time.Since(resigned), 5*time.Second)
		},
		"AnObserverOfTheSameClientDoesNotPutRereadingOff": func(t *testing.T, etcd *etcdtest.Etcd) {
			leader := concurrency.NewElection(session(t, etcd, "leader", 6), "x")
			require.NoError(t, leader.Campaign(t.Context(), "leader"))
			s := session(t, etcd, "a", 6)
			s.Client().Watcher = deaf{s.Client().Watcher, leader.Key()}
			e := concurrency.NewElection(s, "x")
			_ = concurrency.NewElection(s, "other").Observe(within(t, time.Hour)) // asks for progress whenever it is quiet
			won := make(chan error, 1)
			go func() { won <- e.Campaign(t.Context(), "a") }()
			time.Sleep(time.Second)
			require.NoError(t, leader.Resign(t.Context()))
			resigned := time.Now()
			require.NoError(t, <-won)
			require.Less(t, time.Since(resigned), 6*time.Second)
		},
		"EtcdIsFoundAgainAfterALongTimeAway": func(t *testing.T, etcd *etcdtest.Etcd) {
			s := session(t, etcd, "a", 5)
			e := concurrency.NewElection(s, "x")
			seen := e.Observe(within(t, time.Hour))
			require.NoError(t, e.Campaign(t.Context(), "1"))
			<-seen
			etcd.Link("a").Cut()
			time.Sleep(10 * time.Minute)
			etcd.Link("a").Heal()
			next := concurrency.NewElection(session(t, etcd, "b", 5), "x")
			require.NoError(t, next.Campaign(t.Context(), "2"))
			require.Equal(t, "2", string((<-seen).Kvs[0].Value))
		},
		"ASiblingDoesNotWinWhileAResignationIsUnderWay": func(t *testing.T, etcd *etcdtest.Etcd) {
			s := session(t, etcd, "a", 5)
			a, b := concurrency.NewElection(s, "x"), concurrency.NewElection(s, "x")
			require.NoError(t, a.Campaign(t.Context(), "a"))
			etcd.Link("a").DropRequestSilently(txn)
			resigned := make(chan error, 1)
			go func() { resigned <- a.Resign(t.Context()) }()
			synctest.Wait()
			require.ErrorIs(t, b.Campaign(t.Context(), "a"), concurrency.ErrResigned)
			require.NoError(t, <-resigned)
			require.Empty(t, etcd.Keys("x/"))
		},
		"APollerDoesNotAddUpDoubts": func(t *testing.T, etcd *etcdtest.Etcd) {
			require.NoError(t, concurrency.NewMutex(session(t, etcd, "h", 6), "x").Lock(t.Context()))
			m := concurrency.NewMutex(session(t, etcd, "a", 6), "x")
			etcd.Link("a").Delay(200*time.Microsecond, 100*time.Microsecond)
			etcd.Link("a").DropReplySilently(txn)
			for i := range 200 {
				require.Error(t, m.TryLock(within(t, time.Second)))
				time.Sleep(time.Duration(400+i*37%211) * time.Millisecond)
			}
			before := etcd.Requests("a")["Range"]
			time.Sleep(10 * time.Second)
			require.Less(t, etcd.Requests("a")["Range"]-before, 20)
		},
		"ResignEndsACampaignOfAnElectionThatOnceLed": func(t *testing.T, etcd *etcdtest.Etcd) {
			a := concurrency.NewElection(session(t, etcd, "a", 5), "x")
			b := concurrency.NewElection(session(t, etcd, "b", 5), "x")
			require.NoError(t, a.Campaign(t.Context(), "a"))
			etcd.Delete(a.Key())
			<-a.Term().Done()
			require.NoError(t, b.Campaign(t.Context(), "b"))
			won := make(chan error, 1)
			go func() { won <- a.Campaign(t.Context(), "a") }()
			time.Sleep(time.Second)
			require.NoError(t, a.Resign(t.Context()))
			require.ErrorIs(t, <-won, concurrency.ErrResigned)
			require.Len(t, etcd.Keys("x/"), 1)
		},
		"ResignEndsACampaignThatEntersBesideASiblingThatLeads": func(t *testing.T, etcd *etcdtest.Etcd) {
			s := session(t, etcd, "a", 5)
			a, b := concurrency.NewElection(s, "x"), concurrency.NewElection(s, "x")
			require.NoError(t, a.Campaign(t.Context(), "a"))
			etcd.Link("a").DropRequestSilently(txn)
			won := make(chan error, 1)
			go func() { won <- b.Campaign(t.Context(), "b") }()
			time.Sleep(100 * time.Millisecond)
			require.NoError(t, b.Resign(t.Context()))
			require.ErrorIs(t, <-won, concurrency.ErrResigned)
			time.Sleep(time.Minute)
			require.Empty(t, etcd.Keys("x/"))
		},
		"ResignDoesNotWaitForAnAttemptThatIsLost": func(t *testing.T, etcd *etcdtest.Etcd) {
			e := concurrency.NewElection(session(t, etcd, "a", 60), "x")
			etcd.Link("a").DropRequestSilently(txn)
			won := make(chan error, 1)
			go func() { won <- e.Campaign(t.Context(), "a") }()
			time.Sleep(time.Second)
			begin := time.Now()
			require.NoError(t, e.Resign(t.Context()))
			require.Less(t, time.Since(begin), 10*time.Second)
			require.ErrorIs(t, <-won, concurrency.ErrResigned)
		},
		"AHandoverIsHeardWhileTheOwnWatchIsNotConfirmed": func(t *testing.T, etcd *etcdtest.Etcd) {
			leader := concurrency.NewElection(session(t, etcd, "leader", 60), "x")
			require.NoError(t, leader.Campaign(t.Context(), "leader"))
			s := session(t, etcd, "a", 60)
			etcd.Link("a").HoldWatch(fmt.Sprintf("x/%x", s.Lease()))
			won := make(chan error, 1)
			go func() { won <- concurrency.NewElection(s, "x").Campaign(t.Context(), "a") }()
			time.Sleep(time.Second)
			begin := time.Now()
			require.NoError(t, leader.Resign(t.Context()))
			require.NoError(t, <-won)
			require.Less(t, time.Since(begin), time.Second)
		},
		"AnObserverBehindACompactionMissesNoLeaderThatEtcdStillKnows": func(t *testing.T, etcd *etcdtest.Etcd) {
			var queue []*concurrency.Election
			for _, who := range []string{"a", "b", "c"} {
				e := concurrency.NewElection(session(t, etcd, who, 60), "x")
				queue = append(queue, e)
				go func() { _ = e.Campaign(t.Context(), who) }()
				time.Sleep(time.Second)
			}
			seen := concurrency.NewElection(session(t, etcd, "o", 60), "x").Observe(within(t, time.Hour))
			require.Equal(t, "a", string((<-seen).Kvs[0].Value))
			etcd.Link("o").Cut()
			require.NoError(t, queue[0].Resign(t.Context()))
			whenBLed := etcd.Rev()
			time.Sleep(time.Second)
			require.NoError(t, queue[1].Resign(t.Context()))
			require.NoError(t, etcd.Compact(whenBLed))
			etcd.Link("o").Heal()
			require.Equal(t, "b", string((<-seen).Kvs[0].Value))
			require.Equal(t, "c", string((<-seen).Kvs[0].Value))
		},
		// etcd gives no sign of progress for a watch that starts after its last revision.
		"AnObserverOfAnIdleEtcdTrustsItsWatch": func(t *testing.T, etcd *etcdtest.Etcd) {
			e := concurrency.NewElection(session(t, etcd, "a", 60), "x")
			_ = e.Observe(within(t, 2*time.Hour))
			time.Sleep(time.Hour)
			require.Equal(t, 1, etcd.Requests("a")["WatchCreate"])
		},
		"CloseReturnsSoonWhenTheClientIsClosed": func(t *testing.T, etcd *etcdtest.Etcd) {
			s, err := concurrency.NewSession(etcd.Client("a"), concurrency.WithContext(context.Background()))
			require.NoError(t, err)
			_ = s.Client().Close()
			begin := time.Now()
			require.Error(t, s.Close())
			require.Less(t, time.Since(begin), time.Second)
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, etcdtest.New(t)) })
		})
	}
}

// deaf is a Watcher whose watches of key are open and hear nothing but the signs
// of progress.
type deaf struct {
	v3.Watcher
	key string
}

func (d deaf) Watch(ctx context.Context, key string, opts ...v3.OpOption) v3.WatchChan {
	in := d.Watcher.Watch(ctx, key, opts...)
	if key != d.key {
		return in
	}
	out := make(chan v3.WatchResponse)
	go func() {
		defer close(out)
		for resp := range in {
			resp.Events = nil
			select {
			case out <- resp:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}
