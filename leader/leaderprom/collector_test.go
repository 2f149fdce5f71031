// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leaderprom_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/etcdtest"
	"github.com/seed-da5263fb/concurrency/leader"
	"github.com/seed-da5263fb/concurrency/leader/leaderprom"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// twoRunners runs a leader, a, and a candidate, b, in virtual time.
func twoRunners(t *testing.T, f func(t *testing.T, etcd *etcdtest.Etcd, a, b *leader.Runner)) {
	synctest.Test(t, func(t *testing.T) {
		etcd := etcdtest.New(t)
		var rs []*leader.Runner
		for _, who := range []string{"a", "b"} {
			r, err := leader.New(leader.Config{
				Client: etcd.Client(who), Election: "service", Value: who, TTL: 10 * time.Second, HoldOff: -1,
				Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
			})
			require.NoError(t, err)
			ctx, stop := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = r.Run(ctx, func(ctx context.Context, _ *concurrency.Term) error {
					<-ctx.Done()
					if r.Status().Reason == string(leader.KeyDeleted) {
						time.Sleep(5 * time.Second)
					}
					return nil
				})
			}()
			t.Cleanup(func() { stop(); <-done })
			rs = append(rs, r)
			time.Sleep(time.Second)
		}
		f(t, etcd, rs[0], rs[1])
	})
}

func TestMetrics(t *testing.T) {
	twoRunners(t, func(t *testing.T, etcd *etcdtest.Etcd, a, b *leader.Runner) {
		c := leaderprom.NewCollector(a)
		c.Add(b)
		reg := prometheus.NewPedanticRegistry()
		require.NoError(t, reg.Register(c))

		problems, err := testutil.GatherAndLint(reg)
		require.NoError(t, err)
		require.Empty(t, problems)

		time.Sleep(time.Minute)
		require.NoError(t, a.StepDown(t.Context()))
		time.Sleep(time.Minute)
		etcd.Delete(b.Status().Term.Key())
		time.Sleep(3 * time.Second) // b overruns by one second so far
		require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP leader_is_leader Whether the function runs and may go on.
# TYPE leader_is_leader gauge
leader_is_leader{candidate="a",election="service"} 1
leader_is_leader{candidate="b",election="service"} 0
# HELP leader_healthy Whether the runner does what it is there for, in touch with etcd.
# TYPE leader_healthy gauge
leader_healthy{candidate="a",election="service"} 1
leader_healthy{candidate="b",election="service"} 0
# HELP leader_queue_place The place in the queue: 1 for the leader, 0 out of the queue.
# TYPE leader_queue_place gauge
leader_queue_place{candidate="a",election="service"} 1
leader_queue_place{candidate="b",election="service"} 1
# HELP leader_overruns_total Functions that still ran after their term and margin were over.
# TYPE leader_overruns_total counter
leader_overruns_total{candidate="a",election="service"} 0
leader_overruns_total{candidate="b",election="service"} 1
# HELP leader_overrun_seconds_total For how long functions ran after their term and margin were over.
# TYPE leader_overrun_seconds_total counter
leader_overrun_seconds_total{candidate="a",election="service"} 0
leader_overrun_seconds_total{candidate="b",election="service"} 1
# HELP leader_errors_total Failures that the runner went on after.
# TYPE leader_errors_total counter
leader_errors_total{candidate="a",election="service"} 0
leader_errors_total{candidate="b",election="service"} 0
`), "leader_is_leader", "leader_healthy", "leader_queue_place", "leader_overruns_total", "leader_overrun_seconds_total", "leader_errors_total"))
		time.Sleep(time.Minute)

		counts := make(map[string]float64)
		families, err := reg.Gather()
		require.NoError(t, err)
		for _, f := range families {
			for _, m := range f.Metric {
				key := f.GetName()
				for _, l := range m.Label {
					if l.GetName() != "election" {
						key += " " + l.GetValue()
					}
				}
				switch {
				case m.Counter != nil:
					counts[key] = m.Counter.GetValue()
				case m.Gauge != nil:
					counts[key] = m.Gauge.GetValue()
				case m.Histogram != nil:
					counts[key] = float64(m.Histogram.GetSampleCount())
					last := uint64(0)
					for _, b := range m.Histogram.Bucket {
						require.GreaterOrEqual(t, b.GetCumulativeCount(), last, "%s", key)
						last = b.GetCumulativeCount()
					}
					require.LessOrEqual(t, last, m.Histogram.GetSampleCount())
				}
			}
		}
		require.EqualValues(t, 1, counts["leader_terms_total a stepped down"])
		require.EqualValues(t, 0, counts["leader_terms_total a stopped"])
		require.EqualValues(t, 1, counts["leader_terms_total b key deleted"])
		require.EqualValues(t, 2, counts["leader_wait_seconds a"])
		require.EqualValues(t, 1, counts["leader_term_duration_seconds a"])
		require.EqualValues(t, 1, counts["leader_term_duration_seconds b"])
		require.EqualValues(t, 2, counts["leader_candidates a"])
		require.EqualValues(t, 2, counts["leader_queue_place b"])
		require.EqualValues(t, 1, counts["leader_handover_gap_seconds a"])
		require.EqualValues(t, 1, counts["leader_handover_gap_seconds b"])
		require.Greater(t, counts["leader_renewal_latency_seconds a"], 30.0)
		require.Equal(t, counts["leader_renewal_latency_seconds a"], counts["leader_lease_left_at_renewal_seconds a"])
		require.Greater(t, counts["leader_lease_left_seconds a"], 5.0)

		c.Remove(b)
		n, err := testutil.GatherAndCount(reg, "leader_is_leader")
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

// TestDocumentation shows that the table in the package's documentation and the
// dashboard name the metrics that there are, and no others.
func TestDocumentation(t *testing.T) {
	twoRunners(t, func(t *testing.T, _ *etcdtest.Etcd, a, _ *leader.Runner) {
		reg := prometheus.NewPedanticRegistry()
		require.NoError(t, reg.Register(leaderprom.NewCollector(a)))
		families, err := reg.Gather()
		require.NoError(t, err)
		want := make(map[string]bool)
		for _, f := range families {
			want[f.GetName()] = true
		}

		doc, err := os.ReadFile("doc.go")
		require.NoError(t, err)
		documented := make(map[string]bool)
		for _, m := range regexp.MustCompile(`(?m)^//\t(leader_[a-z_]+)(?:\{reason\})? +(?:gauge|counter|histogram)`).FindAllStringSubmatch(string(doc), -1) {
			documented[m[1]] = true
		}
		require.Equal(t, want, documented)

		dashboard, err := os.ReadFile("../../docs/grafana-leader.json")
		require.NoError(t, err)
		require.True(t, json.Valid(dashboard))
		shown := make(map[string]bool)
		for _, m := range regexp.MustCompile(`\bleader_[a-z_]+`).FindAllString(string(dashboard), -1) {
			shown[strings.TrimSuffix(m, "_bucket")] = true
		}
		require.Equal(t, want, shown)
	})
}
