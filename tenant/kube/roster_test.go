package kube_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/oriel-project/oriel/tenant"
)

// fakeRoster stands in for central: it keeps claims in memory and decides with
// a function. It checks versions the way central does.
type fakeRoster struct {
	mu      sync.Mutex
	version uint64
	seen    bool
	away    error // answered instead of listening
	decide  func(tenant.Claim) tenant.Decision
	claims  map[string]tenant.Claim // by UID
	ended   map[string]time.Time    // when it was told, by UID
	calls   []string                // "snapshot 3" or "changes +1 -0"
	times   []time.Time             // of the calls
}

func newFakeRoster() *fakeRoster {
	return &fakeRoster{
		claims: map[string]tenant.Claim{}, ended: map[string]time.Time{},
		decide: func(c tenant.Claim) tenant.Decision {
			if len(c.Problems) > 0 {
				return tenant.Decision{Status: "refused: " + c.Problems[0]}
			}
			return tenant.Decision{Tenant: tenant.ID(c.Tenant), Status: tenant.StatusReady}
		},
	}
}

func (r *fakeRoster) Snapshot(_ context.Context, _ tenant.Cluster, version uint64, claims []tenant.Claim) ([]tenant.Decision, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note("snapshot %d", len(claims))
	if r.away != nil {
		return nil, r.away
	}
	now := map[string]tenant.Claim{}
	for _, c := range claims {
		now[c.UID] = c
	}
	for uid := range r.claims {
		if _, ok := now[uid]; !ok {
			r.ended[uid] = time.Now()
		}
	}
	r.claims, r.version, r.seen = now, version, true
	return r.decisions(), nil
}

func (r *fakeRoster) Changes(_ context.Context, _ tenant.Cluster, version uint64, set []tenant.Claim, ended []string) ([]tenant.Decision, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note("changes +%d -%d", len(set), len(ended))
	if r.away != nil {
		return nil, r.away
	}
	if !r.seen || version != r.version+1 {
		return nil, fmt.Errorf("roster: %w", tenant.ErrStaleRoster)
	}
	r.version = version
	for _, c := range set {
		r.claims[c.UID] = c
	}
	for _, uid := range ended {
		delete(r.claims, uid)
		r.ended[uid] = time.Now()
	}
	return r.decisions(), nil
}

func (r *fakeRoster) decisions() []tenant.Decision {
	ds := []tenant.Decision{}
	for uid, c := range r.claims {
		d := r.decide(c)
		d.Namespace, d.UID = c.Namespace, uid
		ds = append(ds, d)
	}
	return ds
}

func (r *fakeRoster) note(format string, args ...any) {
	r.calls = append(r.calls, fmt.Sprintf(format, args...))
	r.times = append(r.times, time.Now())
}

// set changes the stand-in.
func (r *fakeRoster) set(change func(*fakeRoster)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r)
}

// takeCalls gives the calls since the last time.
func (r *fakeRoster) takeCalls() (calls []string, times []time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls, times = r.calls, r.times
	r.calls, r.times = nil, nil
	return calls, times
}

func (r *fakeRoster) claim(namespace string) (tenant.Claim, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.claims {
		if c.Namespace == namespace {
			return c, true
		}
	}
	return tenant.Claim{}, false
}

func (r *fakeRoster) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, c := range r.claims {
		names = append(names, c.Namespace)
	}
	slices.Sort(names)
	return names
}

func (r *fakeRoster) endedAt(uid string) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.ended[uid]
	return at, ok
}

var _ tenant.Roster = (*fakeRoster)(nil)
