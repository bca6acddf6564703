package tsdb

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	promtsdb "github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/tombstones"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/oriel-project/oriel/tenant"
)

// spanOf gives the milliseconds t for which a sample at t lies in [from, to).
// A zero time is no bound. ok is false where there are none.
func spanOf(from, to time.Time) (s tombstones.Interval, ok bool) {
	s = tombstones.Interval{Mint: math.MinInt64, Maxt: math.MaxInt64}
	if !from.IsZero() {
		s.Mint = ceilMillis(from)
	}
	if !to.IsZero() {
		s.Maxt = ceilMillis(to) - 1
	}
	return s, s.Mint <= s.Maxt
}

func ceilMillis(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}

func covers(spans tombstones.Intervals, t int64) bool {
	for _, one := range spans {
		if one.InBounds(t) {
			return true
		}
	}
	return false
}

// sealed are the spans of each cluster and namespace whose samples must not show.
type sealed map[[2]string]tombstones.Intervals

// sealedOf gives nil where nothing is sealed, which is nearly always.
func sealedOf(lives []tenant.Life) sealed {
	if len(lives) == 0 {
		return nil
	}
	out := sealed{}
	for _, l := range lives {
		k := [2]string{l.Cluster, l.Namespace}
		if s, ok := spanOf(l.From, l.To); ok {
			out[k] = out[k].Add(s)
		}
	}
	return out
}

func (s sealed) of(ls labels.Labels) tombstones.Intervals {
	if s == nil {
		return nil
	}
	return s[[2]string{ls.Get("cluster"), ls.Get("namespace")}]
}

// unsealedQuerier leaves out sealed samples, the series that have no others in
// its range, and the label names and values that only such series have.
type unsealedQuerier struct {
	storage.Querier
	lives      sealed
	mint, maxt int64
}

func (q *unsealedQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	if hints != nil && (hints.Func == "series" || hints.Limit > 0) {
		// "series" spares the engine the chunks, but which series show depends on
		// their samples; and a limit must count what shows.
		h := *hints
		h.Limit = 0
		if h.Func == "series" {
			h.Func = ""
		}
		hints = &h
	}
	return &unsealedSet{SeriesSet: q.Querier.Select(ctx, sorted, hints, ms...), lives: q.lives}
}

func (q *unsealedQuerier) LabelValues(ctx context.Context, name string, h *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.collect(ctx, h, ms, func(ls labels.Labels, seen map[string]struct{}) {
		if v := ls.Get(name); v != "" {
			seen[v] = struct{}{}
		}
	})
}

func (q *unsealedQuerier) LabelNames(ctx context.Context, h *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.collect(ctx, h, ms, func(ls labels.Labels, seen map[string]struct{}) {
		ls.Range(func(l labels.Label) { seen[l.Name] = struct{}{} })
	})
}

// collect walks over the series that show: slower than the index, needed only
// while something is sealed.
func (q *unsealedQuerier) collect(ctx context.Context, h *storage.LabelHints, ms []*labels.Matcher, add func(labels.Labels, map[string]struct{})) ([]string, annotations.Annotations, error) {
	if len(ms) == 0 {
		ms = []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".*")}
	}
	seen := map[string]struct{}{}
	set := q.Select(ctx, false, &storage.SelectHints{Start: q.mint, End: q.maxt}, slices.Clone(ms)...)
	for set.Next() {
		add(set.At().Labels(), seen)
		if h.AllowsEarlyStop() && len(seen) >= h.Limit {
			break
		}
	}
	if err := set.Err(); err != nil {
		return nil, set.Warnings(), err
	}
	out := slices.Sorted(maps.Keys(seen))
	if h != nil && h.Limit > 0 && len(out) > h.Limit {
		out = out[:h.Limit]
	}
	return out, set.Warnings(), nil
}

type unsealedSet struct {
	storage.SeriesSet
	lives sealed
	at    storage.Series
}

func (s *unsealedSet) Next() bool {
	for s.SeriesSet.Next() {
		s.at = s.SeriesSet.At()
		spans := s.lives.of(s.at.Labels())
		if spans == nil {
			return true
		}
		s.at = unsealedSeries{s.at, spans}
		it := s.at.Iterator(nil)
		if it.Next() != chunkenc.ValNone || it.Err() != nil {
			return true // an error shows when the series is read
		}
	}
	return false
}

func (s *unsealedSet) At() storage.Series { return s.at }

type unsealedSeries struct {
	storage.Series
	spans tombstones.Intervals
}

func (s unsealedSeries) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	if u, ok := it.(*promtsdb.DeletedIterator); ok {
		it = u.Iter
	}
	return &promtsdb.DeletedIterator{Iter: s.Series.Iterator(it), Intervals: s.spans}
}
