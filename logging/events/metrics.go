package events

import "github.com/prometheus/client_golang/prometheus"

// counters are what a Recorder counts: received is the sum of passed, stored,
// duplicate and refused, but for those that are on their way.
type counters struct {
	received, passed, stored, duplicate prometheus.Counter
	refused, breaks                     *prometheus.CounterVec // reason
}

func newCounters(r prometheus.Registerer) *counters {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "oriel_kube_events_" + name, Help: help})
	}
	vec := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oriel_kube_events_" + name, Help: help}, []string{"reason"})
	}
	c := &counters{
		received:  counter("received_total", "Events of Kubernetes that were read, each picture of one by itself."),
		passed:    counter("passed_total", "Events of namespaces that nobody owns; they are not kept."),
		stored:    counter("stored_total", "Events that became log records, or are in the queue to central."),
		duplicate: counter("duplicate_total", "Events that were read again and are there already."),
		refused:   vec("refused_total", "Events that were not stored, by reason."),
		breaks:    vec("watch_errors_total", "Interruptions of the watch on Events, by reason. The watch is taken up again each time."),
	}
	if r != nil {
		r.MustRegister(c.received, c.passed, c.stored, c.duplicate, c.refused, c.breaks)
	}
	return c
}
