package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// gate lets a number of searches run at a time. Those that wait are served in
// turns over the scopes they come from, so that one with many searches does not
// delay another's; and one scope does not have all places.
type gate struct {
	max, maxOne int
	waits       prometheus.Counter
	seconds     prometheus.Counter

	mu      sync.Mutex // guards what follows
	running int
	lanes   map[string]*lane
	turns   []*lane // with searches that wait, in the order of their turns
}

// lane is the searches of one scope.
type lane struct {
	key     string
	running int
	waiting []*waiting
}

type waiting struct {
	ready chan struct{} // closed when it may run
	gone  bool          // it does not wait any more
}

func newGate(most, mostOne int, waits, seconds prometheus.Counter) *gate {
	return &gate{max: most, maxOne: mostOne, waits: waits, seconds: seconds, lanes: map[string]*lane{}}
}

// enter waits for a place; leave gives it back.
func (g *gate) enter(ctx context.Context, key string) (leave func(), err error) {
	g.mu.Lock()
	l := g.lanes[key]
	if l == nil {
		l = &lane{key: key}
		g.lanes[key] = l
	}
	leave = sync.OnceFunc(func() { g.leave(l) })
	if g.running < g.max && l.running < g.maxOne && len(l.waiting) == 0 {
		g.running++
		l.running++
		g.mu.Unlock()
		return leave, nil
	}
	w := &waiting{ready: make(chan struct{})}
	if len(l.waiting) == 0 {
		g.turns = append(g.turns, l)
	}
	l.waiting = append(l.waiting, w)
	g.mu.Unlock()
	g.waits.Inc()
	began := time.Now()
	defer func() { g.seconds.Add(time.Since(began).Seconds()) }()
	select {
	case <-w.ready:
		return leave, nil
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.mu.Lock()
	select {
	case <-w.ready: // both at once: the place is given on
		g.mu.Unlock()
		leave()
	default:
		w.gone = true
		g.mu.Unlock()
	}
	return nil, fmt.Errorf("wait for other searches: %w", err)
}

func (g *gate) leave(l *lane) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	l.running--
	if l.running == 0 && len(l.waiting) == 0 {
		delete(g.lanes, l.key)
	}
	g.serve()
}

// serve gives free places away; the lock is held.
func (g *gate) serve() {
	for skipped := 0; g.running < g.max && skipped < len(g.turns); {
		l := g.turns[0]
		g.turns = g.turns[1:]
		for len(l.waiting) > 0 && l.waiting[0].gone {
			l.waiting = l.waiting[1:]
		}
		if len(l.waiting) == 0 {
			if l.running == 0 {
				delete(g.lanes, l.key)
			}
			continue
		}
		if l.running >= g.maxOne {
			g.turns = append(g.turns, l)
			skipped++
			continue
		}
		close(l.waiting[0].ready)
		l.waiting = l.waiting[1:]
		g.running++
		l.running++
		skipped = 0
		if len(l.waiting) > 0 {
			g.turns = append(g.turns, l)
		}
	}
}

// scopeKey is what searches take turns by: the tenants of the scope.
func scopeKey(v *view) string {
	if v.scope.All() {
		return "*"
	}
	key := ""
	for _, id := range v.scope.Tenants() {
		key += string(id) + "\n"
	}
	return key
}
