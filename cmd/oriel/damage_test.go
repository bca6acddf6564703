package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/internal/datadir"
)

// TestDamagedFiles: what cannot be read below the data directory is one sentence
// that names the file, whichever part of the gateway it belongs to.
func TestDamagedFiles(t *testing.T) {
	for _, name := range []string{"directory/journal", "tokens/tokens.json", "grafana/key"} {
		dir := t.TempDir()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.Repeat("not what was written here\n", 40)), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := datadir.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		_, err = openGateway(config.Default(config.RoleUp), d, "http://127.0.0.1:1", slog.New(slog.DiscardHandler))
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), filepath.Base(name)) {
			t.Errorf("%s: %v", name, err)
		} else {
			t.Log(err)
		}
	}
}

// TestDamagedQueue: the same for an agent.
func TestDamagedQueue(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, dirQueue), nil, 0o600); err != nil { // a file in its place
		t.Fatal(err)
	}
	d, err := datadir.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default(config.RoleAgent)
	cfg.Agent.Central.URL, cfg.Agent.Central.TokenFile = "http://127.0.0.1:1", token
	if _, err := newUplink(uplinkOptions{cfg: cfg, dir: d, reg: newMetricsRegistry(), log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), dirQueue) {
		t.Errorf("a file where the queue should be: %v", err)
	}
}
