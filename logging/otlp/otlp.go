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
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/internal/otlphttp"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// Options of the API. Zero limits mean the defaults.
type Options struct {
	Appender logging.Appender
	Stamper  *logging.Stamper

	BodyBytesMax int64 // of one request, unpacked; default 20 MiB, as the collector's receiver
	RecordsMax   int   // of one request; default 100,000
	// MessagesMax bounds the records, attributes and values of one request;
	// default 1,000,000.
	MessagesMax int

	Logger     *slog.Logger          // nil: discard
	Registerer prometheus.Registerer // nil: metrics are counted and not shown
}

const recordsMax = 100_000

const (
	resourceLogs = otlphttp.Own + iota
	scopeLogs
	logRecord
)

// shape has the numbers of opentelemetry/proto/{collector/logs,logs}/v1.
func shape() otlphttp.Shape {
	return otlphttp.Shape{Item: logRecord, Items: "records", Fields: map[otlphttp.Field]otlphttp.Message{
		{Of: otlphttp.Body, Number: 1}: resourceLogs,
		{Of: resourceLogs, Number: 1}:  otlphttp.Resource,
		{Of: resourceLogs, Number: 2}:  scopeLogs,
		{Of: scopeLogs, Number: 1}:     otlphttp.Scope,
		{Of: scopeLogs, Number: 2}:     logRecord,
		{Of: logRecord, Number: 5}:     otlphttp.AnyValue,
		{Of: logRecord, Number: 6}:     otlphttp.KeyValue,
	}}
}

type api struct {
	o        Options
	received prometheus.Counter
	records  *prometheus.CounterVec // result
	refused  *prometheus.CounterVec // reason
}

// New makes the API: POST /v1/logs, for who has write access.
func New(o Options) httpx.API {
	if o.RecordsMax <= 0 {
		o.RecordsMax = recordsMax
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oriel_otlp_log_" + name, Help: help}, []string{label})
	}
	a := &api{
		o:        o,
		records:  vec("records_total", "Log records of OTLP requests, by what became of them; withheld: their request was refused as a whole, the sender has them.", "result"),
		received: prometheus.NewCounter(prometheus.CounterOpts{Name: "oriel_otlp_log_records_received_total", Help: "Log records of OTLP requests, as far as they were read: each has a result."}),
		refused:  vec("records_refused_total", "Log records of OTLP requests that can never be stored, by reason.", "reason"),
	}
	requests := vec("requests_total", "OTLP requests with logs, by the status of the answer.", "code")
	if o.Registerer != nil {
		o.Registerer.MustRegister(requests, a.received, a.records, a.refused)
	}
	return otlphttp.New(otlphttp.Options{
		Pattern: "/v1/logs", Message: "ExportLogsServiceRequest", Shape: shape(),
		Forbidden:    "the credential may not write logs: use one with write access",
		BodyBytesMax: o.BodyBytesMax, ItemsMax: o.RecordsMax, MessagesMax: o.MessagesMax,
		Requests: requests, Logger: o.Logger,
		Failed: &otlphttp.Fault{Status: http.StatusInternalServerError, Reason: "the store failed; the log of Oriel says why"},
	}, plogotlp.NewExportRequest, a.take)
}

// take stores the records of a request; without an error all but those that the
// partial success of its answer counts are durable.
func (a *api) take(ctx context.Context, scope tenant.Write, req plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	res := plogotlp.NewExportResponse()
	partial := res.PartialSuccess()
	reject := func(why, reason string) {
		a.refused.WithLabelValues(reason).Inc()
		a.records.WithLabelValues("refused").Inc()
		if partial.RejectedLogRecords() == 0 {
			partial.SetErrorMessage(why)
		}
		partial.SetRejectedLogRecords(partial.RejectedLogRecords() + 1)
	}
	var records []logging.Record
	for doc := range documents(req.Logs()) {
		a.received.Inc()
		rec, err := a.o.Stamper.Stamp(scope, doc)
		if err != nil {
			reject(err.Error(), "stamp")
			continue
		}
		records = append(records, rec)
	}
	if len(records) == 0 {
		return res, nil
	}
	results, err := a.o.Appender.Append(ctx, scope, logging.Batch{Records: records})
	if err != nil {
		a.records.WithLabelValues("withheld").Add(float64(len(records)))
	}
	switch {
	case errors.Is(err, logging.ErrTooMuch):
		return res, &otlphttp.Fault{Status: http.StatusTooManyRequests, Reason: err.Error() + "; nothing of the request was stored: send it again later"}
	case errors.Is(err, logging.ErrUnavailable):
		return res, &otlphttp.Fault{Status: http.StatusServiceUnavailable, Reason: logging.ErrUnavailable.Error() + "; send the request again"}
	case err != nil:
		return res, err
	}
	for i := range results {
		if results[i].Status == logging.Refused {
			reject(results[i].Reason, "store")
			continue
		}
		a.records.WithLabelValues("stored").Inc()
	}
	return res, nil
}
