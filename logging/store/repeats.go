package store

import (
	"context"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

var _ logging.Repeater = (*Store)(nil)

// Repeats implements logging.Repeater.
func (s *Store) Repeats(ctx context.Context, w tenant.Write, recs []logging.Record) ([]bool, error) {
	views := map[tenant.ID]*view{}
	defer func() {
		for _, v := range views {
			_ = v.Close() // a view that was only read has nothing to lose
		}
	}()
	out := make([]bool, len(recs))
	for i := range recs {
		r := &recs[i]
		if !logging.MayWrite(w, r) {
			continue
		}
		v := views[r.Tenant]
		if v == nil {
			v = s.everythingOf(r.Tenant)
			views[r.Tenant] = v
		}
		_, like := logging.ParseDerivedID(r.ID)
		old, ok, err := v.find(ctx, r.Tenant, r.Index, r.ID, like)
		if err != nil {
			return nil, err
		}
		out[i] = ok && logging.EqualSources(old.Source, r.Source)
	}
	return out, nil
}
