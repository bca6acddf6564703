package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/demo"
	"github.com/oriel-project/oriel/internal/datadir"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/kube"
)

type upFlags struct {
	http, es, forward, journal *listenFlag
	kubeconfig, context        string
	demo                       bool
}

func newUp(g *global) *cobra.Command {
	var f upFlags
	c := &cobra.Command{
		Use:     "up",
		Short:   "everything on this machine: central and agent in one process, embedded stores",
		Example: "  oriel up --demo\n  oriel up --kubeconfig ~/.kube/config --data-dir /var/lib/oriel",
		Args:    cobra.NoArgs,
	}
	f.http = addListen(c.Flags(), "http", "127.0.0.1:7480", usageHTTP)
	f.es = addListen(c.Flags(), "es", "127.0.0.1:9200", usageES)
	f.forward = addListen(c.Flags(), "forward", "127.0.0.1:24224", usageForward)
	f.journal = addListen(c.Flags(), "journal", "127.0.0.1:19532", usageJournal)
	c.Flags().StringVar(&f.kubeconfig, "kubeconfig", "", "watch the cluster of this kubeconfig file; Oriel writes annotations and Events there")
	c.Flags().StringVar(&f.context, "context", "", "context in the kubeconfig file; default: its current one")
	c.Flags().BoolVar(&f.demo, "demo", false, "add two small teams, shop and billing, with real traffic")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := loadConfig(config.RoleUp, g.configFile)
		if err != nil {
			return err
		}
		if f.kubeconfig != "" {
			cfg.Kubernetes.Kubeconfig = f.kubeconfig
		}
		if f.context != "" {
			cfg.Kubernetes.Context = f.context
		}
		if f.demo {
			if cfg.Kubernetes.Kubeconfig != "" {
				return usagef("--demo brings a cluster of its own: leave out --kubeconfig (and kubernetes.kubeconfig)")
			}
			c := demo.Cluster()
			cfg.Cluster = config.Cluster{Name: c.Name, Region: c.Region, Cloud: c.Cloud}
		}
		return g.up(c.Context(), cfg, f)
	}
	return c
}

// loadConfig reads the file; without one the defaults stand.
func loadConfig(role config.Role, file string) (*config.Config, error) {
	if file == "" {
		cfg := config.Default(role)
		return cfg, cfg.Validate()
	}
	return config.Load(role, file)
}

func (g *global) newListener(logger *slog.Logger) func(*listenFlag) (net.Listener, error) {
	return func(f *listenFlag) (net.Listener, error) { return f.open(logger) }
}

// up is central and agent in one process: the edge writes into the gateway's
// stores and asks its directory.
func (g *global) up(ctx context.Context, cfg *config.Config, f upFlags) error {
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
	front, err := openGatewayListeners(cfg, f.http, f.es, open)
	if err != nil {
		return err
	}
	defer front.close()
	back, err := openEdgeListeners(cfg, f.forward, f.journal, open, logger)
	if err != nil {
		return err
	}
	defer back.close()
	if cfg.Auth.Anonymous == config.AnonymousOperator {
		logger.Warn("ANYBODY ON THIS MACHINE IS THE OPERATOR: callers from loopback need no credential", "key", "auth.anonymous", "mend", "set auth.anonymous: none and use tokens")
	}
	gw, err := openGateway(cfg, dir, front.url(cfg), logger)
	if err != nil {
		return err
	}
	defer gw.Close()
	if err := gw.tokens.AdminToken(dir.Path(adminToken)); err != nil {
		return err
	}
	client, account, err := kubeClient(cfg, false)
	if err != nil {
		return err
	}
	o := edgeOptions{
		cfg: cfg, log: logger, reg: gw.reg, access: gw.access, roster: gw.directory,
		owned: func(namespace string) (tenant.ID, bool) {
			return gw.directory.Owner(cfg.Cluster.Name, namespace, time.Now())
		},
		namespaces: func() []string { return gw.namespacesOf(cfg.Cluster.Name) },
		samples:    metrics.Scoped(gw.series, gw.access.LocalWrite("scrape")),
		losses:     gw.losses, dir: dir,
		records: gw.intake, stamper: gw.stamper, kube: client, account: account,
		interval: time.Duration(cfg.Scrape.Interval),
		done:     ctx.Done(),
	}
	e, err := newEdge(o)
	if err != nil {
		return err
	}
	run := []func(context.Context) error{gw.Run, e.Run, front.serve(gw), back.serve(e)}
	if f.demo {
		if back.forward == nil {
			return fmt.Errorf("--demo needs the forward listener: free its port, or choose another with --listen.forward=127.0.0.1:0")
		}
		run = append(run, func(ctx context.Context) error {
			return g.runDemo(ctx, gw, e, back.forward.Addr().String())
		})
	}
	if front.http != nil {
		logger.Info("oriel is up", "page", front.url(cfg)+"/")
	}
	return runAll(ctx, run...)
}

// kubeClient gives a client of the cluster that is to be watched, and as whom it
// speaks; nil for none. Only an agent may take the cluster that it runs in.
func kubeClient(cfg *config.Config, inCluster bool) (kubernetes.Interface, *rest.Config, error) {
	k := cfg.Kubernetes
	if k.Kubeconfig == "" && k.Context == "" && !inCluster {
		return nil, nil, nil
	}
	return kube.NewClient(k.Kubeconfig, k.Context, inCluster)
}
