// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/etcdtest"
)

// lead is the service under test: it leads whenever it can, and says so.
func lead(ctx context.Context, c *clientv3.Client, name string, leading chan<- string) error {
	s, err := concurrency.NewSession(c, concurrency.WithTTL(10))
	if err != nil {
		return err
	}
	defer s.Close()
	if err := concurrency.NewElection(s, "service").Campaign(ctx, name); err != nil {
		return err
	}
	leading <- name
	select {
	case <-ctx.Done():
	case <-s.Done():
	}
	return nil
}

// The failover of a service with two instances: the network of the leader fails, and the other takes over when the lease
// is over. In the bubble that takes ten seconds, and a few milliseconds outside.
func Example() {
	test := func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			etcd := etcdtest.New(t)
			ctx, stop := context.WithCancel(t.Context())
			leading := make(chan string)

			go lead(ctx, etcd.Client("one"), "one", leading)
			fmt.Println("leader:", <-leading)
			go lead(ctx, etcd.Client("two"), "two", leading)
			synctest.Wait() // until two has joined the queue

			failed := time.Now()
			etcd.Link("one").Swallow()
			fmt.Println("leader:", <-leading)
			fmt.Println("after", time.Since(failed).Round(time.Second))

			etcd.Link("one").Heal()
			stop()
		})
	}

	// In a test file this is func TestFailover(t *testing.T). An example has no t.
	begin := time.Now()
	runTest(test)
	fmt.Println("in less than a second:", time.Since(begin) < time.Second)
	// Output:
	// leader: one
	// leader: two
	// after 10s
	// in less than a second: true
}

// A request whose answer is lost: its caller gets an error, though etcd has applied it.
func ExampleLink_DropReply() {
	test := func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			etcd := etcdtest.New(t)
			client := etcd.Client("one")

			etcd.Link("one").DropReply(etcdtest.Method("Put"), etcdtest.Key("color"))
			_, err := client.Put(t.Context(), "color", "red")
			fmt.Println("failed:", err != nil)
			for _, event := range etcd.History() {
				fmt.Println(event)
			}
		})
	}
	runTest(test) // see the example of the package

	// Output:
	// failed: true
	// 2 put color="red"
}

// A storm of faults is drawn from a seed, and is the same for the same seed: a test prints the plan when it fails, and
// can repeat it. Etcd.Run causes the faults.
func ExampleNewPlan() {
	plan := etcdtest.NewPlan(3, etcdtest.Storm{
		Participants: []string{"one", "two"},
		Members:      3,
		Duration:     10 * time.Second,
	})
	fmt.Print(plan)

	// Output:
	// seed 3, 10s:
	//   3.662s swallow replies of one for 2.469s
	//   3.767s drop request of one
	//   4.301s delay of one at member 2 by 104ms for 3.265s
	//   6.593s pause member 0 for 3.407s
	//   7.611s compact
	//   9.888s pause of two for 112ms
}
