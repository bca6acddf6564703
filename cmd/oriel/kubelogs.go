package main

import (
	"context"
	"log/slog"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/informers"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/audit"
	"github.com/oriel-project/oriel/logging/events"
	"github.com/oriel-project/oriel/logging/multiline"
	"github.com/oriel-project/oriel/logging/pods"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/access"
)

// What an edge keeps of its cluster: which pods there were, and where the Events
// go on.
const (
	podsFile   = "pods.jsonl"
	eventsFile = "events.json"
)

// kubeLogs is what an edge knows of its cluster for the logs that come in, and
// the logs that the cluster itself has.
type kubeLogs struct {
	pods   *pods.Memory
	events *events.Recorder // nil: Events are not kept
}

// newKubeLogs makes it of the informers that the scraper starts, and lets the
// stamper of the edge know the pods. since is that of pods.Options.
func newKubeLogs(o edgeOptions, shared informers.SharedInformerFactory, since func(namespace string) time.Time) (*kubeLogs, error) {
	memory, err := pods.Open(pods.Options{
		File: o.dir.Path(dirKube, podsFile), Keep: time.Duration(o.cfg.Kubernetes.PodsKept), Since: since, Logger: o.log, Registerer: o.reg,
	})
	if err != nil {
		return nil, err
	}
	if err := memory.Follow(shared.Core().V1().Pods().Informer()); err != nil {
		return nil, err
	}
	o.stamper.Pods, o.stamper.PodsOf = memory, o.cfg.Cluster.Name
	k := &kubeLogs{pods: memory}
	if o.cfg.Kubernetes.Events {
		k.events = events.New(events.Options{
			Client: o.kube, Scope: o.access.LocalWrite("events"), Appender: o.records, Stamper: o.stamper,
			Owned: func(namespace string) bool {
				_, ok := o.owned(namespace)
				return ok
			},
			File: o.dir.Path(dirKube, eventsFile), Logger: o.log, Registerer: o.reg,
		})
	}
	return k, nil
}

// decided is told what central decided.
func (k *kubeLogs) decided(ds []tenant.Decision) {
	if k.events != nil {
		k.events.Decided(ds)
	}
}

// Run watches until ctx ends.
func (k *kubeLogs) Run(ctx context.Context) error {
	fs := []func(context.Context) error{k.pods.Run}
	if k.events != nil {
		fs = append(fs, k.events.Run)
	}
	return runAll(ctx, fs...)
}

// ownedNow asks a directory whether a namespace is somebody's.
func ownedNow(d tenant.Directory) func(cluster, namespace string) bool {
	return func(cluster, namespace string) bool {
		_, ok := d.Owner(cluster, namespace, time.Now())
		return ok
	}
}

// auditAPI is an agent's: the API server of its cluster sends its audit log there,
// under the cluster's token.
func auditAPI(d tenant.Directory, records logging.Appender, stamper *logging.Stamper, reg prometheus.Registerer, logger *slog.Logger) httpx.API {
	return audit.New(audit.Options{Appender: records, Stamper: stamper, Owned: ownedNow(d), Logger: logger, Registerer: reg})
}

// acceptedEvery is how often the token's file is looked at.
const acceptedEvery = 30 * time.Second

// acceptClusterToken lets an agent know the token that its cluster's API server
// shows, until ctx ends: its file may be replaced.
func acceptClusterToken(cfg *config.Config, tokens *access.Tokens, logger *slog.Logger) func(context.Context) error {
	key, file := "kubernetes.audit_token_file", cfg.Kubernetes.AuditTokenFile
	if file == "" {
		key, file = "agent.central.token_file", cfg.Agent.Central.TokenFile
	}
	last := ""
	look := func() {
		secret, err := config.ReadSecret(key, file)
		if err == nil && secret != last {
			err = tokens.Accept(secret, localCluster(cfg))
		}
		if err != nil {
			logger.Warn("the API server's audit webhook cannot be let in", "key", key, "error", err)
			return
		}
		last = secret
	}
	look()
	return func(ctx context.Context) error {
		tick := time.NewTicker(acceptedEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				look()
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// joinLines makes one record of lines that belong together, before they go to
// records.
func joinLines(m config.Multiline, records logging.Appender, reg prometheus.Registerer) *multiline.Joiner {
	var rules []multiline.Rule
	for _, r := range m.Rules { // their expressions were checked
		rule := multiline.Rule{Namespace: r.Namespace, Container: r.Container, Start: regexp.MustCompile(r.Start)}
		if r.Continue != "" {
			rule.Continue = regexp.MustCompile(r.Continue)
		}
		rules = append(rules, rule)
	}
	return multiline.New(multiline.Options{
		Appender: records, Rules: rules, Wait: time.Duration(m.Wait), LinesMax: m.Lines, BytesMax: int(m.Bytes), Registerer: reg,
	})
}
