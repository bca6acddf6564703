package relay

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

const (
	path        = "/agent/v1/logs"
	contentType = "application/vnd.oriel.logs"

	bodyBytesMax   = 96 << 20
	parcelBytesMax = 64 << 20

	ownersAtOnce = 512 // of a parcel, handed to the store together
)

// ReceiverOptions configure a receiver.
type ReceiverOptions struct {
	Appender   logging.Appender
	Stamper    *logging.Stamper
	Logger     *slog.Logger          // nil: discard
	Registerer prometheus.Registerer // nil: metrics are counted and not shown
}

type receiver struct {
	o        ReceiverOptions
	codec    *codec
	requests *prometheus.CounterVec // code
	records  *prometheus.CounterVec // result
	refused  *prometheus.CounterVec // reason
}

// reply is the answer to a body: how many of its parcels are settled, in order,
// and what became of each. A status other than 200 says why not all of them.
type reply struct {
	Parcels []settled `json:"parcels"`
	Error   string    `json:"error,omitempty"`
}

type settled struct {
	Stored    int `json:"stored"`
	Duplicate int `json:"duplicate,omitempty"`
	Refused   int `json:"refused,omitempty"`
	// Again lists the records, by place, whose owners are over their quota:
	// they are to be sent again later, and hold nobody else up.
	Again []int  `json:"again,omitempty"`
	Error string `json:"error,omitempty"` // the parcel cannot be read, now or ever
}

// NewReceiver makes the API that central opens to agents: POST /agent/v1/logs.
func NewReceiver(o ReceiverOptions) httpx.API {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oriel_relay_receiver_" + name, Help: help}, []string{label})
	}
	s := &receiver{
		o: o, codec: newCodec(),
		requests: vec("requests_total", "Requests of agents, by the status of the answer.", "code"),
		records:  vec("records_total", "Records of agents, by what became of them.", "result"),
		refused:  vec("records_refused_total", "Records that can never be stored, by reason.", "reason"),
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(s.requests, s.records, s.refused)
	}
	m := httpx.NewMux(func(w http.ResponseWriter, _ *http.Request, status int, reason string) {
		writeReply(w, status, reply{Error: reason})
	})
	m.Handle(httpx.Route{Methods: []string{http.MethodPost}, Pattern: path, Access: httpx.Agent}, s.serve)
	return m
}

func writeReply(w http.ResponseWriter, status int, r reply) {
	w.Header().Set("Content-Type", "application/json")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(r) // the agent is gone, or reads it
}

func (s *receiver) serve(w http.ResponseWriter, r *http.Request) {
	var out reply
	status, err := s.take(w, r, &out)
	if err != nil {
		out.Error = err.Error()
		if status >= 500 {
			s.o.Logger.Warn("records of an agent not stored", "remote", r.RemoteAddr, "err", err)
			out.Error = "the store does not take records now: send the rest again"
		}
	}
	s.requests.WithLabelValues(fmt.Sprint(status)).Inc()
	writeReply(w, status, out)
}

func (s *receiver) take(w http.ResponseWriter, r *http.Request, out *reply) (int, error) {
	scope := tenant.WriteFrom(r.Context())
	if !scope.Valid() {
		return http.StatusForbidden, errors.New("the credential may not write logs: use a cluster's token")
	}
	if r.Header.Get("Content-Type") != contentType {
		return http.StatusUnsupportedMediaType, errors.New("Content-Type: " + contentType + " is required")
	}
	body := bufio.NewReaderSize(http.MaxBytesReader(w, r.Body, bodyBytesMax), 64<<10)
	for {
		b, err := readParcel(body, parcelBytesMax)
		if errors.Is(err, io.EOF) {
			return http.StatusOK, nil
		}
		var large *http.MaxBytesError
		switch {
		case errors.As(err, &large):
			return http.StatusRequestEntityTooLarge, fmt.Errorf("the body is larger than %d bytes: send fewer parcels", int64(bodyBytesMax))
		case err != nil:
			return http.StatusBadRequest, err
		}
		p, err := s.codec.unpack(b)
		if errors.Is(err, errVersion) {
			return http.StatusUnsupportedMediaType, err
		}
		if err != nil {
			s.refused.WithLabelValues("damaged").Inc()
			out.Parcels = append(out.Parcels, settled{Error: err.Error()})
			continue
		}
		done, err := s.store(r, scope, &p)
		if err != nil {
			return http.StatusServiceUnavailable, err
		}
		out.Parcels = append(out.Parcels, done)
	}
}

// store appends a parcel, each owner's records by themselves: one that is over
// its quota costs the others nothing.
func (s *receiver) store(r *http.Request, scope tenant.Write, p *parcel) (done settled, err error) {
	type group struct {
		records []logging.Record
		places  []int
		results []logging.ItemResult
		again   bool
	}
	groups := map[tenant.ID]*group{}
	var order []tenant.ID
	for i, raw := range p.records {
		rec, err := s.o.Stamper.Stamp(scope, raw)
		if err != nil {
			done.Refused++
			s.refused.WithLabelValues("stamp").Inc()
			continue
		}
		g := groups[rec.Tenant]
		if g == nil {
			g = &group{}
			groups[rec.Tenant] = g
			order = append(order, rec.Tenant)
		}
		g.records = append(g.records, rec)
		g.places = append(g.places, i)
	}
	// Side by side, so that a durable store commits them together: one after the
	// other, a parcel of a thousand owners would wait for a thousand syncs.
	var appends errgroup.Group
	appends.SetLimit(ownersAtOnce)
	for _, id := range order {
		g := groups[id]
		key := ""
		if p.key != "" {
			key = logging.BatchKey(scope.Who(), "relay", p.key, []byte(id))
		}
		appends.Go(func() error {
			var err error
			g.results, err = s.o.Appender.Append(r.Context(), scope, logging.Batch{Records: g.records, Key: key})
			if g.again = errors.Is(err, logging.ErrTooMuch); g.again {
				return nil
			}
			return err
		})
	}
	if err := appends.Wait(); err != nil {
		return done, err
	}
	for _, id := range order {
		g := groups[id]
		if g.again {
			s.records.WithLabelValues("again").Add(float64(len(g.places)))
			done.Again = append(done.Again, g.places...)
		}
		for _, res := range g.results {
			switch res.Status {
			case logging.Stored:
				done.Stored++
			case logging.Duplicate:
				done.Duplicate++
			default:
				done.Refused++
				s.refused.WithLabelValues("store").Inc()
			}
		}
	}
	s.records.WithLabelValues("stored").Add(float64(done.Stored))
	s.records.WithLabelValues("duplicate").Add(float64(done.Duplicate))
	s.records.WithLabelValues("refused").Add(float64(done.Refused))
	return done, nil
}
