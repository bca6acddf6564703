// Package otlp takes in log records by OTLP over HTTP, as OpenTelemetry's
// collector and SDKs export them: POST /v1/logs, protobuf or JSON, plain, gzip
// or zstd (OTLP 1.9, "OTLP/HTTP").
//
//	api := otlp.New(otlp.Options{Appender: store, Stamper: stamper})
//
// A request is answered 200 when everything of it is durable. The protocol has no
// ids, so one that is sent again because its answer was lost is stored again.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// Options of the API. Zero limits mean the defaults.
type Options struct {
	Appender logging.Appender
	Stamper  *logging.Stamper

	BodyBytesMax int64 // of one request, unpacked; default 20 MiB, as the collector's receiver
	RecordsMax   int   // of one request; default 100,000
	ValuesMax    int   // attributes and values of one request; default 1,000,000
	// LargeAtOnce is how many requests over 1 MiB are unpacked at a time, the
	// others wait; default 8.
	LargeAtOnce int

	Logger     *slog.Logger          // nil: discard
	Registerer prometheus.Registerer // nil: metrics are counted and not shown
}

const largeBytes = 1 << 20

type api struct {
	o        Options
	large    chan struct{}
	requests *prometheus.CounterVec // code
	received prometheus.Counter
	records  *prometheus.CounterVec // result
	refused  *prometheus.CounterVec // reason
}

// New makes the API: POST /v1/logs, for who has write access.
func New(o Options) httpx.API {
	if o.BodyBytesMax <= 0 {
		o.BodyBytesMax = 20 << 20
	}
	if o.RecordsMax <= 0 {
		o.RecordsMax = 100_000
	}
	if o.ValuesMax <= 0 {
		o.ValuesMax = 1_000_000
	}
	if o.LargeAtOnce <= 0 {
		o.LargeAtOnce = 8
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oriel_otlp_log_" + name, Help: help}, []string{label})
	}
	a := &api{
		o: o, large: make(chan struct{}, o.LargeAtOnce),
		requests: vec("requests_total", "OTLP requests with logs, by the status of the answer.", "code"),
		records:  vec("records_total", "Log records of OTLP requests, by what became of them; withheld: their request was refused as a whole, the sender has them.", "result"),
		received: prometheus.NewCounter(prometheus.CounterOpts{Name: "oriel_otlp_log_records_received_total", Help: "Log records of OTLP requests, as far as they were read: each has a result."}),
		refused:  vec("records_refused_total", "Log records of OTLP requests that can never be stored, by reason.", "reason"),
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(a.requests, a.received, a.records, a.refused)
	}
	m := httpx.NewMux(func(w http.ResponseWriter, r *http.Request, status int, reason string) {
		f, err := formatOf(r.Header.Get("Content-Type"))
		if err != nil {
			f = formatJSON
		}
		writeStatus(w, f, &fault{status, reason})
	})
	m.Handle(httpx.Route{Methods: []string{http.MethodPost}, Pattern: "/v1/logs", Access: httpx.Write}, a.serve)
	return m
}

// fault is an answer to the whole request; nothing of it was stored.
type fault struct {
	status int
	reason string
}

func (f *fault) Error() string { return f.reason }

func (a *api) serve(w http.ResponseWriter, r *http.Request) {
	format, err := formatOf(r.Header.Get("Content-Type"))
	var rejected rejection
	if err == nil {
		rejected, err = a.take(r, format)
	} else {
		format = formatJSON
	}
	if err == nil {
		a.requests.WithLabelValues("200").Inc()
		writeDone(w, format, rejected)
		return
	}
	var f *fault
	if !errors.As(err, &f) {
		a.o.Logger.Error("OTLP request failed", "err", err)
		f = &fault{http.StatusInternalServerError, "the store failed; the log of Oriel says why"}
	}
	a.requests.WithLabelValues(strconv.Itoa(f.status)).Inc()
	writeStatus(w, format, f)
}

// rejection says how many records of a request were not stored, and why the
// first of them was not.
type rejection struct {
	records int
	why     string
}

func (a *api) take(r *http.Request, format format) (rejection, error) {
	scope := tenant.WriteFrom(r.Context())
	if !scope.Valid() {
		return rejection{}, &fault{http.StatusForbidden, "the credential may not write logs: use one with write access"}
	}
	body, err := a.read(r)
	if err != nil {
		return rejection{}, err
	}
	if len(body) > largeBytes {
		select {
		case a.large <- struct{}{}:
			defer func() { <-a.large }()
		case <-r.Context().Done():
			return rejection{}, r.Context().Err()
		}
	}
	logs, err := a.decode(body, format)
	if err != nil {
		return rejection{}, err
	}
	return a.store(r.Context(), scope, logs)
}

// read gives the body, unpacked.
func (a *api) read(r *http.Request) ([]byte, error) {
	in, encoding := io.Reader(r.Body), strings.ToLower(r.Header.Get("Content-Encoding"))
	switch encoding {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, &fault{http.StatusBadRequest, "the body is said to be gzip and is not"}
		}
		in = z
	case "zstd":
		z, err := zstd.NewReader(r.Body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(a.o.BodyBytesMax)+1))
		if err != nil {
			return nil, &fault{http.StatusBadRequest, "the body is said to be zstd and is not"}
		}
		defer z.Close()
		in = z
	default:
		return nil, &fault{http.StatusUnsupportedMediaType, "Content-Encoding " + strconv.Quote(encoding) + " is not supported: use gzip, zstd or none"}
	}
	body, err := io.ReadAll(io.LimitReader(in, a.o.BodyBytesMax+1))
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) || int64(len(body)) > a.o.BodyBytesMax:
		return nil, &fault{http.StatusRequestEntityTooLarge, fmt.Sprintf("the request is larger than %d bytes unpacked: send smaller batches", a.o.BodyBytesMax)}
	case err != nil && encoding != "":
		return nil, &fault{http.StatusBadRequest, "the body cannot be unpacked: " + err.Error()}
	case err != nil:
		return nil, &fault{http.StatusBadRequest, "the body ended early: " + err.Error()}
	}
	return body, nil
}

// decode reads a request whose size was checked before anything is allocated for
// it.
func (a *api) decode(body []byte, format format) (plog.Logs, error) {
	b := &budget{records: a.o.RecordsMax, values: a.o.ValuesMax}
	check := b.protobuf
	if format == formatJSON {
		check = b.json
	}
	if err := check(body); err != nil {
		return plog.Logs{}, err
	}
	req := plogotlp.NewExportRequest()
	var err error
	if format == formatJSON {
		err = req.UnmarshalJSON(body)
	} else {
		err = req.UnmarshalProto(body)
	}
	if err != nil {
		return plog.Logs{}, &fault{http.StatusBadRequest, "the body is no ExportLogsServiceRequest in " + format.String() + ": " + err.Error()}
	}
	return req.Logs(), nil
}

// store stores the records of a request; without an error all but those rejected
// are durable.
func (a *api) store(ctx context.Context, scope tenant.Write, logs plog.Logs) (rejected rejection, err error) {
	reject := func(why, reason string) {
		a.refused.WithLabelValues(reason).Inc()
		a.records.WithLabelValues("refused").Inc()
		if rejected.records++; rejected.why == "" {
			rejected.why = why
		}
	}
	var records []logging.Record
	for doc := range documents(logs) {
		a.received.Inc()
		rec, err := a.o.Stamper.Stamp(scope, doc)
		if err != nil {
			reject(err.Error(), "stamp")
			continue
		}
		records = append(records, rec)
	}
	if len(records) == 0 {
		return rejected, nil
	}
	results, err := a.o.Appender.Append(ctx, scope, logging.Batch{Records: records})
	if err != nil {
		a.records.WithLabelValues("withheld").Add(float64(len(records)))
	}
	switch {
	case errors.Is(err, logging.ErrTooMuch):
		return rejected, &fault{http.StatusTooManyRequests, err.Error() + "; nothing of the request was stored: send it again later"}
	case errors.Is(err, logging.ErrUnavailable):
		return rejected, &fault{http.StatusServiceUnavailable, logging.ErrUnavailable.Error() + "; send the request again"}
	case err != nil:
		return rejected, err
	}
	for i := range results {
		if results[i].Status == logging.Refused {
			reject(results[i].Reason, "store")
			continue
		}
		a.records.WithLabelValues("stored").Inc()
	}
	return rejected, nil
}

// format is how a request is written, and its answer with it.
type format uint8

const (
	formatProtobuf format = iota
	formatJSON
)

func (f format) String() string {
	if f == formatJSON {
		return "JSON"
	}
	return "protobuf"
}

func (f format) contentType() string {
	if f == formatJSON {
		return "application/json"
	}
	return "application/x-protobuf"
}

func formatOf(contentType string) (format, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err == nil {
		switch kind {
		case "application/x-protobuf", "application/protobuf":
			return formatProtobuf, nil
		case "application/json":
			return formatJSON, nil
		}
	}
	return 0, &fault{http.StatusUnsupportedMediaType, "Content-Type " + strconv.Quote(contentType) + " is not supported: use application/x-protobuf or application/json"}
}
