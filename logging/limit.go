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
	// Streams is the most streams that a tenant has open at a time, see streams;
	// 0 is no limit.
	Streams int
	// OnRefuse is told how many records of a tenant's namespace were refused, by
	// which limit, and under which scope they came. May be nil.
	OnRefuse func(w tenant.Write, id tenant.ID, namespace string, by LimitKind, records int)
	Clock    clock.Clock
}

// LimitKind names a limit of a tenant, as it stands in metrics.
type LimitKind string

// The limits of a Limited appender.
const (
	LimitBytes   LimitKind = "tenant_limit"
	LimitStreams LimitKind = "tenant_streams"
)

// Limited bounds the bytes of sources a second that each tenant writes through
// a, and the streams that it has open. A batch of which every record is over a limit
// gets ErrTooMuch and nothing is taken: the sender comes again. A batch of a
// cluster's credential can hold many tenants' records, and a storm of one must not
// hold up the others, nor streams that are too many those that are open: the records
// that are over a limit are then Refused one by one, counted, and the rest is stored.
func Limited(a Appender, o LimitOptions) Appender {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.OnRefuse == nil {
		o.OnRefuse = func(tenant.Write, tenant.ID, string, LimitKind, int) {}
	}
	return &limited{next: a, o: o, buckets: map[tenant.ID]*rate.Limiter{}, streams: newStreams(o.Streams)}
}

type limited struct {
	next Appender
	o    LimitOptions

	mu      sync.Mutex // guards buckets
	buckets map[tenant.ID]*rate.Limiter

	streams *streams
}

// refusal is why a record is not taken.
type refusal struct {
	kind   LimitKind
	reason string
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
	now := l.o.Clock()
	var over map[tenant.ID]*refusal
	for id, u := range uses {
		limit := l.o.BytesPerSecond(id)
		if limit <= 0 {
			continue
		}
		// A batch larger than the bucket goes in when the bucket is full: it would
		// come for ever otherwise.
		if b := l.bucket(id, limit); !b.AllowN(now, min(*u, b.Burst())) {
			if over == nil {
				over = map[tenant.ID]*refusal{}
			}
			over[id] = &refusal{LimitBytes, fmt.Sprintf("tenant %s is over its limit of %d log bytes a second: send less, or ask for more with the annotation oriel/limits", id, limit)}
		}
	}
	refused, n := l.streams.admit(b.Records, over, now)
	switch {
	case n == 0:
		return l.next.Append(ctx, w, b)
	case n == len(b.Records):
		return nil, fmt.Errorf("%w: %s", ErrTooMuch, refused[0].reason)
	}
	return l.appendRest(ctx, w, b, refused)
}

// appendRest stores the records that are within the limits. refused has nil for them.
func (l *limited) appendRest(ctx context.Context, w tenant.Write, b Batch, refused []*refusal) ([]ItemResult, error) {
	type whose struct {
		id        tenant.ID
		namespace string
		kind      LimitKind
	}
	results := make([]ItemResult, len(b.Records))
	rest := Batch{Key: b.Key}
	var at []int
	counts := map[whose]int{}
	for i, r := range b.Records {
		if of := refused[i]; of != nil {
			results[i] = ItemResult{Status: Refused, Reason: of.reason}
			counts[whose{r.Tenant, r.Namespace, of.kind}]++
			continue
		}
		rest.Records, at = append(rest.Records, r), append(at, i)
	}
	stored, err := l.next.Append(ctx, w, rest)
	if err != nil {
		return nil, err
	}
	for of, n := range counts {
		l.o.OnRefuse(w, of.id, of.namespace, of.kind, n)
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
