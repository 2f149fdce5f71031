// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package house

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency/leader"
	"github.com/seed-da5263fb/concurrency/leader/leaderprom"
)

const operationsPage = "docs/operations.md"

// What is asked at night is looked up by name: each name that a metric, a log line or an error shows has to be there,
// and none that nothing shows.
func TestTheOperationsPage(t *testing.T) {
	r := openRepository(t)
	text := r.read(t, operationsPage)

	t.Run("NamesEveryMetricAndNoOther", func(t *testing.T) {
		require.ElementsMatch(t, metricNames(t), namedMetrics(text))
	})
	t.Run("SaysOfEveryReasonWhatToDo", func(t *testing.T) {
		for _, reason := range leader.Reasons() {
			require.Regexp(t, "(?m)^\\| `"+regexp.QuoteMeta(string(reason))+"` \\| (yes|no) \\| .", text)
		}
	})
	t.Run("SaysWhichReasonsAreLosses", func(t *testing.T) {
		for _, reason := range leader.Reasons() {
			lost := "no"
			if reason.Lost() {
				lost = "yes"
			}
			require.Contains(t, text, "| `"+string(reason)+"` | "+lost+" |")
		}
	})
	t.Run("NamesEveryExportedError", func(t *testing.T) {
		for file, qualifier := range map[string]string{"errors.go": "", "leader/cause.go": "leader."} {
			names := errorNames(r.read(t, file))
			require.NotEmpty(t, names)
			for _, name := range names {
				require.Contains(t, text, "`"+qualifier+name+"`")
			}
		}
	})
}

// metricNames returns the names that a scrape shows, of histograms without what is put behind them.
func metricNames(t *testing.T) []string {
	t.Helper()
	descs := make(chan *prometheus.Desc, 100)
	leaderprom.NewCollector().Describe(descs)
	close(descs)
	var names []string
	for d := range descs {
		m := regexp.MustCompile(`fqName: "(\w+)"`).FindStringSubmatch(d.String())
		require.NotNil(t, m, d)
		names = append(names, m[1])
	}
	require.NotEmpty(t, names)
	return names
}

// namedMetrics returns each metric that a text names, once.
func namedMetrics(text string) []string {
	names := regexp.MustCompile(`\bleader_\w+`).FindAllString(text, -1)
	for i := range names {
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			names[i] = strings.TrimSuffix(names[i], suffix)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// errorNames returns the exported errors that a file declares, one a line.
func errorNames(code string) []string {
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^\t(Err\w+) += errors\.New\(`).FindAllStringSubmatch(code, -1) {
		names = append(names, m[1])
	}
	return names
}
