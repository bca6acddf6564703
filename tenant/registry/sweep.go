package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oriel-project/oriel/tenant"
)

// Sweep forgets the ended lives that are past their archive, and the names that
// nothing is kept of any more. Their telemetry goes first (Options.Remove), since
// nobody would know afterwards whose it was: a name that is forgotten may be
// another team's tomorrow.
func (r *Registry) Sweep(ctx context.Context) error {
	lives, err := r.removeExpired(ctx)
	err = errors.Join(err, r.change(ctx, func(tx *tx) error {
		for _, l := range lives {
			if h := tx.history(key{l.Cluster, l.Life.Namespace}); h == nil || !h.ended(l) {
				continue // it goes on, since its namespace came back meanwhile
			}
			if err := tx.do(change{Op: opExpire, Life: &l}); err != nil {
				return err
			}
		}
		now := r.now()
		for k, h := range tx.base.hist {
			if len(h.Lives) == 0 && now.Sub(h.Last) > pastFor {
				if err := tx.do(change{Op: opForget, Cluster: k.cluster, Namespace: k.namespace}); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	ids, failed := r.removeEmpty(ctx)
	return errors.Join(err, failed, r.change(ctx, func(tx *tx) error {
		for _, id := range ids {
			t := tx.tenant(id)
			if t == nil || !r.empty(t) {
				continue // claimed meanwhile
			}
			c := change{Op: opDrop, Tenant: id}
			if t.Offboarded {
				kept := *t
				kept.Left = time.Time{}
				c = change{Op: opTenant, Team: &kept}
			}
			if err := tx.do(c); err != nil {
				return err
			}
		}
		return nil
	}))
}

// removeExpired gives the lives past their archive whose telemetry is gone.
func (r *Registry) removeExpired(ctx context.Context) (done []life, err error) {
	var due []life
	var reach []tenant.Life
	now := r.now()
	r.view.RLock()
	for _, h := range r.st.hist {
		for i, l := range h.Lives {
			if !l.To.IsZero() && !now.Before(l.To.Add(r.opts.ArchiveFor)) {
				due, reach = append(due, l), append(reach, h.reach(i))
			}
		}
	}
	r.view.RUnlock()
	for i, l := range due {
		r.opts.OnEvent(Event{Kind: Expired, At: now, Tenant: l.Tenant, Life: reach[i]})
		if e := r.opts.Remove(ctx, l.Tenant, reach[i]); e != nil {
			err = errors.Join(err, fmt.Errorf("remove the telemetry of ended namespace %s/%s of tenant %q, which will be tried again: %w", l.Cluster, l.Life.Namespace, l.Tenant, e))
			continue
		}
		done = append(done, l)
	}
	return done, err
}

// removeEmpty gives the tenants that can be forgotten, and of which nothing is
// in the stores any more: what was written by their own tokens lay in no life.
func (r *Registry) removeEmpty(ctx context.Context) (done []tenant.ID, err error) {
	var due []tenant.ID
	r.view.RLock()
	for id, t := range r.st.tenants {
		if r.empty(t) {
			due = append(due, id)
		}
	}
	r.view.RUnlock()
	for _, id := range due {
		if e := r.opts.Remove(ctx, id, tenant.Life{}); e != nil {
			err = errors.Join(err, fmt.Errorf("remove what is left of tenant %q, which will be tried again: %w", id, e))
			continue
		}
		done = append(done, id)
	}
	return done, err
}

// empty reports whether nothing is kept of a tenant but its name, and what its
// own tokens wrote.
func (r *Registry) empty(t *team) bool {
	switch {
	case len(t.keys) > 0 || t.Operator:
		return false
	case t.Offboarded:
		return !t.Left.IsZero() && !r.now().Before(t.Left.Add(r.opts.ArchiveFor))
	}
	return true
}
