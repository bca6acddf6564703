package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/logging/journal"
	"github.com/oriel-project/oriel/tenant"
)

// journalSources are the journals that are read from here, as the configuration
// names them.
func journalSources(o edgeOptions, in *journal.Intake) ([]func(context.Context) error, error) {
	c := o.cfg.Journal
	if !c.Local.Enabled && len(c.Pull) == 0 {
		return nil, nil
	}
	if err := os.MkdirAll(o.dir.Path(dirJournal), 0o700); err != nil {
		return nil, err
	}
	scope := func() tenant.Write { return o.access.LocalWrite("journal") }
	var out []func(context.Context) error
	if c.Local.Enabled {
		lo := journal.LocalOptions{
			Scope: scope, CursorFile: o.dir.Path(dirJournal, "local.cursor"),
			Directory: c.Local.Directory, Since: time.Duration(c.Since),
		}
		out = append(out, func(ctx context.Context) error { return in.Local(ctx, lo) })
	}
	for i, p := range c.Pull {
		client, err := pullClient(p)
		if err != nil {
			return nil, fmt.Errorf("journal.pull[%d]: %w", i, err)
		}
		name := sha256.Sum256([]byte(p.URL))
		po := journal.PullOptions{
			Scope: scope, CursorFile: o.dir.Path(dirJournal, hex.EncodeToString(name[:8])+".cursor"),
			URL: p.URL, Client: client, Since: time.Duration(c.Since),
		}
		out = append(out, func(ctx context.Context) error { return in.Pull(ctx, po) })
	}
	return out, nil
}

// pullClient has no time limit for a whole answer, which never ends.
func pullClient(p config.JournalPull) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = time.Minute
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if p.CAFile != "" {
		pool, err := certPool(p.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		t.TLSClientConfig.RootCAs = pool
	}
	if p.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("load certificate %s and key %s: %w", p.CertFile, p.KeyFile, err)
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{cert}
	}
	return &http.Client{Transport: t}, nil
}
