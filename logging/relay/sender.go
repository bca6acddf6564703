package relay

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/internal/queue"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

const (
	undecidedMax = time.Minute
	sendTimeout  = time.Minute
)

// SenderOptions configure a Sender.
type SenderOptions struct {
	// Queue holds what central has not got yet. The caller closes it, after Run.
	Queue *queue.Queue
	// Held, where set, takes the records that must wait while others go on: of a
	// namespace that central has not decided yet, and of a tenant over its quota.
	// Without it everybody waits with them.
	Held *queue.Queue
	// URL is central's, such as https://central:7480.
	URL string
	// Token gives the cluster's token, asked before every request since it may be
	// rotated. nil: none.
	Token  func() (string, error)
	Client *http.Client // nil: one with a timeout of a minute
	// Undecided tells whether a namespace that exists still waits for central's
	// decision; it must be false for names that nobody knows, and quick. Its
	// records wait for a minute at most. May be nil.
	Undecided  func(namespace string) bool
	Clock      clock.Clock           // nil: the machine's
	Logger     *slog.Logger          // nil: discard
	Registerer prometheus.Registerer // nil: metrics are counted and not shown
}

// Sender is a logging.Appender whose results mean durable on this machine, and
// whose Run delivers to central. Safe for concurrent use.
type Sender struct {
	o     SenderOptions
	url   string
	codec *codec
	m     *senderMetrics
	main  *lane
	held  *lane // nil: main waits itself

	backoffMin, backoffMax time.Duration // tests are faster
}

var _ logging.Appender = (*Sender)(nil)

// NewSender makes a Sender.
func NewSender(o SenderOptions) (*Sender, error) {
	if o.Queue == nil {
		return nil, errors.New("make the relay to central: SenderOptions.Queue is not set")
	}
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("central's URL %q: want its address, such as https://central:7480", o.URL)
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: sendTimeout}
	}
	if o.Undecided == nil {
		o.Undecided = func(string) bool { return false }
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sender{
		o: o, url: strings.TrimSuffix(o.URL, "/") + path, codec: newCodec(), m: newSenderMetrics(o),
		backoffMin: 500 * time.Millisecond, backoffMax: 30 * time.Second,
	}
	if o.Held != nil {
		s.held = &lane{s: s, q: o.Held, name: "held"}
	}
	s.main = &lane{s: s, q: o.Queue, name: "main", aside: s.held}
	return s, nil
}

// Append implements logging.Appender: with a nil error the records are in the
// queue on disk. Ids that are not given are central's to derive, and so are
// positions; duplicates are found there. A full queue drops its oldest parcels,
// which the queue's OnEvent tells.
func (s *Sender) Append(ctx context.Context, w tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	results := make([]logging.ItemResult, len(b.Records))
	ready, wait := make([]logging.Record, 0, len(b.Records)), []logging.Record(nil)
	for i := range b.Records {
		r := &b.Records[i]
		results[i] = logging.ItemResult{Status: logging.Stored, ID: r.ID}
		switch {
		case !logging.MayWrite(w, r):
			results[i] = logging.ItemResult{Status: logging.Refused, ID: r.ID, Reason: "the credential may not write this tenant's logs"}
			s.m.refused.WithLabelValues("not_allowed").Inc()
		case s.held != nil && r.Namespace != "" && s.o.Undecided(r.Namespace):
			wait = append(wait, *r)
		default:
			ready = append(ready, *r)
		}
	}
	key := b.Key
	if key == "" {
		key = uuid.NewString()
	}
	if err := s.enqueue(ctx, s.main, key, ready); err != nil {
		return nil, err
	}
	if err := s.enqueue(ctx, s.held, key+heldKeySuffix, wait); err != nil {
		return nil, err
	}
	s.m.held.Add(float64(len(wait)))
	s.m.taken.Add(float64(len(ready) + len(wait)))
	return results, nil
}

// enqueue puts records into a lane, in parcels of a bounded size. Equal batches
// are cut alike, so that a batch which is handed over again has the same keys. One
// that is cut otherwise then (a namespace was decided meanwhile, lines were joined
// otherwise) has others: what is behind a key at central is what is in it here.
func (s *Sender) enqueue(ctx context.Context, l *lane, key string, records []logging.Record) error {
	for part := 0; len(records) > 0; part++ {
		n, size := 0, 0
		for n < len(records) && n < parcelRecords && (n == 0 || size+len(records[n].Source) <= parcelBytes) {
			size += len(records[n].Source)
			n++
		}
		p := parcel{queued: s.o.Clock(), key: parcelKey(key, part, records[:n]), namespaces: namespacesOf(records[:n])}
		p.records = make([]logging.Raw, n)
		for i := range p.records {
			p.records[i] = rawOf(&records[i])
		}
		if err := l.put(ctx, &p); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

// parcelKey names a part of a batch by what of the batch is in it. What is added to
// documents on the way, such as a pod's labels, and times that were clamped may be
// others when the batch comes again, and do not count.
func parcelKey(key string, part int, records []logging.Record) string {
	h := sha256.New()
	var n [8]byte
	for i := range records {
		for _, text := range [...]string{records[i].ID, records[i].Namespace, records[i].Message} {
			binary.LittleEndian.PutUint64(n[:], uint64(len(text)))
			h.Write(n[:])
			io.WriteString(h, text)
		}
	}
	return logging.BatchKey(key, strconv.Itoa(part), "", h.Sum(nil))
}

// Run delivers until ctx ends. It never gives up: what central does not take
// stays in the queue.
func (s *Sender) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.main.run(ctx) })
	if s.held != nil {
		g.Go(func() error { return s.held.run(ctx) })
	}
	return g.Wait()
}

// undecided reports whether a parcel has to wait, and how long at most.
func (s *Sender) undecided(p *parcel) time.Duration {
	left := undecidedMax - s.o.Clock().Sub(p.queued)
	if left <= 0 || !slices.ContainsFunc(p.namespaces, s.o.Undecided) {
		return 0
	}
	return left
}

type senderMetrics struct {
	taken    prometheus.Counter
	held     prometheus.Counter
	sent     prometheus.Counter
	refused  *prometheus.CounterVec // reason
	failures *prometheus.CounterVec // reason
}

func newSenderMetrics(o SenderOptions) *senderMetrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "oriel_relay_sender_" + name, Help: help})
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oriel_relay_sender_" + name, Help: help}, []string{label})
	}
	m := &senderMetrics{
		taken:    counter("records_taken_total", "Records put into the queue."),
		held:     counter("records_held_total", "Records that had to wait for a decision or a quota."),
		sent:     counter("records_sent_total", "Records that central stored or had already."),
		refused:  vec("records_refused_total", "Records, or with reason damaged parcels, that never reach central, by reason.", "reason"),
		failures: vec("failures_total", "Requests that central did not answer as hoped, by reason; sent again.", "reason"),
	}
	if o.Registerer == nil {
		return m
	}
	o.Registerer.MustRegister(m.taken, m.held, m.sent, m.refused, m.failures)
	for name, q := range map[string]*queue.Queue{"main": o.Queue, "held": o.Held} {
		if q == nil {
			continue
		}
		gauge := func(what, help string, f func() float64) {
			o.Registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "oriel_relay_queue_" + what, Help: help, ConstLabels: prometheus.Labels{"queue": name},
			}, f))
		}
		gauge("parcels", "Parcels waiting for central.", func() float64 { n, _ := q.Len(); return float64(n) })
		gauge("bytes", "Bytes waiting for central.", func() float64 { _, b := q.Len(); return float64(b) })
		gauge("age_seconds", "Age of the oldest parcel that waits.", func() float64 {
			t := q.Oldest()
			if t.IsZero() {
				return 0
			}
			return max(0, time.Since(t).Seconds())
		})
	}
	return m
}
