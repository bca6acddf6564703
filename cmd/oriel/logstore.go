package main

import (
	"context"
	"fmt"
	"time"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/elastic"
	"github.com/oriel-project/oriel/logging/store"
	"github.com/oriel-project/oriel/tenant"
)

// logStore is what the gateway asks of the engine that keeps the logs.
type logStore interface {
	logging.Store
	logging.Repeater
	Purge(ctx context.Context, id tenant.ID, cluster, namespace string, from, to time.Time) error
}

// openLogs opens the log store that the configuration names.
func (g *gateway) openLogs() error {
	var err error
	switch g.cfg.Logs.Store {
	case config.StoreElastic:
		err = g.openElastic()
	default:
		err = g.openEmbedded()
	}
	if err != nil {
		return err
	}
	g.closers = append(g.closers, g.logs.Close)
	mark := "" // a cluster's records have no positions to hide
	if _, ok := g.logs.(*store.Store); ok {
		mark = g.dir.Path(dirLogs, numbersMark)
	}
	g.veil, err = openVeil(g.dir.Path(numbersKey), mark)
	return err
}

func (g *gateway) openEmbedded() error {
	s, err := store.Open(g.dir.Path(dirLogs), store.Options{
		Durability:       store.Durability(g.cfg.Logs.Durability),
		Retention:        g.logRetention,
		Namespaces:       g.namespaceRetention,
		MemtableBytesMax: int64(g.cfg.Logs.Buffer),
		SearchMemoryMax:  int64(g.cfg.Logs.SearchMemory),
		SearchesMax:      g.cfg.Logs.Searches,
		Room:             g.dir.Room,
		OnEvent: func(e store.Event) {
			switch e.Kind {
			case store.EventUnavailable:
				g.noWrites.Store(true)
			case store.EventAvailable:
				g.noWrites.Store(false)
			}
			g.log.Log(context.Background(), eventLevel(e.Err), "log store: "+string(e.Kind), "file", e.File, "offset", e.Offset, "bytes", e.Bytes, "files", e.Files, "records", e.Records, "error", e.Err)
		},
		Registerer: g.reg,
	})
	if err != nil {
		return err
	}
	g.logs, g.mergeLogs = s, s.Merge
	return nil
}

// openElastic does not ask the cluster for anything yet: it may come later.
func (g *gateway) openElastic() error {
	c := g.cfg.Logs.Elastic
	o := elastic.Options{
		URLs: c.URLs, User: c.User, Prefix: c.IndexPrefix, Shards: c.Shards, Replicas: c.Replicas, ScanMax: c.ScanRecords,
		SearchMemoryMax: int64(g.cfg.Logs.SearchMemory),
		Retention:       g.logRetention,
		Namespaces: func(id tenant.ID) []elastic.NamespaceRetention {
			var out []elastic.NamespaceRetention
			for _, n := range g.namespaceRetention(id) {
				out = append(out, elastic.NamespaceRetention(n))
			}
			return out
		},
		OnEvent: func(e elastic.Event) {
			switch e.Kind {
			case elastic.EventUnavailable:
				g.noWrites.Store(true)
			case elastic.EventAvailable:
				g.noWrites.Store(false)
			}
			g.log.Log(context.Background(), eventLevel(e.Err), "log store: "+string(e.Kind), "tenant", string(e.Tenant), "records", e.Records, "error", e.Err)
		},
		Registerer: g.reg,
	}
	var err error
	if c.PasswordFile != "" {
		if o.Password, err = config.ReadSecret("logs.elastic.password_file", c.PasswordFile); err != nil {
			return err
		}
	}
	if c.CAFile != "" {
		if o.RootCAs, err = certPool(c.CAFile); err != nil {
			return fmt.Errorf("logs.elastic.ca_file: %w", err)
		}
	}
	s, err := elastic.Open(o)
	if err != nil {
		return err
	}
	g.logs, g.retainLogs = s, s.Run
	return nil
}
