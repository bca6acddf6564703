// Package registry is central's durable Directory: which tenants there are,
// which namespaces of which clusters are theirs and since when, and whose claims
// were refused. It arbitrates what agents claim (tenant.Roster) and takes what
// the operator orders (Onboard and its siblings).
//
//	reg, err := registry.Open(filepath.Join(dataDir, "directory"), registry.Options{OnChange: loop.Add})
//	decisions, err := reg.Snapshot(ctx, tenant.Cluster{Name: "eu-1"}, 1, claims)
//	owner, ok := reg.Owner("eu-1", "payments-prod", time.Now())
//
// Every change is in the journal and fsynced before the call that made it
// returns; the bytes are described in docs/format/directory.md.
package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/tenant"
)

const (
	archiveForDefault = 7 * 24 * time.Hour
	// lateFor is how long after a namespace's end its tenant still gets what
	// its dying pods said.
	lateFor = 10 * time.Minute
	// pastFor is how long it is remembered that a namespace had earlier lives
	// once those are forgotten. Nothing older than this comes in: longer
	// retention is not offered, and older records are clamped to their receipt.
	pastFor    = 400 * 24 * time.Hour
	sweepEvery = time.Minute
)

// Grant lets the namespaces of a cluster that match a pattern join a tenant,
// whatever groups they name.
type Grant struct {
	Cluster   string    // "*" for every one
	Namespace string    // a pattern as in path.Match
	Tenant    tenant.ID // who may be joined
}

// Options of a Registry. The zero value works.
type Options struct {
	Clock      clock.Clock
	Grants     []Grant
	ArchiveFor time.Duration // how long ended lives stay sealed; 7 days where zero
	// OnEvent is told what happened, in order. It must not call back into
	// methods that change the registry.
	OnEvent func(Event)
	// Remove takes the telemetry of an ended life out of the stores; of a life
	// without cluster, everything of the tenant. What it is asked for stays sealed,
	// and the name with its groups, until it has returned nil; after an error it is
	// asked again by the next sweep. nil: there are no stores.
	Remove func(context.Context, tenant.ID, tenant.Life) error
	// OnChange is told which tenants have changed, after the change is durable
	// and visible. It must not block.
	OnChange func(tenant.ID)
	// Stages says how far a tenant's window is: the seconds each finished stage
	// took, and the stages that are missing. Loop.Stages is one. Nil: all done.
	Stages func(tenant.ID) (done map[string]float64, missing []string)
}

// Registry is the Directory. It is safe for concurrent use.
type Registry struct {
	opts Options

	mu       sync.Mutex // serialises changes; guards what follows
	journal  *journal
	clusters map[string]*cluster
	closed   bool

	view sync.RWMutex // guards state; taken for writing only to publish a change
	st   *state
}

var (
	_ tenant.Directory = (*Registry)(nil)
	_ tenant.Roster    = (*Registry)(nil)
)

// ErrClosed is returned by changes after Close.
var ErrClosed = errors.New("the directory is closed")

// Open reads the directory kept in dir, which is made where it is missing. A
// torn end of the journal, as a crash leaves it, is cut off and reported as an
// event; damage elsewhere is an error. Only one process may have it open, which
// the lock of the data directory sees to.
func Open(dir string, o Options) (*Registry, error) {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.ArchiveFor <= 0 {
		o.ArchiveFor = archiveForDefault
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	if o.Remove == nil {
		o.Remove = func(context.Context, tenant.ID, tenant.Life) error { return nil }
	}
	if o.OnChange == nil {
		o.OnChange = func(tenant.ID) {}
	}
	for _, g := range o.Grants {
		if _, err := path.Match(g.Namespace, ""); err != nil || g.Namespace == "" || g.Cluster == "" {
			return nil, fmt.Errorf("grant of tenant %q to cluster %q, namespace %q: want a cluster's name or \"*\", and a pattern such as \"payments-*\"", g.Tenant, g.Cluster, g.Namespace)
		}
		if _, err := tenant.ParseID(string(g.Tenant)); err != nil {
			return nil, fmt.Errorf("grant to cluster %q: %w", g.Cluster, err)
		}
	}
	j, st, torn, err := openJournal(dir)
	if err != nil {
		return nil, fmt.Errorf("open directory %s: %w", dir, err)
	}
	r := &Registry{opts: o, journal: j, st: st, clusters: map[string]*cluster{}}
	if torn > 0 {
		o.OnEvent(Event{Kind: TornTail, At: r.now(), Bytes: torn})
	}
	return r, nil
}

// Close gives the files back. Reads still work afterwards, changes do not.
func (r *Registry) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	return r.journal.close()
}

// Run forgets what is past its time until ctx ends. At its start it reports
// every purged life once more, so that a store that died before it had removed
// the telemetry gets another chance.
func (r *Registry) Run(ctx context.Context) error {
	for _, e := range r.purged() {
		r.opts.OnEvent(e)
	}
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := r.Sweep(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, ErrClosed) {
			r.opts.OnEvent(Event{Kind: Failed, At: r.now(), Reason: err.Error()})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Lookup implements tenant.Directory.
func (r *Registry) Lookup(id tenant.ID) (tenant.Tenant, bool) {
	r.view.RLock()
	defer r.view.RUnlock()
	if t := r.st.tenants[id]; t != nil && t.exists {
		return t.snap, true
	}
	return tenant.Tenant{}, false
}

// All implements tenant.Directory: the tenants of one moment.
func (r *Registry) All() iter.Seq[tenant.Tenant] {
	return func(yield func(tenant.Tenant) bool) {
		r.view.RLock()
		all := make([]tenant.Tenant, len(r.st.order))
		for i, id := range r.st.order {
			all[i] = r.st.tenants[id].snap
		}
		r.view.RUnlock()
		for _, t := range all {
			if !yield(t) {
				return
			}
		}
	}
}

// Owner implements tenant.Directory: the tenant of the life that covers at. A
// time before the first life ever known is that life's, while it lives (a
// namespace has logs from before its onboarding), and one within ten minutes of
// the last life's end is still that one's.
func (r *Registry) Owner(cluster, namespace string, at time.Time) (tenant.ID, bool) {
	r.view.RLock()
	defer r.view.RUnlock()
	h := r.st.hist[key{cluster, namespace}]
	if h == nil || len(h.Lives) == 0 {
		return "", false
	}
	return h.owner(at)
}

// Sealed implements tenant.Directory. From and To of what it gives are the
// reach of each life: all times whose telemetry Owner gave to it, which is a
// little more than the life itself.
func (r *Registry) Sealed(id tenant.ID) []tenant.Life {
	r.view.RLock()
	defer r.view.RUnlock()
	if t := r.st.tenants[id]; t != nil {
		return t.sealed
	}
	return nil
}

// Known gives every tenant of which anything is kept, gone ones too, in order.
// A start adds them to the loop, so that what outlived its tenant is removed.
func (r *Registry) Known() []tenant.ID {
	r.view.RLock()
	defer r.view.RUnlock()
	ids := make([]tenant.ID, 0, len(r.st.tenants))
	for id := range r.st.tenants {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (r *Registry) purged() []Event {
	r.view.RLock()
	defer r.view.RUnlock()
	var out []Event
	for _, h := range r.st.hist {
		for i, l := range h.Lives {
			if l.Purged {
				out = append(out, Event{Kind: Purge, At: l.To, Tenant: l.Tenant, Life: h.purge(i)})
			}
		}
	}
	return out
}

// change plans with f, makes the plan durable, then visible, then known.
func (r *Registry) change(ctx context.Context, f func(*tx) error) error {
	r.mu.Lock()
	touched, err := r.changeLocked(ctx, f)
	r.mu.Unlock()
	for _, id := range touched {
		r.opts.OnChange(id)
	}
	return err
}

// changeLocked is change for who holds r.mu, and gives the tenants that OnChange
// is to be told of once it is released.
func (r *Registry) changeLocked(ctx context.Context, f func(*tx) error) ([]tenant.ID, error) {
	if r.closed {
		return nil, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	tx := newTx(r.st) // r.st changes under r.mu only, so reading needs no lock here
	if err := f(tx); err != nil {
		return nil, err
	}
	var touched []tenant.ID
	if len(tx.changes) > 0 {
		tx.comings(r.now())
		if err := r.journal.append(entry{Seq: r.st.seq + 1, At: r.now(), Changes: tx.changes}); err != nil {
			return nil, fmt.Errorf("write the directory's journal: %w", err)
		}
		r.view.Lock()
		touched = tx.publish()
		r.st.seq++
		r.view.Unlock()
		if r.journal.wantsCompaction() {
			if err := r.journal.compact(r.st); err != nil {
				r.opts.OnEvent(Event{Kind: Failed, At: r.now(), Reason: err.Error()})
			}
		}
	}
	for _, e := range tx.events {
		r.opts.OnEvent(e)
	}
	return touched, nil
}

func (r *Registry) now() time.Time { return r.opts.Clock().UTC().Round(0) }

func (r *Registry) status(id tenant.ID) (status string, stages map[string]float64) {
	if r.opts.Stages == nil {
		return tenant.StatusReady, nil
	}
	done, missing := r.opts.Stages(id)
	if len(missing) == 0 {
		return tenant.StatusReady, done
	}
	return pending(missing), done
}
