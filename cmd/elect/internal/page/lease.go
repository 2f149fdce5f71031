// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package page

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/survey"
)

const (
	// leasePause is how long a lease is not asked about again; pages count down.
	leasePause = 3 * time.Second
	// leaseRound is how often it is looked for leases that are to be asked about.
	leaseRound = 500 * time.Millisecond
	// leasesPerRound bounds the requests, whatever the number of candidates.
	leasesPerRound = 50
)

// followLeases asks etcd how long the leases of the candidates have left, while
// there is a browser to show it.
func (s *Server) followLeases(ctx context.Context) {
	asked := map[clientv3.LeaseID]time.Time{}
	round := time.NewTicker(leaseRound)
	defer round.Stop()
	for {
		select {
		case <-round.C:
		case <-ctx.Done():
			return
		}
		ids, anybody := s.state.watched()
		if !anybody {
			continue
		}
		keep := make(map[clientv3.LeaseID]bool, len(ids))
		var due []clientv3.LeaseID
		for _, id := range ids {
			if !keep[id] && len(due) < leasesPerRound && time.Since(asked[id]) >= leasePause {
				due = append(due, id)
				asked[id] = time.Now()
			}
			keep[id] = true
		}
		for id := range asked {
			if !keep[id] {
				delete(asked, id)
			}
		}
		// What is not answered now is asked again: the page shows that etcd is away.
		leases, _ := survey.ReadLeases(ctx, s.cfg.Client, due, func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 2*time.Second)
		})
		s.state.setLeases(leases, keep)
	}
}
