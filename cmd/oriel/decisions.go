package main

import (
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oriel-project/oriel/internal/atomicfile"
	"github.com/oriel-project/oriel/tenant"
)

// decisions are what an agent knows of owners: central's last decisions. They
// are kept in a file, so that an agent which starts while central is away
// scrapes what it scraped before. Central decides again for everything that it
// gets: an old decision costs a scrape at most.
type decisions struct {
	file     string // "": nowhere
	log      *slog.Logger
	answered atomic.Bool

	mu sync.RWMutex         // guards by
	by map[string]tenant.ID // by namespace; "" where refused
}

var _ tenant.Directory = (*decisions)(nil)

// decisionsFile holds {"namespace": "tenant"}; "" is a refusal.
const decisionsFile = "decisions.json"

func openDecisions(dir string, logger *slog.Logger) *decisions {
	d := &decisions{file: filepath.Join(dir, decisionsFile), log: logger}
	b, err := os.ReadFile(d.file)
	if err == nil {
		err = json.Unmarshal(b, &d.by)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		d.by = nil
		logger.Warn("central's last decisions do not read; pods are scraped once it has decided again", "file", d.file, "error", err)
	}
	return d
}

func (d *decisions) set(ds []tenant.Decision) {
	by := make(map[string]tenant.ID, len(ds))
	for _, dec := range ds {
		by[dec.Namespace] = dec.Tenant
	}
	d.mu.Lock()
	same := maps.Equal(d.by, by)
	d.by = by
	d.mu.Unlock()
	d.answered.Store(true)
	if same || d.file == "" {
		return
	}
	if err := d.save(by); err != nil {
		d.log.Warn("central's decisions could not be kept; an agent that starts while central is away would not scrape", "file", d.file, "error", err)
	}
}

func (d *decisions) save(by map[string]tenant.ID) error {
	b, err := json.Marshal(by)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(d.file), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(d.file, b, 0o600)
}

// ready: an agent is ready once central has answered its first roster.
func (d *decisions) ready() (not, but string) {
	if d.answered.Load() {
		return "", ""
	}
	return "central has not answered this agent's roster yet", ""
}

// Owner implements tenant.Directory.
func (d *decisions) Owner(_, namespace string, _ time.Time) (tenant.ID, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	id := d.by[namespace]
	return id, id != ""
}

// ownerNow is whose samples of the namespace are, as Owner has it: the operator's
// own tenants for what is of no namespace, and of one that nobody owns.
func (d *decisions) ownerNow(namespace string) tenant.ID {
	if namespace == "" {
		return tenant.System
	}
	if id, ok := d.Owner("", namespace, time.Time{}); ok {
		return id
	}
	return tenant.Unassigned
}

// namespaces gives those that have an owner.
func (d *decisions) namespaces() []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out []string
	for ns, id := range d.by {
		if id != "" {
			out = append(out, ns)
		}
	}
	slices.Sort(out)
	return out
}

// decided reports whether central has said anything of the namespace.
func (d *decisions) decided(namespace string) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	_, ok := d.by[namespace]
	return ok
}

// Lookup implements tenant.Directory: an agent serves no tenant.
func (d *decisions) Lookup(tenant.ID) (tenant.Tenant, bool) { return tenant.Tenant{}, false }

// All implements tenant.Directory.
func (d *decisions) All() iter.Seq[tenant.Tenant] { return func(func(tenant.Tenant) bool) {} }

// Sealed implements tenant.Directory.
func (d *decisions) Sealed(tenant.ID) []tenant.Life { return nil }
