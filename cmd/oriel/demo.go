package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/oriel-project/oriel/demo"
	"github.com/oriel-project/oriel/metrics/scrape"
)

const demoScrapeInterval = 2 * time.Second

// runDemo onboards the two demo teams and keeps their processes running. Their
// pods are scraped as they announce themselves.
func (g *global) runDemo(ctx context.Context, gw *gateway, e *edge, forwardAddr string) error {
	if _, err := gw.directory.Snapshot(ctx, demo.Cluster(), 1, demo.Claims()); err != nil {
		return fmt.Errorf("onboard the demo teams: %w", err)
	}
	e.scraper.Reload()
	var mu sync.Mutex // guards targets: pods announce themselves from several goroutines
	targets := map[string]scrape.Static{}
	return demo.Supervise(ctx, demo.SuperviseOptions{
		ForwardAddr: forwardAddr,
		Stderr:      g.stderr,
		OnTarget: func(t demo.Target) {
			mu.Lock()
			defer mu.Unlock()
			if old, ok := targets[t.Pod]; ok {
				e.scraper.RemoveStatic(old.Job, old.Namespace, old.Pod, old.Address)
			}
			s := scrape.Static{
				Job: t.Namespace + "/" + t.Container, Namespace: t.Namespace, Pod: t.Pod, Container: t.Container,
				Node: t.Node, Address: t.Address, Interval: demoScrapeInterval,
			}
			if err := e.scraper.AddStatic(s); err != nil {
				gw.log.Error("scrape a demo pod", "pod", t.Pod, "error", err)
				return
			}
			targets[t.Pod] = s
		},
		OnNode: func(address string) {
			if err := e.scraper.AddStatic(scrape.Static{Job: "demo-node", Address: address, Platform: true, Interval: demoScrapeInterval}); err != nil {
				gw.log.Error("scrape the demo's node", "error", err)
			}
		},
		OnExit: func(team string, pid int, err error) {
			if ctx.Err() == nil {
				gw.log.Warn("a demo team ended and is started again", "team", team, "pid", pid, "error", err)
			}
		},
	})
}
