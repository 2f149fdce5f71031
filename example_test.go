// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package concurrency_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

// A service in one of its processes: it waits for its turn, works for as long as it
// leads, and writes behind the fence of its term.
func Example() {
	client, ctx := newClient(), context.Background()
	session, err := concurrency.NewSession(client, concurrency.WithTTL(10))
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close() // the next one leads at once

	election := concurrency.NewElection(session, "example/service")
	if err := election.Campaign(ctx, "host-1"); err != nil {
		log.Fatal(err)
	}
	term := election.Term()
	leading, done := term.Context(ctx) // ends before etcd can let another one lead
	defer done()
	for round := 1; round <= 3 && leading.Err() == nil; round++ {
		resp, err := client.Txn(leading).
			If(term.Fence()).
			Then(clientv3.OpPut("example/rounds", strconv.Itoa(round))).
			Commit()
		if err != nil || !resp.Succeeded {
			break
		}
		fmt.Println("round", round)
	}

	// Output:
	// round 1
	// round 2
	// round 3
}

// A session is trusted until its deadline, which renewals put off. A start that
// etcd does not answer ends by itself.
func ExampleNewSession() {
	session, err := concurrency.NewSession(newClient(),
		concurrency.WithTTL(10), concurrency.WithStartTimeout(5*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("granted:", session.TTL())
	fmt.Println("time left:", time.Until(session.Deadline()) > 0)

	if err := session.Close(); err != nil {
		log.Fatal(err)
	}
	<-session.Done()
	fmt.Println("over:", session.Err())

	// Output:
	// granted: 10s
	// time left: true
	// over: concurrency: session is closed
}

// Two candidates lead one after the other.
func ExampleElection_Campaign() {
	client, ctx := newClient(), context.Background()

	alice, err := concurrency.NewSession(client, concurrency.WithTTL(10))
	if err != nil {
		log.Fatal(err)
	}
	defer alice.Close()
	bob, err := concurrency.NewSession(client, concurrency.WithTTL(10))
	if err != nil {
		log.Fatal(err)
	}
	defer bob.Close()
	first := concurrency.NewElection(alice, "example/campaign")
	second := concurrency.NewElection(bob, "example/campaign")

	if err := first.Campaign(ctx, "alice"); err != nil {
		log.Fatal(err)
	}
	fmt.Println("alice leads:", first.Key() != "")

	won := make(chan error)
	go func() { won <- second.Campaign(ctx, "bob") }() // waits for alice
	if err := first.Resign(ctx); err != nil {
		log.Fatal(err)
	}
	if err := <-won; err != nil {
		log.Fatal(err)
	}
	leader, err := second.Leader(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s leads\n", leader.Kvs[0].Value)

	// Output:
	// alice leads: true
	// bob leads
}

// A leader that steps down on purpose hands over at once, where one that dies
// leaves the others to wait for the end of its lease.
func ExampleElection_Resign() {
	client, ctx := newClient(), context.Background()
	session, err := concurrency.NewSession(client)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()

	election := concurrency.NewElection(session, "example/resign")
	if err := election.Campaign(ctx, "me"); err != nil {
		log.Fatal(err)
	}
	term := election.Term()
	if err := election.Resign(ctx); err != nil {
		log.Fatal(err)
	}
	_, err = election.Leader(ctx)
	fmt.Println(err)
	fmt.Println(errors.Is(term.Err(), concurrency.ErrResigned))

	// Output:
	// election: no leader
	// true
}

// TryCampaign does not wait, and says who is in the way.
func ExampleElection_TryCampaign() {
	client, ctx := newClient(), context.Background()
	for _, name := range []string{"alice", "bob"} {
		session, err := concurrency.NewSession(client)
		if err != nil {
			log.Fatal(err)
		}
		defer session.Close()

		election := concurrency.NewElection(session, "example/try")
		var refused *concurrency.LeaderError
		switch err := election.TryCampaign(ctx, name); {
		case err == nil:
			fmt.Println(name, "leads")
		case errors.As(err, &refused):
			fmt.Println(name, "does not lead:", refused.Leader.Value, "does")
		default:
			log.Fatal(err)
		}
	}

	// Output:
	// alice leads
	// bob does not lead: alice does
}

// Candidates are told in order of succession.
func ExampleElection_Candidates() {
	client := newClient()
	ctx, cancel := context.WithCancel(context.Background())
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer cancel()
	session, err := concurrency.NewSession(client)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	election := concurrency.NewElection(session, "example/candidates")
	if err := election.Campaign(ctx, "alice"); err != nil {
		log.Fatal(err)
	}
	second, err := concurrency.NewSession(client)
	if err != nil {
		log.Fatal(err)
	}
	defer second.Close()
	waiting.Go(func() { concurrency.NewElection(second, "example/candidates").Campaign(ctx, "bob") })

	var queue []concurrency.Candidate
	for len(queue) < 2 { // until bob has entered
		if queue, err = election.Candidates(ctx); err != nil {
			log.Fatal(err)
		}
	}
	for i, candidate := range queue {
		fmt.Println(i+1, candidate.Value)
	}

	// Output:
	// 1 alice
	// 2 bob
}

// A leadership that was won by one process is served by another one: all it needs
// is the key and the revision.
func ExampleResumeElection() {
	client, ctx := newClient(), context.Background()
	winner, err := concurrency.NewSession(client)
	if err != nil {
		log.Fatal(err)
	}
	defer winner.Close()
	won := concurrency.NewElection(winner, "example/resume")
	if err := won.Campaign(ctx, "mine"); err != nil {
		log.Fatal(err)
	}
	key, rev := won.Key(), won.Rev() // handed on by whatever way

	session, err := concurrency.NewSession(client)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	resumed := concurrency.ResumeElection(session, "example/resume", key, rev)
	if err := resumed.Proclaim(ctx, "mine still"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(resumed.Resign(ctx))
	fmt.Println(won.Proclaim(ctx, "mine again"))

	// Output:
	// <nil>
	// election: not leader
}

// Observe brings each leader and each of its proclamations.
func ExampleElection_Observe() {
	client := newClient()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	session, err := concurrency.NewSession(client)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()

	election := concurrency.NewElection(session, "example/observe")
	if err := election.Campaign(ctx, "10.0.0.1:8080"); err != nil {
		log.Fatal(err)
	}
	leaders := election.Observe(ctx)
	fmt.Printf("send requests to %s\n", (<-leaders).Kvs[0].Value)

	if err := election.Proclaim(ctx, "10.0.0.1:9090"); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("send requests to %s\n", (<-leaders).Kvs[0].Value)

	// Output:
	// send requests to 10.0.0.1:8080
	// send requests to 10.0.0.1:9090
}

// Leaders tells vacancies as well, and why the iteration ends.
func ExampleElection_Leaders() {
	client := newClient()
	ctx, cancel := context.WithCancelCause(context.Background())
	session, err := concurrency.NewSession(client)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	election := concurrency.NewElection(session, "example/leaders")

	steps := []func(){
		func() { err = election.Campaign(ctx, "alice") },
		func() { err = election.Proclaim(ctx, "alice, busy") },
		func() { err = election.Resign(ctx) },
		func() { cancel(errors.New("seen enough")) },
	}
	for leader, why := range election.Leaders(ctx) {
		switch {
		case why != nil:
			fmt.Println("the end:", why)
			return
		case leader == (concurrency.Candidate{}):
			fmt.Println("nobody leads")
		default:
			fmt.Println("leader:", leader.Value)
		}
		if steps[0](); err != nil {
			log.Fatal(err)
		}
		steps = steps[1:]
	}

	// Output:
	// nobody leads
	// leader: alice
	// leader: alice, busy
	// nobody leads
	// the end: seen enough
}

// The work of a leader gets a context that ends with the leadership.
func ExampleTerm_Context() {
	client, ctx := newClient(), context.Background()
	session, err := concurrency.NewSession(client)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	election := concurrency.NewElection(session, "example/context")
	if err := election.Campaign(ctx, "me"); err != nil {
		log.Fatal(err)
	}

	work, cancel := election.Term().Context(ctx)
	defer cancel()
	go client.Delete(ctx, election.Key()) // an operator takes the leadership away

	<-work.Done() // what the work selects on, or hands to its calls
	fmt.Println(errors.Is(context.Cause(work), concurrency.ErrKeyDeleted))

	// Output:
	// true
}

// A write behind the fence is applied only while the term lasts, however late it
// reaches etcd.
func ExampleTerm_Fence() {
	client, ctx := newClient(), context.Background()
	session, err := concurrency.NewSession(client)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	election := concurrency.NewElection(session, "example/fence")
	if err := election.Campaign(ctx, "me"); err != nil {
		log.Fatal(err)
	}
	term := election.Term()
	write := func(value string) {
		resp, err := client.Txn(ctx).
			If(term.Fence()).
			Then(clientv3.OpPut("example/config", value)).
			Commit()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(value, "written:", resp.Succeeded)
	}

	write("in time")
	if err := election.Resign(ctx); err != nil {
		log.Fatal(err)
	}
	write("too late")

	// Output:
	// in time written: true
	// too late written: false
}

// One session holds the lock, another finds it locked.
func ExampleMutex() {
	client, ctx := newClient(), context.Background()
	alice, err := concurrency.NewSession(client)
	if err != nil {
		log.Fatal(err)
	}
	defer alice.Close()
	bob, err := concurrency.NewSession(client)
	if err != nil {
		log.Fatal(err)
	}
	defer bob.Close()

	held := concurrency.NewMutex(alice, "example/mutex")
	if err := held.Lock(ctx); err != nil {
		log.Fatal(err)
	}
	wanted := concurrency.NewMutex(bob, "example/mutex")
	fmt.Println(errors.Is(wanted.TryLock(ctx), concurrency.ErrLocked))

	if err := held.Unlock(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(wanted.TryLock(ctx))

	// Output:
	// true
	// <nil>
}

// A Locker excludes the goroutines of one session as well.
func ExampleNewLocker() {
	session, err := concurrency.NewSession(newClient())
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	lock := concurrency.NewLocker(session, "example/locker")

	var all sync.WaitGroup
	sum := 0
	for i := range 10 {
		all.Go(func() {
			lock.Lock()
			defer lock.Unlock()
			sum += i
		})
	}
	all.Wait()
	fmt.Println(sum)

	// Output:
	// 45
}

// A transaction moves an amount between two accounts.
func ExampleNewSTM() {
	client, ctx := newClient(), context.Background()
	for _, account := range []string{"example/stm/a", "example/stm/b"} {
		if _, err := client.Put(ctx, account, "100"); err != nil {
			log.Fatal(err)
		}
	}

	_, err := concurrency.NewSTM(client, func(stm concurrency.STM) error {
		a, err := strconv.Atoi(stm.Get("example/stm/a"))
		if err != nil {
			return err
		}
		b, err := strconv.Atoi(stm.Get("example/stm/b"))
		if err != nil {
			return err
		}
		stm.Put("example/stm/a", strconv.Itoa(a-30))
		stm.Put("example/stm/b", strconv.Itoa(b+30))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	resp, err := client.Get(ctx, "example/stm/", clientv3.WithPrefix())
	if err != nil {
		log.Fatal(err)
	}
	for _, kv := range resp.Kvs {
		fmt.Printf("%s: %s\n", kv.Key, kv.Value)
	}

	// Output:
	// example/stm/a: 70
	// example/stm/b: 130
}
