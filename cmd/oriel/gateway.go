package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/console"
	"github.com/oriel-project/oriel/esapi"
	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/internal/datadir"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/audit"
	"github.com/oriel-project/oriel/logging/bulk"
	"github.com/oriel-project/oriel/logging/otlp"
	"github.com/oriel-project/oriel/logging/relay"
	"github.com/oriel-project/oriel/logging/tail"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/metrics/agents"
	"github.com/oriel-project/oriel/metrics/losses"
	metricsotlp "github.com/oriel-project/oriel/metrics/otlp"
	"github.com/oriel-project/oriel/metrics/promapi"
	"github.com/oriel-project/oriel/metrics/remote"
	"github.com/oriel-project/oriel/metrics/self"
	"github.com/oriel-project/oriel/metrics/tsdb"
	"github.com/oriel-project/oriel/metrics/usage"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/access"
	"github.com/oriel-project/oriel/tenant/admin"
	"github.com/oriel-project/oriel/tenant/agentapi"
	"github.com/oriel-project/oriel/tenant/registry"
)

// gateway is what central and up have in common: it owns the stores, knows the
// tenants, answers, and keeps the windows.
//
//	   +-------------------- access (credential -> scope) -----------------+
//	   |        |          |            |           |          |           |
//	console  promapi   remote write   esapi     agentapi   relay in      admin
//	   |        |          |          |   |        |          |            |
//	   |        +-> series <+         |  bulk      |          |            |
//	   |           (tsdb)             |   |        |          |            |
//	   +--------------------------> logs (store) <-+----------+            |
//	                                               |                       |
//	                  directory (registry) <-------+-----------------------+
//	                       |
//	                      loop -> dashboards -> Grafana or files
type gateway struct {
	cfg *config.Config
	log *slog.Logger
	reg *prometheus.Registry
	dir *datadir.Dir

	directory *registry.Registry
	loop      *tenant.Loop
	tokens    *access.Tokens
	access    *access.Access
	logs      logStore
	veil      *logging.Veil // between the positions of records and what is shown of them
	intake    *rates        // logs, behind the tenants' limits
	series    *tsdb.Store
	lost      *losses.Losses
	agents    *agents.Tracker
	stamper   *logging.Stamper
	windows   *windows
	lacking   lacks

	mergeLogs  func(context.Context) error // of the embedded store; nil: another has the logs
	retainLogs func(context.Context) error // of a store that does not do so by itself; nil: it does

	es, apis httpx.API
	ended    endedLives
	noWrites atomic.Bool // the log store's last write failed
	closers  []func() error
	ending   chan struct{} // closed when Run's context has ended
}

// openGateway opens the stores and builds everything that does not listen yet.
// httpURL is where Grafana and the page find this process. Close it.
func openGateway(cfg *config.Config, dir *datadir.Dir, httpURL string, logger *slog.Logger) (_ *gateway, err error) {
	g := &gateway{cfg: cfg, log: logger, reg: newMetricsRegistry(), dir: dir, ended: endedLives{wake: make(chan struct{}, 1)}, ending: make(chan struct{})}
	defer func() {
		if err != nil {
			g.Close()
		}
	}()
	if err := g.openDirectory(); err != nil {
		return nil, err
	}
	if err := g.openStores(); err != nil {
		return nil, err
	}
	g.windows, err = newWindows(g, httpURL)
	if err != nil {
		return nil, err
	}
	g.newLoop()
	if err := g.newAPIs(); err != nil {
		return nil, err
	}
	return g, nil
}

func newMetricsRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

func (g *gateway) openDirectory() error {
	grants := make([]registry.Grant, 0, len(g.cfg.Tenancy.Grants))
	for _, gr := range g.cfg.Tenancy.Grants {
		grants = append(grants, registry.Grant{Cluster: gr.Cluster, Namespace: gr.Namespace, Tenant: tenant.ID(gr.Tenant)})
	}
	var err error
	g.directory, err = registry.Open(g.dir.Path(dirDirectory), registry.Options{
		Grants:     grants,
		ArchiveFor: time.Duration(g.cfg.Archive.Keep),
		OnEvent:    g.onDirectoryEvent,
		Remove:     g.remove,
		OnChange: func(id tenant.ID) {
			if g.loop != nil {
				g.loop.Add(id)
			}
		},
		Stages: func(id tenant.ID) (map[string]float64, []string) {
			if g.loop == nil {
				return nil, nil
			}
			return g.loop.Stages(id)
		},
	})
	if err != nil {
		return err
	}
	g.closers = append(g.closers, g.directory.Close)
	if g.tokens, err = access.OpenTokens(g.dir.Path(dirTokens), clock.System); err != nil {
		return err
	}
	g.access = access.New(access.Options{
		Directory: g.directory, Tokens: g.tokens,
		Anonymous: g.cfg.Auth.Anonymous == config.AnonymousOperator,
		Local:     localCluster(g.cfg),
		Logger:    g.log, Registerer: g.reg,
	})
	return nil
}

func localCluster(cfg *config.Config) tenant.Cluster {
	return tenant.Cluster{Name: cfg.Cluster.Name, Region: cfg.Cluster.Region, Cloud: cfg.Cluster.Cloud}
}

func (g *gateway) openStores() error {
	var err error
	if err = g.openLogs(); err != nil {
		return err
	}
	g.series, err = tsdb.Open(g.dir.Path(dirMetrics), tsdb.Options{
		Retention:          g.seriesRetention,
		SeriesMax:          g.seriesMax,
		SamplesPerSecond:   g.samplesPerSecond,
		LabelsMax:          g.cfg.Limits.Labels,
		LabelValueBytesMax: int(g.cfg.Limits.LabelLength),
		OutOfOrder:         outOfOrder(g.cfg),
		Room:               g.dir.Room,
		Silences: func() map[string]int64 {
			if g.agents == nil {
				return nil
			}
			return g.agents.Silences()
		},
		OnEvent: func(e tsdb.Event) {
			g.log.Log(context.Background(), eventLevel(e.Err), "metric store: "+e.Message, "kind", string(e.Kind), "tenant", string(e.Tenant), "error", e.Err)
		},
		Registerer: g.reg,
	})
	if err != nil {
		return err
	}
	g.closers = append(g.closers, g.series.Close)
	if err := g.openAgents(); err != nil {
		return err
	}

	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "oriel_log_records_limited_total",
		Help: "Log records refused because their tenant was over a limit: its bytes a second (tenant_limit), or its open streams (tenant_streams).",
	}, []string{"reason"})
	clamped := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "oriel_log_times_clamped_total",
		Help: "Log records whose time was outside of the retention or too far in the future, and was replaced by the time of receipt.",
	}, []string{"reason"})
	g.reg.MustRegister(refused, clamped)
	g.lost = losses.New(losses.Options{Appendable: g.losses, Logger: g.log})
	g.intake = newRates(logging.Limited(g.veil.Given(g.logs), logging.LimitOptions{
		BytesPerSecond: g.logBytesPerSecond, Streams: g.cfg.Limits.LogStreams,
		OnRefuse: func(w tenant.Write, _ tenant.ID, namespace string, by logging.LimitKind, n int) {
			refused.WithLabelValues(string(by)).Add(float64(n))
			g.lost.Add(w, losses.Loss{Namespace: namespace, Reason: "quota", Records: n})
		},
	}), g.series)
	g.stamper = &logging.Stamper{
		Retention: time.Duration(g.cfg.Logs.RetentionMax),
		OnClamp:   func(tenant.ID) { clamped.WithLabelValues("outside_retention").Inc() },
	}
	return nil
}

// losses is where losses of log records are written to.
func (g *gateway) losses(w tenant.Write) metrics.Appendable { return metrics.Scoped(g.series, w) }

// outOfOrder is how late a sample may come at all.
// openAgents knows how the agents are; up is the agent of its own cluster.
func (g *gateway) openAgents() (err error) {
	o := agents.TrackerOptions{
		Directory: g.directory, Appender: g.series, Write: g.access.TenantWrite,
		Durability: g.series.Durability, Refused: g.series.Refused,
		File: g.dir.Path(dirDirectory, "agents.json"), Logger: g.log,
	}
	if g.cfg.Role() == config.RoleUp {
		local := localCluster(g.cfg)
		o.Local = &local
	}
	g.agents, err = agents.NewTracker(o)
	return err
}

// namespacesOf gives the owned namespaces of a cluster.
func (g *gateway) namespacesOf(cluster string) (out []string) {
	for t := range g.directory.All() {
		for _, ns := range t.Namespaces {
			if ns.Cluster == cluster {
				out = append(out, ns.Namespace)
			}
		}
	}
	slices.Sort(out)
	return out
}

func outOfOrder(cfg *config.Config) time.Duration {
	late := max(time.Duration(cfg.Metrics.OutOfOrder), min(time.Duration(cfg.Metrics.CatchUp), time.Duration(cfg.Metrics.Retention)))
	if late == 0 {
		return -1 // none, in the store's words
	}
	return late
}

func eventLevel(err error) slog.Level {
	if err != nil {
		return slog.LevelError
	}
	return slog.LevelInfo
}

func (g *gateway) newLoop() {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "oriel_onboarding_seconds",
		Help:    "Seconds from a tenant's onboarding until a stage of its window was done for the first time.",
		Buckets: []float64{0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4, 5, 7.5, 10, 30, 60, 300},
	}, []string{"stage"})
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "oriel_reconcile_failures_total",
		Help: "Runs of a reconciler that failed and will be tried again.",
	}, []string{"stage"})
	g.reg.MustRegister(seconds, failures)
	g.loop = tenant.NewLoop(tenant.LoopOptions{
		Directory:   g.directory,
		Reconcilers: []tenant.Reconciler{g.windows},
		OnStage: func(id tenant.ID, stage string, took time.Duration, err error) {
			if err != nil {
				failures.WithLabelValues(stage).Inc()
				g.log.Warn("stage failed, it will be tried again", "tenant", string(id), "stage", stage, "error", err)
				return
			}
			seconds.WithLabelValues(stage).Observe(took.Seconds())
			g.log.Info("stage done", "tenant", string(id), "stage", stage, "seconds", took.Seconds())
		},
	})
}

func (g *gateway) newAPIs() error {
	queries, err := g.openQueryLog()
	if err != nil {
		return err
	}
	prom, err := promapi.New(promapi.Options{
		Querier: g.series, Metadata: g.series.Metadata, Cardinality: g.series.Cardinality,
		Timeout: time.Duration(g.cfg.Limits.QueryTime), SamplesMax: g.cfg.Limits.QuerySamples, Queries: g.cfg.Limits.Queries,
		QueryLog: queries, Version: version, Logger: g.log, Registerer: g.reg,
	})
	if err != nil {
		return err
	}
	write, err := remote.NewReceiver(remote.ReceiverOptions{Appender: g.series, Durability: g.series.Durability, Logger: g.log, Registerer: g.reg})
	if err != nil {
		return err
	}
	otlpMetrics, err := metricsotlp.New(metricsotlp.Options{Appender: g.series, Logger: g.log, Registerer: g.reg})
	if err != nil {
		return err
	}
	es := esapi.New(esapi.Options{
		Searcher: g.veil.Searcher(g.logs),
		Bulk:     bulk.New(bulk.Options{Appender: g.veil.Answers(g.intake), Repeater: g.veil.Repeats(g.logs), Stamper: g.stamper, BodyBytesMax: int64(g.cfg.ES.BodyBytesMax), Logger: g.log, Registerer: g.reg}),
		Version:  g.cfg.ES.Version, PublishAddress: g.cfg.ES.PublishAddress, BodyBytesMax: int64(g.cfg.ES.BodyBytesMax),
		AnswersBytesMax: int64(cmp.Or(g.cfg.ES.AnswersMemory, 4*g.cfg.Logs.SearchMemory)),
		SearchTime:      time.Duration(g.cfg.Limits.QueryTime),
		Logger:          g.log, Registerer: g.reg,
	})
	g.es = es
	g.closers = append(g.closers, es.Close) // before the store: it holds views
	g.apis = httpx.Join(
		systemAPI(g.reg, g.ready),
		prom, write, otlpMetrics,
		httpx.Mount("/es", g.es),
		agentapi.New(agentapi.Options{Roster: g.directory, Logger: g.log}),
		g.agents,
		tail.New(tail.Options{Searcher: g.logs, Veil: g.veil, Ending: g.ending}),
		otlp.New(otlp.Options{Appender: g.intake, Stamper: g.stamper, Logger: g.log, Registerer: g.reg}),
		relay.NewReceiver(relay.ReceiverOptions{Appender: g.intake, Stamper: g.stamper, Logger: g.log, Registerer: g.reg}),
		audit.New(audit.Options{Appender: g.intake, Stamper: g.stamper, Owned: ownedNow(g.directory), Logger: g.log, Registerer: g.reg}),
		admin.New(admin.Options{Tenants: g.directory, Tokens: g.tokens, MergeLogs: g.mergeLogs, Receipt: g.receipt, Logger: g.log}),
		console.New(console.Options{
			Directory: g.directory, Searcher: g.logs, Rates: g.intake.now, Cardinality: g.series.Cardinality, Onboarding: g.loop.Stages, Boards: g.windows.Boards, Receipt: g.receipt, Moments: g.moments,
			Notices: g.windows.notices, Version: version, Logger: g.log,
		}),
	)
	return nil
}

// openQueryLog gives nil where none is wanted.
func (g *gateway) openQueryLog() (*slog.Logger, error) {
	name := g.cfg.Metrics.QueryLog
	if name == "" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the query log (metrics.query_log): %w", err)
	}
	g.closers = append(g.closers, f.Close)
	return slog.New(slog.NewJSONHandler(f, nil)), nil
}

// ready: the stores are open before anything listens, and a full disk does not
// end reading, so an orchestrator must not take this process away for it.
func (g *gateway) ready() (not, but string) {
	if g.noWrites.Load() {
		return "", "log records are refused for now: the log and the metric that ends in _available of the log store say more"
	}
	return "", ""
}

// handler is the HTTP listener's; esHandler the Elasticsearch listener's.
func (g *gateway) handler() http.Handler   { return g.access.Guard(g.apis) }
func (g *gateway) esHandler() http.Handler { return g.access.GuardFlat(g.es) }

// routes lists every way in over HTTP.
func (g *gateway) routes() []httpx.Route { return g.apis.Routes() }

// Run keeps the directory, the windows and the stores in line until ctx ends.
func (g *gateway) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { close(g.ending) })()
	// A tenant that went while nobody looked has a window that must go, too.
	known, err := g.windows.Known()
	if err != nil {
		return fmt.Errorf("list windows: %w", err)
	}
	for _, id := range append(known, g.directory.Known()...) {
		if _, there := g.directory.Lookup(id); !there {
			g.loop.Add(id) // the loop itself looks after those that are there
		}
	}
	fs := []func(context.Context) error{
		g.directory.Run,
		g.loop.Run,
		g.windows.Run,
		g.watchInventories,
		g.watchMoments,
		g.watchLacks,
		usage.New(usage.Options{
			Appender: g.series, Points: g.usage, Logger: g.log,
			Write: func(id tenant.ID) tenant.Write { return g.access.TenantWrite(id, tenant.Cluster{}) },
		}).Run,
		self.New(self.Options{Gatherer: g.reg, Appender: g.series, Write: g.access.SystemWrite(), Logger: g.log}).Run,
		g.intake.Run,
		g.lost.Run,
		g.series.RunSync,
		g.series.RunIdle,
		g.agents.Run,
		g.removeEnded,
		g.markStages,
	}
	if g.retainLogs != nil {
		fs = append(fs, g.retainLogs)
	}
	return runAll(ctx, fs...)
}

// Close closes the stores, in the reverse order of their opening.
func (g *gateway) Close() error {
	var errs []error
	for i := len(g.closers) - 1; i >= 0; i-- {
		errs = append(errs, g.closers[i]())
	}
	return errors.Join(errs...)
}
