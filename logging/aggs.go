package logging

import "time"

type (
	// DateHistogram groups by time. Exactly one of Fixed and Calendar is set.
	// Keys are KindTime, at the start of the bucket.
	DateHistogram struct {
		Field    Field
		Fixed    time.Duration
		Calendar Calendar
		Zone     *time.Location // nil: UTC
		Offset   time.Duration
		// MinDocs 0 returns empty buckets between the first and the last one,
		// and between the Extended bounds where they are set (inclusive).
		MinDocs     int64
		ExtendedMin *time.Time
		ExtendedMax *time.Time
		// HardMin and HardMax leave out buckets: those that start before the one
		// of HardMin, and from the one of HardMax on.
		HardMin, HardMax *time.Time
		Missing          *Value
		Desc             bool
	}
	// Histogram groups by number: key = floor((v-Offset)/Interval)*Interval+Offset.
	Histogram struct {
		Field       Field
		Interval    float64
		Offset      float64
		MinDocs     int64
		ExtendedMin *float64
		ExtendedMax *float64
		// HardMin and HardMax leave out buckets whose key is not between them
		// (inclusive).
		HardMin, HardMax *float64
		Missing          *Value
	}
	// Terms groups by value, whole strings.
	Terms struct {
		Field Field
		Size  int
		// MinDocs 0 returns empty buckets, too: of terms that are in other
		// buckets around, see Aggregator.
		MinDocs int64
		Order   []TermsOrder // default: count descending, then key
		Missing *Value
		Include []string // exact keys; nil: all
		Exclude []string
		// Regular expressions (see NewRegexp) that keys must fit and must not fit;
		// "" is none.
		IncludePattern, ExcludePattern string
	}
	// Composite groups by the values of several sources at once. A document with
	// several values counts once for every combination of them, also where they
	// lie in one bucket of a histogram. Buckets come in the order of the
	// sources' values, the first Size of them; their Keys have one value a source,
	// times in whole milliseconds.
	Composite struct {
		Sources []CompositeSource
		Size    int
		// After continues behind the bucket with these Keys; nil: from the first.
		After []Value
	}
	// GeohashGrid groups points by the cells of a grid; keys are geohashes. A point
	// is a string ("lat,lon" or "POINT (lon lat)"), an object of the numbers lat
	// and lon, or an array of the numbers lon and lat.
	GeohashGrid struct {
		Field     Field
		Precision int // characters of a geohash, 1 to 12
		Size      int
		Within    *GeoBox // nil: everywhere
	}
	// Filters groups by named filters, in order.
	Filters struct{ Of []NamedFilter }
	// FilterAgg is one group.
	FilterAgg struct{ Filter Filter }
	// MissingAgg is the group of the documents without the field.
	MissingAgg struct{ Field Field }

	// Metric computes one number (or Stats, Percentiles) of a field's values.
	Metric struct {
		Field    Field
		Kind     MetricKind
		Percents []float64 // Percentiles; of PercentileRanks the values
		Missing  *Value
	}
	// TopHits returns the first documents of the bucket.
	TopHits struct {
		Sort   []SortKey
		Offset int
		Limit  int
	}
)

// Calendar is a calendar unit of a DateHistogram.
type Calendar uint8

// The units. Weeks begin on Monday.
const (
	_ Calendar = iota
	Minute
	Hour
	Day
	Week
	Month
	Quarter
	Year
)

// MetricKind tells what a Metric computes.
type MetricKind uint8

// The kinds. ExtendedStats fills Stats, and so does StatsMetric.
const (
	_ MetricKind = iota
	Avg
	Sum
	Min
	Max
	ValueCount
	Cardinality
	StatsMetric
	ExtendedStats
	Percentiles
	// PercentileRanks tells of values which percent of all values lie below;
	// those equal to it count half.
	PercentileRanks
)

// TermsOrder is one key of the order of a Terms' buckets.
type TermsOrder struct {
	// By is "_count", "_key", or the name of a metric inside, with ".p" for one
	// number of several ("1.95.0", "1.std_deviation").
	By   string
	Desc bool
}

// CompositeSource is what a Composite groups by.
type CompositeSource struct {
	// Of is a Terms, Histogram or DateHistogram, of which only the field and what
	// says where buckets lie count.
	Of   Aggregation
	Desc bool
	// Missing makes documents without the field count, with a Missing value as
	// key, which comes first in ascending order and last in descending, unless
	// MissingOrder says otherwise.
	Missing      bool
	MissingOrder MissingOrder
}

// MissingOrder is where documents without a field go.
type MissingOrder uint8

// The orders.
const (
	MissingDefault MissingOrder = iota
	MissingFirst
	MissingLast
)

// GeoBox is an area between degrees, its edges inclusive. One whose Left is
// greater than its Right lies across the date line.
type GeoBox struct{ Top, Left, Bottom, Right float64 }

// NamedFilter is one bucket of Filters.
type NamedFilter struct {
	Name   string
	Filter Filter
}

func (DateHistogram) aggregation() {}
func (Histogram) aggregation()     {}
func (Terms) aggregation()         {}
func (Filters) aggregation()       {}
func (FilterAgg) aggregation()     {}
func (MissingAgg) aggregation()    {}
func (Metric) aggregation()        {}
func (TopHits) aggregation()       {}
func (Composite) aggregation()     {}
func (GeohashGrid) aggregation()   {}
