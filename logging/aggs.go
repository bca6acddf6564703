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
		Missing     *Value
		Desc        bool
	}
	// Histogram groups by number: key = floor((v-Offset)/Interval)*Interval+Offset.
	Histogram struct {
		Field       Field
		Interval    float64
		Offset      float64
		MinDocs     int64
		ExtendedMin *float64
		ExtendedMax *float64
		Missing     *Value
	}
	// Terms groups by value, whole strings.
	Terms struct {
		Field   Field
		Size    int
		MinDocs int64
		Order   []TermsOrder // default: count descending, then key
		Missing *Value
		Include []string // exact keys; nil: all
		Exclude []string
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
		Percents []float64 // Percentiles
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
)

// TermsOrder is one key of the order of a Terms' buckets.
type TermsOrder struct {
	// By is "_count", "_key", or the name of a metric inside, with ".p" for one
	// number of several ("1.95.0", "1.std_deviation").
	By   string
	Desc bool
}

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
