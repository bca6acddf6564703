package dashboards

import (
	"context"
	"time"

	"github.com/oriel-project/oriel/tenant"
)

// Contact is who is told of a tenant's alerts.
type Contact struct {
	Known bool
	Name  string // "": nobody
}

type contact struct {
	Contact
	at time.Time
}

// Contact gives who is told of a tenant's alerts, as it was at most that long ago:
// each question costs the target some requests.
func (r *Reconciler) Contact(ctx context.Context, id tenant.ID, age time.Duration) (Contact, error) {
	target, ok := r.o.Target.(Contacter)
	if !ok {
		return Contact{}, nil
	}
	now := r.o.Clock()
	if was, ok := r.contacts.Load(id); ok && now.Sub(was.(contact).at) < age {
		return was.(contact).Contact, nil
	}
	name, known, err := target.Contact(ctx, NamesOf(id))
	if err != nil {
		return Contact{}, err
	}
	c := contact{Contact{known, name}, now}
	r.contacts.Store(id, c)
	return c.Contact, nil
}
