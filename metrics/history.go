package metrics

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// History is what one series of plain numbers went through.
type History struct {
	Name   string
	Labels map[string]string // without the name
	Steps  []Step            // at least one, in the order of time
	Last   time.Time         // of its newest sample
	Ended  bool              // its scraper said so; it did not just fall silent
}

// Step is a value that a series took.
type Step struct {
	At    time.Time // of the first sample with it
	Value float64
}

// HistorySeriesMax bounds how many series Histories looks at.
const HistorySeriesMax = 10_000

// Histories gives the series of the metrics between the two times, both
// inclusive: their first value, and each time that it changed. Only the first
// HistorySeriesMax series are looked at.
func Histories(ctx context.Context, q Queryable, from, to time.Time, names ...string) ([]History, error) {
	querier, err := q.Querier(from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("histories of series: %w", err)
	}
	defer querier.Close()
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = regexp.QuoteMeta(n)
	}
	matcher, err := labels.NewMatcher(labels.MatchRegexp, model.MetricNameLabel, strings.Join(quoted, "|"))
	if err != nil {
		return nil, fmt.Errorf("histories of series: %w", err)
	}
	hints := &storage.SelectHints{Start: from.UnixMilli(), End: to.UnixMilli(), Limit: HistorySeriesMax}
	set := querier.Select(ctx, false, hints, matcher)
	var out []History
	var it chunkenc.Iterator
	for len(out) < HistorySeriesMax && set.Next() {
		s := set.At()
		h := History{Labels: s.Labels().Map()}
		h.Name = h.Labels[model.MetricNameLabel]
		delete(h.Labels, model.MetricNameLabel)
		it = s.Iterator(it)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			if kind != chunkenc.ValFloat {
				continue
			}
			t, v := it.At()
			if h.Ended = value.IsStaleNaN(v); h.Ended {
				continue
			}
			h.Last = time.UnixMilli(t)
			if n := len(h.Steps); n == 0 || h.Steps[n-1].Value != v {
				h.Steps = append(h.Steps, Step{h.Last, v})
			}
		}
		if err := it.Err(); err != nil {
			return nil, fmt.Errorf("samples of %s: %w", h.Name, err)
		}
		if len(h.Steps) > 0 {
			out = append(out, h)
		}
	}
	if err := set.Err(); err != nil {
		return nil, fmt.Errorf("histories of series: %w", err)
	}
	slices.SortStableFunc(out, func(a, b History) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
