package store

import (
	"maps"
	"slices"
	"time"

	"github.com/oriel-project/oriel/logging/segment"
	"github.com/oriel-project/oriel/tenant"
)

// The sizes of merges.
const (
	mergeFan     = 8       // parts of a size that become one
	mergeFanDone = 3       // of a day that is over
	mergeFanMax  = 16      // parts of one tenant at once
	mergeRowsMax = 4 << 20 // of one part
	mergeJobRows = 8 << 20 // of all tenants in one merge, about
	smallBytes   = 1 << 20 // a tenant's parts below it share a file
	dayNanos     = int64(24 * time.Hour)

	mergeAgainAfter = 15 * time.Minute // parts whose merge failed
)

// job is a merge of parts of one day.
type job struct {
	parts map[tenant.ID][]*part // those of a tenant become one
	count int
	rows  int64
	bytes int64
}

func (j *job) add(id tenant.ID, parts []*part) {
	if j.parts == nil {
		j.parts = map[tenant.ID][]*part{}
	}
	j.parts[id] = parts
	j.count += len(parts)
	for _, p := range parts {
		j.rows += int64(p.rows)
		j.bytes += p.bytes
	}
}

// setAside keeps the parts from being merged until a time, so that what ails
// them does not keep all others from it.
func (j *job) setAside(until time.Time) {
	for _, parts := range j.parts {
		for _, p := range parts {
			p.later.Store(until.UnixNano())
		}
	}
}

// pick chooses the next merge; nil where nothing is due. all asks for everything
// that can become fewer.
func (s *Store) pick(v *version, all bool) *job {
	now := s.opts.Clock()
	today := segment.DayOf(now.UnixNano())
	s.mu.RLock()
	purges := s.purges
	s.mu.RUnlock()
	jobs := map[int32]*job{}
	waiting := 0
	for _, id := range slices.Sorted(maps.Keys(v.parts)) {
		days := map[int32][]*part{}
		for _, p := range v.parts[id] {
			if !p.damaged.Load() && (all || p.later.Load() <= now.UnixNano()) {
				days[p.day] = append(days[p.day], p)
			}
		}
		for day, parts := range days {
			fan := mergeFan
			if day < today && now.UnixNano() > int64(day+1)*dayNanos+int64(time.Hour) {
				fan = mergeFanDone
			}
			if all {
				fan = 2
			}
			chosen := choose(parts, fan, all)
			if chosen == nil {
				chosen = dirty(parts, purges, all)
			}
			if chosen == nil {
				continue
			}
			waiting++
			if jobs[day] == nil {
				jobs[day] = &job{}
			}
			if jobs[day].rows < mergeJobRows {
				jobs[day].add(id, chosen)
			}
		}
	}
	s.m.mergesWaiting.Set(float64(waiting))
	var best *job
	for _, day := range slices.Sorted(maps.Keys(jobs)) {
		j := jobs[day]
		if best == nil || j.count > best.count {
			best = j
		}
	}
	if best == nil {
		best = s.sparse(v, now)
	}
	return best
}

// choose gives parts of one tenant and day, in the order of seq, that should
// become one: neighbours of about a size, as many as fan or more, none of which
// is more than half of the whole, or it would be written again for little.
// Neighbours, so that the times of parts overlap little.
func choose(parts []*part, fan int, all bool) []*part {
	tiers := 1
	for _, p := range parts {
		tiers = max(tiers, tierOf(p)+1)
	}
	first := 0
	if all {
		first = tiers - 1
	}
	for tier := first; tier < tiers; tier++ {
		var run []*part
		rows, largest := 0, 0
		due := func() bool { return len(run) >= fan && (all || 2*largest <= rows) }
		for _, p := range parts {
			if tierOf(p) > tier || rows+p.rows > mergeRowsMax {
				if due() {
					return run
				}
				run, rows, largest = nil, 0, 0
			}
			if tierOf(p) <= tier && p.rows < mergeRowsMax {
				run = append(run, p)
				rows += p.rows
				largest = max(largest, p.rows)
			}
			if len(run) >= mergeFanMax && !all && due() {
				return run
			}
		}
		if due() {
			return run
		}
	}
	return nil
}

// tierOf gives the size of a part as a power of eight.
func tierOf(p *part) (tier int) {
	for n := p.rows / 4096; n > 0; n /= mergeFan {
		tier++
	}
	return tier
}

// dirty gives a part of which more than half is purged, or with all any that has
// something purged.
func dirty(parts []*part, purges []purge, all bool) []*part {
	for _, p := range parts {
		var gone int64
		for i := range purges {
			g := &purges[i]
			if g.tenant != p.tenant || g.ordinal <= p.clean || g.upTo < p.seqMin || g.from > p.tMax || g.to <= p.tMin {
				continue
			}
			share := spanShare(p, g)
			for _, x := range p.indices {
				if g.whole() || x.cluster == g.cluster && x.namespace == g.namespace {
					gone += max(1, int64(share*float64(x.docs)))
				}
			}
		}
		if gone*2 > int64(p.rows) || all && gone > 0 {
			return []*part{p}
		}
	}
	return nil
}

// spanShare estimates how much of a part's time and place a purge covers.
func spanShare(p *part, g *purge) float64 {
	share := 1.0
	if span := float64(p.tMax) - float64(p.tMin); span > 0 {
		share = (min(float64(g.to), float64(p.tMax)) - max(float64(g.from), float64(p.tMin))) / span
	}
	if g.upTo < p.seqMax {
		share *= float64(g.upTo-p.seqMin+1) / float64(p.seqMax-p.seqMin+1)
	}
	return min(1, max(0, share))
}

// sparse gives the live parts of one day in a file of which more than half is
// dead.
func (s *Store) sparse(v *version, now time.Time) *job {
	live := map[*segmentFile][]*part{}
	for _, parts := range v.parts {
		for _, p := range parts {
			live[p.file] = append(live[p.file], p)
		}
	}
	for f, parts := range live {
		var bytes, all int64
		for _, p := range f.parts {
			all += p.bytes
		}
		for _, p := range parts {
			bytes += p.bytes
		}
		if 2*bytes >= all || all < smallBytes {
			continue
		}
		parts = slices.DeleteFunc(parts, func(p *part) bool { return p.damaged.Load() || p.later.Load() > now.UnixNano() })
		j := &job{}
		for _, p := range parts {
			if p.day == parts[0].day {
				j.add(p.tenant, []*part{p})
			}
		}
		if j.count > 0 {
			return j
		}
	}
	return nil
}
