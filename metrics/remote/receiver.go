package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"

	"github.com/klauspost/compress/snappy"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	promremote "github.com/prometheus/prometheus/storage/remote"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

const (
	bodyBytesDefault = 16 << 20
	decodedBytesMax  = 32 << 20 // as the protocol library
	inFlightMax      = 64       // requests at once; the others get 429
	// messagesMax bounds the messages (series, samples, histograms, exemplars) of
	// one request: two bytes on the wire can become 250 in memory.
	messagesMax = 500_000
)

// ReceiverOptions are the options of a Receiver.
type ReceiverOptions struct {
	Appender     metrics.Appender
	BodyBytesMax int64 // compressed; 0: 16 MiB. Decompressed it is 32 MiB at most.
	Logger       *slog.Logger
	Registerer   prometheus.Registerer
}

// Receiver is an httpx.API with the one route POST /api/v1/write.
//
// 204: everything is in the write-ahead log of its tenant's database. 400: some
// samples were refused for good, for the reasons in the text; the rest is
// stored, under 1.0 as under 2.0 (where the headers count it). 415: a content
// type, message or compression that is not spoken. 429 and 5xx: send again.
type Receiver struct {
	*httpx.Mux
	opts     ReceiverOptions
	theirs   http.Handler
	inFlight chan struct{}
	buffers  sync.Pool
	requests *prometheus.CounterVec
}

// NewReceiver makes a Receiver.
func NewReceiver(o ReceiverOptions) (*Receiver, error) {
	if o.Appender == nil {
		return nil, errors.New("make the remote write receiver: ReceiverOptions.Appender is not set")
	}
	if o.BodyBytesMax <= 0 {
		o.BodyBytesMax = bodyBytesDefault
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	rc := &Receiver{
		opts:     o,
		inFlight: make(chan struct{}, inFlightMax),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_remote_write_requests_total", Help: "Remote write requests by protocol version and HTTP status.",
		}, []string{"version", "code"}),
	}
	rc.buffers.New = func() any { return new([]byte) }
	var reg prometheus.Registerer
	if o.Registerer != nil {
		if err := o.Registerer.Register(rc.requests); err != nil {
			return nil, err
		}
		reg = prometheus.WrapRegistererWithPrefix("oriel_", o.Registerer)
	}
	// Their handler logs a line with all labels for every sample that it refuses;
	// the counters and the answer say enough.
	rc.theirs = promremote.NewWriteHandler(slog.New(slog.DiscardHandler), reg, scopedAppendable{o.Appender},
		remoteapi.MessageTypes{remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType}, false, true)
	rc.Mux = httpx.NewMux(func(w http.ResponseWriter, _ *http.Request, status int, reason string) {
		http.Error(w, reason, status)
	})
	rc.Handle(httpx.Route{Methods: []string{http.MethodPost}, Pattern: "/api/v1/write", Access: httpx.Write}, rc.write)
	return rc, nil
}

func (rc *Receiver) write(w http.ResponseWriter, r *http.Request) {
	version := "1.0"
	typ, err := remoteapi.ParseProtoMsg(r.Header.Get("Content-Type"))
	if err == nil && typ == remoteapi.WriteV2MessageType {
		version = "2.0"
	}
	rw := &replyWriter{w: w, rc: rc, refused: &refused{}}
	defer func() { rc.requests.WithLabelValues(version, strconv.Itoa(rw.code)).Inc() }()

	switch {
	case err != nil:
		http.Error(rw, "content type: "+err.Error(), http.StatusUnsupportedMediaType)
		return
	case !tenant.WriteFrom(r.Context()).Valid():
		http.Error(rw, "the caller may write no tenant's metrics; use a token made with --access write or a cluster's", http.StatusForbidden)
		return
	}
	select {
	case rc.inFlight <- struct{}{}:
		defer func() { <-rc.inFlight }()
	default:
		rw.Header().Set("Retry-After", "1")
		http.Error(rw, "too many write requests are under way; send this one again", http.StatusTooManyRequests)
		return
	}
	body, status, err := rc.body(rw, r, typ)
	if err != nil {
		http.Error(rw, err.Error(), status)
		return
	}
	ctx := r.Context()
	if typ == remoteapi.WriteV1MessageType {
		ctx = context.WithValue(ctx, refusedKey{}, rw.refused)
	}
	r = r.WithContext(ctx)
	r.Body = io.NopCloser(bytes.NewReader(body))
	rc.theirs.ServeHTTP(rw, r)
}

// body reads the compressed message and checks that taking it apart needs no
// more memory than it should.
func (rc *Receiver) body(w http.ResponseWriter, r *http.Request, typ remoteapi.WriteMessageType) (b []byte, status int, err error) {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != string(remoteapi.SnappyBlockCompression) {
		return nil, http.StatusUnsupportedMediaType, fmt.Errorf("compression %q is not spoken here; send snappy", enc)
	}
	b, err = io.ReadAll(http.MaxBytesReader(w, r.Body, rc.opts.BodyBytesMax))
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("the request is larger than %d bytes; send fewer samples at once", rc.opts.BodyBytesMax)
		}
		return nil, http.StatusBadRequest, fmt.Errorf("read the request: %w", err)
	}
	n, err := snappy.DecodedLen(b)
	if err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("decompress the request: %w", err)
	}
	// No snappy block expands more than 64-fold (a copy of 64 bytes in two or three).
	if n > decodedBytesMax || n > 64*len(b) {
		return nil, http.StatusBadRequest, fmt.Errorf("the request claims %d bytes decompressed; %d are the most taken", n, decodedBytesMax)
	}
	buf := rc.buffers.Get().(*[]byte)
	defer rc.buffers.Put(buf)
	if cap(*buf) < n {
		*buf = make([]byte, n)
	}
	decoded, err := snappy.Decode((*buf)[:n], b)
	if err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("decompress the request: %w", err)
	}
	if err := checkMessages(decoded, typ); err != nil {
		return nil, http.StatusBadRequest, err
	}
	return b, 0, nil
}

// checkMessages counts the messages of a request, two levels down, without
// taking them apart.
func checkMessages(b []byte, typ remoteapi.WriteMessageType) error {
	seriesField := protowire.Number(1) // prometheus.WriteRequest.timeseries
	if typ == remoteapi.WriteV2MessageType {
		seriesField = 5 // io.prometheus.write.v2.Request.timeseries
	}
	n := 0
	err := eachMessage(b, func(field protowire.Number, v []byte) error {
		if n++; n > messagesMax {
			return errTooMany
		}
		if field != seriesField {
			return nil
		}
		return eachMessage(v, func(protowire.Number, []byte) error {
			if n++; n > messagesMax {
				return errTooMany
			}
			return nil
		})
	})
	if err != nil && !errors.Is(err, errTooMany) {
		return fmt.Errorf("read the request as a protobuf message: %w", err)
	}
	return err
}

var errTooMany = fmt.Errorf("the request holds more than %d series, samples, histograms and exemplars; send fewer at once", messagesMax)

// eachMessage calls f for every length-delimited field.
func eachMessage(b []byte, f func(protowire.Number, []byte) error) error {
	for len(b) > 0 {
		field, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if typ != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(field, typ, b); n < 0 {
				return protowire.ParseError(n)
			}
			b = b[n:]
			continue
		}
		v, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if err := f(field, v); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// scopedAppendable writes under the scope of the request's caller.
type scopedAppendable struct{ a metrics.Appender }

func (s scopedAppendable) AppenderV2(ctx context.Context) storage.AppenderV2 {
	app := s.a.Appender(ctx, tenant.WriteFrom(ctx))
	if r, ok := ctx.Value(refusedKey{}).(*refused); ok {
		if e, ok := app.(storage.ExemplarAppenderV2); ok {
			return &partAppender{e, r}
		}
	}
	return app
}

// refused counts what a 1.0 request held that no repetition will make good.
type refused struct {
	n     int
	first error
}

type refusedKey struct{}

// partAppender stores the good part of a 1.0 request, as 2.0 does anyway.
// Prometheus' own receiver drops the whole request for one bad sample, and the
// sender does not send it again.
type partAppender struct {
	storage.ExemplarAppenderV2
	refused *refused
}

func (a *partAppender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	got, err := a.ExemplarAppenderV2.Append(ref, ls, st, t, v, h, fh, opts)
	if err == nil || !forGood(err) {
		return got, err
	}
	a.refused.n++
	if a.refused.first == nil {
		a.refused.first = fmt.Errorf("%w for series %s", err, ls)
	}
	return ref, nil
}

func (a *partAppender) AppendExemplars(ref storage.SeriesRef, ls labels.Labels, es []exemplar.Exemplar) (storage.SeriesRef, error) {
	return a.ExemplarAppenderV2.AppendExemplars(ref, ls, es)
}

// forGood reports whether a sample is refused however often it is sent.
func forGood(err error) bool {
	if e := (histogram.Error{}); errors.As(err, &e) {
		return true
	}
	return errors.Is(err, storage.ErrOutOfOrderSample) || errors.Is(err, storage.ErrOutOfBounds) ||
		errors.Is(err, storage.ErrDuplicateSampleForTimestamp) || errors.Is(err, storage.ErrTooOldSample)
}

// replyWriter turns a 1.0 success with refused samples into 400, and keeps the
// store's own errors, which may name files, from the caller.
type replyWriter struct {
	w       http.ResponseWriter
	rc      *Receiver
	refused *refused
	code    int
	hiding  bool
}

func (w *replyWriter) Header() http.Header { return w.w.Header() }

func (w *replyWriter) WriteHeader(code int) {
	w.code = code
	switch {
	case code < 300 && w.refused.n > 0:
		w.code = http.StatusBadRequest
		http.Error(w.w, fmt.Sprintf("%d samples were refused, the rest is stored; the first: %s", w.refused.n, w.refused.first), w.code)
		w.hiding = true
	case code >= 500:
		http.Error(w.w, "the samples could not be stored; send them again", code)
		w.hiding = true
	default:
		w.w.WriteHeader(code)
	}
}

func (w *replyWriter) Write(b []byte) (int, error) {
	if w.hiding {
		if w.code >= 500 {
			w.rc.opts.Logger.Error("remote_write_not_stored", "err", string(bytes.TrimSpace(b)))
		}
		return len(b), nil
	}
	return w.w.Write(b)
}
