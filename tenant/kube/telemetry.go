package kube

import "github.com/prometheus/client_golang/prometheus"

// The label values of telemetry.
const (
	callSnapshot = "snapshot"
	callChanges  = "changes"
	resultOK     = "ok"
	resultStale  = "stale"
	resultFailed = "failed"
	objectStatus = "status"
	objectEvent  = "event"

	stateReady     = "ready"
	statePending   = "pending"
	stateRefused   = "refused"
	stateUndecided = "undecided" // central has not answered yet
)

// telemetry is what a Watcher counts.
type telemetry struct {
	namespaces  *prometheus.GaugeVec
	calls       *prometheus.CounterVec
	writes      *prometheus.CounterVec
	failures    *prometheus.CounterVec
	watchErrors *prometheus.CounterVec
}

// newTelemetry registers with r unless that is nil.
func newTelemetry(r prometheus.Registerer) *telemetry {
	t := &telemetry{
		namespaces: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "oriel_kube_namespaces",
			Help: "Namespaces that carry the tenant annotation, by central's decision on them.",
		}, []string{"state"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_kube_roster_calls_total",
			Help: "What central was told of namespaces, by kind of call and its result.",
		}, []string{"call", "result"}),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_kube_writes_total",
			Help: "Statuses and Events written to Kubernetes.",
		}, []string{"object"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_kube_write_failures_total",
			Help: "Statuses and Events that Kubernetes did not take, by reason; those that can succeed later are tried again.",
		}, []string{"object", "reason"}),
		watchErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_kube_watch_errors_total",
			Help: "Interruptions of the watch on namespaces, by reason. The watch is taken up again each time.",
		}, []string{"reason"}),
	}
	if r != nil {
		r.MustRegister(t.namespaces, t.calls, t.writes, t.failures, t.watchErrors)
	}
	return t
}
