// Package journal takes in systemd's journal, in three ways:
//
//	in := journal.New(journal.Options{Appender: store, Stamper: stamper})
//	api := in.API()                                // POST /upload, of systemd-journal-upload
//	err := in.Pull(ctx, journal.PullOptions{...})  // from systemd-journal-gatewayd
//	err := in.Local(ctx, journal.LocalOptions{...}) // of this machine, by journalctl
//
// Entries are stored while they arrive. The answer to an upload, which lets the
// uploader save its cursor, comes after all of them are durable; the other two
// keep their cursor themselves, behind what is durable. The uploader ends itself
// on any refusal, so a quota or an unavailable store is met by reading slowly.
// Entries that come again are recognised by their cursors and what is in them.
package journal

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

const (
	contentType  = "application/vnd.fdo.journal"
	bodyBytesMax = 770 << 20 // where a length is declared; systemd's ENTRY_SIZE_MAX
	batchRecords = 1000
	batchBytes   = 1 << 20
	batchAge     = 500 * time.Millisecond
	retryWaitMax = 5 * time.Second
	idleMax      = 10 * time.Minute
)

// Options of the API.
type Options struct {
	Appender logging.Appender
	Stamper  *logging.Stamper
	// OnLoss is told of entries that never came, under the scope that they would
	// have been written under. May be nil.
	OnLoss func(tenant.Write, Loss)
	// Done, where set, ends open uploads when it is closed: what was read is
	// stored, and the client is told to come again.
	Done       <-chan struct{}
	Logger     *slog.Logger          // nil: discard
	Registerer prometheus.Registerer // nil: metrics are counted and not shown
}

// Intake takes entries in. Safe for concurrent use.
type Intake struct {
	o            Options
	losses       losses
	uploads      *prometheus.CounterVec // code
	received     prometheus.Counter
	records      *prometheus.CounterVec // result
	refused      *prometheus.CounterVec // reason
	dropped      *prometheus.CounterVec // reason
	lost         *prometheus.CounterVec // reason
	appendErrors *prometheus.CounterVec // reason
	restarts     *prometheus.CounterVec // source, reason
}

// New makes one.
func New(o Options) *Intake {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnLoss == nil {
		o.OnLoss = func(tenant.Write, Loss) {}
	}
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oriel_journal_" + name, Help: help}, labels)
	}
	s := &Intake{
		o:            o,
		uploads:      vec("uploads_total", "Uploads, by the status of the answer.", "code"),
		received:     prometheus.NewCounter(prometheus.CounterOpts{Name: "oriel_journal_records_received_total", Help: "Entries read: each is a record, or was refused or withheld."}),
		records:      vec("records_total", "Entries, by what became of them; withheld: not stored and not acknowledged, the sender has them.", "result"),
		refused:      vec("records_refused_total", "Entries that can never be stored, by reason.", "reason"),
		dropped:      vec("fields_dropped_total", "Fields that were left out of their entries, by reason.", "reason"),
		lost:         vec("records_lost_total", "Entries that never came, by reason: gap, the numbers of a journal leave some out; suppressed, journald says that it took none for a while.", "reason"),
		appendErrors: vec("append_errors_total", "Times the store did not take a batch, by reason; it is tried again.", "reason"),
		restarts:     vec("source_failures_total", "Times that reading from a source ended and was begun again, by source (pull, local).", "source"),
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(s.uploads, s.received, s.records, s.refused, s.dropped, s.lost, s.appendErrors, s.restarts)
	}
	return s
}

// API gives the receiver of uploads. Its one route is POST /upload; other methods
// get systemd's own status for that, 406.
func (s *Intake) API() httpx.API {
	m := httpx.NewMux(writeError)
	m.Handle(httpx.Route{Pattern: "/upload", Access: httpx.Write}, s.upload)
	return m
}

func writeError(w http.ResponseWriter, _ *http.Request, status int, reason string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, reason+"\n") // the client is gone, or reads it
}

func (s *Intake) upload(w http.ResponseWriter, r *http.Request) {
	status, reason := s.receive(w, r)
	s.uploads.WithLabelValues(fmt.Sprint(status)).Inc()
	if status != http.StatusAccepted {
		s.o.Logger.Warn("journal upload refused", "remote", r.RemoteAddr, "status", status, "reason", reason)
	}
	writeError(w, r, status, reason)
}

func (s *Intake) receive(w http.ResponseWriter, r *http.Request) (status int, reason string) {
	scope := tenant.WriteFrom(r.Context())
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch {
	case r.Method != http.MethodPost:
		return http.StatusNotAcceptable, "Unsupported method: use POST."
	case !strings.EqualFold(strings.TrimSpace(media), contentType):
		return http.StatusUnsupportedMediaType, "Content-Type: " + contentType + " is required."
	case r.ContentLength > bodyBytesMax:
		return http.StatusRequestEntityTooLarge, "Payload larger than maximum size of 770 MiB: send it in chunks."
	case !scope.Valid():
		return http.StatusForbidden, "The credential may not write logs: use one with write access."
	}
	in := &patient{r: r.Body, ctl: http.NewResponseController(w), idle: idleMax}
	var body io.Reader = in
	switch enc := strings.ToLower(r.Header.Get("Content-Encoding")); enc {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return http.StatusBadRequest, "The body is said to be gzip and is not."
		}
		body = z
	case "zstd":
		z, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(32<<20))
		if err != nil {
			return http.StatusBadRequest, "The body is said to be zstd and is not."
		}
		defer z.Close()
		body = z
	default:
		return http.StatusUnsupportedMediaType, "Content-Encoding is not supported: use gzip, zstd or none."
	}
	u := &stream{s: s, scope: scope, in: newExportReader(body), stop: in.stop}
	err := u.run(r.Context())
	var bad exportError
	switch {
	case err == nil:
		return http.StatusAccepted, "OK."
	case errors.As(err, &bad) && bad.tooLarge:
		return http.StatusRequestEntityTooLarge, "Entry is too large: " + bad.text + "."
	case errors.As(err, &bad):
		return http.StatusBadRequest, "Failed to process data: " + bad.text + "."
	case errors.Is(err, errPartial):
		return http.StatusExpectationFailed, fmt.Sprintf("Premature EOF. %d bytes lost.", u.in.read)
	case errors.Is(err, errEnding):
		return http.StatusServiceUnavailable, "Oriel is stopping: upload again; what was stored is recognised."
	case errors.Is(err, errNotDurable):
		s.o.Logger.Error("journal upload not stored", "err", err)
		return http.StatusServiceUnavailable, "The store does not take records now: upload again."
	}
	return http.StatusBadRequest, "The body cannot be read: " + err.Error() + "."
}

// patient gives every read its own deadline: an upload may stay open for ever,
// but not without a byte.
type patient struct {
	r    io.Reader
	ctl  *http.ResponseController
	idle time.Duration

	mu      sync.Mutex // guards what follows, and setting deadlines
	stopped bool
}

func (p *patient) Read(b []byte) (int, error) {
	p.mu.Lock()
	if p.stopped {
		p.mu.Unlock()
		return 0, errEnding
	}
	// Where deadlines cannot be set the server's own ones hold.
	_ = p.ctl.SetReadDeadline(time.Now().Add(p.idle))
	p.mu.Unlock()
	return p.r.Read(b)
}

// stop ends reading, also one that waits.
func (p *patient) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	_ = p.ctl.SetReadDeadline(time.Unix(1, 0)) // as above
}
