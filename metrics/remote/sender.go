package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/internal/clock"
)

// Queue is where a Sender keeps what is not yet delivered. internal/queue is one.
type Queue interface {
	// Append stores one item and returns its position once it is durable. The
	// item may be reused afterwards.
	Append(ctx context.Context, item []byte) (pos uint64, err error)
	// Next gives the first item behind the position after, and waits for one.
	Next(ctx context.Context, after uint64) (item []byte, pos uint64, err error)
	// Acked is the position up to which everything is acknowledged.
	Acked() uint64
	// Ack acknowledges everything up to and including pos.
	Ack(pos uint64) error
	// Len gives the items that are not acknowledged and about how many bytes they take.
	Len() (items int, bytes int64)
	// Oldest is when the oldest of them was appended; zero where there is none.
	Oldest() time.Time
}

const (
	// seriesPerItem splits large transactions, so that one request stays below a
	// megabyte or so.
	seriesPerItem = 5000
	backoffMin    = 100 * time.Millisecond
	backoffMax    = 30 * time.Second
	sendTimeout   = time.Minute
)

// SenderOptions are the options of a Sender.
type SenderOptions struct {
	Queue Queue
	// URL is the receiver's, such as https://central:7480/api/v1/write.
	URL string
	// Token gives the bearer token, asked before every request since it may be
	// rotated. nil: none.
	Token      func() (string, error)
	Client     *http.Client // nil: one with a timeout of a minute
	Clock      clock.Clock
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Sender is a storage.AppendableV2 whose Commit returns when the samples are
// durable in the queue, and whose Run delivers them in order. Safe for
// concurrent use; the appenders it gives are not.
type Sender struct {
	opts    SenderOptions
	m       *senderMetrics
	url     string
	v1      bool      // the receiver speaks 1.0 only; Run's own
	lastLog time.Time // of a refusal; Run's own

	backoffMin time.Duration // tests are faster
}

var _ storage.AppendableV2 = (*Sender)(nil)

// NewSender makes a Sender.
func NewSender(o SenderOptions) (*Sender, error) {
	if o.Queue == nil {
		return nil, errors.New("make the remote write sender: SenderOptions.Queue is not set")
	}
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("remote write URL %q: want the receiver's address, such as https://central:7480/api/v1/write", o.URL)
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: sendTimeout}
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newSenderMetrics(o.Registerer, o.Queue, o.Clock)
	if err != nil {
		return nil, err
	}
	return &Sender{opts: o, m: m, url: u.String(), backoffMin: backoffMin}, nil
}

// AppenderV2 implements storage.AppendableV2. What it gives is a
// storage.ExemplarAppenderV2 too. ctx bounds the Commit.
func (s *Sender) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return &senderAppender{s: s, ctx: ctx}
}

var _ storage.ExemplarAppenderV2 = (*senderAppender)(nil)

type senderAppender struct {
	s    *Sender
	ctx  context.Context // of this one transaction, as the interface has no other place for it
	full []*request
	cur  *request
}

// refOf gives a series' reference: the hash of its labels, so that equal series
// have equal ones without a table. Scrapers follow staleness by them.
func refOf(ref storage.SeriesRef, ls labels.Labels) storage.SeriesRef {
	if ref != 0 {
		return ref
	}
	return max(1, storage.SeriesRef(ls.Hash()))
}

func (a *senderAppender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	if !ls.Has(model.MetricNameLabel) {
		return 0, fmt.Errorf("series %s has no metric name", ls)
	}
	if a.cur == nil {
		a.cur = newRequest()
	}
	a.cur.add(ls, st, t, v, h, fh, opts.Metadata, opts.Exemplars)
	if len(a.cur.series) >= seriesPerItem {
		a.full, a.cur = append(a.full, a.cur), nil
	}
	return refOf(ref, ls), nil
}

// AppendExemplars adds the exemplars to the last sample of the series in this
// transaction. Remote write 2.0 has no exemplars without a sample.
func (a *senderAppender) AppendExemplars(ref storage.SeriesRef, ls labels.Labels, es []exemplar.Exemplar) (storage.SeriesRef, error) {
	if a.cur != nil {
		refs := a.cur.symbols.SymbolizeLabels(ls, nil)
		for i := len(a.cur.series) - 1; i >= 0; i-- {
			if !equalRefs(a.cur.series[i].LabelsRefs, refs) {
				continue
			}
			a.cur.addExemplars(&a.cur.series[i], es)
			return refOf(ref, ls), nil
		}
	}
	return 0, fmt.Errorf("exemplars of series %s without a sample: %w", ls, storage.ErrNotFound)
}

func equalRefs(a, b []uint32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// Commit returns when everything is durable in the queue. After an error a part
// of it may be, and will be sent; sending it twice does no harm.
func (a *senderAppender) Commit() error {
	if a.cur != nil {
		a.full = append(a.full, a.cur)
	}
	reqs := a.full
	a.full, a.cur = nil, nil
	for i, q := range reqs {
		item, err := q.item()
		if err == nil {
			_, err = a.s.opts.Queue.Append(a.ctx, item)
		}
		if err != nil {
			for _, lost := range reqs[i:] {
				a.s.m.dropped.WithLabelValues("queue").Add(float64(lost.has.samples + lost.has.histograms))
			}
			return fmt.Errorf("queue samples for central: %w", err)
		}
		a.s.m.queued.Add(float64(q.has.samples + q.has.histograms))
	}
	return nil
}

func (a *senderAppender) Rollback() error {
	a.full, a.cur = nil, nil
	return nil
}
