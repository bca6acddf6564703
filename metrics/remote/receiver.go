package remote

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/snappy"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

const (
	bodyBytesDefault = 16 << 20
	decodedBytesMax  = 32 << 20 // as the protocol library
	inFlightMax      = 64       // requests at once; the others get 429
	// messagesMax bounds the messages (series, samples, histograms, exemplars) of
	// one request: two bytes on the wire can become 110 in memory.
	messagesMax = 500_000
	refsMax     = 4_000_000 // references to labels
	// keptBytesMax is how large a buffer may be that is kept for the next request.
	keptBytesMax = 4 << 20
)

// ReceiverOptions are the options of a Receiver.
type ReceiverOptions struct {
	Appender metrics.Appender
	// Durability gives the store's generation and the last one that is safe against
	// a power cut; nil: answers say nothing of it.
	Durability   func() (epoch string, generation, durable uint64)
	BodyBytesMax int64 // compressed; 0: 16 MiB. Decompressed it is 32 MiB at most.
	Logger       *slog.Logger
	Registerer   prometheus.Registerer
}

// Receiver is an httpx.API with the one route POST /api/v1/write.
//
// 204: everything is in the write-ahead log of its tenant's database. 400: some
// samples were refused for good, for the reasons in the text; the rest is
// stored, under 1.0 as under 2.0 (where the headers count it). 415: a content
// type, message or compression that is not spoken. 429 and 5xx: nothing is
// stored, send all of it again.
//
// A tenant that sends too fast gets 429 where the whole request is its own. In a
// request that holds others' samples, too, its samples are refused for good: a
// 429 would hold up the neighbours in the sender's queue.
type Receiver struct {
	*httpx.Mux
	opts     ReceiverOptions
	known    *known
	inFlight chan struct{}
	buffers  sync.Pool // of *buffer
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
		known:    newKnown(),
		inFlight: make(chan struct{}, inFlightMax),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_remote_write_requests_total", Help: "Remote write requests by protocol version and HTTP status.",
		}, []string{"version", "code"}),
	}
	rc.buffers.New = func() any { return new(buffer) }
	if o.Registerer != nil {
		if err := o.Registerer.Register(rc.requests); err != nil {
			return nil, err
		}
	}
	rc.Mux = httpx.NewMux(func(w http.ResponseWriter, _ *http.Request, status int, reason string) {
		http.Error(w, reason, status)
	})
	rc.Handle(httpx.Route{Methods: []string{http.MethodPost}, Pattern: "/api/v1/write", Access: httpx.Write}, rc.write)
	return rc, nil
}

// buffer is what one request needs, and the next one uses again.
type buffer struct {
	packed, body []byte
	message      message
}

func (rc *Receiver) write(w http.ResponseWriter, r *http.Request) {
	version, code := "1.0", 0
	typ, err := remoteapi.ParseProtoMsg(r.Header.Get("Content-Type"))
	if err == nil && typ == remoteapi.WriteV2MessageType {
		version = "2.0"
	}
	defer func() { rc.requests.WithLabelValues(version, strconv.Itoa(code)).Inc() }()
	answer := func(status int, text string) {
		code = status
		http.Error(w, text, status)
	}
	switch {
	case err != nil:
		answer(http.StatusUnsupportedMediaType, "content type: "+err.Error())
		return
	case !tenant.WriteFrom(r.Context()).Valid():
		answer(http.StatusForbidden, "the caller may write no tenant's metrics; use a token made with --access write or a cluster's")
		return
	}
	select {
	case rc.inFlight <- struct{}{}:
		defer func() { <-rc.inFlight }()
	default:
		w.Header().Set("Retry-After", "1")
		answer(http.StatusTooManyRequests, "too many write requests are under way; send this one again")
		return
	}
	if d, known := rc.opts.Durability, r.Header.Get(DurabilityHeader); d != nil && known != "" {
		if epoch, generation, durable := d(); epoch != known {
			w.Header().Set(DurabilityHeader, durability{epoch, generation, durable}.String())
			answer(http.StatusPreconditionFailed, "this is another epoch of the store: send again what was not durable, from there on in order")
			return
		}
	}
	b := rc.buffers.Get().(*buffer)
	defer func() {
		if cap(b.packed)+cap(b.body) <= keptBytesMax {
			rc.buffers.Put(b)
		}
	}()
	if status, err := rc.read(w, r, b); err != nil {
		answer(status, err.Error())
		return
	}
	if err := b.message.parse(b.body, version == "2.0", rc.known.seeds); err != nil {
		answer(http.StatusBadRequest, err.Error())
		return
	}
	stored, refused, err := rc.apply(r.Context(), tenant.WriteFrom(r.Context()), &b.message)
	if d := rc.opts.Durability; d != nil && err == nil {
		epoch, generation, durable := d() // behind the commit, which is a part of this generation
		w.Header().Set(DurabilityHeader, durability{epoch, generation, durable}.String())
	}
	switch {
	case err != nil && r.Context().Err() != nil:
		answer(499, "the request ended before its samples were stored")
	case err != nil:
		// The store's own errors may name files: they are the log's.
		rc.opts.Logger.Error("remote_write_not_stored", "err", err)
		answer(http.StatusInternalServerError, "the samples could not be stored; send them again")
	case refused.limited > 0 && stored.all() == 0: // bad ones among them are refused when they are let in
		w.Header().Set("Retry-After", strconv.Itoa(int(refused.after/time.Second)+1))
		answer(http.StatusTooManyRequests, "nothing is stored, send it again: "+strings.Join(refused.reasons, "; "))
	default:
		if version == "2.0" {
			for name, n := range map[string]int{"Samples": stored.samples, "Histograms": stored.histograms, "Exemplars": stored.exemplars} {
				w.Header().Set("X-Prometheus-Remote-Write-"+name+"-Written", strconv.Itoa(n))
			}
		}
		if len(refused.reasons) > 0 {
			answer(http.StatusBadRequest, refused.String())
			return
		}
		code = http.StatusNoContent
		w.WriteHeader(code)
	}
}

// read reads the compressed message and takes it apart.
func (rc *Receiver) read(w http.ResponseWriter, r *http.Request, b *buffer) (status int, err error) {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != string(remoteapi.SnappyBlockCompression) {
		return http.StatusUnsupportedMediaType, fmt.Errorf("compression %q is not spoken here; send snappy", enc)
	}
	b.packed, err = readAll(http.MaxBytesReader(w, r.Body, rc.opts.BodyBytesMax), b.packed[:0])
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return http.StatusRequestEntityTooLarge, fmt.Errorf("the request is larger than %d bytes; send fewer samples at once", rc.opts.BodyBytesMax)
		}
		return http.StatusBadRequest, fmt.Errorf("read the request: %w", err)
	}
	n, err := snappy.DecodedLen(b.packed)
	if err != nil {
		return http.StatusBadRequest, fmt.Errorf("decompress the request: %w", err)
	}
	// No snappy block expands more than 64-fold (a copy of 64 bytes in two or three).
	if n > decodedBytesMax || n > 64*len(b.packed) {
		return http.StatusBadRequest, fmt.Errorf("the request claims %d bytes decompressed; %d are the most taken", n, decodedBytesMax)
	}
	if cap(b.body) < n {
		b.body = make([]byte, n)
	}
	b.body, err = snappy.Decode(b.body[:n], b.packed)
	if err != nil {
		return http.StatusBadRequest, fmt.Errorf("decompress the request: %w", err)
	}
	return 0, nil
}

// readAll is io.ReadAll into a buffer of an earlier request.
func readAll(r io.Reader, b []byte) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}
