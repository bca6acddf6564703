package registry

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/oriel-project/oriel/tenant"
)

type key struct{ cluster, namespace string }

// Who brought a life.
const (
	byClaim    = "claim"
	byOperator = "operator"
)

// life is one life of a namespace and whose it is. A life in the state is
// never changed in place.
type life struct {
	tenant.Namespace
	Tenant tenant.ID `json:"tenant"`
	By     string    `json:"by"`
	Groups []string  `json:"groups,omitempty"` // as claimed when it joined
	Purged bool      `json:"purged,omitempty"` // ended with on-delete: purge
}

// history is every life known of one namespace of one cluster, ordered by From
// and never overlapping. Only the last one can be alive.
type history struct {
	Cluster   string    `json:"cluster"`
	Namespace string    `json:"namespace"`
	Lives     []life    `json:"lives"`
	Earlier   bool      `json:"earlier,omitempty"` // there were lives that are forgotten
	Last      time.Time `json:"last,omitzero"`     // end of the last forgotten life
}

func (h *history) living() *life {
	if n := len(h.Lives); n > 0 && h.Lives[n-1].To.IsZero() {
		return &h.Lives[n-1]
	}
	return nil
}

// ended reports whether the life is there, and over.
func (h *history) ended(l life) bool {
	return slices.ContainsFunc(h.Lives, func(o life) bool {
		return o.UID == l.UID && o.Tenant == l.Tenant && o.From.Equal(l.From) && !o.To.IsZero()
	})
}

// owner wants at least one life.
func (h *history) owner(at time.Time) (tenant.ID, bool) {
	i := sort.Search(len(h.Lives), func(i int) bool { return h.Lives[i].From.After(at) }) - 1
	if i < 0 {
		if first := &h.Lives[0]; !h.Earlier && first.To.IsZero() {
			return first.Tenant, true
		}
		return "", false
	}
	l := &h.Lives[i]
	if l.Covers(at) || (i == len(h.Lives)-1 && at.Before(l.To.Add(lateFor))) {
		return l.Tenant, true
	}
	return "", false
}

// reach gives the i-th life with From and To widened to every time that owner
// gave to it: from the beginning of time for the first one, and ten minutes
// past the end unless another life began by then.
func (h *history) reach(i int) tenant.Life {
	l := h.Lives[i].Life
	if i == 0 && !h.Earlier {
		l.From = time.Unix(0, 0).UTC()
	}
	if !l.To.IsZero() {
		l.To = l.To.Add(lateFor)
		if i+1 < len(h.Lives) && h.Lives[i+1].From.Before(l.To) {
			l.To = h.Lives[i+1].From
		}
	}
	return l
}

// purge gives what of the i-th life is to be removed at its end: not what may
// come late, since a store that is slow would take the beginning of the next
// life with it. That is sealed, and goes when the life expires.
func (h *history) purge(i int) tenant.Life {
	l := h.reach(i)
	l.To = h.Lives[i].To
	return l
}

// team is what is kept of a tenant.
type team struct {
	ID         tenant.ID `json:"id"`
	Groups     []string  `json:"groups,omitempty"`
	Since      time.Time `json:"since"`
	Operator   bool      `json:"operator,omitempty"`   // onboarded by the operator: exists without namespaces
	Offboarded bool      `json:"offboarded,omitempty"` // by the operator: claims are refused until onboarded again

	// Left is when the operator offboarded it, zero again once nothing is left of
	// it in the stores.
	Left time.Time `json:"left,omitzero"`

	keys map[key]struct{} // of its lives, ended ones too

	// Derived when a change is published.
	exists bool
	snap   tenant.Tenant
	sealed []tenant.Life
}

// state is everything the registry knows. Teams and histories in it are
// replaced, never changed.
type state struct {
	seq     uint64
	tenants map[tenant.ID]*team
	hist    map[key]*history
	order   []tenant.ID // of the existing tenants
}

func newState() *state {
	return &state{tenants: map[tenant.ID]*team{}, hist: map[key]*history{}}
}

// derive fills what readers see of a team.
func (s *state) derive(t *team) {
	living := []tenant.Namespace{}
	t.sealed = nil
	for k := range t.keys {
		h := s.hist[k]
		for i, l := range h.Lives {
			switch {
			case l.Tenant != t.ID:
			case l.To.IsZero():
				living = append(living, l.Namespace)
			default:
				t.sealed = append(t.sealed, h.reach(i))
			}
		}
	}
	slices.SortFunc(living, func(a, b tenant.Namespace) int { return compareLives(a.Life, b.Life) })
	slices.SortFunc(t.sealed, compareLives)
	t.exists = (t.Operator && !t.Offboarded) || len(living) > 0
	t.snap = tenant.Tenant{ID: t.ID, Groups: t.Groups, Since: t.Since, Namespaces: living}
}

func compareLives(a, b tenant.Life) int {
	if c := strings.Compare(a.Cluster, b.Cluster); c != 0 {
		return c
	}
	if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
		return c
	}
	return a.From.Compare(b.From)
}

// op is what a change does. All of them state the outcome, so that replaying
// the journal takes no decision again.
type op string

const (
	opTenant op = "tenant" // put Team
	opDrop   op = "drop"   // forget Tenant
	opLife   op = "life"   // put Life: replaces the namespace's last one if it is the same, else follows it
	opExpire op = "expire" // forget Life
	opForget op = "forget" // forget that Cluster/Namespace ever was
)

type change struct {
	Op        op        `json:"op"`
	Team      *team     `json:"team,omitempty"`
	Tenant    tenant.ID `json:"tenant,omitempty"`
	Life      *life     `json:"life,omitempty"`
	Cluster   string    `json:"cluster,omitempty"`
	Namespace string    `json:"namespace,omitempty"`
}

// tx collects changes on top of a state without touching it, so that a plan
// sees its own beginnings and nobody else does before it is durable.
type tx struct {
	base    *state
	tenants map[tenant.ID]*team // nil: dropped
	hist    map[key]*history    // nil: forgotten
	changes []change
	events  []Event
}

func newTx(s *state) *tx {
	return &tx{base: s, tenants: map[tenant.ID]*team{}, hist: map[key]*history{}}
}

func (x *tx) tenant(id tenant.ID) *team {
	if t, ok := x.tenants[id]; ok {
		return t
	}
	return x.base.tenants[id]
}

func (x *tx) history(k key) *history {
	if h, ok := x.hist[k]; ok {
		return h
	}
	return x.base.hist[k]
}

// living counts the tenant's living lives.
func (x *tx) living(id tenant.ID) int {
	n := 0
	if t := x.tenant(id); t != nil {
		for k := range t.keys {
			if l := x.history(k).living(); l != nil && l.Tenant == id {
				n++
			}
		}
	}
	return n
}

func (x *tx) exists(id tenant.ID) bool {
	t := x.tenant(id)
	return t != nil && ((t.Operator && !t.Offboarded) || x.living(id) > 0)
}

// touch gives a team that the tx may change.
func (x *tx) touch(id tenant.ID) *team {
	if t, ok := x.tenants[id]; ok {
		return t
	}
	b := x.base.tenants[id]
	if b == nil {
		return nil
	}
	t := *b
	t.keys = maps.Clone(b.keys)
	x.tenants[id] = &t
	return &t
}

func (x *tx) touchHistory(k key) *history {
	if h, ok := x.hist[k]; ok && h != nil {
		return h
	}
	h := &history{Cluster: k.cluster, Namespace: k.namespace}
	if b, ok := x.base.hist[k]; ok {
		*h = *b
		h.Lives = slices.Clone(b.Lives)
	}
	x.hist[k] = h
	return h
}

// do applies a change and keeps it for the journal.
func (x *tx) do(c change) error {
	if err := x.apply(c); err != nil {
		return fmt.Errorf("directory change %q does not fit what is known: %w", c.Op, err)
	}
	x.changes = append(x.changes, c)
	return nil
}

func (x *tx) apply(c change) error {
	switch c.Op {
	case opTenant:
		if c.Team == nil || c.Team.ID == "" {
			return fmt.Errorf("no tenant in it")
		}
		t := *c.Team
		t.keys = map[key]struct{}{}
		if old := x.touch(t.ID); old != nil {
			t.keys = old.keys
		}
		x.tenants[t.ID] = &t
	case opDrop:
		t := x.tenant(c.Tenant)
		if t == nil || len(t.keys) > 0 {
			return fmt.Errorf("tenant %q is not there or has namespaces", c.Tenant)
		}
		x.tenants[c.Tenant] = nil
	case opLife:
		return x.putLife(c.Life)
	case opExpire:
		return x.expireLife(c.Life)
	case opForget:
		k := key{c.Cluster, c.Namespace}
		if h := x.history(k); h == nil || len(h.Lives) > 0 {
			return fmt.Errorf("namespace %s/%s is not there or has lives", c.Cluster, c.Namespace)
		}
		x.hist[k] = nil
	default:
		return fmt.Errorf("not a change that this version knows")
	}
	return nil
}

func (x *tx) putLife(l *life) error {
	if l == nil {
		return fmt.Errorf("no life in it")
	}
	t := x.touch(l.Tenant)
	if t == nil {
		return fmt.Errorf("tenant %q is not there", l.Tenant)
	}
	k := key{l.Cluster, l.Life.Namespace}
	h := x.touchHistory(k)
	if n := len(h.Lives); n > 0 {
		last := &h.Lives[n-1]
		x.touch(last.Tenant) // its reach may shrink
		if last.UID == l.UID && last.Tenant == l.Tenant && last.From.Equal(l.From) {
			*last = *l
			return nil
		}
		if last.To.IsZero() || l.From.Before(last.To) {
			return fmt.Errorf("lives of %s/%s would overlap", k.cluster, k.namespace)
		}
	}
	h.Lives = append(h.Lives, *l)
	t.keys[k] = struct{}{}
	return nil
}

func (x *tx) expireLife(l *life) error {
	if l == nil {
		return fmt.Errorf("no life in it")
	}
	k := key{l.Cluster, l.Life.Namespace}
	h := x.touchHistory(k)
	i := slices.IndexFunc(h.Lives, func(o life) bool {
		return o.UID == l.UID && o.Tenant == l.Tenant && o.From.Equal(l.From) && !o.To.IsZero()
	})
	if i < 0 {
		return fmt.Errorf("no ended life %s of %s/%s", l.UID, k.cluster, k.namespace)
	}
	gone := h.Lives[i]
	h.Lives = slices.Delete(h.Lives, i, i+1)
	h.Earlier = true
	if gone.To.After(h.Last) {
		h.Last = gone.To
	}
	// Widened to the beginning of time or not: the next life's reach depends on
	// whether it is the first, so its tenant is derived anew as well.
	for _, o := range h.Lives {
		x.touch(o.Tenant)
	}
	if !slices.ContainsFunc(h.Lives, func(o life) bool { return o.Tenant == gone.Tenant }) {
		delete(x.touch(gone.Tenant).keys, k)
	}
	return nil
}

// comings adds the events of tenants that begin and cease to exist by this tx.
func (x *tx) comings(now time.Time) {
	var come, gone []Event
	for _, id := range slices.Sorted(maps.Keys(x.tenants)) {
		old := x.base.tenants[id]
		was, is := old != nil && old.exists, x.exists(id)
		if is && !was {
			come = append(come, Event{Kind: Onboarded, At: now, Tenant: id})
		}
		if was && !is {
			gone = append(gone, Event{Kind: Offboarded, At: now, Tenant: id})
		}
	}
	x.events = slices.Concat(come, x.events, gone)
}

// publish puts the tx into its state and gives the tenants it touched, in order.
func (x *tx) publish() []tenant.ID {
	s := x.base
	for k, h := range x.hist {
		if h == nil {
			delete(s.hist, k)
		} else {
			s.hist[k] = h
		}
	}
	var touched []tenant.ID
	for id, t := range x.tenants {
		touched = append(touched, id)
		if t == nil {
			delete(s.tenants, id)
			continue
		}
		s.derive(t)
		s.tenants[id] = t
	}
	s.order = s.order[:0:0]
	for id, t := range s.tenants {
		if t.exists {
			s.order = append(s.order, id)
		}
	}
	slices.Sort(s.order)
	slices.Sort(touched)
	return touched
}
