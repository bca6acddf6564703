// Package logging holds the words of the log side: a Record and how it comes to
// be (Stamp), a Query with its Filter and Aggregations, a Result, and the
// interfaces between those who take records in (Appender), those who keep them
// (the stores) and those who look for them (Searcher, View).
//
// What a Filter means is its Match method, what a field holds is Doc; stores
// may be faster than that, not different.
package logging

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"

	"github.com/oriel-project/oriel/tenant"
)

// Record is one log record as it is stored. The strings and Source belong to
// the record and are not changed after Append.
type Record struct {
	Tenant   tenant.ID // whose it is; decided by Stamp from the write scope
	Index    string    // concrete index: logs-{cluster}-{namespace}, or the name the sender gave under a tenant's credential
	ID       string    // given by the sender, else derived from Seq by the store
	Seq      uint64    // durable position, given by the store: from 1, below 2^53, never reused, stable over merges and restarts
	Time     time.Time // event time, UTC, nanoseconds
	Received time.Time // receipt, UTC, kept to the millisecond
	Original string    // the sender's timestamp where Time was clamped to Received, else ""

	Cluster, Region, Cloud, Namespace, Pod, Container, Node string
	Level                                                   string // normalised: trace debug info warn error fatal; "" where unknown
	Stream                                                  string
	Message                                                 string
	// Piece is what the document says of a line that its container's runtime cut;
	// decided by Stamp, and not stored.
	Piece Piece

	// Source is the sender's document: one JSON object, returned JSON-equal.
	Source []byte
}

// Batch is what one sender handed over in one piece.
type Batch struct {
	Records []Record
	// Key makes the batch idempotent: a batch with a key that was stored within
	// the last 24 h (restarts included) is answered Duplicate for every item that
	// is not refused, and not stored again. "" means at least once. See BatchKey.
	Key string
	// OnWait, where set, is called by Append, at most once, before it waits for other
	// batches: for the rest of what this one ends within, or for those before it. Who
	// gets one batch behind the other goes on with the next one then.
	OnWait func()
}

// ItemStatus is what became of one record.
type ItemStatus uint8

// The statuses. The zero value is not one of them.
const (
	_         ItemStatus = iota
	Stored               // durable as configured (fsynced with durability sync)
	Duplicate            // was there before: by batch key, or by given id
	Refused              // not stored; Reason says why
)

// ItemResult is the answer for one record, in the batch's order.
type ItemResult struct {
	Status ItemStatus
	Seq    uint64 // where Stored; where Duplicate by id, the one that is there
	ID     string // given or derived
	Reason string // where Refused
}

// Appender takes records in. Safe for concurrent use.
//
// With a nil error every item has a result, and every Stored one is durable.
// With an error nothing of the batch is stored or it is not known: the sender
// must hand it over again (that is what Batch.Key is for). ErrUnavailable (disk
// full, closing) and ErrTooMuch (quota) are temporary. The store decides nothing
// about ownership, but refuses a record whose Tenant the scope may not write.
// Records and their bytes must not be changed after the call.
type Appender interface {
	Append(ctx context.Context, w tenant.Write, b Batch) ([]ItemResult, error)
}

// Repeater tells a record that comes again from another one under its id. Safe
// for concurrent use.
type Repeater interface {
	// Repeats reports of each record, which have ids, whether the one that shows
	// under its tenant, index and id has an equal document (see EqualSources).
	// Of a record that the scope may not write it says false.
	Repeats(ctx context.Context, w tenant.Write, recs []Record) ([]bool, error)
}

// Searcher gives views and the live tail. Safe for concurrent use.
type Searcher interface {
	// Snapshot gives one consistent moment of what the scope may read: a search,
	// a scroll or a point in time. Close it.
	Snapshot(ctx context.Context, r tenant.Read) (View, error)
	// Tail yields matching records as they become durable, from the call on,
	// until ctx ends. A consumer that falls too far behind gets ErrLagging.
	Tail(ctx context.Context, r tenant.Read, f Filter) iter.Seq2[Record, error]
}

// View is one consistent moment of a scope's records. Safe for concurrent use.
// Sealed namespaces and what is past its retention do not show.
type View interface {
	// Indices lists the concrete indices with records in the view, by name.
	Indices(ctx context.Context) ([]IndexInfo, error)
	// Fields lists the searchable fields of the named indices (nil: all), by
	// name, with every type seen. It may look at a bounded number of records, the newest.
	Fields(ctx context.Context, indices []string) ([]FieldInfo, error)
	// Search runs a query. The error wraps ErrQuery where the query is at fault.
	Search(ctx context.Context, q Query) (*Result, error)
	// Get looks a record up by index and id.
	Get(ctx context.Context, index, id string) (Record, bool, error)
	Close() error
}

// Store is everything an engine does.
type Store interface {
	Appender
	Searcher
	Close() error
}

// Errors that callers branch on.
var (
	ErrUnavailable = errors.New("log store is unavailable for now") // 503
	ErrTooMuch     = errors.New("quota exceeded")                   // 429: nothing of the request was taken
	ErrQuery       = errors.New("bad query")                        // 400
	ErrLagging     = errors.New("reader fell behind")
)

// IndexInfo describes a concrete index of a view.
type IndexInfo struct {
	Name  string
	Docs  int64
	Bytes int64 // of sources
}

// FieldInfo names a searchable field (dotted; without ".keyword" twins) and the
// types seen in it, ordered.
type FieldInfo struct {
	Name  string
	Types []FieldType
}

// FieldType is how values of a field are compared.
type FieldType uint8

// The types.
const (
	_       FieldType = iota
	Keyword           // exact strings: the stamped names
	Text              // analysed strings, with an exact twin under ".keyword"
	Long              // integers
	Double
	Bool
	Date
)

// Query asks one view. The zero Query matches everything and returns no hits.
type Query struct {
	Indices []string // concrete names; nil: all of the scope
	Filter  Filter   // nil: All
	Sort    []SortKey
	// After continues behind the hit whose Sort values these are; as many as Sort has.
	After  []Value
	Offset int
	Limit  int // hits to return
	// TotalMax bounds the counting of hits: 0 exact, n > 0 stops at n, n < 0
	// does not count.
	TotalMax int
	Aggs     []Agg
	// MemoryMax bounds what the aggregations and hits of the query hold in
	// memory, in bytes as estimated; 0 is MemoryMaxDefault. A query that needs
	// more fails with ErrQuery.
	MemoryMax int64
	// Timeout ends the search after that time with what was found until then
	// (Result.TimedOut); 0 does not. It is for who would rather have a part than an
	// error, which ctx gives; a store may know nothing but the whole.
	Timeout time.Duration
}

// SortKey orders hits. A store adds (Seq ascending) at the end where no key is
// FieldSeq, so that the order is total.
type SortKey struct {
	Field        Field
	Desc         bool
	MissingFirst bool // where hits without the field go
}

// FieldSeq is the sort field that means the durable position (_doc, _shard_doc).
const FieldSeq = "_seq"

// FieldTime and FieldReceived are the names of the time fields: dates, compared
// by nanosecond.
const (
	FieldTime     = "@timestamp"
	FieldReceived = "@received"
)

// Hit is one record found. Sort holds one value a key of the query, then
// nothing: the tie-breaker is only there if it was asked for.
type Hit struct {
	Record Record
	Sort   []Value
}

// Result answers a Query.
type Result struct {
	Hits         []Hit
	Total        int64 // -1 where not counted
	TotalAtLeast bool  // counting stopped at TotalMax
	TimedOut     bool  // Query.Timeout passed: it is of a part of the records
	Aggs         map[string]AggResult
}

// Agg is a named aggregation with aggregations inside each of its buckets.
type Agg struct {
	Name string
	Of   Aggregation
	Sub  []Agg
	Meta json.RawMessage // handed back as it came
}

// Aggregation is one of the types of aggs.go: closed, like Filter.
type Aggregation interface{ aggregation() }

// AggResult is the answer of one aggregation: Buckets for those that make
// buckets, else Value or one of the structures.
type AggResult struct {
	Buckets     []Bucket // nil for metrics
	OtherDocs   int64    // Terms: documents in buckets not returned
	DocCount    int64    // single-bucket aggregations (Missing, Filter): their documents
	Sub         map[string]AggResult
	Value       *float64 // Avg Sum Min Max ValueCount Cardinality; nil: no value
	ValueIsDate bool     // the value is milliseconds since the epoch
	Stats       *Stats
	Percentiles []Percentile // in the order asked for
	Ranks       bool         // Percentiles are PercentileRanks
	Hits        []Hit        // TopHits, TopMetrics
}

// Bucket is one group of documents.
type Bucket struct {
	Key      Value
	Keys     []Value // Composite: one a source, Missing where it has none
	Name     string  // Filters: the filter's name
	DocCount int64
	Sub      map[string]AggResult
}

// Stats are the moments of the values of a field. With Count 0 the others mean nothing.
type Stats struct {
	Count                   int64
	Sum, Min, Max, SumOfSqr float64
	IsDate                  bool
}

// Percentile is one of the asked for. What was computed (Value of Percentiles,
// Percent of PercentileRanks) is NaN where there are no values.
type Percentile struct{ Percent, Value float64 }
