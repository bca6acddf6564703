package metrics

import (
	"context"

	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/tenant"
)

// Scoped gives a as Prometheus' own machinery wants it, with everything written
// under w: what a scraper in the same process as the store writes into.
func Scoped(a Appender, w tenant.Write) storage.AppendableV2 { return scoped{a, w} }

type scoped struct {
	a Appender
	w tenant.Write
}

func (s scoped) AppenderV2(ctx context.Context) storage.AppenderV2 { return s.a.Appender(ctx, s.w) }

// Appendable is what a scraper writes to: a store under a scope, or an agent's
// queue. It lets the wiring speak of it without Prometheus' packages.
type Appendable = storage.AppendableV2
