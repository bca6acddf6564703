// Package audit takes in the audit log of a Kubernetes API server, as its webhook
// sends it: POST /agent/v1/audit, an EventList of audit.k8s.io/v1 in JSON.
//
//	api := audit.New(audit.Options{Appender: store, Stamper: stamper, Owned: owned})
//
// What was done in an owned namespace is a record of its tenant, everything else
// the system's. A batch is answered 200 when all of it is durable; one that comes
// again is known by its events, each as a whole. What Secrets and
// tokens hold is never stored.
package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// Options of the API.
type Options struct {
	Appender logging.Appender
	Stamper  *logging.Stamper
	// Owned tells whether a namespace of a cluster belongs to a tenant now.
	Owned func(cluster, namespace string) bool

	BodyBytesMax int64                 // of one batch; default 128 MiB
	AtOnce       int                   // batches that are read at a time, the others wait; default 4
	Logger       *slog.Logger          // nil: discard
	Registerer   prometheus.Registerer // nil: metrics are counted and not shown
}

const (
	path = "/agent/v1/audit"

	bodyBytesDefault = 128 << 20
	atOnceDefault    = 4
	// A part of a batch is handed over at this many events or bytes, so that what
	// is held does not grow with the batch.
	partEvents = 1000
	partBytes  = 8 << 20
)

type api struct {
	o        Options
	reading  chan struct{}
	requests *prometheus.CounterVec // code
	events   *prometheus.CounterVec // result
	received prometheus.Counter
	refused  *prometheus.CounterVec // reason
	redacted prometheus.Counter
}

// New makes the API, for who has a cluster's credential.
func New(o Options) httpx.API {
	if o.BodyBytesMax <= 0 {
		o.BodyBytesMax = bodyBytesDefault
	}
	if o.AtOnce <= 0 {
		o.AtOnce = atOnceDefault
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oriel_audit_" + name, Help: help}, []string{label})
	}
	a := &api{
		o: o, reading: make(chan struct{}, o.AtOnce),
		requests: vec("requests_total", "Batches of API servers' audit logs, by the status of the answer.", "code"),
		events:   vec("events_total", "Audit events, by what became of them. Those of a batch that was not answered 200 come again.", "result"),
		refused:  vec("events_refused_total", "Audit events that can never be stored, by reason.", "reason"),
		received: prometheus.NewCounter(prometheus.CounterOpts{Name: "oriel_audit_events_received_total", Help: "Audit events that were read."}),
		redacted: prometheus.NewCounter(prometheus.CounterOpts{Name: "oriel_audit_events_redacted_total", Help: "Audit events whose objects were left out, since they hold secrets or are too large."}),
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(a.requests, a.events, a.refused, a.received, a.redacted)
	}
	m := httpx.NewMux(func(w http.ResponseWriter, _ *http.Request, status int, reason string) {
		writeStatus(w, &fault{status, reason})
	})
	m.Handle(httpx.Route{Methods: []string{http.MethodPost}, Pattern: path, Access: httpx.Agent}, a.serve)
	return m
}

// fault is an answer to a whole batch, which is to be sent again where that can
// help.
type fault struct {
	status int
	reason string
}

func (f *fault) Error() string { return f.reason }

// writeStatus answers in the API server's own words, which its log shows.
func writeStatus(w http.ResponseWriter, f *fault) {
	w.Header().Set("Content-Type", "application/json")
	if f.status == http.StatusTooManyRequests || f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(f.status)
	out := map[string]any{"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Success", "code": f.status}
	if f.status != http.StatusOK {
		out["status"], out["message"] = "Failure", f.reason
	}
	_ = json.NewEncoder(w).Encode(out) // the API server is gone, or reads it
}

func (a *api) serve(w http.ResponseWriter, r *http.Request) {
	f := &fault{status: http.StatusOK}
	if err := a.take(w, r); err != nil && !errors.As(err, &f) {
		a.o.Logger.Error("audit events not stored", "remote", r.RemoteAddr, "err", err)
		f = &fault{http.StatusInternalServerError, "the store failed; the log of Oriel says why"}
	}
	a.requests.WithLabelValues(strconv.Itoa(f.status)).Inc()
	writeStatus(w, f)
}

func (a *api) take(w http.ResponseWriter, r *http.Request) error {
	scope := tenant.WriteFrom(r.Context())
	if !scope.Valid() {
		return &fault{http.StatusForbidden, "the credential may not write logs: use the cluster's token"}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &fault{http.StatusUnsupportedMediaType, "Content-Type: application/json is required, as the audit webhook sends it"}
	}
	select {
	case a.reading <- struct{}{}:
		defer func() { <-a.reading }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	p := part{a: a, ctx: r.Context(), scope: scope}
	err := readList(http.MaxBytesReader(w, r.Body, a.o.BodyBytesMax), p.add)
	var large *http.MaxBytesError
	var bad *listError
	switch {
	case err == nil:
		return p.flush()
	case errors.As(err, &large):
		return &fault{http.StatusRequestEntityTooLarge, fmt.Sprintf("the batch is larger than %d bytes: start kube-apiserver with --audit-webhook-truncate-enabled, or with smaller batches", a.o.BodyBytesMax)}
	case errors.As(err, &bad), errors.Is(err, io.ErrUnexpectedEOF):
		return &fault{http.StatusBadRequest, err.Error()}
	}
	return err
}

// part is what was read of a batch and not handed over yet.
type part struct {
	a       *api
	ctx     context.Context
	scope   tenant.Write
	records []logging.Record
	bytes   int
}

func (p *part) add(event json.RawMessage) error {
	p.a.received.Inc()
	refuse := func(reason string) error {
		p.a.refused.WithLabelValues(reason).Inc()
		p.a.events.WithLabelValues("refused").Inc()
		return nil
	}
	cluster := p.scope.Cluster().Name
	raw, redacted, err := rawOf(event, p.scope.Who(), func(namespace string) bool { return p.a.o.Owned(cluster, namespace) })
	if err != nil {
		return refuse("not_an_event")
	}
	if redacted {
		p.a.redacted.Inc()
	}
	rec, err := p.a.o.Stamper.Stamp(p.scope, raw)
	if err != nil {
		return refuse("stamp")
	}
	p.records = append(p.records, rec)
	p.bytes += len(rec.Source)
	if len(p.records) < partEvents && p.bytes < partBytes {
		return nil
	}
	return p.flush()
}

func (p *part) flush() error {
	if len(p.records) == 0 {
		return nil
	}
	results, err := p.a.o.Appender.Append(p.ctx, p.scope, logging.Batch{Records: p.records})
	p.records, p.bytes = nil, 0
	switch {
	case errors.Is(err, logging.ErrTooMuch):
		return &fault{http.StatusTooManyRequests, err.Error() + "; send the batch again later"}
	case errors.Is(err, logging.ErrUnavailable):
		return &fault{http.StatusServiceUnavailable, logging.ErrUnavailable.Error() + "; send the batch again"}
	case err != nil:
		return err
	}
	for i := range results {
		switch results[i].Status {
		case logging.Stored:
			p.a.events.WithLabelValues("stored").Inc()
		case logging.Duplicate:
			p.a.events.WithLabelValues("duplicate").Inc()
		default:
			p.a.events.WithLabelValues("refused").Inc()
			p.a.refused.WithLabelValues("store").Inc()
		}
	}
	return nil
}
