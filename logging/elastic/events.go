package elastic

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oriel-project/oriel/tenant"
)

// EventKind tells what happened.
type EventKind string

// The kinds of events.
const (
	EventUnavailable EventKind = "unavailable"     // the engine does not answer: Err
	EventAvailable   EventKind = "available"       // it answers again
	EventRetained    EventKind = "retained"        // records past their retention were removed: Tenant, Records
	EventPurged      EventKind = "purged"          // records of an ended namespace or tenant were removed: Tenant, Records
	EventRetainError EventKind = "retention_error" // removing failed, it is tried again: Tenant, Err
)

// Event is something that an operator may want to read in the log.
type Event struct {
	Kind    EventKind
	Tenant  tenant.ID
	Records int64
	Err     error
}

type metrics struct {
	records    prometheus.Counter
	refused    prometheus.Counter
	duplicates prometheus.Counter
	requests   *prometheus.CounterVec
	seconds    *prometheus.CounterVec
	scans      *prometheus.CounterVec
	scanned    prometheus.Counter
	available  prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	const prefix = "oriel_logstore_elastic_"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
	}
	m := &metrics{
		records:    counter("records_total", "Log records that the engine has stored."),
		refused:    counter("refused_total", "Log records that the engine refused for good."),
		duplicates: counter("duplicates_total", "Log records that were there before."),
		requests:   counters("requests_total", "Requests to the engine, by what they ask for and the status of the answer (0: none).", "of", "status"),
		seconds:    counters("request_seconds_total", "Seconds that requests to the engine took.", "of"),
		scans:      counters("scans_total", "Queries for which records were read, since the engine cannot answer them by itself, by why.", "reason"),
		scanned:    counter("scanned_records_total", "Records that were read for such queries."),
		available:  prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "available", Help: "Whether the engine answered the last request."}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.records, m.refused, m.duplicates, m.requests, m.seconds, m.scans, m.scanned, m.available} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// asked counts a request. What it asks for is the last part of its path that is
// an API's name.
func (m *metrics) asked(r request, status int, took time.Duration) {
	of := "index"
	for _, part := range strings.Split(r.path, "/") {
		if strings.HasPrefix(part, "_") {
			of = part
			break
		}
	}
	m.requests.WithLabelValues(of, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(of).Add(took.Seconds())
}
