package logging

// Rows is a run of documents in columns: what a column store hands to an
// Aggregator instead of single documents, some thousands at a time.
//
// A column tells what Doc.Values gives for a field, and is only there (ok)
// where every row has one value at most. Where a field's column is not there
// the Aggregator asks for documents. All answers stay as they are until the
// AddRows they are asked in returns, and are not changed by the Aggregator; it
// copies what it keeps. An Aggregator asks for a column at most once a call of
// AddRows for each aggregation, so Rows need to remember what they decoded only
// as far as several aggregations look at one field.
//
// Fields have plain names: "" and names with a * are never asked for. A field
// no row has is a Codes without values.
type Rows interface {
	// Len is the number of rows.
	Len() int
	// Doc gives a row as a document; it is valid until the next call.
	Doc(i int) (*Doc, error)
	// Codes gives a column of which values repeat. What terms, missing,
	// cardinality and value counts look for first.
	Codes(f Field) (Codes, bool, error)
	// Strings gives a column of strings that rarely repeat; one in every row.
	Strings(f Field) (Strings, bool, error)
	// Numbers gives a column of numbers, truth values or dates. What histograms
	// and metrics look for first.
	Numbers(f Field) (Numbers, bool, error)
	// Times gives a column of times; one in every row. It is asked for by
	// FieldTime and FieldReceived, and for fields whose values are all strings
	// that ParseTime reads, within the years 1680 to 2259.
	Times(f Field) (Times, bool, error)
	// Hashes gives HashValue of the value of every row, where that is cheaper
	// than the value; one in every row.
	Hashes(f Field) ([]uint64, bool, error)
	// Select appends to dst the rows of sel (nil: all) that match, ascending. For
	// the filters inside of aggregations.
	Select(dst []uint32, f Filter, sel []uint32) ([]uint32, bool, error)
}

// Codes is a column by dictionary. Row i has Values[Of[i]], or none where Of[i]
// is len(Values) or greater. With Of nil all rows are alike: they have
// Values[0], or none where there is none. Values are distinct.
type Codes struct {
	Of     []uint32
	Values []Value
}

// Strings is a column of strings: row i has Data[Off[i]:Off[i+1]].
type Strings struct {
	Off  []uint32 // one more than rows
	Data []byte
}

// Numbers is a column of numbers: what the values are as float64, dates in
// milliseconds since the epoch (Millis), truth values as 0 and 1.
type Numbers struct {
	Vals []float64 // NaN: the row has no value
	Date bool      // all are dates
	// Exact says that the values are numbers (not dates or truth values), and
	// that every integer among them is one below 2^53 or was written with a
	// fraction or an exponent: the values can be told apart by Vals.
	Exact bool
}

// Times is a column of times in nanoseconds since the epoch.
type Times struct {
	Nanos  []int64
	Sorted bool // ascending
	Text   bool // the values are strings: dates as a sender wrote them
}

// MinuteCounter is what Rows may be, too: they know how many of them lie in
// which minute without looking. It serves date histograms of FieldTime over
// all rows, with whole minutes as buckets, that have nothing inside or
// aggregations by fields that are alike in all rows.
type MinuteCounter interface {
	// MinuteCounts gives the rows of each minute of FieldTime, ascending, their
	// sum Len; ok is false where that is not known.
	MinuteCounts() (counts []MinuteCount, ok bool, err error)
}

// MinuteCount says how many rows there are in a minute.
type MinuteCount struct {
	Minute int64 // since the epoch, UTC
	Rows   int
}

// DistinctHasher is what Rows may be, too: they know the distinct values of a
// field better than row by row, in a sorted dictionary. It serves cardinalities
// over all rows.
type DistinctHasher interface {
	// DistinctHashes gives HashValue of every value of the field that is in one
	// of the rows, and no others; a hash may come more than once.
	DistinctHashes(f Field) (hashes []uint64, ok bool, err error)
}

// KeyedStrings is what Rows may be, too: they know strings of which there are many
// by their keys, and give the strings themselves when they are wanted.
type KeyedStrings interface {
	// Keyed gives a column of strings; one in every row.
	Keyed(f Field) (Keyed, bool, error)
}

// Keyed is a column of strings by a dictionary of their keys: row i has the string
// with Keys[Of[i]]. Keys are distinct. Unlike other columns it stays as it is for
// as long as the Aggregator.
type Keyed struct {
	Of   []uint16
	Keys []StringKey
	// Numbers are those of the strings in In, by code, Unnumbered where one has none;
	// nil where nobody numbers them.
	Numbers []uint32
	In      *Numbering
	// Value gives the string of a code. Those of one column are cheap one after
	// the other.
	Value func(code uint32) (string, error)
}
