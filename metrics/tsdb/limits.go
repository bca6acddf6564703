package tsdb

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promtsdb "github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

const (
	labelNameBytesMax = 1 << 10
	offenders         = 3 // metrics that a full tenant is told of
)

// seriesLimit looks at every series before it is made: it refuses those of a
// tenant that has enough of them, and those with too many or too long labels.
// Series that were there when the database was opened are always let in.
type seriesLimit struct {
	id   tenant.ID
	opts *Options
	head atomic.Pointer[promtsdb.Head] // nil until opened
}

func (l *seriesLimit) PreCreation(ls labels.Labels) error {
	head := l.head.Load()
	if head == nil {
		return nil
	}
	if err := l.labels(ls); err != nil {
		return err
	}
	if l.opts.SeriesMax == nil {
		return nil
	}
	n := l.opts.SeriesMax(l.id)
	if n <= 0 || head.NumSeries() < uint64(n) {
		return nil
	}
	return &metrics.LimitError{Reason: "series_limit", Most: func() string { return top(head) }, Text: func() string {
		return fmt.Sprintf("the tenant has the %d active series that it may have (limits.series, or series= in the annotation oriel/limits): drop labels with many values, or ask for more", n)
	}}
}

// top names the metrics with the most series. The engine remembers the count
// for 30 seconds.
func top(head *promtsdb.Head) string {
	var out []string
	for _, st := range head.PostingsCardinalityStats(model.MetricNameLabel, offenders).CardinalityMetricsStats {
		out = append(out, fmt.Sprintf("%s (%d)", st.Name, st.Count))
	}
	return strings.Join(out, ", ")
}

func (l *seriesLimit) labels(ls labels.Labels) (err error) {
	if n := l.opts.LabelsMax; n > 0 && ls.Len() > n {
		return labelLimit("the series has %d labels; limits.labels allows %d: drop some", ls.Len(), n)
	}
	ls.Range(func(one labels.Label) {
		n := l.opts.LabelValueBytesMax
		switch {
		case err != nil:
		case len(one.Name) > labelNameBytesMax:
			err = labelLimit("the name of the label %.60s... has %d bytes; %d are the most: shorten it", one.Name, len(one.Name), labelNameBytesMax)
		case n > 0 && len(one.Value) > n:
			err = labelLimit("the value of the label %s has %d bytes; limits.label_length allows %d: shorten it", one.Name, len(one.Value), n)
		}
	})
	return err
}

func labelLimit(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	return &metrics.LimitError{Reason: "label_limit", Text: func() string { return text }}
}

func (*seriesLimit) PostCreation(labels.Labels) {}

func (*seriesLimit) PostDeletion(map[chunks.HeadSeriesRef]labels.Labels) {}

// rateBurst is how many seconds' worth of samples may come at once.
const rateBurst = 10

// bucket bounds a tenant's samples a second. A transaction is let in whole while
// there is anything left, and pays afterwards, so that no request is too large to
// be let in ever.
type bucket struct {
	mu     sync.Mutex // guards what follows
	left   float64
	filled time.Time
}

// admit reports whether a transaction may begin, and else when.
func (b *bucket) admit(perSecond int, now time.Time) (after time.Duration) {
	if perSecond <= 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	full := float64(perSecond) * rateBurst
	if b.filled.IsZero() {
		b.left = full
	} else if d := now.Sub(b.filled); d > 0 {
		b.left = min(full, b.left+d.Seconds()*float64(perSecond))
	}
	b.filled = now
	if b.left > 0 {
		return 0
	}
	return time.Duration((1 - b.left) / float64(perSecond) * float64(time.Second))
}

func (b *bucket) pay(n uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left -= float64(n)
}

func (s *Store) admit(d *database, now time.Time) error {
	if s.opts.SamplesPerSecond == nil {
		return nil
	}
	n := s.opts.SamplesPerSecond(d.id)
	after := d.rate.admit(n, now)
	if after == 0 {
		return nil
	}
	return &metrics.LimitError{Reason: "rate_limit", After: after, Most: func() string { return top(d.db.Head()) }, Text: func() string {
		return fmt.Sprintf("the tenant sends more than the %d samples a second that it may (limits.samples): scrape less often, drop series, or ask for more", n)
	}}
}
