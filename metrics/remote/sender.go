package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
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
	// More reports whether there is one behind after.
	More(after uint64) bool
	// Acked is the position up to which everything is acknowledged.
	Acked() uint64
	// Ack acknowledges everything up to and including pos.
	Ack(pos uint64) error
	// Len gives the items that are not acknowledged and about how many bytes they take.
	Len() (items int, bytes int64)
	// At is when the first item behind the position after was appended; zero where
	// there is none.
	At(after uint64) time.Time
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
	Token func() (string, error)
	// Owner gives the tenant of a namespace as the agent knows it, for keeping
	// tenants' samples apart on their way. nil: they go together.
	Owner func(namespace string) string
	// Held opens the queue for samples of an owner whom the receiver puts off
	// (429) while it takes what others have; the Sender closes it where it can be
	// closed. nil: everybody waits.
	Held func(owner string) (Queue, error)
	// HeldBefore are the owners whose queues an earlier process left.
	HeldBefore []string
	Client     *http.Client // nil: one with a timeout of a minute
	Clock      clock.Clock
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Sender is a storage.AppendableV2 whose Commit returns when the samples are
// durable in the queue, and whose Run delivers them in order. Safe for
// concurrent use; the appenders it gives are not.
type Sender struct {
	opts SenderOptions
	m    *senderMetrics
	url  string
	v1   atomic.Bool // the receiver speaks 1.0 only

	series   dictionaries
	encoders sync.Pool // of *encoder
	requests sync.Pool // of *request

	lastEpoch atomic.Pointer[string] // of the receiver, as any lane met it; nil: none

	backoffMin time.Duration // tests are faster
	putOffMax  time.Duration // likewise

	mu      sync.Mutex // guards what follows
	lastLog time.Time  // of a refusal
	main    *lane
	held    map[string]*lane // by owner
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
	s := &Sender{opts: o, url: u.String(), backoffMin: backoffMin, putOffMax: putOffMax, held: map[string]*lane{}}
	s.main = newLane(s, o.Queue)
	if s.m, err = newSenderMetrics(o.Registerer, o.Queue, s.Lag); err != nil {
		return nil, err
	}
	return s, nil
}

// Lag is the age of the oldest sample that central has not answered; 0 where
// there is none. What is answered and not durable yet does not count.
func (s *Sender) Lag() time.Duration {
	oldest := time.Time{}
	for _, l := range s.lanes() {
		if at := l.q.At(l.sent.Load()); !at.IsZero() && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}
	if oldest.IsZero() {
		return 0
	}
	return max(0, s.opts.Clock().Sub(oldest))
}

// AppenderV2 implements storage.AppendableV2. What it gives is a
// storage.ExemplarAppenderV2 too. ctx bounds the Commit.
func (s *Sender) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return &senderAppender{s: s, ctx: ctx, dict: s.series.at(s.opts.Clock())}
}

var _ storage.ExemplarAppenderV2 = (*senderAppender)(nil)

type senderAppender struct {
	s    *Sender
	ctx  context.Context // of this one transaction, as the interface has no other place for it
	dict *dictionary
	view *view      // of dict, of late
	full []*request // of seriesPerItem rows
	cur  []*request // one for each owner
	last *request   // of the series before
	of   *namespace // of that series
}

// request gives the one for the owner of a namespace.
func (a *senderAppender) request(of *namespace) *request {
	if a.last != nil && a.of == of {
		return a.last
	}
	owner := ""
	if a.s.opts.Owner != nil {
		owner = a.s.opts.Owner(of.name)
	}
	a.of = of
	for _, q := range a.cur {
		if q.owner == owner {
			a.last = q
			return q
		}
	}
	q, _ := a.s.requests.Get().(*request)
	if q == nil {
		q = &request{}
	}
	q.owner = owner
	a.cur, a.last = append(a.cur, q), q
	return q
}

// Append knows series by the references that it gives, as long as the process
// lives and they are written now and then; ls is only looked at without one.
func (a *senderAppender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	slot, err := a.slot(ref, ls, opts.Metadata)
	if err != nil {
		return 0, err
	}
	known := &a.view.series[slot]
	r := row{st: st, t: t, v: v, slot: slot, family: known.family}
	if md := opts.Metadata; md.IsEmpty() {
		r.family = nil
	} else if r.family == nil || r.family.Metadata != md {
		r.family = a.dict.family(md)
	}
	if h != nil || fh != nil || len(opts.Exemplars) > 0 {
		r.more = &more{h, fh, slices.Clone(opts.Exemplars)}
	}
	q := a.request(known.namespace)
	q.add(r)
	if len(q.rows) >= seriesPerItem {
		a.full = append(a.full, q)
		a.cur, a.last = slices.DeleteFunc(a.cur, func(o *request) bool { return o == q }), nil
	}
	return a.dict.ref(slot), nil
}

// slot gives a series' number in the dictionary, and sees to a view that has it.
func (a *senderAppender) slot(ref storage.SeriesRef, ls labels.Labels, md metadata.Metadata) (uint32, error) {
	slot, ok := a.dict.find(ref)
	if !ok {
		if !ls.Has(model.MetricNameLabel) {
			return 0, fmt.Errorf("series %s has no metric name", ls)
		}
		slot = a.dict.add(ls, md)
	}
	if a.view == nil || int(slot) >= len(a.view.series) {
		a.view = a.dict.view.Load()
	}
	return slot, nil
}

// AppendExemplars adds the exemplars to the last sample of the series in this
// transaction. Remote write 2.0 has no exemplars without a sample.
func (a *senderAppender) AppendExemplars(ref storage.SeriesRef, ls labels.Labels, es []exemplar.Exemplar) (storage.SeriesRef, error) {
	slot, err := a.slot(ref, ls, metadata.Metadata{})
	if err != nil {
		return 0, err
	}
	if q := a.last; q != nil && a.of == a.view.series[slot].namespace {
		for i := len(q.rows) - 1; i >= 0; i-- {
			r := &q.rows[i]
			if r.slot != slot {
				continue
			}
			if r.more == nil {
				r.more = &more{}
			}
			r.more.exemplars = append(r.more.exemplars, es...)
			q.has.exemplars += len(es)
			return a.dict.ref(slot), nil
		}
	}
	return 0, fmt.Errorf("exemplars of series %s without a sample: %w", ls, storage.ErrNotFound)
}

// Commit returns when everything is durable in the queue. After an error a part
// of it may be, and will be sent; sending it twice does no harm.
func (a *senderAppender) Commit() error {
	reqs := append(a.full, a.cur...)
	a.full, a.cur, a.last = nil, nil, nil
	items := make([][]byte, len(reqs))
	errs := make([]error, len(reqs))
	e, _ := a.s.encoders.Get().(*encoder)
	if e == nil {
		e = &encoder{}
	}
	v := a.dict.view.Load() // metadata may be newer than the last series
	for i, q := range reqs {
		a.dict.wrote(q.rows)
		items[i], errs[i] = e.item(q, v)
	}
	a.s.encoders.Put(e)
	defer a.done(reqs)
	if len(reqs) == 1 {
		return a.store(reqs[0], items[0], errs[0])
	}
	// Together: the queue makes what comes at the same time durable at once.
	var wg sync.WaitGroup
	for i, q := range reqs {
		wg.Go(func() { errs[i] = a.store(q, items[i], errs[i]) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (a *senderAppender) store(q *request, item []byte, err error) error {
	if err == nil {
		_, err = a.s.opts.Queue.Append(a.ctx, item)
	}
	if err != nil {
		a.s.m.dropped.WithLabelValues("queue").Add(float64(q.has.samples + q.has.histograms))
		return fmt.Errorf("queue samples for central: %w", err)
	}
	a.s.m.queued.Add(float64(q.has.samples + q.has.histograms))
	return nil
}

func (a *senderAppender) Rollback() error {
	a.done(append(a.full, a.cur...))
	a.full, a.cur, a.last = nil, nil, nil
	return nil
}

// done gives requests back to be used again.
func (a *senderAppender) done(reqs []*request) {
	for _, q := range reqs {
		clear(q.rows)
		*q = request{rows: q.rows[:0]}
		a.s.requests.Put(q)
	}
}
