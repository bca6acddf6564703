package tsdb

import (
	"maps"
	"sync"

	"github.com/oriel-project/oriel/tenant"
)

// refusals counts what tenants' samples were refused for, apart by the cluster
// that they came from, so that a tenant can be shown its own.
type refusals struct {
	mu sync.Mutex // guards by
	by map[from]map[string]uint64
}

type from struct {
	tenant  tenant.ID
	cluster string
}

func (r *refusals) add(id tenant.ID, cluster, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := from{id, cluster}
	if r.by == nil {
		r.by = map[from]map[string]uint64{}
	}
	if r.by[k] == nil {
		r.by[k] = map[string]uint64{}
	}
	r.by[k][reason]++
}

// Refused gives the samples of a tenant from a cluster that were refused since
// the start, by reason.
func (s *Store) Refused(id tenant.ID, cluster string) map[string]uint64 {
	s.refusals.mu.Lock()
	defer s.refusals.mu.Unlock()
	return maps.Clone(s.refusals.by[from{id, cluster}])
}
