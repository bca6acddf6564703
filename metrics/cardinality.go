package metrics

// Cardinality tells what a scope's active series consist of.
type Cardinality struct {
	Series     int // active series
	LabelPairs int // distinct pairs of label name and value, summed over databases
	// Of the active series' samples; zero without any.
	MinTimeMillis, MaxTimeMillis int64

	// The most frequent, the most frequent first.
	SeriesByMetric    []Count // series by metric name
	ValuesByLabel     []Count // distinct values by label name
	BytesByLabel      []Count // bytes of those values by label name
	SeriesByLabelPair []Count // series by "name=value"
}

// Count is a number of something that has a name.
type Count struct {
	Name string
	N    uint64
}
