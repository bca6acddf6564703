package demo

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// pod is one HTTP server with its own metrics.
type pod struct {
	team string
	place
	mux      *http.ServeMux
	reg      *prometheus.Registry
	shipper  *shipper
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

func newPod(team string, at place, s *shipper, process bool) *pod {
	p := &pod{
		team: team, place: at, shipper: s,
		mux: http.NewServeMux(), reg: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "Requests answered, by status code, method and handler.",
		}, []string{"code", "method", "handler"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "Time from a request's first byte to the end of its answer.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"code", "method", "handler"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "http_requests_in_flight", Help: "Requests that are being answered now.",
		}),
	}
	p.reg.MustRegister(p.requests, p.duration, p.inFlight)
	if process {
		p.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	p.mux.Handle("GET /metrics", promhttp.HandlerFor(p.reg, promhttp.HandlerOpts{Registry: p.reg}))
	p.mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	return p
}

// answer is what a handler came to. The zero value is an empty 200.
type answer struct {
	status int
	body   any
	err    error  // logged with the request
	level  string // of that log record; by status where ""
}

// handle serves a pattern with metrics, a trace and one log record a request.
func (p *pod) handle(pattern string, h func(ctx context.Context, r *http.Request) answer) {
	name := pattern[strings.Index(pattern, "/"):]
	name = strings.TrimSuffix(name, "{$}")
	by := prometheus.Labels{"handler": name}
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		ctx := withTrace(r.Context(), traceOf(r))
		a := h(ctx, r)
		if a.status == 0 {
			a.status = http.StatusOK
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(a.status)
		if a.body == nil {
			a.body = map[string]string{"status": http.StatusText(a.status)}
		}
		_ = json.NewEncoder(w).Encode(a.body)
		p.access(ctx, r, a, time.Since(began))
	})
	p.mux.Handle(pattern, promhttp.InstrumentHandlerInFlight(p.inFlight,
		promhttp.InstrumentHandlerCounter(p.requests.MustCurryWith(by),
			promhttp.InstrumentHandlerDuration(p.duration.MustCurryWith(by), inner))))
}

func (p *pod) access(ctx context.Context, r *http.Request, a answer, took time.Duration) {
	level := a.level
	switch {
	case level != "":
	case a.status >= 500:
		level = "error"
	case a.status >= 400, took > time.Second:
		level = "warn"
	default:
		level = "info"
	}
	fields := map[string]any{
		"method": r.Method, "path": r.URL.Path, "status": a.status,
		"duration_ms": float64(took.Microseconds()) / 1000, "remote": r.RemoteAddr, "user_agent": r.UserAgent(),
	}
	message := r.Method + " " + r.URL.Path + " " + http.StatusText(a.status)
	if a.err != nil {
		fields["error"] = a.err.Error()
		message += ": " + a.err.Error()
	}
	p.log(ctx, level, "http", message, fields)
}

// log writes a record as a shipper in Kubernetes would deliver it.
func (p *pod) log(ctx context.Context, level, logger, message string, fields map[string]any) {
	rec := map[string]any{
		"message": message, "level": level, "logger": logger, "stream": "stdout",
		"kubernetes": map[string]any{
			"namespace_name": p.team, "pod_name": p.pod, "container_name": p.container, "host": p.node,
			"labels": map[string]any{"app": p.app, "team": p.team},
		},
	}
	if level == "error" {
		rec["stream"] = "stderr"
	}
	if id, ok := ctx.Value(traceKey{}).(string); ok {
		rec["trace_id"] = id
	}
	for k, v := range fields {
		rec[k] = v
	}
	p.shipper.post("kubernetes."+p.team+"."+p.pod+"."+p.container, rec)
}

type traceKey struct{}

func withTrace(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, traceKey{}, id)
}

// traceOf gives the trace that the caller began, else a new one (W3C Trace
// Context: version, trace-id, parent-id, flags).
func traceOf(r *http.Request) string {
	if f := strings.Split(r.Header.Get("traceparent"), "-"); len(f) == 4 && len(f[1]) == 32 {
		return f[1]
	}
	return randomHex(16)
}

// traceparent hands the context's trace on.
func traceparent(ctx context.Context) string {
	id, ok := ctx.Value(traceKey{}).(string)
	if !ok {
		id = randomHex(16)
	}
	return "00-" + id + "-" + randomHex(8) + "-01"
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return hex.EncodeToString(b)
}

// chance is true in that part of the cases.
func chance(part float64) bool { return rand.Float64() < part }

// wait passes the time that work would take. It ends early with ctx.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// around gives a duration near d, seldom much longer (log-normal).
func around(d time.Duration) time.Duration {
	return time.Duration(float64(d) * min(8, max(0.3, expNorm(0.45))))
}
