package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/dashboards/grafana"
)

// operatorEvery is how often the operator's own window is looked after.
const operatorEvery = 10 * time.Minute

// windows keeps the tenants' windows in Grafana, or in files for it.
type windows struct {
	*dashboards.Reconciler
	grafana *grafana.Client // nil: files
	log     *slog.Logger
	notices []string // what every caller of the page should know
}

func newWindows(g *gateway, httpURL string) (*windows, error) {
	w := &windows{log: g.log}
	o := dashboards.Options{
		Directory: g.directory, Tokens: g.tokens, Dir: g.dir.Path(dirGrafana),
		GatewayURL: httpURL, PageURL: httpURL,
		Metrics:        g.inventory,
		Moments:        g.latelyOf,
		ScrapeInterval: time.Duration(g.cfg.Scrape.Interval),
		Registerer:     g.reg,
		OnEvent: func(e dashboards.Event) {
			level := slog.LevelDebug
			if e.Reason != "" {
				level = slog.LevelWarn
			}
			g.log.Log(context.Background(), level, "window: "+string(e.Op), "tenant", string(e.Tenant), "object", e.Object, "name", e.Name, "reason", e.Reason)
		},
	}
	c := g.cfg.Grafana
	if c.URL == "" {
		files, err := dashboards.NewFiles(dashboards.FilesOptions{Dir: g.dir.Path(dirGrafana)})
		if err != nil {
			return nil, err
		}
		o.Target, o.Isolation = files, dashboards.ByFiles
		w.notices = append(w.notices, dashboards.HonestSentence)
		g.log.Info("no grafana.url: windows are written as files for Grafana's provisioning", "folder", g.dir.Path(dirGrafana), "note", dashboards.HonestSentence)
	} else {
		gc := grafana.Options{URL: c.URL, Isolation: dashboards.Isolation(c.Isolation), RequestsPerSecond: float64(c.Requests), Registerer: g.reg}
		var err error
		if c.TokenFile != "" {
			gc.Token, err = config.ReadSecret("grafana.token_file", c.TokenFile)
		} else {
			gc.User = c.User
			gc.Password, err = config.ReadSecret("grafana.password_file", c.PasswordFile)
		}
		if err != nil {
			return nil, err
		}
		if w.grafana, err = grafana.New(gc); err != nil {
			return nil, err
		}
		o.Target, o.Isolation = w.grafana, gc.Isolation
		if gc.Isolation != dashboards.ByOrg {
			w.notices = append(w.notices, dashboards.HonestSentence)
			g.log.Warn(dashboards.HonestSentence)
		}
	}
	var err error
	w.Reconciler, err = dashboards.New(o)
	return w, err
}

// Run says at the start, and whenever that changes, whether Grafana is as it
// must be.
func (w *windows) Run(ctx context.Context) error {
	if w.grafana == nil {
		<-ctx.Done()
		return nil
	}
	last := "unknown"
	var due time.Time // of the operator's window
	for {
		version, err := w.grafana.Check(ctx)
		now := "well"
		if err != nil {
			now = err.Error()
		}
		if now != last && ctx.Err() == nil {
			if err != nil {
				w.log.Warn("Grafana is not as it must be, windows wait for it", "error", err)
			} else {
				w.log.Info("Grafana is there", "version", version)
			}
			last = now
		}
		if err == nil && !time.Now().Before(due) {
			if err := w.ReconcileOperator(ctx); err == nil {
				due = time.Now().Add(operatorEvery)
			} else if ctx.Err() == nil {
				w.log.Warn("the operator's window in Grafana is not as it must be, it is tried again", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(30 * time.Second):
		}
	}
}
