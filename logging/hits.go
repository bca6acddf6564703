package logging

// A column store fills a Collector without documents: it finds the rows that
// match by itself and hands them over with AddRows (or only their number with
// AddCount), and offers as hits, with AddRef, those that Admits lets in:
//
//	err := c.AddRows(rows, sel)           // counted, aggregated
//	for each row of sel, in any order {
//		if c.HitsSettled(its time) { break } // where sorted by time
//		if c.Admits(keys, seq) { err = c.AddRef(keys, seq, load) }
//	}

// AddRows counts and aggregates rows that match the query, sel as in
// Aggregator.AddRows. Hits are offered apart from it, with AddRef.
func (c *Collector) AddRows(rows Rows, sel []uint32) error {
	n := len(sel)
	if sel == nil {
		n = rows.Len()
	}
	c.total += int64(n)
	if c.aggs == nil {
		return nil
	}
	return c.aggs.AddRows(rows, sel)
}

// AddCount counts n documents that match the query, which must not have aggregations.
func (c *Collector) AddCount(n int64) { c.total += n }

// Aggregates reports whether the query has aggregations: AddCount does not do.
func (c *Collector) Aggregates() bool { return c.aggs != nil }

// WantsHits reports whether any hits are asked for.
func (c *Collector) WantsHits() bool { return c.top.k > 0 }

// Counted reports whether counting has ended: more is not looked at.
func (c *Collector) Counted() bool {
	return c.q.TotalMax < 0 || c.q.TotalMax > 0 && c.total > int64(c.q.TotalMax)
}

// Admits reports whether a document with these sort values (one a key, as
// SortValues gives them) would be a hit as things stand: behind Query.After, and
// better than the worst one kept. It keeps nothing.
func (c *Collector) Admits(keys []Value, seq uint64) bool {
	if c.q.After != nil && CompareSort(c.q.Sort, keys, c.q.After) <= 0 {
		return false
	}
	return c.top.admits(keys, seq)
}

// Worst gives the sort values and the Seq of the worst hit kept, as soon as there
// are as many as asked for: what comes behind it is no hit. The caller must not
// change keys.
func (c *Collector) Worst() (keys []Value, seq uint64, ok bool) {
	if c.top.k == 0 || !c.top.full() {
		return nil, 0, false
	}
	return c.top.heap[0].keys, c.top.heap[0].seq, true
}

// AddRef offers a hit that is already counted. load is called by Result, and
// only where the hit is among those returned; the record it gives is the
// result's. keys is copied with its strings.
func (c *Collector) AddRef(keys []Value, seq uint64, load func() (*Record, error)) error {
	if !c.Admits(keys, seq) {
		return nil
	}
	return c.keep(ranked{keys: cloneKeys(keys), seq: seq, load: load})
}
