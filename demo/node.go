package demo

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/procfs"
)

// What the Go runtime of a team's process is told to keep to: the demo's limits
// of CPU and memory.
const (
	limitCores = 1
	limitBytes = 256 << 20
)

// node is what a kubelet, cAdvisor and kube-state-metrics are in a cluster: it
// tells of the demo's pods from outside, in the names that those use. What it
// says is so: processes that run, what /proc says they cost, how often they were
// started again, the limits they were given. The demo has no volumes, no quotas
// and no network of its own per pod, and says nothing of them.
type node struct {
	mu    sync.Mutex // guards what follows
	teams map[string]*running
	made  time.Time
}

// running is the process of a team; it stands for all of the team's pods, and
// what it costs is told of the first one.
type running struct {
	pid      int // 0: not running
	ready    int // pods that listen
	starts   int
	restarts int
}

func newNode() *node { return &node{teams: map[string]*running{}, made: time.Now()} }

func (n *node) team(name string) *running {
	r := n.teams[name]
	if r == nil {
		r = &running{}
		n.teams[name] = r
	}
	return r
}

func (n *node) announced(t Target) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.team(t.Team)
	if r.pid != t.PID {
		r.pid, r.ready = t.PID, 0
		if r.starts++; r.starts > 1 {
			r.restarts++
		}
	}
	r.ready++
}

func (n *node) exited(team string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.team(team)
	r.pid, r.ready = 0, 0
}

// serve answers at /metrics until ctx ends; onListen gets the address.
func (n *node) serve(ctx context.Context, onListen func(address string)) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(n)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	onListen(ln.Addr().String())
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, append([]string{"namespace"}, labels...), nil)
}

// Describe implements prometheus.Collector: nothing is known beforehand.
func (n *node) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (n *node) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	var (
		cpu        = desc("container_cpu_usage_seconds_total", "CPU time used.", "pod", "container", "node", "image")
		memory     = desc("container_memory_working_set_bytes", "Resident memory.", "pod", "container", "node", "image")
		phase      = desc("kube_pod_status_phase", "The pod's phase.", "pod", "phase")
		ready      = desc("kube_pod_status_ready", "Whether the pod listens.", "pod", "condition")
		restarts   = desc("kube_pod_container_status_restarts_total", "How often the process was started again.", "pod", "container")
		limits     = desc("kube_pod_container_resource_limits", "What the Go runtime was told to keep to.", "pod", "container", "node", "resource", "unit")
		wanted     = desc("kube_deployment_spec_replicas", "Pods wanted.", "deployment")
		created    = desc("kube_deployment_created", "When the demo made it.", "deployment")
		generation = desc("kube_deployment_metadata_generation", "Changes of what is wanted: the demo changes nothing.", "deployment")
		available  = desc("kube_deployment_status_replicas_available", "Pods that listen.", "deployment")
	)
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, team := range []string{billing, shop} {
		r := n.team(team)
		for i, p := range places(team) {
			for _, name := range []string{"Pending", "Running", "Succeeded", "Failed", "Unknown"} {
				gauge(phase, truth((name == "Running") == (r.pid != 0) && (name == "Running" || name == "Pending")), team, p.pod, name)
			}
			for condition, is := range map[string]bool{"true": i < r.ready, "false": i >= r.ready, "unknown": false} {
				gauge(ready, truth(is), team, p.pod, condition)
			}
			counter(restarts, float64(r.restarts), team, p.pod, p.container)
			if i > 0 {
				continue
			}
			gauge(limits, limitCores, team, p.pod, p.container, p.node, "cpu", "core")
			gauge(limits, limitBytes, team, p.pod, p.container, p.node, "memory", "byte")
			if proc, err := procfs.NewProc(r.pid); r.pid != 0 && err == nil {
				if s, err := proc.Stat(); err == nil {
					counter(cpu, s.CPUTime(), team, p.pod, p.container, p.node, "oriel")
					gauge(memory, float64(s.ResidentMemory()), team, p.pod, p.container, p.node, "oriel")
				}
			}
		}
		gauge(wanted, float64(len(places(team))), team, places(team)[0].app)
		gauge(created, float64(n.made.Unix()), team, places(team)[0].app)
		gauge(generation, 1, team, places(team)[0].app)
		gauge(available, float64(r.ready), team, places(team)[0].app)
	}
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
