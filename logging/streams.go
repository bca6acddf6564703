package logging

import (
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/oriel-project/oriel/tenant"
)

// A stream is what records of one index, namespace and container of one cluster are.
// Stores keep the records of a stream together and what a stream is once: thousands
// of streams of one record each cost a hundred times what their bytes say.

// streams knows the open ones of every tenant: those that had a record within the
// last hour, or the last half hour at least. Safe for concurrent use.
type streams struct {
	most int // of a tenant; 0: no limit
	seed maphash.Seed

	mu    sync.Mutex // guards what follows
	began time.Time  // of the newer half
	of    map[tenant.ID]*openStreams
}

// streamsHalf is how long the halves of openStreams are.
const streamsHalf = 30 * time.Minute

// openStreams are hashes of streams; those of the newer half hour are not in the older
// half.
type openStreams struct{ newer, older map[uint64]struct{} }

// streamOf is the identity of a stream.
type streamOf struct {
	tenant                                              tenant.ID
	index, cluster, region, cloud, namespace, container string
}

func newStreams(most int) *streams {
	return &streams{most: most, seed: maphash.MakeSeed(), of: map[tenant.ID]*openStreams{}}
}

// admit opens the streams of records and gives why records are not taken, by record,
// and how many are not: those whose tenants are over another limit, and those that
// would open a stream too many. The slice is nil where all are taken.
func (s *streams) admit(recs []Record, over map[tenant.ID]*refusal, now time.Time) (refused []*refusal, n int) {
	if s.most <= 0 && over == nil {
		return nil, 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	var last streamOf
	var why *refusal
	var tooMany map[tenant.ID]*refusal
	for i := range recs {
		r := &recs[i]
		is := streamOf{r.Tenant, r.Index, r.Cluster, r.Region, r.Cloud, r.Namespace, r.Container}
		if i == 0 || is != last {
			last = is
			if why = over[r.Tenant]; why == nil && s.most > 0 && !s.open(is) {
				if why = tooMany[r.Tenant]; why == nil {
					why = &refusal{LimitStreams, fmt.Sprintf("tenant %s has %d log streams open, its limit (limits.log_streams): records of further indices, namespaces or containers are not taken until others had none for an hour; do names of containers or indices contain numbers or dates?", r.Tenant, s.most)}
					if tooMany == nil {
						tooMany = map[tenant.ID]*refusal{}
					}
					tooMany[r.Tenant] = why
				}
			}
		}
		if why == nil {
			continue
		}
		if refused == nil {
			refused = make([]*refusal, len(recs))
		}
		refused[i] = why
		n++
	}
	return refused, n
}

// turn makes the newer half the older one when its time is over; s.mu is held.
func (s *streams) turn(now time.Time) {
	passed := now.Sub(s.began)
	if passed < streamsHalf {
		return
	}
	if passed >= 2*streamsHalf {
		clear(s.of)
	}
	for id, of := range s.of {
		if of.older, of.newer = of.newer, nil; len(of.older) == 0 {
			delete(s.of, id)
		}
	}
	s.began = now
}

// open opens a stream, or finds it open; false where it would be one too many. s.mu
// is held.
func (s *streams) open(is streamOf) bool {
	h := maphash.Comparable(s.seed, is)
	of := s.of[is.tenant]
	if of == nil {
		of = &openStreams{}
		s.of[is.tenant] = of
	}
	if _, ok := of.newer[h]; ok {
		return true
	}
	if _, ok := of.older[h]; ok {
		delete(of.older, h)
	} else if len(of.newer)+len(of.older) >= s.most {
		return false
	}
	if of.newer == nil {
		of.newer = map[uint64]struct{}{}
	}
	of.newer[h] = struct{}{}
	return true
}
