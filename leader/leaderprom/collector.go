// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leaderprom

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-da5263fb/concurrency/leader"
)

// A Collector is a prometheus.Collector for one Runner or many. It keeps nothing
// itself: each scrape asks the Runners, and neither blocks them nor asks etcd.
//
// All methods are safe for concurrent use.
type Collector struct {
	mu      sync.Mutex
	runners []*leader.Runner
}

var _ prometheus.Collector = (*Collector)(nil)

// NewCollector returns a Collector for the given Runners.
func NewCollector(runners ...*leader.Runner) *Collector {
	return &Collector{runners: slices.Clone(runners)}
}

// Add adds a Runner.
func (c *Collector) Add(r *leader.Runner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runners = append(c.runners, r)
}

// Remove removes a Runner that was added; its metrics are gone from the next
// scrape on.
func (c *Collector) Remove(r *leader.Runner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runners = slices.DeleteFunc(slices.Clone(c.runners), func(other *leader.Runner) bool { return other == r })
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName("leader", "", name), help,
		append([]string{"election", "candidate"}, labels...), nil)
}

var (
	isLeader       = desc("is_leader", "Whether the function runs and may go on.")
	healthy        = desc("healthy", "Whether the runner does what it is there for, in touch with etcd.")
	place          = desc("queue_place", "The place in the queue: 1 for the leader, 0 out of the queue.")
	candidates     = desc("candidates", "How many candidates are in the election.")
	leaseLeft      = desc("lease_left_seconds", "How long the lease lives at least without another renewal.")
	terms          = desc("terms_total", "Terms that are over, by why they ended.", "reason")
	wait           = desc("wait_seconds", "How long it took to win the election.")
	termDuration   = desc("term_duration_seconds", "How long terms lasted, until the function returned.")
	renewalLatency = desc("renewal_latency_seconds", "How long the answers to renewals of the lease took.")
	leftAtRenewal  = desc("lease_left_at_renewal_seconds", "How long the lease would still have lived when it was renewed.")
	overruns       = desc("overruns_total", "Functions that still ran after their term and margin were over.")
	overrunTime    = desc("overrun_seconds_total", "For how long functions ran after their term and margin were over.")
	handoverGap    = desc("handover_gap_seconds", "From when the last leader's key was seen to go to the call of the function.")
	failures       = desc("errors_total", "Failures that the runner went on after.")
)

// Describe tells which metrics there are.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		isLeader, healthy, place, candidates, leaseLeft, terms, wait, termDuration, renewalLatency, leftAtRenewal,
		overruns, overrunTime, handoverGap, failures,
	} {
		ch <- d
	}
}

// Collect tells the metrics of every Runner.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	runners := c.runners
	c.mu.Unlock()
	for _, r := range runners {
		collect(r, ch)
	}
}

func collect(r *leader.Runner, ch chan<- prometheus.Metric) {
	status, stats := r.Status(), r.Stats()
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, status.Election, status.Value)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v,
			append([]string{status.Election, status.Value}, labels...)...)
	}
	histogram := func(d *prometheus.Desc, h leader.Histogram) {
		buckets := make(map[float64]uint64, len(h.Bounds))
		for i, bound := range h.Bounds {
			buckets[bound] = h.Counts[i]
		}
		ch <- prometheus.MustNewConstHistogram(d, h.Count, h.Sum, buckets, status.Election, status.Value)
	}

	gauge(isLeader, one(status.State == leader.StateLeading))
	gauge(healthy, one(status.Health() == nil))
	gauge(place, float64(status.Place))
	gauge(candidates, float64(status.Candidates))
	gauge(leaseLeft, status.LeaseLeft.Seconds())
	for reason, n := range stats.Terms {
		counter(terms, float64(n), string(reason))
	}
	histogram(wait, stats.Wait)
	histogram(termDuration, stats.Term)
	histogram(renewalLatency, stats.RenewalLatency)
	histogram(leftAtRenewal, stats.LeaseLeft)
	counter(overruns, float64(stats.Overruns))
	counter(overrunTime, stats.Overrun.Seconds())
	histogram(handoverGap, stats.HandoverGap)
	counter(failures, float64(stats.Errors))
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
