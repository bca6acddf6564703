package logging

import "fmt"

// Bounds of one query's aggregations.
const (
	// MemoryMaxDefault is what the aggregations and hits of one query may hold
	// in memory where it does not say, in bytes.
	MemoryMaxDefault = 256 << 20

	bucketsMax = 65_536 // returned, as Elasticsearch's search.max_buckets
	topHitsMax = 10_000 // hits of one TopHits
)

// aggBounds counts what one query holds.
type aggBounds struct {
	buckets         int
	bytes, bytesMax int64
	// passing says that documents are made of rows: their records do not stay.
	passing bool

	ended func() error // why nobody wants the answer any more; nil: it is wanted
	steps int          // since ended was asked
}

// step is called in what takes long beside rows, spend in what takes as long as n
// steps, of which each is below a microsecond; the error is that of ended.
func (b *aggBounds) step() error { return b.spend(1) }

func (b *aggBounds) spend(n int) error {
	if b.steps += n; b.steps < 2048 || b.ended == nil {
		return nil
	}
	b.steps = 0
	return b.ended()
}

func newBounds(bytesMax int64) *aggBounds {
	if bytesMax <= 0 {
		bytesMax = MemoryMaxDefault
	}
	return &aggBounds{bytesMax: bytesMax}
}

func (b *aggBounds) bucket() error {
	if b.buckets++; b.buckets > bucketsMax {
		return fmt.Errorf("%w: more than %d buckets: widen the interval, shorten the time range or ask for fewer terms", ErrQuery, bucketsMax)
	}
	return b.spend(16)
}

// hold takes memory for something of a field (negative: gives it back); what
// names it for the error.
func (b *aggBounds) hold(bytes int, what, field string) error {
	b.bytes += int64(bytes)
	if b.bytes <= b.bytesMax || bytes <= 0 {
		return nil
	}
	if field != "" {
		what = fmt.Sprintf("%s %q", what, field)
	}
	return fmt.Errorf("%w: %s: the query needs more than %d MiB of memory: narrow it or the time range", ErrQuery, what, (b.bytesMax+1<<20-1)>>20)
}

// Estimates of what things take in memory, with what the allocator and maps add.
const (
	groupBytes   = 64
	keyBytes     = 160 // of what is no string
	stringBytes  = 48  // and the string itself
	momentsBytes = 96
	sketchBytes  = 128 // without what it keeps
	hitBytes     = 512 // without the strings of its record
)
