// Package otlp takes in metrics by OTLP over HTTP, as OpenTelemetry's collector
// and SDKs export them: POST /v1/metrics, protobuf or JSON, plain, gzip or zstd
// (OTLP 1.9, "OTLP/HTTP").
//
//	api, err := otlp.New(otlp.Options{Appender: store})
//
// Prometheus' own translation makes the series: names by
// UnderscoreEscapingWithSuffixes, job and instance from service.name and
// service.instance.id, a series target_info for the other attributes of a
// resource. k8s.namespace.name, k8s.pod.name, k8s.container.name and
// k8s.node.name become the labels namespace, pod, container and node, so that
// under a cluster's credential the owner of the namespace gets the series.
// Metrics of delta temporality are rejected: export cumulative ones.
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
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

// Options of the API. Zero limits mean the defaults.
type Options struct {
	Appender     metrics.Appender
	BodyBytesMax int64 // of one request, unpacked; default 20 MiB, as the collector's receiver
	// LargeAtOnce is how many requests over 1 MiB are taken apart at a time, the
	// others wait; default 8.
	LargeAtOnce int
	Logger      *slog.Logger          // nil: discard
	Registerer  prometheus.Registerer // nil: metrics are counted and not shown
}

const largeBytes = 1 << 20

type api struct {
	o        Options
	large    chan struct{}
	requests *prometheus.CounterVec // code
	rejected prometheus.Counter
}

// New makes the API: POST /v1/metrics, for who has write access.
//
// 200: everything is in the write-ahead log of its tenant's database, except for
// what the answer's partial_success counts, which can never be stored. 429 and
// 503: nothing is stored, send all of it again. 400, 413 and 415: never.
func New(o Options) (httpx.API, error) {
	if o.Appender == nil {
		return nil, errors.New("make the OTLP metrics receiver: Options.Appender is not set")
	}
	if o.BodyBytesMax <= 0 {
		o.BodyBytesMax = 20 << 20
	}
	if o.LargeAtOnce <= 0 {
		o.LargeAtOnce = 8
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	a := &api{
		o: o, large: make(chan struct{}, o.LargeAtOnce),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_otlp_metrics_requests_total", Help: "OTLP requests with metrics, by the status of the answer.",
		}, []string{"code"}),
		rejected: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "oriel_otlp_metrics_rejected_total", Help: "Samples, and metrics that could not be translated, of OTLP requests that can never be stored.",
		}),
	}
	if o.Registerer != nil {
		if err := errors.Join(o.Registerer.Register(a.requests), o.Registerer.Register(a.rejected)); err != nil {
			return nil, err
		}
	}
	m := httpx.NewMux(func(w http.ResponseWriter, r *http.Request, status int, reason string) {
		f, err := formatOf(r.Header.Get("Content-Type"))
		if err != nil {
			f = formatJSON
		}
		writeStatus(w, f, &fault{status: status, reason: reason})
	})
	m.Handle(httpx.Route{Methods: []string{http.MethodPost}, Pattern: "/v1/metrics", Access: httpx.Write}, a.serve)
	return m, nil
}

// fault is an answer to the whole request; nothing of it was stored.
type fault struct {
	status int
	reason string
	after  time.Duration // with 429 and 503
}

func (f *fault) Error() string { return f.reason }

func (a *api) serve(w http.ResponseWriter, r *http.Request) {
	format, err := formatOf(r.Header.Get("Content-Type"))
	var out rejections
	if err == nil {
		out, err = a.take(r, format)
	} else {
		format = formatJSON
	}
	if err == nil {
		a.requests.WithLabelValues("200").Inc()
		a.rejected.Add(float64(out.n))
		writeDone(w, format, out)
		return
	}
	f, ok := errors.AsType[*fault](err)
	if !ok {
		a.o.Logger.Error("otlp_metrics_not_stored", "err", err)
		f = &fault{http.StatusServiceUnavailable, "the samples could not be stored; send them again", time.Second}
	}
	a.requests.WithLabelValues(strconv.Itoa(f.status)).Inc()
	writeStatus(w, format, f)
}

func (a *api) take(r *http.Request, format format) (rejections, error) {
	scope := tenant.WriteFrom(r.Context())
	if !scope.Valid() {
		return rejections{}, &fault{status: http.StatusForbidden, reason: "the caller may write no tenant's metrics; use a token made with --access write or a cluster's"}
	}
	body, err := a.read(r)
	if err != nil {
		return rejections{}, err
	}
	if len(body) > largeBytes {
		select {
		case a.large <- struct{}{}:
			defer func() { <-a.large }()
		case <-r.Context().Done():
			return rejections{}, r.Context().Err()
		}
	}
	md, err := decode(body, format)
	if err != nil {
		return rejections{}, err
	}
	return a.store(r.Context(), scope, md)
}

// read gives the body, unpacked.
func (a *api) read(r *http.Request) ([]byte, error) {
	in, encoding := io.Reader(r.Body), strings.ToLower(r.Header.Get("Content-Encoding"))
	switch encoding {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, &fault{status: http.StatusBadRequest, reason: "the body is said to be gzip and is not"}
		}
		in = z
	case "zstd":
		z, err := zstd.NewReader(r.Body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(a.o.BodyBytesMax)+1))
		if err != nil {
			return nil, &fault{status: http.StatusBadRequest, reason: "the body is said to be zstd and is not"}
		}
		defer z.Close()
		in = z
	default:
		return nil, &fault{status: http.StatusUnsupportedMediaType, reason: "Content-Encoding " + strconv.Quote(encoding) + " is not supported: use gzip, zstd or none"}
	}
	body, err := io.ReadAll(io.LimitReader(in, a.o.BodyBytesMax+1))
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) || int64(len(body)) > a.o.BodyBytesMax:
		return nil, &fault{status: http.StatusRequestEntityTooLarge, reason: fmt.Sprintf("the request is larger than %d bytes unpacked: send smaller batches", a.o.BodyBytesMax)}
	case err != nil && encoding != "":
		return nil, &fault{status: http.StatusBadRequest, reason: "the body cannot be unpacked: " + err.Error()}
	case err != nil:
		return nil, &fault{status: http.StatusBadRequest, reason: "the body ended early: " + err.Error()}
	}
	return body, nil
}

// decode reads a request whose size was checked before anything is allocated for it.
func decode(body []byte, format format) (pmetric.Metrics, error) {
	b := budget(messagesMax)
	check := b.protobuf
	if format == formatJSON {
		check = b.json
	}
	if err := check(body); err != nil {
		return pmetric.Metrics{}, err
	}
	req := pmetricotlp.NewExportRequest()
	var err error
	if format == formatJSON {
		err = req.UnmarshalJSON(body)
	} else {
		err = req.UnmarshalProto(body)
	}
	if err != nil {
		return pmetric.Metrics{}, &fault{status: http.StatusBadRequest, reason: "the body is no ExportMetricsServiceRequest in " + format.String() + ": " + err.Error()}
	}
	return req.Metrics(), nil
}

// store translates and stores a request; without an error all but what was
// rejected is in the store.
func (a *api) store(ctx context.Context, scope tenant.Write, md pmetric.Metrics) (rejections, error) {
	app := &appender{AppenderV2: a.o.Appender.Appender(ctx, scope), maxMillis: time.Now().Add(aheadMax).UnixMilli()}
	err := translate(ctx, app, md)
	switch {
	case ctx.Err() != nil:
		return rejections{}, errors.Join(ctx.Err(), app.Rollback())
	case app.failed != nil:
		return rejections{}, errors.Join(app.failed, app.Rollback())
	case app.limited > 0 && app.stored == 0 && app.out.n == 0:
		_ = app.Rollback()
		return rejections{}, &fault{http.StatusTooManyRequests, "nothing is stored, send it again: " + app.why, app.after}
	}
	if err := app.Commit(); err != nil {
		return rejections{}, err
	}
	if app.limited > 0 { // beside others' samples, which must not wait
		app.out.add(app.limited, app.why)
	}
	if err != nil { // of the translation: whole metrics
		for line := range strings.Lines(err.Error()) {
			app.out.add(1, strings.TrimSpace(line))
		}
	}
	return app.out, nil
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
	return 0, &fault{status: http.StatusUnsupportedMediaType, reason: "Content-Type " + strconv.Quote(contentType) + " is not supported: use application/x-protobuf or application/json"}
}

// writeDone writes an ExportMetricsServiceResponse; what was rejected is a
// partial success, which is not to be sent again.
func writeDone(w http.ResponseWriter, f format, out rejections) {
	res := pmetricotlp.NewExportResponse()
	if out.n > 0 {
		res.PartialSuccess().SetRejectedDataPoints(int64(out.n))
		res.PartialSuccess().SetErrorMessage(strings.Join(out.why, "; "))
	}
	marshal := res.MarshalProto
	if f == formatJSON {
		marshal = res.MarshalJSON
	}
	b, err := marshal()
	if err != nil {
		panic("otlp: a response does not marshal: " + err.Error())
	}
	w.Header().Set("Content-Type", f.contentType())
	_, _ = w.Write(b) // the client is gone, or reads it
}

// writeStatus writes a google.rpc.Status, as OTLP's failures are. 429, 502, 503
// and 504 are those that clients try again.
func writeStatus(w http.ResponseWriter, f format, of *fault) {
	var b []byte
	if f == formatJSON {
		b = append(jsontext.AppendString([]byte(`{"message":`), of.reason), '}')
	} else {
		b = protowire.AppendTag(nil, 2, protowire.BytesType)
		b = protowire.AppendString(b, of.reason)
	}
	w.Header().Set("Content-Type", f.contentType())
	if of.status == http.StatusTooManyRequests || of.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(int(of.after/time.Second)+1))
	}
	w.WriteHeader(of.status)
	_, _ = w.Write(b)
}
