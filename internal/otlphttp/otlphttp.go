// Package otlphttp is what the endpoints of OTLP over HTTP share (OTLP 1.9,
// "OTLP/HTTP"): reading a request, protobuf or JSON, plain, gzip or zstd, whose
// size is bounded before anything is allocated for it, and answering in the
// format that it came in.
//
//	api := otlphttp.New(otlphttp.Options{Pattern: "/v1/logs", ...}, plogotlp.NewExportRequest, take)
package otlphttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/tenant"
)

// Options of an endpoint. Zero limits mean the defaults.
type Options struct {
	Pattern   string // e.g. /v1/logs
	Message   string // what a body is, e.g. ExportLogsServiceRequest
	Forbidden string // what a caller without write access is told
	Shape     Shape  // of a request, for what is counted of it

	BodyBytesMax int64 // of one request, unpacked; default 20 MiB, as the collector's receiver
	ItemsMax     int   // what Shape counts as items; default: MessagesMax
	MessagesMax  int   // items, attributes, values and all around them; default 1,000,000
	// LargeAtOnce is how many requests over 1 MiB are taken apart at a time, the
	// others wait; default 8.
	LargeAtOnce int

	Requests *prometheus.CounterVec // by code, the status of the answer
	Logger   *slog.Logger           // nil: discard
	Failed   *Fault                 // the answer where Take's error is none; the error is logged
}

// Request is an Export*ServiceRequest of pdata.
type Request interface {
	UnmarshalProto([]byte) error
	UnmarshalJSON([]byte) error
}

// Response is an Export*ServiceResponse of pdata.
type Response interface {
	MarshalProto() ([]byte, error)
	MarshalJSON() ([]byte, error)
}

// Fault is an answer to the whole request; nothing of it was stored.
type Fault struct {
	Status int
	Reason string
	After  time.Duration // to wait before it is sent again, with 429 and 503; 1 s at least
}

func (f *Fault) Error() string { return f.Reason }

const (
	bodyBytesMax = 20 << 20
	messagesMax  = 1_000_000
	largeAtOnce  = 8
	largeBytes   = 1 << 20
)

type endpoint[Q Request, S Response] struct {
	o     Options
	large chan struct{}
	empty func() Q
	take  func(context.Context, tenant.Write, Q) (S, error)
}

// New makes an API of one route, POST o.Pattern, for who has write access. take
// stores a request: its answer says what of it was rejected for good, a [Fault]
// that nothing was stored.
func New[Q Request, S Response](o Options, empty func() Q, take func(context.Context, tenant.Write, Q) (S, error)) httpx.API {
	if o.BodyBytesMax <= 0 {
		o.BodyBytesMax = bodyBytesMax
	}
	if o.MessagesMax <= 0 {
		o.MessagesMax = messagesMax
	}
	if o.ItemsMax <= 0 {
		o.ItemsMax = o.MessagesMax
	}
	if o.LargeAtOnce <= 0 {
		o.LargeAtOnce = largeAtOnce
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &endpoint[Q, S]{o: o, large: make(chan struct{}, o.LargeAtOnce), empty: empty, take: take}
	m := httpx.NewMux(func(w http.ResponseWriter, r *http.Request, status int, reason string) {
		f, _ := formatOf(r.Header.Get("Content-Type"))
		writeFault(w, f, &Fault{Status: status, Reason: reason})
	})
	m.Handle(httpx.Route{Methods: []string{http.MethodPost}, Pattern: o.Pattern, Access: httpx.Write}, e.serve)
	return m
}

func (e *endpoint[Q, S]) serve(w http.ResponseWriter, r *http.Request) {
	f, err := formatOf(r.Header.Get("Content-Type"))
	if err == nil {
		var res S
		if res, err = e.answer(r, f); err == nil {
			e.o.Requests.WithLabelValues("200").Inc()
			writeDone(w, f, res)
			return
		}
	}
	fault, ok := errors.AsType[*Fault](err)
	if !ok {
		if r.Context().Err() == nil {
			e.o.Logger.Error("OTLP request failed", "path", e.o.Pattern, "err", err)
		}
		fault = e.o.Failed
	}
	e.o.Requests.WithLabelValues(strconv.Itoa(fault.Status)).Inc()
	writeFault(w, f, fault)
}

func (e *endpoint[Q, S]) answer(r *http.Request, f format) (none S, err error) {
	scope := tenant.WriteFrom(r.Context())
	if !scope.Valid() {
		return none, &Fault{Status: http.StatusForbidden, Reason: e.o.Forbidden}
	}
	body, err := e.read(r)
	if err != nil {
		return none, err
	}
	if len(body) > largeBytes {
		select {
		case e.large <- struct{}{}:
			defer func() { <-e.large }()
		case <-r.Context().Done():
			return none, r.Context().Err()
		}
	}
	req, err := e.decode(body, f)
	if err != nil {
		return none, err
	}
	return e.take(r.Context(), scope, req)
}

// read gives the body, unpacked.
func (e *endpoint[Q, S]) read(r *http.Request) ([]byte, error) {
	bad := func(reason string) error { return &Fault{Status: http.StatusBadRequest, Reason: reason} }
	in, encoding := io.Reader(r.Body), strings.ToLower(r.Header.Get("Content-Encoding"))
	switch encoding {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, bad("the body is said to be gzip and is not")
		}
		in = z
	case "zstd":
		z, err := zstd.NewReader(r.Body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(e.o.BodyBytesMax)+1))
		if err != nil {
			return nil, bad("the body is said to be zstd and is not")
		}
		defer z.Close()
		in = z
	default:
		return nil, &Fault{Status: http.StatusUnsupportedMediaType, Reason: "Content-Encoding " + strconv.Quote(encoding) + " is not supported: use gzip, zstd or none"}
	}
	body, err := io.ReadAll(io.LimitReader(in, e.o.BodyBytesMax+1))
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) || int64(len(body)) > e.o.BodyBytesMax:
		return nil, &Fault{Status: http.StatusRequestEntityTooLarge, Reason: fmt.Sprintf("the request is larger than %d bytes unpacked: send smaller batches", e.o.BodyBytesMax)}
	case err != nil && encoding != "":
		return nil, bad("the body cannot be unpacked: " + err.Error())
	case err != nil:
		return nil, bad("the body ended early: " + err.Error())
	}
	return body, nil
}

// decode reads a request whose size was checked before anything is allocated for
// it.
func (e *endpoint[Q, S]) decode(body []byte, f format) (none Q, err error) {
	b := budget{shape: e.o.Shape, items: e.o.ItemsMax, messages: e.o.MessagesMax}
	req := e.empty()
	check, unmarshal := b.protobuf, req.UnmarshalProto
	if f == formatJSON {
		check, unmarshal = b.json, req.UnmarshalJSON
	}
	if err := check(body); err != nil {
		return none, err
	}
	if err := unmarshal(body); err != nil {
		return none, &Fault{Status: http.StatusBadRequest, Reason: "the body is no " + e.o.Message + " in " + f.String() + ": " + err.Error()}
	}
	return req, nil
}
