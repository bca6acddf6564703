// Package bulk takes in log records by Elasticsearch's _bulk requests, and by
// those that write one document. It knows the body and the answer; the routes
// around it are the facade's.
//
//	b := bulk.New(bulk.Options{Appender: store, Repeater: store, Stamper: stamper})
//	b.ServeBulk(w, r, scope, "") // POST /_bulk
//
// Records are immutable: "create" and "index" both store a new one. Under an id
// that is there already "create" answers 409, and "index" 200 with the result
// noop where the record is the same, else 400; "update" and "delete" are refused
// item by item. docs/decisions/008-written-once.md says why. A request is taken
// as a whole: an answer of 429 or 503 means that nothing of it was stored.
package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// Options of a Bulk. Zero limits mean the defaults.
type Options struct {
	Appender logging.Appender
	// Repeater is the store that the Appender writes to. nil: no record that comes
	// again is known to be the same.
	Repeater logging.Repeater
	Stamper  *logging.Stamper

	BodyBytesMax     int64 // of one request, unpacked; default 100 MiB, as Elasticsearch's
	DocumentBytesMax int   // of one document; default 10 MiB. A larger one is refused by itself.
	// InFlightBytesMax bounds what all requests being read hold together;
	// beyond it a request is answered 429. Default 512 MiB.
	InFlightBytesMax int64

	Logger     *slog.Logger          // nil: discard
	Registerer prometheus.Registerer // nil: metrics are counted and not shown
}

// Bulk serves requests. Safe for concurrent use.
type Bulk struct {
	o        Options
	inFlight atomic.Int64
	unzips   sync.Pool              // of *gzip.Reader
	replies  sync.Pool              // of *[]byte
	requests *prometheus.CounterVec // code
	received prometheus.Counter
	items    *prometheus.CounterVec // result
	refused  *prometheus.CounterVec // reason
}

// New makes one.
func New(o Options) *Bulk {
	if o.BodyBytesMax <= 0 {
		o.BodyBytesMax = 100 << 20
	}
	if o.DocumentBytesMax <= 0 {
		o.DocumentBytesMax = 10 << 20
	}
	if o.InFlightBytesMax <= 0 {
		o.InFlightBytesMax = 512 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oriel_bulk_" + name, Help: help}, []string{label})
	}
	b := &Bulk{
		o:        o,
		requests: vec("requests_total", "Bulk requests, by the status of the answer.", "code"),
		received: prometheus.NewCounter(prometheus.CounterOpts{Name: "oriel_bulk_items_received_total", Help: "Items of bulk requests, as far as they were read: each has a result."}),
		items:    vec("items_total", "Items of bulk requests, by what became of them; withheld: their request was refused as a whole, the sender has them.", "result"),
		refused:  vec("items_refused_total", "Items that were refused, by reason.", "reason"),
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(b.requests, b.received, b.items, b.refused)
	}
	return b
}

// fault is an answer to the whole request; nothing of it was stored.
type fault struct {
	status int
	kind   string // Elasticsearch's name for it
	reason string
}

func (f *fault) Error() string { return f.reason }

// ServeBulk reads a bulk body, stores it under the scope and answers item by
// item, in order. index is the one of the path, "" without one; the parameters
// pipeline and require_alias are read from the URL.
func (b *Bulk) ServeBulk(w http.ResponseWriter, r *http.Request, s tenant.Write, index string) {
	begin := time.Now()
	var p *parser
	err := b.read(r, s, func(body io.Reader, size int64) error {
		p = &parser{b: b, lines: newLines(body, size), size: size, scope: s, presets: presetsOf(r.URL.Query(), index)}
		if err := p.run(); err != nil {
			return err
		}
		return b.store(r.Context(), s, p)
	})
	if err != nil {
		if p != nil {
			b.withhold(len(p.items))
		}
		b.refuse(w, err)
		return
	}
	b.requests.WithLabelValues("200").Inc()
	b.writeItems(w, p.items, time.Since(begin))
}

// refuse answers a request of which nothing was stored.
func (b *Bulk) refuse(w http.ResponseWriter, err error) {
	var f *fault
	if !errors.As(err, &f) {
		b.o.Logger.Error("bulk request failed", "err", err)
		f = &fault{http.StatusInternalServerError, "exception", "the store failed; the log of Oriel says why"}
	}
	b.requests.WithLabelValues(fmt.Sprint(f.status)).Inc()
	writeFault(w, f, "")
}

// read hands the body on, unpacked and bounded, with its size as far as that is
// known (0 or less: not at all). What then still uses it counts as held.
func (b *Bulk) read(r *http.Request, s tenant.Write, then func(body io.Reader, size int64) error) error {
	if !s.Valid() {
		return &fault{http.StatusForbidden, "security_exception", "the credential may not write logs: use one with write access"}
	}
	body := &meter{r: r.Body, b: b, left: b.o.BodyBytesMax}
	defer body.release()
	size := r.ContentLength
	switch enc := strings.ToLower(r.Header.Get("Content-Encoding")); enc {
	case "", "identity":
	case "gzip":
		// What is unpacked is what counts, and what the client sent is less.
		z, _ := b.unzips.Get().(*gzip.Reader)
		if z == nil {
			z = new(gzip.Reader)
		}
		defer b.unzips.Put(z)
		if err := z.Reset(r.Body); err != nil {
			return &fault{http.StatusBadRequest, "parse_exception", "the body is said to be gzip and is not"}
		}
		body.r, size = z, 0
	default:
		return &fault{http.StatusUnsupportedMediaType, "content_type_exception", "Content-Encoding " + clip(enc) + " is not supported: use gzip or none"}
	}
	return then(body, size)
}

// store stores the records of the items and settles them.
func (b *Bulk) store(ctx context.Context, s tenant.Write, p *parser) error {
	if len(p.records) > 0 {
		results, err := b.o.Appender.Append(ctx, s, logging.Batch{Records: p.records})
		if err != nil {
			return appendFault(err)
		}
		if len(results) != len(p.records) {
			return fmt.Errorf("the store answered %d of %d records", len(results), len(p.records))
		}
		var again []logging.Record // came under an id that is taken
		var places []int
		for i, res := range results {
			it := &p.items[p.places[i]]
			it.settle(res, p.records[i].Index)
			if res.Status == logging.Duplicate && it.action == "index" && p.records[i].ID != "" {
				again, places = append(again, p.records[i]), append(places, p.places[i])
			}
		}
		if len(again) > 0 && b.o.Repeater != nil {
			b.settleRepeats(ctx, s, again, func(i int) *item { return &p.items[places[i]] })
		}
	}
	b.count(p.items)
	return nil
}

// settleRepeats lets those pass that came again unchanged: a sender that did not
// see the answer to what it indexed sends it once more.
func (b *Bulk) settleRepeats(ctx context.Context, s tenant.Write, again []logging.Record, at func(int) *item) {
	same, err := b.o.Repeater.Repeats(ctx, s, again)
	if err != nil {
		b.o.Logger.Error("stored records could not be compared with those that came again", "err", err)
	}
	for i := range again {
		switch it := at(i); {
		case err != nil:
			it.fault = &fault{http.StatusServiceUnavailable, "unavailable_shards_exception", logging.ErrUnavailable.Error() + "; send the record again"}
		case same[i]:
			it.same, it.fault = true, nil
		}
	}
}

// appendFault answers what the store said. Why it is unavailable is the
// operator's to know: its own events say that.
func appendFault(err error) error {
	switch {
	case errors.Is(err, logging.ErrTooMuch):
		return &fault{http.StatusTooManyRequests, "es_rejected_execution_exception", err.Error() + "; nothing of the request was stored: send it again later"}
	case errors.Is(err, logging.ErrUnavailable):
		return &fault{http.StatusServiceUnavailable, "unavailable_shards_exception", logging.ErrUnavailable.Error() + "; send the request again"}
	}
	return err
}

// withhold counts items of a request that is refused as a whole.
func (b *Bulk) withhold(n int) {
	b.received.Add(float64(n))
	b.items.WithLabelValues("withheld").Add(float64(n))
}

func (b *Bulk) count(items []item) {
	b.received.Add(float64(len(items)))
	var created float64
	for i := range items {
		switch {
		case items[i].same:
			b.items.WithLabelValues("noop").Inc()
		case items[i].fault == nil:
			created++
		case items[i].fault.status == http.StatusConflict:
			b.items.WithLabelValues("conflict").Inc()
		default:
			b.items.WithLabelValues("refused").Inc()
			b.refused.WithLabelValues(items[i].fault.kind).Inc()
		}
	}
	b.items.WithLabelValues("created").Add(created)
}

// meter counts what a request holds, against its own bound and everybody's.
type meter struct {
	r    io.Reader
	b    *Bulk
	left int64
	held int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if m.left -= int64(n); m.left < 0 {
		return 0, &fault{http.StatusRequestEntityTooLarge, "content_too_long_exception",
			fmt.Sprintf("the body is larger than %d bytes: send smaller requests", m.b.o.BodyBytesMax)}
	}
	m.held += int64(n)
	if m.b.inFlight.Add(int64(n)) > m.b.o.InFlightBytesMax {
		return 0, &fault{http.StatusTooManyRequests, "es_rejected_execution_exception",
			"too many bulk requests are being read at once; nothing of this one was stored: send it again later"}
	}
	return n, err
}

func (m *meter) release() { m.b.inFlight.Add(-m.held) }

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
