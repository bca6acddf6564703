package logging

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/tenant"
)

// burstFor is how much of its rate a tenant may use at once, after a quiet time.
const burstFor = 10 * time.Second

// LimitOptions of a Limited appender. BytesPerSecond is needed.
type LimitOptions struct {
	// BytesPerSecond is asked at every batch; 0 is no limit.
	BytesPerSecond func(tenant.ID) int64
	// OnRefuse is told how many records of a tenant's namespace were refused, and
	// under which scope they came. May be nil.
	OnRefuse func(w tenant.Write, id tenant.ID, namespace string, records int)
	Clock    clock.Clock
}

// Limited bounds the bytes of sources a second that each tenant writes through
// a. A batch of which every record's tenant is over its limit gets ErrTooMuch and
// nothing is taken: the sender comes again. A batch of a cluster's credential can
// hold many tenants' records, and a storm of one must not hold up the others: its
// records are then Refused one by one, counted, and the rest is stored.
func Limited(a Appender, o LimitOptions) Appender {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.OnRefuse == nil {
		o.OnRefuse = func(tenant.Write, tenant.ID, string, int) {}
	}
	return &limited{next: a, o: o, buckets: map[tenant.ID]*rate.Limiter{}}
}

type limited struct {
	next Appender
	o    LimitOptions

	mu      sync.Mutex // guards buckets
	buckets map[tenant.ID]*rate.Limiter
}

// Append implements Appender.
func (l *limited) Append(ctx context.Context, w tenant.Write, b Batch) ([]ItemResult, error) {
	uses := map[tenant.ID]*int{} // bytes
	var u *int
	for i := range b.Records {
		r := &b.Records[i]
		if u == nil || r.Tenant != b.Records[i-1].Tenant {
			if u = uses[r.Tenant]; u == nil {
				u = new(int)
				uses[r.Tenant] = u
			}
		}
		*u += len(r.Source)
	}
	over := map[tenant.ID]string{}
	now := l.o.Clock()
	for id, u := range uses {
		limit := l.o.BytesPerSecond(id)
		if limit <= 0 {
			continue
		}
		// A batch larger than the bucket goes in when the bucket is full: it would
		// come for ever otherwise.
		if b := l.bucket(id, limit); !b.AllowN(now, min(*u, b.Burst())) {
			over[id] = fmt.Sprintf("tenant %s is over its limit of %d log bytes a second: send less, or ask for more with the annotation oriel/limits", id, limit)
		}
	}
	if len(over) == 0 {
		return l.next.Append(ctx, w, b)
	}
	if len(over) == len(uses) {
		for _, reason := range over {
			return nil, fmt.Errorf("%w: %s", ErrTooMuch, reason)
		}
	}
	return l.appendRest(ctx, w, b, over)
}

// appendRest stores the records of the tenants that are within their limits.
func (l *limited) appendRest(ctx context.Context, w tenant.Write, b Batch, over map[tenant.ID]string) ([]ItemResult, error) {
	results := make([]ItemResult, len(b.Records))
	rest := Batch{Key: b.Key}
	var at []int
	refused := map[[2]string]int{} // by tenant and namespace
	for i, r := range b.Records {
		if reason, ok := over[r.Tenant]; ok {
			results[i] = ItemResult{Status: Refused, Reason: reason}
			refused[[2]string{string(r.Tenant), r.Namespace}]++
			continue
		}
		rest.Records, at = append(rest.Records, r), append(at, i)
	}
	stored, err := l.next.Append(ctx, w, rest)
	if err != nil {
		return nil, err
	}
	for of, n := range refused {
		l.o.OnRefuse(w, tenant.ID(of[0]), of[1], n)
	}
	for i, r := range stored {
		results[at[i]] = r
	}
	return results, nil
}

func (l *limited) bucket(id tenant.ID, limit int64) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets[id]
	if !ok || b.Limit() != rate.Limit(limit) {
		b = rate.NewLimiter(rate.Limit(limit), int(limit*int64(burstFor/time.Second)))
		l.buckets[id] = b
	}
	return b
}
