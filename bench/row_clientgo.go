// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// The defaults of Kubernetes's components.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// onPurpose measures a handover on purpose beside client-go's leader election on
// its fake clientset, which answers from memory: what it takes is the waiter's
// polling. All of client-go's wait at the same time.
func onPurpose(l *lab) error {
	klog.SetLogger(logr.Discard())
	m := measure{"on purpose", 1, "handover on purpose", "time", "ms"}
	err := onCluster(1, func(c *cluster) error {
		var relays []relay
		for _, of := range contenders {
			clients, err := c.dialAll(2)
			if err != nil {
				return err
			}
			r, err := newElectionRelay(of, l.name("purpose"), clients[0], clients[1])
			if err != nil {
				return err
			}
			relays = append(relays, r)
		}
		for turn := -1; turn < l.size.clientGo; turn++ {
			for i := range relays {
				i = (i + turn + 1) % len(relays)
				if err := l.relayed(m, turn, contenders[i].name, relays[i], oldAge); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	took := make(chan time.Duration, l.size.clientGo)
	errs := make(chan error, l.size.clientGo)
	for i := range l.size.clientGo {
		go func() {
			d, err := clientGoHandover(l.ctx, fmt.Sprintf("purpose-%d", i))
			took <- d
			errs <- err
		}()
	}
	for range l.size.clientGo {
		if err := <-errs; err != nil {
			return err
		}
		l.addTime(m, nameClientGo, <-took)
	}
	return nil
}

// clientGoHandover makes one elector lead and another wait, and cancels the first,
// which releases the lock on cancel.
func clientGoHandover(ctx context.Context, name string) (time.Duration, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	clients := fake.NewClientset()
	elect := func(ctx context.Context, identity string) (<-chan time.Time, error) {
		leads := make(chan time.Time, 1)
		e, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: &resourcelock.LeaseLock{
				LeaseMeta:  metav1.ObjectMeta{Namespace: "bench", Name: name},
				Client:     clients.CoordinationV1(),
				LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
			},
			LeaseDuration:   leaseDuration,
			RenewDeadline:   renewDeadline,
			RetryPeriod:     retryPeriod,
			ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) { leads <- time.Now() },
				OnStoppedLeading: func() {},
			},
		})
		if err == nil {
			go e.Run(ctx)
		}
		return leads, err
	}
	first, resign := context.WithCancel(ctx)
	defer resign()
	leads, err := elect(first, "first")
	if err != nil {
		return 0, err
	}
	if _, err := await(leads, "for the first elector to lead"); err != nil {
		return 0, err
	}
	leads, err = elect(ctx, "second")
	if err != nil {
		return 0, err
	}
	time.Sleep(retryPeriod) // it has seen who leads, and polls
	begin := time.Now()
	resign()
	at, err := await(leads, "for the second elector to lead")
	return at.Sub(begin), err
}
