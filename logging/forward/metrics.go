package forward

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	connections   prometheus.Gauge
	closed        *prometheus.CounterVec // reason
	acceptErrors  prometheus.Counter
	authFailures  *prometheus.CounterVec // reason
	heartbeats    prometheus.Counter
	frames        *prometheus.CounterVec // mode
	malformed     *prometheus.CounterVec // reason
	bytes         prometheus.Counter
	received      prometheus.Counter
	records       prometheus.Counter
	withheld      prometheus.Counter
	held          prometheus.Gauge
	duplicates    prometheus.Counter
	refused       *prometheus.CounterVec // reason
	acks          prometheus.Counter
	appendErrors  *prometheus.CounterVec // reason
	appendSeconds prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "oriel_forward_" + name, Help: help})
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oriel_forward_" + name, Help: help}, []string{label})
	}
	m := &metrics{
		connections:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "oriel_forward_connections", Help: "Open connections."}),
		closed:       vec("connections_closed_total", "Connections that the server ended, by reason.", "reason"),
		acceptErrors: counter("accept_errors_total", "Connections that could not be accepted."),
		authFailures: vec("auth_failures_total", "Handshakes that were refused, by reason.", "reason"),
		heartbeats:   counter("heartbeats_total", "UDP heartbeats that were answered."),
		frames:       vec("frames_total", "Frames read, by mode.", "mode"),
		malformed:    vec("frames_malformed_total", "Frames that could not be read, by reason; each ended its connection.", "reason"),
		bytes:        counter("bytes_total", "Bytes of frames read, as they came."),
		received:     counter("records_received_total", "Entries read: stored, there before, refused or withheld."),
		records:      counter("records_total", "Records stored."),
		withheld:     counter("records_withheld_total", "Entries of chunks that got no acknowledgement: the sender has them, and sends them again."),
		held:         prometheus.NewGauge(prometheus.GaugeOpts{Name: "oriel_forward_chunks_held", Help: "Chunks that wait aside for their tenant's quota."}),
		duplicates:   counter("records_duplicate_total", "Records that were there before."),
		refused:      vec("records_refused_total", "Records that can never be stored, by reason; acknowledged.", "reason"),
		acks:         counter("acks_total", "Chunks acknowledged."),
		appendErrors: vec("append_errors_total", "Times the store did not take a batch, by reason; it is tried again.", "reason"),
		appendSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "oriel_forward_append_seconds", Help: "Time until a batch was durable.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
	}
	if r != nil {
		r.MustRegister(m.connections, m.closed, m.acceptErrors, m.authFailures, m.heartbeats, m.frames, m.malformed,
			m.bytes, m.received, m.records, m.withheld, m.held, m.duplicates, m.refused, m.acks, m.appendErrors, m.appendSeconds)
	}
	return m
}
