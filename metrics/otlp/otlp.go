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
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/internal/otlphttp"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

// Options of the API. Zero limits mean the defaults.
type Options struct {
	Appender     metrics.Appender
	BodyBytesMax int64 // of one request, unpacked; default 20 MiB, as the collector's receiver
	// MessagesMax bounds the metrics, data points, attributes and values of one
	// request; default 1,000,000.
	MessagesMax int
	Logger      *slog.Logger          // nil: discard
	Registerer  prometheus.Registerer // nil: metrics are counted and not shown
}

type api struct {
	o        Options
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
	a := &api{o: o, rejected: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "oriel_otlp_metrics_rejected_total", Help: "Samples, and metrics that could not be translated, of OTLP requests that can never be stored.",
	})}
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "oriel_otlp_metrics_requests_total", Help: "OTLP requests with metrics, by the status of the answer.",
	}, []string{"code"})
	if o.Registerer != nil {
		if err := errors.Join(o.Registerer.Register(requests), o.Registerer.Register(a.rejected)); err != nil {
			return nil, err
		}
	}
	return otlphttp.New(otlphttp.Options{
		Pattern: "/v1/metrics", Message: "ExportMetricsServiceRequest", Shape: shape(),
		Forbidden:    "the caller may write no tenant's metrics; use a token made with --access write or a cluster's",
		BodyBytesMax: o.BodyBytesMax, MessagesMax: o.MessagesMax,
		Requests: requests, Logger: o.Logger,
		Failed: &otlphttp.Fault{Status: http.StatusServiceUnavailable, Reason: "the samples could not be stored; send them again"},
	}, pmetricotlp.NewExportRequest, a.take), nil
}

// take translates and stores a request; without an error all but what the
// partial success of its answer counts is in the store.
func (a *api) take(ctx context.Context, scope tenant.Write, req pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	res := pmetricotlp.NewExportResponse()
	app := &appender{AppenderV2: a.o.Appender.Appender(ctx, scope), maxMillis: time.Now().Add(aheadMax).UnixMilli()}
	err := translate(ctx, app, req.Metrics())
	switch {
	case ctx.Err() != nil:
		return res, errors.Join(ctx.Err(), app.Rollback())
	case app.failed != nil:
		return res, errors.Join(app.failed, app.Rollback())
	case app.limited > 0 && app.stored == 0 && app.out.n == 0:
		_ = app.Rollback()
		return res, &otlphttp.Fault{Status: http.StatusTooManyRequests, Reason: "nothing is stored, send it again: " + app.why, After: app.after}
	}
	if err := app.Commit(); err != nil {
		return res, err
	}
	if app.limited > 0 { // beside others' samples, which must not wait
		app.out.add(app.limited, app.why)
	}
	if err != nil { // of the translation: whole metrics
		for line := range strings.Lines(err.Error()) {
			app.out.add(1, strings.TrimSpace(line))
		}
	}
	a.rejected.Add(float64(app.out.n))
	if app.out.n > 0 {
		res.PartialSuccess().SetRejectedDataPoints(int64(app.out.n))
		res.PartialSuccess().SetErrorMessage(strings.Join(app.out.why, "; "))
	}
	return res, nil
}
