package tsdb

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/index"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

// countedMin is how many names are counted at least: which of several equal ones
// the engine gives is chance, and over several databases a name must be among
// the first in each.
const countedMin = 100

// Cardinality counts the active series of the scope and gives the limit most
// frequent names of each kind. Over several databases it is exact as far as each
// of them has a name among its own limit most frequent ones. What is sealed is
// not counted. The engine remembers its counts for 30 seconds.
func (s *Store) Cardinality(ctx context.Context, r tenant.Read, limit int) (metrics.Cardinality, error) {
	dbs, err := s.readable(r, math.MaxInt64, math.MaxInt64) // idle ones have no active series
	if err != nil {
		return metrics.Cardinality{}, err
	}
	defer releaseAll(dbs)
	c := tally{}
	for _, db := range dbs {
		if err := ctx.Err(); err != nil {
			return metrics.Cardinality{}, err
		}
		head := db.db.Head()
		if head.NumSeries() == 0 {
			continue
		}
		if lives := sealedOf(r.Sealed(db.id)); lives != nil {
			if err := c.walk(ctx, db, lives); err != nil {
				return metrics.Cardinality{}, err
			}
		} else {
			st := head.Stats(model.MetricNameLabel, max(limit, countedMin))
			c.series += int(st.NumSeries)
			c.pairs += st.IndexPostingStats.NumLabelPairs
			c.byMetric.add(st.IndexPostingStats.CardinalityMetricsStats)
			c.values.add(st.IndexPostingStats.CardinalityLabelStats)
			c.bytes.add(st.IndexPostingStats.LabelValueStats)
			c.byPair.add(st.IndexPostingStats.LabelValuePairsStats)
		}
		if mint, maxt := head.MinTime(), head.MaxTime(); mint != math.MaxInt64 && maxt != math.MinInt64 {
			if c.maxt == 0 || mint < c.mint {
				c.mint = mint
			}
			c.maxt = max(c.maxt, maxt)
		}
	}
	return metrics.Cardinality{
		Series: c.series, LabelPairs: c.pairs, MinTimeMillis: c.mint, MaxTimeMillis: c.maxt,
		SeriesByMetric: c.byMetric.top(limit), ValuesByLabel: c.values.top(limit), BytesByLabel: c.bytes.top(limit), SeriesByLabelPair: c.byPair.top(limit),
	}, nil
}

type tally struct {
	series, pairs                   int
	mint, maxt                      int64
	byMetric, values, bytes, byPair counts
}

type counts map[string]uint64

func (c *counts) inc(name string, n uint64) {
	if *c == nil {
		*c = counts{}
	}
	(*c)[name] += n
}

func (c *counts) add(stats []index.Stat) {
	for _, st := range stats {
		c.inc(st.Name, st.Count)
	}
}

func (c counts) top(n int) []metrics.Count {
	out := make([]metrics.Count, 0, len(c))
	for name, v := range c {
		out = append(out, metrics.Count{Name: name, N: v})
	}
	slices.SortFunc(out, func(x, y metrics.Count) int { return cmp.Or(cmp.Compare(y.N, x.N), cmp.Compare(x.Name, y.Name)) })
	return slices.Clip(out[:min(n, len(out))])
}

// walk counts the series of a database that show, one by one: slower than the
// index's own counts, needed only while something is sealed.
func (c *tally) walk(ctx context.Context, db *database, lives sealed) error {
	head := db.db.Head()
	mint, maxt := head.MinTime(), head.MaxTime()
	one, err := db.db.Querier(mint, maxt)
	if err != nil {
		return err
	}
	defer one.Close()
	q := &unsealedQuerier{Querier: one, lives: lives, mint: mint, maxt: maxt}
	set := q.Select(ctx, false, &storage.SelectHints{Start: mint, End: maxt}, labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".*"))
	seen := map[labels.Label]struct{}{}
	for set.Next() {
		c.series++
		set.At().Labels().Range(func(l labels.Label) {
			l = labels.Label{Name: strings.Clone(l.Name), Value: strings.Clone(l.Value)}
			if l.Name == model.MetricNameLabel {
				c.byMetric.inc(l.Value, 1)
			}
			c.byPair.inc(l.Name+"="+l.Value, 1)
			if _, ok := seen[l]; !ok {
				seen[l] = struct{}{}
				c.pairs++
				c.values.inc(l.Name, 1)
				c.bytes.inc(l.Name, uint64(len(l.Value)))
			}
		})
	}
	return set.Err()
}
