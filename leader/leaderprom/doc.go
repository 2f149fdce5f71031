// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package leaderprom brings what a leader.Runner counts to Prometheus.
//
//	runner, err := leader.New(cfg)
//	…
//	prometheus.MustRegister(leaderprom.NewCollector(runner))
//
// Every metric has the labels election and candidate, which are Election and Value
// of the Runner's configuration. Runners of one Collector, or of one registry, have
// to differ in one of the two.
//
//	metric                               type       tells
//	leader_is_leader                     gauge      1 while the function runs and may go on, else 0
//	leader_healthy                       gauge      1 if the Runner's handler would answer 200, else 0
//	leader_queue_place                   gauge      1 for the leader, 2 for who is next; 0 out of the queue
//	leader_candidates                    gauge      how many are in the election, as this candidate last saw it
//	leader_lease_left_seconds            gauge      how long the lease lives at least, without another renewal
//	leader_terms_total{reason}           counter    terms that are over, by why: the leader.Reason
//	leader_wait_seconds                  histogram  how long it took to win, from before there was a lease
//	leader_term_duration_seconds         histogram  how long terms lasted, until the function returned
//	leader_renewal_latency_seconds       histogram  how long the answers to renewals took
//	leader_lease_left_at_renewal_seconds histogram  how long the lease would still have lived when it was renewed
//	leader_overruns_total                counter    functions that still ran after their term and margin were over
//	leader_overrun_seconds_total         counter    for how long they did, with the one that does so now
//	leader_handover_gap_seconds          histogram  from when the last leader's key was seen to go to the function's call
//	leader_errors_total                  counter    failures that the Runner went on after
//
// What to watch for:
//
//	sum by (election) (leader_is_leader) != 1              nobody leads; or a scrape is late, or one was paused
//	increase(leader_overruns_total[1h]) > 0                work went on without a leadership
//	rate(leader_terms_total{reason="lease at risk"}[15m])  etcd, or the network, or this process is too slow
//	histogram_quantile(0.01, …lease_left_at_renewal…)      nears the margin: terms will be lost soon
//
// The lease left at a renewal is about two thirds of the TTL in good times. A term
// is lost when it would fall below the margin.
package leaderprom
