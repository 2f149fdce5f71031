// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package house

import (
	"path"
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
	t.Run("SaysOfEveryReasonWhetherItIsALossAndWhatToDo", func(t *testing.T) {
		for _, reason := range leader.Reasons() {
			lost := "no"
			if reason.Lost() {
				lost = "yes"
			}
			require.Regexp(t, "(?m)^\\| `"+regexp.QuoteMeta(string(reason))+"` \\| "+lost+" \\| .", text)
		}
	})
	t.Run("NamesEveryExportedErrorAndNoOther", func(t *testing.T) {
		var names []string
		for _, file := range r.named(".go") {
			switch dir := path.Dir(file); {
			case strings.HasSuffix(file, "_test.go"):
			case dir == ".":
				names = append(names, errorNames("", r.read(t, file))...)
			case dir == "leader":
				names = append(names, errorNames("leader.", r.read(t, file))...)
			}
		}
		require.Greater(t, len(names), 10)
		named := regexp.MustCompile("(?m)`((?:\\w+\\.)?Err[A-Z]\\w+)`").FindAllStringSubmatch(text, -1)
		var found []string
		for _, m := range named {
			found = append(found, m[1])
		}
		slices.Sort(found)
		require.ElementsMatch(t, names, slices.Compact(found))
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

// errorNames returns the exported errors that a file declares, one a line, with what a caller writes before them.
func errorNames(qualifier, code string) []string {
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^(?:\t|var )(Err[A-Z]\w+) += errors\.New\(`).FindAllStringSubmatch(code, -1) {
		names = append(names, qualifier+m[1])
	}
	return names
}
