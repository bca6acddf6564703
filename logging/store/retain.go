package store

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/oriel-project/oriel/logging/scan"
	"github.com/oriel-project/oriel/tenant"
)

// cutoff gives the time before which a tenant's records do not show; ok is
// false where all do.
func (s *Store) cutoff(id tenant.ID, now time.Time) (nanos int64, ok bool) {
	if s.opts.Retention == nil {
		return 0, false
	}
	keep := s.opts.Retention(id)
	return now.Add(-keep).UnixNano(), keep > 0
}

// shorter gives what is past a retention of its namespace's own, as purges of
// all that is older.
func (s *Store) shorter(id tenant.ID, now time.Time) []purge {
	if s.opts.Namespaces == nil {
		return nil
	}
	var out []purge
	for _, n := range s.opts.Namespaces(id) {
		out = append(out, purge{
			tenant: id, cluster: n.Cluster, namespace: n.Namespace,
			from: math.MinInt64, to: now.Add(-n.Keep).UnixNano(), upTo: math.MaxUint64,
		})
	}
	return out
}

// tenantRules gives what shows of a tenant whose records all are in the scope.
func tenantRules(id tenant.ID, cut int64, purges []purge) scan.Rules {
	r := scan.Rules{Included: true, Cut: cut}
	for i := range purges {
		if p := &purges[i]; p.tenant == id {
			r.Purges = append(r.Purges, p.rule())
		}
	}
	return r
}

// rule is the purge in the words of a search.
func (p *purge) rule() scan.Purge {
	life := tenant.Life{Cluster: p.cluster, Namespace: p.namespace}
	if p.from > math.MinInt64 {
		life.From = time.Unix(0, p.from)
	}
	if p.to < math.MaxInt64 {
		life.To = time.Unix(0, p.to)
	}
	return scan.Purge{Life: life, UpTo: p.upTo, All: p.whole()}
}

// Sweep drops the parts whose every record is past its retention, as the store
// does by itself every minute, and what else is not needed any more: batch keys
// older than a day and purges that have been carried out everywhere.
func (s *Store) Sweep(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.merging.Lock()
	defer s.merging.Unlock()
	now := s.opts.Clock()
	v := s.acquire()
	defer s.release(v)
	e := &edit{dropParts: map[uint64][]int{}}
	s.mu.RLock()
	purges := s.purges
	e.dropKeys = s.keyTables.expired(now)
	s.mu.RUnlock()
	var gone []purge
	rows := map[string]int{}
	for id, parts := range v.parts {
		cut, ok := s.cutoff(id, now)
		for _, p := range parts {
			switch {
			case ok && p.tMax < cut:
				rows["retention"] += p.rows
				gone = append(gone, cutOff(id, cut, p.seqMax))
			case slices.ContainsFunc(purges, func(g purge) bool { return g.takes(p) }):
				rows["purge"] += p.rows
			default:
				continue
			}
			e.dropParts[p.file.number] = append(e.dropParts[p.file.number], p.index)
		}
	}
	for _, places := range e.dropParts {
		slices.Sort(places)
	}
	e.dropPurges = s.purgesDone(v)
	if len(e.dropParts) == 0 && len(e.dropKeys) == 0 && len(e.dropPurges) == 0 {
		return nil
	}
	err := s.deletions.note(gone)
	if err != nil {
		return s.mergeFailed("sweep", err)
	}
	err = s.advance(e, func() {
		s.replaceKeys(e.dropKeys, nil)
		if len(e.dropPurges) > 0 {
			s.purges = slices.DeleteFunc(slices.Clone(s.purges), func(p purge) bool { return slices.Contains(e.dropPurges, p.ordinal) })
		}
	})
	if err != nil {
		return s.mergeFailed("sweep", err)
	}
	for reason, n := range rows {
		s.m.dropped.WithLabelValues(reason).Add(float64(n))
	}
	s.removeKeys(e.dropKeys)
	return nil
}

// takes reports whether a purge covers every record of a part.
func (p *purge) takes(of *part) bool {
	if p.tenant != of.tenant || of.seqMax > p.upTo || of.tMin < p.from || of.tMax >= p.to && p.to != math.MaxInt64 {
		return false
	}
	return p.whole() || !slices.ContainsFunc(of.indices, func(x indexStat) bool { return x.cluster != p.cluster || x.namespace != p.namespace })
}

// purgesDone gives the purges that cover nothing that is still there: those of
// log files that are in segments, in which they have been carried out. Those of a
// manifest that was made anew may cover records of the log, too.
func (s *Store) purgesDone(v *version) (ordinals []uint64) {
	s.mu.RLock()
	logged := s.logs[0].firstSeq
	s.mu.RUnlock()
	s.manifestLock.Lock()
	purges := s.manifest.state.purges
	s.manifestLock.Unlock()
	for i := range purges {
		p := &purges[i]
		if p.upTo < logged && !slices.ContainsFunc(v.parts[p.tenant], func(q *part) bool {
			return q.clean < p.ordinal && q.seqMin <= p.upTo && q.tMax >= p.from && (q.tMin < p.to || p.to == math.MaxInt64)
		}) {
			ordinals = append(ordinals, p.ordinal)
		}
	}
	return ordinals
}
