package dashboards

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/tenant"
)

// A Target is where windows are shown. Safe for concurrent use, one goroutine a
// tenant. Both calls are idempotent, write only what differs, never touch what
// does not carry Oriel's mark, and give what they changed even where they fail
// half way.
type Target interface {
	// Apply brings the tenant's objects in line with w. An object that somebody
	// else's stands in the way of is a Refused change and part of the error.
	Apply(ctx context.Context, w Window, c Credential) ([]Change, error)
	// Remove takes away what was made under these names and nothing else.
	Remove(ctx context.Context, n Names) ([]Change, error)
}

// An Annotator is a Target that marks moments on charts.
type Annotator interface {
	// Annotate makes those of the moments, in the order of time, that are not
	// there yet.
	Annotate(ctx context.Context, n Names, moments []Moment) ([]Change, error)
}

// A Contacter is a Target that knows who is told of a tenant's alerts.
type Contacter interface {
	// Contact gives somebody who is told; "" for nobody. known is false where that
	// cannot be told.
	Contact(ctx context.Context, n Names) (name string, known bool, err error)
}

// Credential is the read token that goes into a window's data sources.
type Credential struct {
	ID     string // not a secret: marks which token the data sources hold
	Secret string
}

// Op is what became of one object.
type Op string

// The operations.
const (
	Created Op = "created"
	Updated Op = "updated"
	Removed Op = "removed"
	Copied  Op = "copied"  // somebody's edits, aside
	Kept    Op = "kept"    // not removed: holds what is not ours
	Refused Op = "refused" // not written: somebody else's has its place
)

// RefusedError is why an object was not written, in a sentence for the tenant's
// people: it goes into the status of their namespaces.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

// Told gives the sentence; tenant.Loop asks for it.
func (e *RefusedError) Told() string { return e.Reason }

// Change is one thing a Target did, or would not do.
type Change struct {
	Op     Op
	Object string // org, team, folder, data source, dashboard, file
	Name   string // uid, or name where there is no uid
	Reason string // one sentence where Op is Copied, Kept or Refused
}

// Tokens mints the read tokens; a tenant.Tokens is one.
type Tokens interface {
	Create(tenant.TokenSpec) (secret string, info tenant.TokenInfo, err error)
	List() []tenant.TokenInfo
	Revoke(id string) error
}

// TokenName is the name of the tokens minted here. Tokens of that name that are
// not in use are revoked.
const TokenName = "grafana, minted by oriel"

const tokenAgeMax = 30 * 24 * time.Hour

// ObjectRules is the Change.Object of the alert rules as a whole.
const ObjectRules = "alert rules"

// Event tells of a change to one tenant's window.
type Event struct {
	Tenant tenant.ID
	Change
}

// Options of New. Directory, Target, Tokens, Dir and GatewayURL are needed.
type Options struct {
	Directory  tenant.Directory
	Target     Target
	Tokens     Tokens
	Dir        string // for the encrypted tokens and what was written: <data-dir>/grafana
	Isolation  Isolation
	GatewayURL string
	PageURL    string
	// Metrics gives the names of the metrics a tenant has, and those of its own
	// programs among them; nil where not known. A nil func knows nothing.
	Metrics func(context.Context, tenant.ID) (names []string, own []Metric)
	// Moments gives what happened to a tenant's workloads lately, in the order of
	// time. A nil func knows nothing.
	Moments        func(context.Context, tenant.ID) ([]Moment, error)
	ScrapeInterval time.Duration // 0: 15 s
	Clock          clock.Clock   // nil: the machine's
	OnEvent        func(Event)   // called from Reconcile; may be nil
	Registerer     prometheus.Registerer
}

// Reconciler keeps the windows of all tenants in line with the Directory. It is
// a tenant.Reconciler.
type Reconciler struct {
	o        Options
	vault    *vault
	written  written
	receipts receipts
	drawn    sync.Map // tenant.ID to [32]byte: the metrics that its window was made for last
	contacts sync.Map // tenant.ID to contact, as it was asked last
	marked   sync.Map // tenant.ID to []Moment: the moments that were marked last
	changes  *prometheus.CounterVec
	refused  *prometheus.CounterVec
}

var _ tenant.Reconciler = (*Reconciler)(nil)

// New opens the vault of tokens and checks the options.
func New(o Options) (*Reconciler, error) {
	if o.Directory == nil || o.Target == nil || o.Tokens == nil || o.Dir == "" || o.GatewayURL == "" {
		return nil, errors.New("dashboards: directory, target, tokens, data directory and gateway URL must be given")
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.ScrapeInterval <= 0 {
		o.ScrapeInterval = 15 * time.Second
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	v, err := openVault(o.Dir)
	if err != nil {
		return nil, err
	}
	wr, err := openWritten(filepath.Join(o.Dir, "written"))
	if err != nil {
		return nil, err
	}
	rs, err := openReceipts(filepath.Join(o.Dir, "receipts"))
	if err != nil {
		return nil, err
	}
	r := &Reconciler{
		o:        o,
		vault:    v,
		written:  wr,
		receipts: rs,
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_grafana_changes_total", Help: "Objects written to or removed from Grafana.",
		}, []string{"object", "op"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_grafana_refused_total", Help: "Objects that were not written or removed, because what stands there is not Oriel's.",
		}, []string{"object", "reason"}),
	}
	if o.Registerer != nil {
		if err := errors.Join(o.Registerer.Register(r.changes), o.Registerer.Register(r.refused)); err != nil {
			return nil, fmt.Errorf("dashboards: register metrics: %w", err)
		}
	}
	return r, nil
}

// Name implements tenant.Reconciler.
func (r *Reconciler) Name() string { return "dashboards" }

// Known lists the tenants that may still have a window. Those of them that the
// Directory does not know are to be reconciled at start: they may have gone
// while nobody was looking.
func (r *Reconciler) Known() ([]tenant.ID, error) { return r.vault.known() }

// Reconcile implements tenant.Reconciler. The operator's own tenants have no window.
func (r *Reconciler) Reconcile(ctx context.Context, id tenant.ID) error {
	if !named(id) {
		return nil
	}
	t, ok := r.o.Directory.Lookup(id)
	if !ok {
		return r.remove(ctx, id)
	}
	e, err := r.token(id)
	if err != nil {
		return err
	}
	in := r.input(ctx, t)
	w := Render(in)
	made, err := r.Made(id)
	if err != nil {
		return err
	}
	w.Fresh = made == nil
	if err := r.written.recall(w.Boards); err != nil {
		return err
	}
	changes, err := r.o.Target.Apply(ctx, w, Credential{ID: e.ID, Secret: e.Secret})
	r.tell(id, changes)
	if err != nil {
		return fmt.Errorf("dashboards of tenant %s: %w", id, err)
	}
	r.drawn.Store(id, sha256.Sum256([]byte(strings.Join(in.Metrics, "\n"))))
	if err := r.written.keep(w.Boards); err != nil {
		return err
	}
	// Only now, when Grafana has the token in use.
	if err := r.revokeBut(id, e.ID); err != nil {
		return err
	}
	if err := r.receipts.keep(t, madeOf(w, r.o.Isolation, e, changes), changes, r.o.Clock().UTC()); err != nil {
		return err
	}
	return r.mark(ctx, w.Names)
}

// mark has the target mark what happened lately.
func (r *Reconciler) mark(ctx context.Context, n Names) error {
	target, ok := r.o.Target.(Annotator)
	if !ok || r.o.Moments == nil {
		return nil
	}
	moments, err := r.o.Moments(ctx, n.Tenant)
	if err != nil {
		return fmt.Errorf("what happened to the workloads of tenant %s: %w", n.Tenant, err)
	}
	changes, err := target.Annotate(ctx, n, moments)
	r.tell(n.Tenant, changes)
	if err != nil {
		return fmt.Errorf("annotations of tenant %s: %w", n.Tenant, err)
	}
	r.marked.Store(n.Tenant, moments)
	return nil
}

// Unmarked reports whether there is a moment that the tenant's window does not
// show. One that this process has not made yet is none: its turn comes.
func (r *Reconciler) Unmarked(ctx context.Context, id tenant.ID) bool {
	was, ok := r.marked.Load(id)
	if !ok {
		return false
	}
	moments, err := r.o.Moments(ctx, id)
	return err == nil && slices.ContainsFunc(moments, func(m Moment) bool { return !slices.Contains(was.([]Moment), m) })
}

// Outdated reports whether the tenant's window was made for other metrics than
// these. One that this process has not made yet is not: its turn comes.
func (r *Reconciler) Outdated(id tenant.ID, metrics []string) bool {
	was, ok := r.drawn.Load(id)
	return ok && was != sha256.Sum256([]byte(strings.Join(metrics, "\n")))
}

func (r *Reconciler) input(ctx context.Context, t tenant.Tenant) Input {
	in := Input{
		Tenant:         t,
		Isolation:      r.o.Isolation,
		GatewayURL:     r.o.GatewayURL,
		PageURL:        r.o.PageURL,
		ScrapeInterval: r.interval(),
	}
	if r.o.Metrics != nil {
		in.Metrics, in.Own = r.o.Metrics(ctx, t.ID)
	}
	return in
}

// interval as Grafana spells it.
func (r *Reconciler) interval() string {
	return fmt.Sprintf("%dms", r.o.ScrapeInterval.Milliseconds())
}

// Boards gives a tenant's dashboards as they are to be now, none for a tenant
// that the Directory does not know. No Target is asked.
func (r *Reconciler) Boards(ctx context.Context, id tenant.ID) []Dashboard {
	t, ok := r.o.Directory.Lookup(id)
	if !ok || !named(id) {
		return nil
	}
	return Render(r.input(ctx, t)).Boards
}

// named reports whether the ID is one that a tenant can have, and so the name of
// a file.
func named(id tenant.ID) bool {
	_, err := tenant.ParseID(string(id))
	return err == nil
}

// remove keeps the vault's entry until everything else is gone, so that Known
// still names the tenant after an interruption.
func (r *Reconciler) remove(ctx context.Context, id tenant.ID) error {
	changes, err := r.o.Target.Remove(ctx, NamesOf(id))
	r.tell(id, changes)
	if err != nil {
		return fmt.Errorf("remove the dashboards of tenant %s: %w", id, err)
	}
	if err := r.revokeBut(id, ""); err != nil {
		return err
	}
	if err := r.written.forget(NamesOf(id)); err != nil {
		return err
	}
	if err := r.receipts.forget(id); err != nil {
		return err
	}
	r.drawn.Delete(id)
	r.marked.Delete(id)
	r.contacts.Delete(id)
	return r.vault.forget(id)
}

// token gives the tenant's token: the kept one where it is good and young
// enough, else a new one.
func (r *Reconciler) token(id tenant.ID) (entry, error) {
	e, ok, err := r.vault.load(id)
	if err != nil {
		return entry{}, err
	}
	now, spec := r.o.Clock(), tokenFor(id)
	alive := false
	for _, t := range r.o.Tokens.List() {
		if ok && t.ID == e.ID && t.Kind == spec.Kind && t.Tenant == spec.Tenant && t.Access == spec.Access {
			alive = true
			break
		}
	}
	if alive && now.Sub(e.Created) < tokenAgeMax {
		return e, nil
	}
	secret, info, err := r.o.Tokens.Create(spec)
	if err != nil {
		return entry{}, fmt.Errorf("mint Grafana's token of tenant %s: %w", id, err)
	}
	fresh := entry{ID: info.ID, Secret: secret, Created: now}
	if err := r.vault.save(id, fresh); err != nil {
		// Nobody will ever use a token that was not kept.
		return entry{}, errors.Join(err, r.o.Tokens.Revoke(info.ID))
	}
	return fresh, nil
}

// revokeBut ends the tokens minted here but one: what that one replaced, and
// tokens that were minted and lost when the process died between the two.
func (r *Reconciler) revokeBut(id tenant.ID, keep string) error {
	spec := tokenFor(id)
	for _, t := range r.o.Tokens.List() {
		if t.Kind != spec.Kind || t.Tenant != spec.Tenant || t.Name != TokenName || t.ID == keep {
			continue
		}
		if err := r.o.Tokens.Revoke(t.ID); err != nil && !errors.Is(err, tenant.ErrNoToken) {
			return fmt.Errorf("revoke Grafana's old token of tenant %s: %w", id, err)
		}
	}
	return nil
}

func (r *Reconciler) tell(id tenant.ID, changes []Change) {
	for _, c := range changes {
		switch c.Op {
		case Refused:
			r.refused.WithLabelValues(c.Object, "not_ours").Inc()
		case Kept:
			r.refused.WithLabelValues(c.Object, "holds_foreign").Inc()
		default:
			r.changes.WithLabelValues(c.Object, string(c.Op)).Inc()
		}
		r.o.OnEvent(Event{Tenant: id, Change: c})
	}
}
