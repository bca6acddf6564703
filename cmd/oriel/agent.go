package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/internal/datadir"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/internal/queue"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/relay"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/metrics/agents"
	"github.com/oriel-project/oriel/metrics/remote"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/access"
	"github.com/oriel-project/oriel/tenant/agentapi"
)

type agentFlags struct {
	http, forward, journal *listenFlag
	kubeconfig, context    string
}

func newAgent(g *global) *cobra.Command {
	var f agentFlags
	c := &cobra.Command{
		Use:     "agent",
		Short:   "one per cluster: watches namespaces, scrapes pods, takes logs in, sends all to central",
		Example: "  oriel agent --config /etc/oriel/oriel.yaml --data-dir /var/lib/oriel",
		Args:    cobra.NoArgs,
	}
	f.http = addListen(c.Flags(), "http", "127.0.0.1:7481", "own metrics, liveness and readiness")
	f.forward = addListen(c.Flags(), "forward", "127.0.0.1:24224", usageForward)
	f.journal = addListen(c.Flags(), "journal", "127.0.0.1:19532", usageJournal)
	c.Flags().StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig file of the cluster; default: the service account of the pod it runs in")
	c.Flags().StringVar(&f.context, "context", "", "context in the kubeconfig file; default: its current one")
	c.RunE = func(c *cobra.Command, _ []string) error {
		// Every cluster has one, for others' sake: memory is dearer than processor time.
		collectAt(40)
		cfg, err := loadConfig(config.RoleAgent, g.configFile)
		if err != nil {
			return err
		}
		if f.kubeconfig != "" {
			cfg.Kubernetes.Kubeconfig = f.kubeconfig
		}
		if f.context != "" {
			cfg.Kubernetes.Context = f.context
		}
		return g.agent(c.Context(), cfg, f)
	}
	return c
}

// agent is the edge with central far away: samples and records go into durable
// queues, and the roster goes over HTTP.
//
//	edge -> samples -> queue -> remote write  \
//	     -> records -> queue -> relay          > central, under the cluster's token
//	     -> roster                            /
func (g *global) agent(ctx context.Context, cfg *config.Config, f agentFlags) error {
	logger, flush, err := g.newLogger()
	if err != nil {
		return err
	}
	defer flush()
	dir, err := datadir.Open(g.dataDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	open := g.newListener(logger)
	own, err := open(f.http)
	if err != nil {
		return err
	}
	if own != nil {
		defer own.Close()
	}
	back, err := openEdgeListeners(cfg, f.forward, f.journal, open, logger)
	if err != nil {
		return err
	}
	defer back.close()

	reg := newMetricsRegistry()
	tokens, err := access.OpenTokens(dir.Path(dirTokens), clock.System)
	if err != nil {
		return err
	}
	if err := tokens.AdminToken(dir.Path(adminToken)); err != nil {
		return err
	}
	roster := openDecisions(dir.Path(dirDirectory), logger)
	guard := access.New(access.Options{
		Directory: roster, Tokens: tokens, Local: localCluster(cfg), Logger: logger, Registerer: reg,
		Anonymous: cfg.Auth.Anonymous == config.AnonymousOperator,
	})
	var e *edge
	up, err := newUplink(uplinkOptions{
		cfg: cfg, dir: dir, reg: reg, log: logger, owner: func(namespace string) string { return string(roster.ownerNow(namespace)) },
		undecided: func(namespace string) bool {
			return e != nil && e.watcher != nil && e.watcher.Claims(namespace) && !roster.decided(namespace)
		},
	})
	if err != nil {
		return err
	}
	defer up.close()
	client, account, err := kubeClient(cfg, true)
	if err != nil {
		return err
	}
	stamper := &logging.Stamper{Retention: time.Duration(cfg.Logs.RetentionMax)}
	e, err = newEdge(edgeOptions{
		cfg: cfg, log: logger, reg: reg, access: guard, roster: up.roster,
		owned: func(namespace string) (tenant.ID, bool) {
			return roster.Owner(cfg.Cluster.Name, namespace, time.Now())
		},
		namespaces: roster.namespaces,
		samples:    up.samples, records: up.records, dir: dir,
		losses:      func(tenant.Write) metrics.Appendable { return up.samples },
		stamper:     stamper,
		kube:        client,
		account:     account,
		interval:    time.Duration(cfg.Scrape.Interval),
		done:        ctx.Done(),
		onDecisions: roster.set,
	})
	if err != nil {
		return err
	}
	apis := httpx.Join(systemAPI(reg, roster.ready), auditAPI(roster, up.records, stamper, reg, logger))
	run := []func(context.Context) error{up.Run, e.Run, back.serve(e), acceptClusterToken(cfg, tokens, logger)}
	if own != nil {
		run = append(run, func(ctx context.Context) error { return serveHTTP(ctx, own, guard.Guard(apis), logger) })
	}
	return runAll(ctx, run...)
}

// uplink is the way to central.
type uplink struct {
	roster  tenant.Roster
	samples *remote.Sender
	records *relay.Sender
	beats   *agents.Reporter
	queues  []*queue.Queue
	gaps    atomic.Int64 // times that a queue lost something
}

// What an agent may hold while central is away, and of records that wait for
// central's decision on their namespace while others go on.
const (
	queueBytesMax = 8 << 30
	heldBytesMax  = 1 << 30
	// heldSamplesMax is what of one tenant's samples is kept while central puts
	// that tenant off; heldSamplesAllMax of all such tenants' together.
	heldSamplesMax    = 256 << 20
	heldSamplesAllMax = 4 << 30
	dirHeldSamples    = "metrics-held" // below queue: a directory for each owner
)

type uplinkOptions struct {
	cfg       *config.Config
	dir       *datadir.Dir
	reg       *prometheus.Registry
	log       *slog.Logger
	owner     func(namespace string) string // as far as is known here
	undecided func(namespace string) bool   // central has not said yet whose it is
}

func newUplink(o uplinkOptions) (_ *uplink, err error) {
	dir, reg, logger, c := o.dir, o.reg, o.log, o.cfg.Agent.Central
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if c.CAFile != "" {
		pool, err := certPool(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("agent.central.ca_file: %w", err)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	hc := &http.Client{Transport: transport, Timeout: time.Minute}
	// Read anew at every request, so that a replaced token takes effect.
	token := func() (string, error) { return config.ReadSecret("agent.central.token_file", c.TokenFile) }
	if _, err := token(); err != nil {
		return nil, err
	}
	base := strings.TrimSuffix(c.URL, "/")

	dropped := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "oriel_agent_queue_dropped_items_total",
		Help: "Items of an agent's queue that central never got, by queue and reason.",
	}, []string{"queue", "reason"})
	lost := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "oriel_agent_queue_dropped_records_total",
		Help: "Log records in the items that a full queue dropped, by queue.",
	}, []string{"queue"})
	reg.MustRegister(dropped, lost)
	u := &uplink{roster: &agentapi.Client{URL: base, Token: token, HTTP: hc}}
	defer func() {
		if err != nil {
			u.close()
		}
	}()
	var opening sync.Mutex // queues of owners are opened as they are needed
	heldSamples := queue.NewBudget(heldSamplesAllMax)
	openQueue := func(name, path string, qo queue.Options) (*queue.Queue, error) {
		opening.Lock()
		defer opening.Unlock()
		qo.OnEvent = func(e queue.Event) {
			if e.Items > 0 {
				u.gaps.Add(1)
			}
			dropped.WithLabelValues(name, e.Kind.String()).Add(float64(e.Items))
			if qo.Records != nil {
				lost.WithLabelValues(name).Add(float64(e.Records))
			}
			logger.Warn("queue to central", "queue", name, "event", e.Kind.String(), "reason", e.Reason, "items", e.Items, "records", e.Records, "bytes", e.Bytes)
		}
		q, err := queue.Open(path, qo)
		if err == nil {
			u.queues = append(u.queues, q)
		}
		return q, err
	}
	samples, err := openQueue("metrics", dir.Path(dirQueue, "metrics"), queue.Options{BytesMax: queueBytesMax})
	if err != nil {
		return nil, err
	}
	records, err := openQueue("logs", dir.Path(dirQueue, "logs"), queue.Options{BytesMax: queueBytesMax, Records: relay.Records})
	if err != nil {
		return nil, err
	}
	held, err := openQueue("logs-held", dir.Path(dirQueue, "logs-held"), queue.Options{BytesMax: heldBytesMax, Records: relay.Records})
	if err != nil {
		return nil, err
	}
	u.samples, err = remote.NewSender(remote.SenderOptions{
		Queue: samples, URL: base + "/api/v1/write", Token: token, Client: hc, Owner: o.owner,
		Held: func(owner string) (remote.Queue, error) {
			return openQueue(dirHeldSamples, dir.Path(dirQueue, dirHeldSamples, owner), queue.Options{BytesMax: heldSamplesMax, Budget: heldSamples})
		},
		HeldBefore: heldOwners(dir.Path(dirQueue, dirHeldSamples)), Logger: logger, Registerer: reg,
	})
	if err != nil {
		return nil, err
	}
	u.beats, err = agents.NewReporter(agents.ReporterOptions{
		URL: base, Token: token, Client: hc, Interval: time.Duration(o.cfg.Scrape.Interval), Version: version,
		Lag: u.samples.Lag, Gaps: u.gaps.Load, Logger: logger, Registerer: reg,
		OnReply: func(r agents.Reply) {
			if err := u.samples.Durable(r.Epoch, r.Durable); err != nil {
				logger.Warn("durable samples stay in the queue", "error", err)
			}
		},
	})
	if err != nil {
		return nil, err
	}
	u.records, err = relay.NewSender(relay.SenderOptions{
		Queue: records, Held: held, URL: base, Token: token, Client: hc, Undecided: o.undecided, Logger: logger, Registerer: reg,
	})
	return u, err
}

// heldOwners are the tenants whose samples an earlier process kept apart.
func heldOwners(dir string) (out []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // nobody's
	}
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out
}

// Run sends until ctx ends.
func (u *uplink) Run(ctx context.Context) error {
	return runAll(ctx, u.samples.Run, u.records.Run, u.beats.Run)
}

func (u *uplink) close() {
	for _, q := range u.queues {
		q.Close()
	}
}
