package promapi

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/oriel-project/oriel/tenant"
)

// gate bounds how many requests of one scope's tenants are worked on at once,
// and how many more may wait, so that one team's dashboards never take all of
// the engine's slots. A dashboard of twenty panels waits in it; a flood is told
// to come back.
type gate struct {
	running, waiting int // the bounds

	mu    sync.Mutex // guards doors and their users
	doors map[string]*door
}

type door struct {
	slots chan struct{}
	users int // running and waiting
}

var errGateFull = errors.New("too many queries are running and waiting")

func newGate(running, waiting int) *gate {
	return &gate{running: running, waiting: waiting, doors: map[string]*door{}}
}

// enter waits for a slot of the scope. With errGateFull nobody may wait any
// more. leave gives the slot back.
func (g *gate) enter(ctx context.Context, r tenant.Read) (leave func(), err error) {
	key := tenantsKey(r)
	g.mu.Lock()
	d := g.doors[key]
	if d == nil {
		d = &door{slots: make(chan struct{}, g.running)}
		g.doors[key] = d
	}
	if d.users >= g.running+g.waiting {
		g.mu.Unlock()
		return nil, errGateFull
	}
	d.users++
	g.mu.Unlock()
	out := func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if d.users--; d.users == 0 {
			delete(g.doors, key)
		}
	}
	select {
	case d.slots <- struct{}{}:
		return func() { <-d.slots; out() }, nil
	case <-ctx.Done():
		out()
		return nil, ctx.Err()
	}
}

// tenantsKey is the same for all callers that see the same tenants.
func tenantsKey(r tenant.Read) string {
	if r.All() {
		return "*"
	}
	var b strings.Builder
	for _, id := range r.Tenants() {
		b.WriteString(string(id))
		b.WriteByte(0)
	}
	return b.String()
}
