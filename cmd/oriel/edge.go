package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/forward"
	"github.com/oriel-project/oriel/logging/journal"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/metrics/scrape"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/access"
	"github.com/oriel-project/oriel/tenant/kube"
)

// edge is what stands in a cluster, in an agent or in up: it watches namespaces,
// scrapes, and takes logs in.
//
//	namespaces -> watcher -> roster         (the registry, or central over HTTP)
//	pods       -> scraper -> samples        (the stores, or the queue to central)
//	forward    \
//	journal     > stamper -> records        (the stores, or the queue to central)
type edge struct {
	cfg     *config.Config
	log     *slog.Logger
	access  *access.Access
	scraper *scrape.Manager
	watcher *kube.Watcher // nil where no cluster is watched
	forward *forward.Server
	journal httpx.API
}

type edgeOptions struct {
	cfg      *config.Config
	log      *slog.Logger
	reg      prometheus.Registerer
	access   *access.Access
	roster   tenant.Roster
	owned    func(namespace string) (tenant.ID, bool)
	samples  metrics.Appendable
	records  logging.Appender
	stamper  *logging.Stamper
	kube     kubernetes.Interface // nil: no cluster is watched
	account  *rest.Config         // as whom kube speaks
	interval time.Duration
	done     <-chan struct{} // closed when the process is to end
	// onDecisions is told what central decided, before the scraper looks again.
	onDecisions func([]tenant.Decision)
}

func newEdge(o edgeOptions) (*edge, error) {
	e := &edge{cfg: o.cfg, log: o.log, access: o.access}
	var pods informers.SharedInformerFactory // of pods and nodes; the scraper starts it
	if o.kube != nil {
		pods = informers.NewSharedInformerFactory(o.kube, 0)
	}
	var err error
	e.scraper, err = scrape.New(scrape.Options{
		Appendable: o.samples, Interval: o.interval, Cluster: localCluster(o.cfg),
		Static: staticTargets(o.cfg), Owned: o.owned,
		Kube: o.kube, Informers: pods, Kubelet: kubeletOptions(o.cfg, o.account, o.log),
		OnRefused: func(namespace, pod, reason string) {
			o.log.Warn("pod is not scraped", "namespace", namespace, "pod", pod, "reason", reason)
		},
		Logger: o.log, Registerer: o.reg,
	})
	if err != nil {
		return nil, err
	}
	if o.kube != nil {
		e.watcher = kube.New(kube.Options{
			Client: o.kube, Prefix: o.cfg.Kubernetes.AnnotationPrefix, Cluster: localCluster(o.cfg),
			Roster: o.roster, Logger: o.log, Registerer: o.reg,
			OnDecisions: func(ds []tenant.Decision) {
				if o.onDecisions != nil {
					o.onDecisions(ds)
				}
				e.scraper.Reload()
			},
		})
	}
	keys, scopes, err := forwardKeys(o.cfg)
	if err != nil {
		return nil, err
	}
	var tlsConfig *tls.Config
	if t := o.cfg.Forward.TLS; t.CertFile != "" {
		if tlsConfig, err = serverTLS(t.CertFile, t.KeyFile, ""); err != nil {
			return nil, fmt.Errorf("forward.tls: %w", err)
		}
	}
	e.forward = forward.New(forward.Options{
		Scope: func(id forward.Identity) (tenant.Write, bool) {
			if len(keys) == 0 {
				return o.access.LocalWrite("forward"), true
			}
			k, ok := scopes[id.Key]
			if !ok {
				return tenant.Write{}, false
			}
			w, err := o.access.KeyScope(k)
			return w, err == nil
		},
		Appender: o.records, Stamper: o.stamper, Keys: keys, TLS: tlsConfig,
		Limits: forward.Limits{RecordBytesMax: int(o.cfg.Logs.RecordBytesMax)},
		Logger: o.log, Registerer: o.reg,
	})
	e.journal = journal.New(journal.Options{
		Appender: o.records, Stamper: o.stamper, Done: o.done, Logger: o.log, Registerer: o.reg,
	})
	return e, nil
}

// forwardKeys reads the secrets of forward.keys and gives what each key writes,
// by the key's name.
func forwardKeys(cfg *config.Config) ([]forward.Key, map[string]config.ForwardKey, error) {
	var keys []forward.Key
	scopes := map[string]config.ForwardKey{}
	for i, k := range cfg.Forward.Keys {
		at := fmt.Sprintf("forward.keys[%d]", i)
		shared, err := config.ReadSecret(at+".shared_key_file", k.SharedKeyFile)
		if err != nil {
			return nil, nil, err
		}
		key := forward.Key{Name: at, SharedKey: shared, Username: k.Username}
		if k.PasswordFile != "" {
			if key.Password, err = config.ReadSecret(at+".password_file", k.PasswordFile); err != nil {
				return nil, nil, err
			}
		}
		keys = append(keys, key)
		scopes[at] = k
	}
	return keys, scopes, nil
}

func staticTargets(cfg *config.Config) []scrape.Static {
	var out []scrape.Static
	for _, s := range cfg.Scrape.Static {
		for _, target := range s.Targets {
			out = append(out, scrape.Static{
				Job: s.Job, Namespace: s.Namespace, Address: target, Path: s.Path, Scheme: s.Scheme,
				Pod: s.Labels["pod"], Container: s.Labels["container"], Node: s.Labels["node"],
			})
		}
	}
	return out
}

// kubeletOptions: the kubelets are asked as the account that watches, and their
// certificates are held to be the cluster's, unless the configuration says
// otherwise.
func kubeletOptions(cfg *config.Config, account *rest.Config, logger *slog.Logger) *scrape.Kubelet {
	k := cfg.Scrape.Kubelet
	if !k.Enabled {
		return nil
	}
	if k.ThroughAPIServer {
		logger.Warn("kubelets are scraped through the API server's node proxy: that right reaches much more than metrics; prefer the nodes' own port", "key", "scrape.kubelet.through_api_server")
	}
	o := &scrape.Kubelet{ThroughAPIServer: k.ThroughAPIServer, TokenFile: k.TokenFile, CAFile: k.CAFile, InsecureSkipVerify: k.InsecureSkipVerify}
	if account == nil {
		return o
	}
	if o.TokenFile == "" {
		// A file first: its token is replaced before it expires.
		if o.TokenFile = account.BearerTokenFile; o.TokenFile == "" {
			o.Token = account.BearerToken
		}
	}
	if o.CAFile == "" {
		if o.CAFile = account.CAFile; o.CAFile == "" {
			o.CA = string(account.CAData)
		}
	}
	return o
}

// Run watches and scrapes until ctx ends.
func (e *edge) Run(ctx context.Context) error {
	fs := []func(context.Context) error{e.scraper.Run}
	if e.watcher != nil {
		fs = append(fs, e.watcher.Run)
	}
	return runAll(ctx, fs...)
}

// edgeListeners are the two that an edge opens; either may be nil.
type edgeListeners struct {
	forward, journal net.Listener
	heartbeat        net.PacketConn
}

func openEdgeListeners(cfg *config.Config, forwardFlag, journalFlag *listenFlag, open func(*listenFlag) (net.Listener, error), logger *slog.Logger) (ls edgeListeners, err error) {
	defer func() {
		if err != nil {
			ls.close()
		}
	}()
	if err := access.CheckListener("--listen.forward", forwardFlag.addr, len(cfg.Forward.Keys) > 0); err != nil {
		return ls, err
	}
	if err := access.CheckListener("--listen.journal", journalFlag.addr, false); err != nil {
		return ls, err
	}
	if ls.forward, err = open(forwardFlag); err != nil {
		return ls, err
	}
	if ls.forward != nil {
		// Fluentd's UDP heartbeat comes to the same port; without it only that
		// kind of heartbeat is unanswered.
		if ls.heartbeat, err = net.ListenPacket("udp", ls.forward.Addr().String()); err != nil {
			logger.Warn("UDP heartbeats of Fluentd are not answered", "address", ls.forward.Addr().String(), "error", err)
			ls.heartbeat, err = nil, nil
		}
	}
	ls.journal, err = open(journalFlag)
	return ls, err
}

func (ls edgeListeners) close() {
	for _, l := range []net.Listener{ls.forward, ls.journal} {
		if l != nil {
			l.Close()
		}
	}
	if ls.heartbeat != nil {
		ls.heartbeat.Close()
	}
}

func (ls edgeListeners) serve(e *edge) func(context.Context) error {
	return func(ctx context.Context) error {
		var fs []func(context.Context) error
		if ls.forward != nil {
			fs = append(fs, func(ctx context.Context) error { return e.forward.Serve(ctx, ls.forward) })
		}
		if ls.heartbeat != nil {
			fs = append(fs, func(ctx context.Context) error { return e.forward.ServeHeartbeat(ctx, ls.heartbeat) })
		}
		if ls.journal != nil {
			// Whoever reaches this listener is on this machine: CheckListener.
			h := e.access.GuardListener(e.journal, "journal")
			fs = append(fs, func(ctx context.Context) error { return serveHTTP(ctx, ls.journal, h, e.log) })
		}
		return runAll(ctx, fs...)
	}
}
