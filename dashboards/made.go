package dashboards

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/oriel-project/oriel/internal/atomicfile"
	"github.com/oriel-project/oriel/tenant"
)

// Made is what a tenant's window consisted of when it was whole last.
type Made struct {
	At        time.Time `json:"at"`      // whole for the first time since the onboarding
	Changed   time.Time `json:"changed"` // something in it was written last
	Isolation Isolation `json:"isolation"`
	Place     string    `json:"place"` // organisation, folder or directory of files, by name
	Sources   []string  `json:"data_sources"`
	Boards    []string  `json:"dashboards"`
	Rules     []string  `json:"alert_rules"`
	Token     MadeToken `json:"token"`
	Notes     []string  `json:"notes,omitempty"` // what was left as it is, and why
}

// MadeToken is the read token in the data sources, without its secret.
type MadeToken struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
}

// receipts keeps each tenant's Made as <dir>/<tenant>.json, so that it outlives
// the process. Safe for concurrent use, one goroutine writing a tenant.
type receipts struct{ dir string }

func openReceipts(dir string) (receipts, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return receipts{}, fmt.Errorf("directory for receipts: %w", err)
	}
	return receipts{dir}, nil
}

func (s receipts) path(id tenant.ID) string { return filepath.Join(s.dir, string(id)+".json") }

// load gives nil where there is none that can be read: the next run writes it anew.
func (s receipts) load(id tenant.ID) (*Made, []byte, error) {
	raw, err := os.ReadFile(s.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the receipt of tenant %s: %w", id, err)
	}
	var m Made
	if json.Unmarshal(raw, &m) == nil {
		return &m, raw, nil
	}
	return nil, nil, nil
}

// keep notes that the window is whole. changes are those of the run that found
// it so.
func (s receipts) keep(t tenant.Tenant, m Made, changes []Change, now time.Time) error {
	old, raw, err := s.load(t.ID)
	if err != nil {
		return err
	}
	m.At, m.Changed = now, now
	if old != nil && !old.At.Before(t.Since) {
		m.At = old.At
		if !slices.ContainsFunc(changes, func(c Change) bool { return c.Op != Kept && c.Op != Refused }) {
			m.Changed = old.Changed
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode the receipt of tenant %s: %w", t.ID, err)
	}
	if bytes.Equal(b, raw) {
		return nil
	}
	if err := atomicfile.Write(s.path(t.ID), b, 0o600); err != nil {
		return fmt.Errorf("write the receipt of tenant %s: %w", t.ID, err)
	}
	return nil
}

func (s receipts) forget(id tenant.ID) error {
	if err := os.Remove(s.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the receipt of tenant %s: %w", id, err)
	}
	return nil
}

// madeOf says what a window that was applied consists of.
func madeOf(w Window, by Isolation, e entry, changes []Change) Made {
	m := Made{Isolation: by, Place: w.Org, Token: MadeToken{e.ID, e.Created}, Rules: []string{}}
	if m.Isolation == "" {
		m.Isolation = ByOrg
	}
	if m.Isolation != ByOrg {
		m.Place = w.FolderTitle
	}
	for _, s := range w.Sources {
		m.Sources = append(m.Sources, s.Name)
	}
	for _, b := range w.Boards {
		m.Boards = append(m.Boards, b.Title)
	}
	rules := true
	for _, c := range changes {
		if c.Op == Kept {
			m.Notes = append(m.Notes, c.Reason)
			rules = rules && c.Object != ObjectRules
		}
	}
	if rules {
		for _, r := range w.Rules {
			m.Rules = append(m.Rules, r.Title)
		}
	}
	return m
}

// Made gives what the tenant's window consisted of when it was whole last; nil
// where it never was since its onboarding.
func (r *Reconciler) Made(id tenant.ID) (*Made, error) {
	t, ok := r.o.Directory.Lookup(id)
	if !ok || !named(id) {
		return nil, nil
	}
	m, _, err := r.receipts.load(id)
	if err != nil || m == nil || m.At.Before(t.Since) {
		return nil, err
	}
	return m, nil
}
