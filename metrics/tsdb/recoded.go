package tsdb

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// recodedQuerier gives chunks to who reads remotely. The chunks of the store hold
// start timestamps, in encodings that few readers know yet: samples are encoded
// anew, without them, in those that every reader of chunks knows.
type recodedQuerier struct{ storage.Querier }

func (q recodedQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.ChunkSeriesSet {
	return storage.NewSeriesSetToChunkSet(startlessSet{q.Querier.Select(ctx, sorted, hints, ms...)})
}

type startlessSet struct{ storage.SeriesSet }

func (s startlessSet) At() storage.Series { return startlessSeries{s.SeriesSet.At()} }

type startlessSeries struct{ storage.Series }

func (s startlessSeries) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	if of, ok := it.(startless); ok {
		it = of.Iterator
	}
	return startless{s.Series.Iterator(it)}
}

type startless struct{ chunkenc.Iterator }

func (startless) AtST() int64 { return 0 }
