// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader

import (
	"time"

	"github.com/seed-da5263fb/concurrency"
)

// timeRenewals measures the session's renewals until it is over.
//
// A Session tells of a renewal by its deadline alone, which is when the request was
// sent plus the TTL, and moves when the answer is there. The next request is sent
// a third of the TTL after the last; so that is when looking begins, and goes on
// ever less often: the latency comes out too long by a millisecond or an eighth of
// itself, and a renewal that takes 3 ms costs three looks.
func (c *candidacy) timeRenewals(s *concurrency.Session) {
	deadline := s.Deadline()
	for {
		due := deadline.Add(-s.TTL()).Add(s.TTL() / 3)
		timer := time.NewTimer(max(time.Millisecond, time.Until(due)))
		for s.Deadline().Equal(deadline) {
			select {
			case <-timer.C:
				timer.Reset(max(time.Millisecond, time.Since(due)/8))
			case <-s.Done():
				timer.Stop()
				return
			}
		}
		timer.Stop()
		now, before := time.Now(), deadline
		deadline = s.Deadline()
		c.mu.Lock()
		c.stats.renewed(now.Sub(deadline.Add(-s.TTL())), before.Sub(now))
		c.mu.Unlock()
	}
}
