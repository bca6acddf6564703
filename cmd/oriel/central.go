package main

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/internal/datadir"
)

const (
	usageHTTP    = "page, Prometheus API, Elasticsearch API under /es/, remote write, agent and operator APIs"
	usageES      = "Elasticsearch API at the root, for tools that cannot take a path"
	usageForward = "Fluentd forward protocol"
	usageJournal = "systemd-journal-upload"
)

func newCentral(g *global) *cobra.Command {
	c := &cobra.Command{
		Use:     "central",
		Short:   "the gateway: owns the stores, answers, keeps the windows",
		Example: "  oriel central --config /etc/oriel/oriel.yaml --data-dir /var/lib/oriel --listen.http 0.0.0.0:7480",
		Args:    cobra.NoArgs,
	}
	httpFlag := addListen(c.Flags(), "http", "127.0.0.1:7480", usageHTTP)
	esFlag := addListen(c.Flags(), "es", "127.0.0.1:9200", usageES)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := loadConfig(config.RoleCentral, g.configFile)
		if err != nil {
			return err
		}
		return g.central(c.Context(), cfg, httpFlag, esFlag)
	}
	return c
}

func (g *global) central(ctx context.Context, cfg *config.Config, httpFlag, esFlag *listenFlag) error {
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
	ls, err := openGatewayListeners(cfg, httpFlag, esFlag, g.newListener(logger))
	if err != nil {
		return err
	}
	defer ls.close()
	gw, err := openGateway(cfg, dir, ls.url(cfg), logger)
	if err != nil {
		return err
	}
	defer gw.Close()
	if err := gw.tokens.AdminToken(dir.Path(adminToken)); err != nil {
		return err
	}
	return runAll(ctx, gw.Run, ls.serve(gw))
}

// gatewayListeners are the two that a gateway opens; either may be nil.
type gatewayListeners struct{ http, es net.Listener }

func openGatewayListeners(cfg *config.Config, httpFlag, esFlag *listenFlag, open func(*listenFlag) (net.Listener, error)) (ls gatewayListeners, err error) {
	defer func() {
		if err != nil {
			ls.close()
		}
	}()
	if ls.http, err = open(httpFlag); err != nil {
		return ls, err
	}
	if ls.es, err = open(esFlag); err != nil {
		return ls, err
	}
	if ls.http, err = withTLS(ls.http, cfg.TLS); err != nil {
		return ls, err
	}
	ls.es, err = withTLS(ls.es, cfg.TLS)
	return ls, err
}

func (ls gatewayListeners) close() {
	for _, l := range []net.Listener{ls.http, ls.es} {
		if l != nil {
			l.Close()
		}
	}
}

// url is where Grafana and people find the HTTP listener, unless the
// configuration says otherwise.
func (ls gatewayListeners) url(cfg *config.Config) string {
	if cfg.Grafana.OrielURL != "" {
		return strings.TrimSuffix(cfg.Grafana.OrielURL, "/")
	}
	scheme := "http"
	if cfg.TLS.CertFile != "" {
		scheme = "https"
	}
	if ls.http == nil {
		return scheme + "://127.0.0.1:7480"
	}
	host, port, _ := net.SplitHostPort(ls.http.Addr().String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(host, port))
}

// serve serves what is open.
func (ls gatewayListeners) serve(gw *gateway) func(context.Context) error {
	return func(ctx context.Context) error {
		var fs []func(context.Context) error
		if ls.http != nil {
			fs = append(fs, func(ctx context.Context) error { return serveHTTP(ctx, ls.http, gw.handler(), gw.log) })
		}
		if ls.es != nil {
			fs = append(fs, func(ctx context.Context) error { return serveHTTP(ctx, ls.es, gw.esHandler(), gw.log) })
		}
		return runAll(ctx, fs...)
	}
}
