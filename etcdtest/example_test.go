// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-da5263fb/concurrency/etcdtest"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
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
