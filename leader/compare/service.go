// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package compare is one service written twice, with leader.Run and with client-go's
// leaderelection, and tests of what each does when things go wrong. What they found
// is in docs/comparison.md. It is a module of its own, so that nothing else here
// depends on client-go.
package compare

import (
	"context"
	"errors"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/leader"
)

// WithLeader runs the service until ctx ends.
func WithLeader(ctx context.Context, client *clientv3.Client, name string, work func(context.Context)) error {
	err := leader.Run(ctx, leader.Config{Client: client, Election: "service", Value: name},
		func(ctx context.Context, _ *concurrency.Term) error {
			work(ctx)
			return context.Cause(ctx)
		})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// WithClientGo runs the service until ctx ends, with the durations that the
// components of Kubernetes use by default. Where client-go's own example ends the
// process when the leadership is lost, this goes on to campaign again.
func WithClientGo(ctx context.Context, lock resourcelock.Interface, releaseOnCancel bool, work func(context.Context), stopped func()) error {
	for ctx.Err() == nil {
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock:            lock,
			LeaseDuration:   15 * time.Second,
			RenewDeadline:   10 * time.Second,
			RetryPeriod:     2 * time.Second,
			ReleaseOnCancel: releaseOnCancel,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: work, // on a goroutine that nobody waits for
				OnStoppedLeading: stopped,
			},
		})
		if err != nil {
			return err
		}
		elector.Run(ctx)
	}
	return nil
}
