package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/internal/datadir"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/forward"
	"github.com/oriel-project/oriel/logging/journal"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/metrics/losses"
	probing "github.com/oriel-project/oriel/metrics/probe"
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
	logs    *kubeLogs     // likewise
	forward *forward.Server
	journal *journal.Intake
	losses  *losses.Losses
	prober  *probing.Prober               // nil where no cluster is watched
	sources []func(context.Context) error // journals that are read from here
}

type edgeOptions struct {
	cfg    *config.Config
	log    *slog.Logger
	reg    prometheus.Registerer
	access *access.Access
	roster tenant.Roster
	owned  func(namespace string) (tenant.ID, bool)
	// namespaces gives the owned ones of the cluster.
	namespaces func() []string
	samples    metrics.Appendable
	records    logging.Appender
	losses     func(tenant.Write) metrics.Appendable // what losses of records are written to
	dir        *datadir.Dir
	stamper    *logging.Stamper
	kube       kubernetes.Interface // nil: no cluster is watched
	account    *rest.Config         // as whom kube speaks
	interval   time.Duration
	done       <-chan struct{} // closed when the process is to end
	// onDecisions is told what central decided, before the scraper looks again.
	onDecisions func([]tenant.Decision)
}

func newEdge(o edgeOptions) (*edge, error) {
	e := &edge{cfg: o.cfg, log: o.log, access: o.access}
	var pods informers.SharedInformerFactory // of pods and nodes; the scraper starts it
	if o.kube != nil {
		pods = informers.NewSharedInformerFactory(o.kube, 0)
	}
	monitors, err := monitorClient(o.cfg, o.account)
	if err != nil {
		return nil, err
	}
	e.scraper, err = scrape.New(scrape.Options{
		Appendable: o.samples, Interval: o.interval, Cluster: localCluster(o.cfg),
		Static: staticTargets(o.cfg), Owned: o.owned, Namespaces: o.namespaces, Federate: federated(o.cfg),
		Kube: o.kube, Informers: pods, Kubelet: kubeletOptions(o.cfg, o.account, o.log),
		Dynamic: monitors, HostNetwork: o.cfg.Scrape.HostNetwork, Limits: scrapeLimits(o.cfg),
		State: scrape.State(o.cfg.Scrape.State.From), StateNamespace: o.cfg.Scrape.State.Namespace,
		Logger: o.log, Registerer: o.reg,
	})
	if err != nil {
		return nil, err
	}
	if o.kube != nil {
		since := func(namespace string) time.Time { return e.watcher.Since(namespace) } // asked when records come
		if e.logs, err = newKubeLogs(o, pods, since); err != nil {
			return nil, err
		}
		e.watcher = kube.New(kube.Options{
			Client: o.kube, Prefix: o.cfg.Kubernetes.AnnotationPrefix, Cluster: localCluster(o.cfg),
			Roster: o.roster, Logger: o.log, Registerer: o.reg,
			OnDecisions: func(ds []tenant.Decision) {
				if o.onDecisions != nil {
					o.onDecisions(ds)
				}
				e.logs.decided(ds)
				e.scraper.Reload()
			},
		})
	}
	if o.kube != nil {
		e.prober = probing.New(probing.Options{
			Targets: func() []probing.Target { return probed(e.watcher.Probes(), o.owned) },
			Resolve: probing.Pods(o.kube, pods.Core().V1().Pods().Lister()), Appendable: o.samples, Logger: o.log,
		})
	}
	keys, scopes, err := forwardKeys(o.cfg)
	if err != nil {
		return nil, err
	}
	tlsConfig, err := listenerTLS("forward", o.cfg.Forward.TLS)
	if err != nil {
		return nil, err
	}
	lines := joinLines(o.cfg.Logs.Multiline, o.records, o.reg)
	e.forward = forward.New(forward.Options{
		Scope: func(id forward.Identity) (tenant.Write, bool) {
			switch {
			case len(keys) > 0:
			case len(o.cfg.Forward.Clients) > 0 && !id.Local:
				w, err := o.access.ClientScope(o.cfg.Forward.Clients, id.TLS, "forward")
				return w, err == nil
			default:
				return o.access.LocalWrite("forward"), true
			}
			k, ok := scopes[id.Key]
			if !ok {
				return tenant.Write{}, false
			}
			w, err := o.access.KeyScope(k)
			return w, err == nil
		},
		Appender: lines, Stamper: o.stamper, Keys: keys, TLS: tlsConfig,
		Limits: forward.Limits{
			RecordBytesMax: int(o.cfg.Logs.RecordBytesMax), FrameBytesMax: int(o.cfg.Forward.FrameBytesMax),
			ConnectionsMax: o.cfg.Forward.ConnectionsMax,
		},
		Logger: o.log, Registerer: o.reg,
	})
	e.losses = losses.New(losses.Options{Appendable: o.losses, Logger: o.log})
	e.journal = journal.New(journal.Options{
		Appender: lines.Unheld(), Stamper: o.stamper, Done: o.done, Logger: o.log, Registerer: o.reg,
		OnLoss: func(w tenant.Write, l journal.Loss) {
			e.losses.Add(w, losses.Loss{Namespace: l.Namespace, Node: l.Node, Reason: l.Reason, Records: l.Records})
		},
	})
	e.sources, err = journalSources(o, e.journal)
	return e, err
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
				Platform: s.Platform, Pod: s.Labels["pod"], Container: s.Labels["container"], Node: s.Labels["node"],
			})
		}
	}
	return out
}

// monitorClient reads monitor objects; nil where none are to be followed.
func monitorClient(cfg *config.Config, account *rest.Config) (dynamic.Interface, error) {
	if account == nil || !cfg.Scrape.Monitors {
		return nil, nil
	}
	return dynamic.NewForConfig(account)
}

func federated(cfg *config.Config) (out []scrape.Federate) {
	for _, f := range cfg.Scrape.Federate {
		out = append(out, scrape.Federate{
			URL: f.URL, Job: f.Job, Match: f.Match, Interval: time.Duration(f.Interval), TokenFile: f.TokenFile, CAFile: f.CAFile,
		})
	}
	return out
}

func scrapeLimits(cfg *config.Config) scrape.Limits {
	l := cfg.Scrape.Limits
	return scrape.Limits{
		TargetsMax: l.Targets, SamplesMax: l.Samples, BodyBytesMax: int64(l.Body),
		LabelsMax: l.Labels, LabelNameBytesMax: l.LabelNameBytes, LabelValueBytesMax: l.LabelValueBytes,
	}
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

// probed are the addresses of namespaces that are somebody's, in order.
func probed(named map[string][]string, owned func(namespace string) (tenant.ID, bool)) (out []probing.Target) {
	for _, ns := range slices.Sorted(maps.Keys(named)) {
		if _, ok := owned(ns); !ok {
			continue
		}
		for _, a := range named[ns] {
			out = append(out, probing.Target{Namespace: ns, Address: a})
		}
	}
	return out
}

// Run watches and scrapes until ctx ends.
func (e *edge) Run(ctx context.Context) error {
	fs := append([]func(context.Context) error{e.scraper.Run, e.losses.Run}, e.sources...)
	if e.watcher != nil {
		fs = append(fs, e.watcher.Run, e.logs.Run, e.prober.Run)
	}
	return runAll(ctx, fs...)
}
