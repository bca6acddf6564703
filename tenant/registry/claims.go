package registry

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/oriel-project/oriel/tenant"
)

// Bounds of one claim.
const (
	nameLenMax      = 63
	uidLenMax       = 128
	groupsMax       = 64
	groupLenMax     = 512
	endpointsMax    = 64
	endpointLenMax  = 2048
	problemsLenMax  = 1024
	clusterLenMax   = 63
	refusalGroups   = "this tenant name is taken with other groups: use the same groups as the tenant's other namespaces, choose another name, or ask the operator for a grant"
	refusalAssigned = "the operator assigned this namespace, and not to the tenant that its annotation names: correct the annotation or ask the operator"
	refusalStopped  = "the operator offboarded this tenant: remove the annotation or ask the operator to onboard it again"
)

// cluster is what is known of one agent's roster. It is not kept over a
// restart: an agent whose version does not follow is asked for a snapshot.
type cluster struct {
	info    tenant.Cluster
	version uint64
	seen    time.Time
	claims  map[string]*claimed // by namespace
}

type claimed struct {
	tenant.Claim
	refusal string // "" where it holds
}

// Snapshot implements tenant.Roster.
func (r *Registry) Snapshot(ctx context.Context, c tenant.Cluster, version uint64, claims []tenant.Claim) ([]tenant.Decision, error) {
	return r.roster(ctx, c, version, func(old *cluster) (map[string]*claimed, map[string]bool, error) {
		next := make(map[string]*claimed, len(claims))
		putClaims(next, claims)
		return next, nil, nil
	})
}

// Changes implements tenant.Roster.
func (r *Registry) Changes(ctx context.Context, c tenant.Cluster, version uint64, set []tenant.Claim, ended []string) ([]tenant.Decision, error) {
	return r.roster(ctx, c, version, func(old *cluster) (map[string]*claimed, map[string]bool, error) {
		if old == nil || version != old.version+1 {
			return nil, nil, tenant.ErrStaleRoster
		}
		gone := make(map[string]bool, len(ended))
		for _, uid := range ended {
			gone[uid] = true
		}
		next := make(map[string]*claimed, len(old.claims)+len(set))
		for ns, cl := range old.claims {
			if !gone[cl.UID] {
				next[ns] = cl
			}
		}
		putClaims(next, set)
		return next, gone, nil
	})
}

// putClaims adds claims. Of two for one namespace, the later namespace counts:
// the other one is gone and its end is still to be told.
func putClaims(m map[string]*claimed, claims []tenant.Claim) {
	for _, c := range claims {
		if old := m[c.Namespace]; old != nil {
			if old.UID != c.UID && old.Created.After(c.Created) {
				continue
			}
			m[c.Namespace] = &claimed{Claim: c, refusal: old.refusal}
			continue
		}
		m[c.Namespace] = &claimed{Claim: c}
	}
}

// roster takes the cluster's claims as next gives them and decides anew on all
// of them: what was refused may hold by now.
func (r *Registry) roster(ctx context.Context, c tenant.Cluster, version uint64, next func(old *cluster) (claims map[string]*claimed, ended map[string]bool, err error)) ([]tenant.Decision, error) {
	if c.Name == "" || len(c.Name) > clusterLenMax {
		return nil, fmt.Errorf("cluster name of %d bytes: want 1 to %d, such as \"eu-1\"", len(c.Name), clusterLenMax)
	}
	r.mu.Lock()
	old := r.clusters[c.Name]
	claims, ended, err := next(old)
	if err != nil {
		r.mu.Unlock()
		return nil, err
	}
	// Decided on copies: the refusals of before stand if this cannot be made durable.
	order := make([]*claimed, 0, len(claims))
	for ns, cl := range claims {
		same := *cl
		if old != nil && old.claims[ns] != nil && old.claims[ns].UID == same.UID {
			same.refusal = old.claims[ns].refusal
		}
		claims[ns] = &same
		order = append(order, &same)
	}
	// The oldest namespace is the first to claim where several are new.
	slices.SortFunc(order, func(a, b *claimed) int {
		if n := a.Created.Compare(b.Created); n != 0 {
			return n
		}
		return strings.Compare(a.Namespace, b.Namespace)
	})
	touched, err := r.changeLocked(ctx, func(tx *tx) error {
		now := r.now()
		for _, l := range tx.base.claimedIn(c.Name) {
			// A namespace that was made anew is ended when its claim is decided on.
			if claims[l.Life.Namespace] == nil || ended[l.UID] {
				if err := tx.end(l, now, l.OnDelete); err != nil {
					return err
				}
			}
		}
		for _, cl := range order {
			if err := r.decide(tx, c, cl, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.mu.Unlock()
		return nil, err
	}
	r.clusters[c.Name] = &cluster{info: c, version: version, seen: r.now(), claims: claims}
	r.mu.Unlock()
	for _, id := range touched {
		r.opts.OnChange(id)
	}
	return r.answer(order), nil
}

func (r *Registry) answer(order []*claimed) []tenant.Decision {
	out := make([]tenant.Decision, 0, len(order))
	for _, cl := range order {
		d := tenant.Decision{Namespace: cl.Namespace, UID: cl.UID, Status: cl.refusal}
		if cl.refusal == "" {
			d.Tenant, d.Limits = tenant.ID(cl.Tenant), cl.Limits
			d.Status, d.Stages = r.status(d.Tenant)
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b tenant.Decision) int { return strings.Compare(a.Namespace, b.Namespace) })
	return out
}

// decide takes one claim or refuses it. A refused one has no life.
func (r *Registry) decide(tx *tx, c tenant.Cluster, cl *claimed, now time.Time) error {
	k := key{c.Name, cl.Namespace}
	var cur *life
	if h := tx.history(k); h != nil {
		if l := h.living(); l != nil {
			own := *l // the history may change under it
			cur = &own
		}
	}
	groups := normalGroups(cl.Groups)
	why := r.refusal(tx, k, cl.Claim, groups, cur)
	if why != "" {
		if why != cl.refusal {
			tx.events = append(tx.events, Event{Kind: Refused, At: now, Life: tenant.Life{Cluster: c.Name, Namespace: cl.Namespace, UID: cl.UID}, Reason: why})
		}
		cl.refusal = why
		if cur == nil || cur.By == byOperator {
			return nil
		}
		// The namespace lives on, and a claim that is mended resumes the life:
		// only a namespace that is gone is purged.
		return tx.end(*cur, now, onDelete(cur, cl.UID))
	}
	cl.refusal = ""
	id := tenant.ID(cl.Tenant)

	if cur != nil && cur.By == byClaim && (cur.UID != cl.UID || cur.Tenant != id) {
		if err := tx.end(*cur, now, onDelete(cur, cl.UID)); err != nil {
			return err
		}
		cur = nil
	}
	if cur == nil {
		if err := tx.open(id, groups, now); err != nil {
			return err
		}
		if err := tx.begin(k, id, cl.Claim, groups, now); err != nil {
			return err
		}
		return r.regroup(tx, k, id, cl.UID, groups)
	}
	l := *cur
	settings(&l, cl.Claim)
	if l.By == byClaim {
		l.Groups = groups
	}
	if !sameLife(l, *cur) {
		if err := tx.do(change{Op: opLife, Life: &l}); err != nil {
			return err
		}
	}
	return r.regroup(tx, k, id, cl.UID, groups)
}

// regroup gives the tenant the groups of the one namespace that it consists of.
// A namespace that is in it by the operator's grant does not choose them.
func (r *Registry) regroup(tx *tx, k key, id tenant.ID, uid string, groups []string) error {
	t := tx.tenant(id)
	if slices.Equal(t.Groups, groups) || r.granted(k, id) || !soleOwner(tx, t, k, uid) {
		return nil
	}
	changed := *t
	changed.Groups = groups
	return tx.do(change{Op: opTenant, Team: &changed})
}

// claimedIn gives the cluster's living lives that came by claims, by namespace.
func (s *state) claimedIn(cluster string) []life {
	var out []life
	for k, h := range s.hist {
		if k.cluster != cluster {
			continue
		}
		if l := h.living(); l != nil && l.By == byClaim {
			out = append(out, *l)
		}
	}
	slices.SortFunc(out, func(a, b life) int { return compareLives(a.Life, b.Life) })
	return out
}

func onDelete(cur *life, uid string) tenant.OnDelete {
	if cur.UID == uid {
		return tenant.Archive
	}
	return cur.OnDelete
}

// refusal gives one sentence on why the claim does not hold, "" where it does.
// It tells nothing of a tenant that the claimant does not belong to, but that
// the name is taken.
func (r *Registry) refusal(tx *tx, k key, c tenant.Claim, groups []string, cur *life) string {
	if len(c.Problems) > 0 {
		s := strings.Join(c.Problems, "; ")
		return strings.ToValidUTF8(s[:min(len(s), problemsLenMax)], "")
	}
	if why := badClaim(c); why != "" {
		return why
	}
	id, err := tenant.ParseID(c.Tenant)
	if err != nil {
		return err.Error()
	}
	if cur != nil && cur.By == byOperator {
		if cur.Tenant == id {
			return ""
		}
		return refusalAssigned
	}
	t := tx.tenant(id)
	if t == nil {
		return ""
	}
	member := slices.Equal(t.Groups, groups) || r.granted(k, id)
	switch {
	case t.Offboarded && member:
		return refusalStopped
	case t.Offboarded:
		return refusalGroups
	case member:
		return ""
	case cur != nil && cur.UID == c.UID && cur.Tenant == id && slices.Equal(cur.Groups, groups):
		return "" // it joined before the operator changed the groups
	case soleOwner(tx, t, k, c.UID):
		return "" // nobody else is in it: the groups are still the claimant's to choose
	}
	return refusalGroups
}

func (r *Registry) granted(k key, id tenant.ID) bool {
	for _, g := range r.opts.Grants {
		if g.Tenant == id && (g.Cluster == "*" || g.Cluster == k.cluster) {
			if ok, _ := path.Match(g.Namespace, k.namespace); ok {
				return true
			}
		}
	}
	return false
}

// soleOwner reports whether everything that is kept of the tenant, archives
// too, is of this one namespace, and the operator has no hand in it.
func soleOwner(tx *tx, t *team, k key, uid string) bool {
	if t.Operator || len(t.keys) != 1 {
		return false
	}
	h := tx.history(k)
	if _, ok := t.keys[k]; !ok || h == nil {
		return false
	}
	for _, l := range h.Lives {
		if l.Tenant == t.ID && (l.UID != uid || l.By != byClaim) {
			return false
		}
	}
	return true
}

func badClaim(c tenant.Claim) string {
	switch {
	case c.Namespace == "" || len(c.Namespace) > nameLenMax:
		return fmt.Sprintf("namespace name of %d bytes: want 1 to %d", len(c.Namespace), nameLenMax)
	case c.UID == "" || len(c.UID) > uidLenMax:
		return fmt.Sprintf("namespace UID of %d bytes: want 1 to %d", len(c.UID), uidLenMax)
	case len(c.Groups) > groupsMax:
		return fmt.Sprintf("%d groups: want at most %d", len(c.Groups), groupsMax)
	case tooLong(c.Groups, groupLenMax):
		return fmt.Sprintf("a group's name is too long: want at most %d bytes each", groupLenMax)
	case len(c.Probes) > endpointsMax || len(c.DependsOn) > endpointsMax:
		return fmt.Sprintf("%d probes and %d dependencies: want at most %d each", len(c.Probes), len(c.DependsOn), endpointsMax)
	case tooLong(c.Probes, endpointLenMax) || tooLong(c.DependsOn, endpointLenMax):
		return fmt.Sprintf("a probe or dependency is too long: want at most %d bytes each", endpointLenMax)
	case c.OnDelete != "" && c.OnDelete != tenant.Archive && c.OnDelete != tenant.Purge:
		return fmt.Sprintf("on-delete %q: want %q or %q", c.OnDelete[:min(len(c.OnDelete), 80)], tenant.Archive, tenant.Purge)
	}
	return ""
}

func tooLong(ss []string, lenMax int) bool {
	return slices.ContainsFunc(ss, func(s string) bool { return len(s) > lenMax })
}

// normalGroups gives the set: trimmed, without empty ones, sorted.
func normalGroups(groups []string) []string {
	var out []string
	for _, g := range groups {
		if g = strings.TrimSpace(g); g != "" {
			out = append(out, g)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func settings(l *life, c tenant.Claim) {
	l.Retention, l.Limits, l.OnDelete = c.Retention, c.Limits, c.OnDelete
	if l.OnDelete == "" {
		l.OnDelete = tenant.Archive
	}
	l.Probes, l.DependsOn = slices.Clone(c.Probes), slices.Clone(c.DependsOn)
}

func sameLife(a, b life) bool {
	return a.Retention == b.Retention && a.Limits == b.Limits && a.OnDelete == b.OnDelete &&
		slices.Equal(a.Probes, b.Probes) && slices.Equal(a.DependsOn, b.DependsOn) && slices.Equal(a.Groups, b.Groups)
}

// open makes sure that the tenant exists from now on; the groups count only
// where nothing was known of it.
func (x *tx) open(id tenant.ID, groups []string, now time.Time) error {
	if old := x.base.tenants[id]; x.exists(id) || (old != nil && old.exists) {
		return nil // or it exists again, as a namespace made anew ends and begins
	}
	t := team{ID: id, Groups: groups, Since: now}
	if old := x.tenant(id); old != nil {
		t.Groups, t.Operator = old.Groups, old.Operator
	}
	return x.do(change{Op: opTenant, Team: &t})
}

// begin gives the namespace a life under the tenant, or lets its last one go on
// if the same namespace of the same tenant is back and nothing was purged.
func (x *tx) begin(k key, id tenant.ID, c tenant.Claim, groups []string, now time.Time) error {
	l := life{Tenant: id, By: byClaim, Groups: groups}
	l.Life = tenant.Life{Cluster: k.cluster, Namespace: k.namespace, UID: c.UID, From: now}
	kind := Began
	if h := x.history(k); h != nil {
		if n := len(h.Lives); n > 0 {
			last := h.Lives[n-1]
			if last.UID == c.UID && last.Tenant == id && last.By == byClaim && !last.Purged {
				l.From = last.From
				kind = Resumed
			} else if l.From.Before(last.To) {
				l.From = last.To // the clock went back
			}
		}
	}
	settings(&l, c)
	x.events = append(x.events, Event{Kind: kind, At: now, Tenant: id, Life: l.Life})
	return x.do(change{Op: opLife, Life: &l})
}

// end ends a living life.
func (x *tx) end(l life, now time.Time, how tenant.OnDelete) error {
	l.To = now
	if l.To.Before(l.From) {
		l.To = l.From // the clock went back
	}
	l.Purged = how == tenant.Purge
	if err := x.do(change{Op: opLife, Life: &l}); err != nil {
		return err
	}
	h := x.history(key{l.Cluster, l.Life.Namespace})
	x.events = append(x.events, Event{Kind: Ended, At: now, Tenant: l.Tenant, Life: l.Life})
	if l.Purged {
		x.events = append(x.events, Event{Kind: Purge, At: now, Tenant: l.Tenant, Life: h.purge(len(h.Lives) - 1)})
	}
	return nil
}
