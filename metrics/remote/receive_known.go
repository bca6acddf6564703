package remote

import (
	"sync"
	"time"

	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/tenant"
)

const (
	// knownMax bounds the series that are remembered over all senders, of some 60
	// bytes each. Beyond it a series is looked up by its labels, as without.
	knownMax = 4_000_000
	// ageEvery is how often those are forgotten that no request has named since.
	ageEvery = 10 * time.Minute
)

// known remembers, for each sender, which of the store's series a series of its
// requests is, so that the next request need not spell it out to the store.
type known struct {
	seeds seeds

	mu      sync.Mutex // guards what follows
	senders map[sender]*knownSeries
	aged    time.Time
	age     uint32
	total   int
}

// sender is whatever decides what becomes of a series, beside its labels.
type sender struct {
	who     string
	cluster tenant.Cluster
	tenant  tenant.ID
}

// knownSeries are one sender's.
type knownSeries struct {
	mu         sync.RWMutex // guards what follows
	of         map[seriesKey]knownOne
	namespaces []string
	numbers    map[string]uint32 // of namespaces
}

type knownOne struct {
	ref       storage.SeriesRef
	namespace uint32
	age       uint32
}

func newKnown() *known { return &known{seeds: newSeeds(), senders: map[sender]*knownSeries{}} }

// of gives the sender's series and the present age, and now and then forgets.
func (k *known) of(w tenant.Write, now time.Time) (*knownSeries, uint32) {
	id, _ := w.Tenant()
	s := sender{w.Who(), w.Cluster(), id}
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.Sub(k.aged) >= ageEvery {
		k.forget()
		k.aged = now
	}
	one := k.senders[s]
	if one == nil {
		one = &knownSeries{of: map[seriesKey]knownOne{}, numbers: map[string]uint32{}}
		k.senders[s] = one
	}
	return one, k.age
}

// forget drops the series that were not named during a whole age. Whoever calls
// holds k.mu.
func (k *known) forget() {
	k.total = 0
	for s, one := range k.senders {
		one.mu.Lock()
		for key, e := range one.of {
			if e.age < k.age {
				delete(one.of, key)
			}
		}
		k.total += len(one.of)
		if len(one.of) == 0 {
			delete(k.senders, s)
		}
		one.mu.Unlock()
	}
	k.age++
}

// room takes n places, or fewer, of those that are left.
func (k *known) room(n int) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n = max(0, min(n, knownMax-k.total))
	k.total += n
	return n
}

// found is what is known of the series of one request, by their place in it; a
// ref of 0 is not known.
type found struct {
	ref       storage.SeriesRef
	namespace string
}

// lookup fills out, which is as long as series, and notes that they were named.
func (s *knownSeries) lookup(series []wireSeries, out []found, age uint32) {
	var old []int
	s.mu.RLock()
	for i := range series {
		e, ok := s.of[series[i].key]
		if !ok {
			out[i] = found{}
			continue
		}
		out[i] = found{e.ref, s.namespaces[e.namespace]}
		if e.age != age {
			old = append(old, i)
		}
	}
	s.mu.RUnlock()
	if len(old) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range old {
		if e, ok := s.of[series[i].key]; ok {
			e.age = age
			s.of[series[i].key] = e
		}
	}
}

// learned is a series that the store made or found by its labels.
type learned struct {
	key seriesKey
	found
}

func (s *knownSeries) learn(k *known, fresh []learned, age uint32) {
	fresh = fresh[:k.room(len(fresh))]
	if len(fresh) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range fresh {
		n, ok := s.numbers[l.namespace]
		if !ok {
			n = uint32(len(s.namespaces))
			s.namespaces = append(s.namespaces, l.namespace)
			s.numbers[l.namespace] = n
		}
		s.of[l.key] = knownOne{l.ref, n, age}
	}
}
