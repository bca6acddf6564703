package metrics

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// Names gives the names of the metrics that have samples between the two times,
// both inclusive, in order. The caller owns them.
func Names(ctx context.Context, q Queryable, from, to time.Time) ([]string, error) {
	querier, err := q.Querier(from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("names of metrics: %w", err)
	}
	defer querier.Close()
	names, _, err := querier.LabelValues(ctx, model.MetricNameLabel, nil)
	if err != nil {
		return nil, fmt.Errorf("names of metrics: %w", err)
	}
	return slices.Clone(names), nil
}

// Shape is what some series of one metric tell.
type Shape struct {
	Labels map[string]int // the number of values seen of each label
	Native bool           // the samples are native histograms
}

// ShapeSeriesMax is how many series of a metric ShapeOf looks at.
const ShapeSeriesMax = 200

// ShapeOf looks at some of a metric's series between the two times. A metric
// without series has a Shape without labels.
func ShapeOf(ctx context.Context, q Queryable, from, to time.Time, name string) (Shape, error) {
	querier, err := q.Querier(from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return Shape{}, fmt.Errorf("series of metric %s: %w", name, err)
	}
	defer querier.Close()
	hints := &storage.SelectHints{Start: from.UnixMilli(), End: to.UnixMilli(), Limit: ShapeSeriesMax}
	set := querier.Select(ctx, false, hints, labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, name))
	values := map[string]map[string]bool{}
	native := false
	for i := 0; i < ShapeSeriesMax && set.Next(); i++ {
		s := set.At()
		s.Labels().Range(func(l labels.Label) {
			if values[l.Name] == nil {
				values[l.Name] = map[string]bool{}
			}
			values[l.Name][l.Value] = true
		})
		if i == 0 { // a metric is one thing or the other
			kind := s.Iterator(nil).Next()
			native = kind == chunkenc.ValHistogram || kind == chunkenc.ValFloatHistogram
		}
	}
	if err := set.Err(); err != nil {
		return Shape{}, fmt.Errorf("series of metric %s: %w", name, err)
	}
	out := Shape{Labels: map[string]int{}, Native: native}
	for l, vs := range values {
		out.Labels[l] = len(vs)
	}
	return out, nil
}
