package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// serveBilling adds the charge and the invoices.
func (p *pod) serveBilling() {
	charges := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "billing_charges_total", Help: "Charges by result."}, []string{"result"})
	charged := prometheus.NewCounter(prometheus.CounterOpts{Name: "billing_charged_cents_total", Help: "What was charged, in cents."})
	open := prometheus.NewGauge(prometheus.GaugeOpts{Name: "billing_invoices_open", Help: "Invoices that are not printed yet."})
	p.reg.MustRegister(charges, charged, open)
	for _, result := range []string{"accepted", "declined", "failed"} {
		charges.WithLabelValues(result) // a rate needs the zero before the first one
	}

	var seen atomic.Uint64
	p.handle("POST /charge", func(ctx context.Context, r *http.Request) answer {
		var in struct {
			Order string `json:"order"`
			Cents int    `json:"cents"`
		}
		if err := json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&in); err != nil || in.Cents <= 0 {
			return answer{status: http.StatusBadRequest, err: errors.New("want {\"order\": ..., \"cents\": more than 0}")}
		}
		third := seen.Add(1) == 3
		wait(ctx, around(45*time.Millisecond))
		switch {
		case third || chance(0.015): // an early one, so that no panel of errors is empty for minutes
			wait(ctx, time.Duration(900+rand.IntN(1100))*time.Millisecond)
			charges.WithLabelValues("failed").Inc()
			p.log(ctx, "error", "cards", "card network did not answer", map[string]any{"order": in.Order, "network": "cards.example", "attempts": 3})
			return answer{status: http.StatusServiceUnavailable, err: fmt.Errorf("order %s: card network timed out", in.Order)}
		case chance(0.03):
			charges.WithLabelValues("declined").Inc()
			return answer{status: http.StatusPaymentRequired, err: fmt.Errorf("order %s: card declined by its bank", in.Order)}
		}
		charges.WithLabelValues("accepted").Inc()
		charged.Add(float64(in.Cents))
		open.Inc()
		p.log(ctx, "info", "charges", "charged", map[string]any{"order": in.Order, "cents": in.Cents})
		return answer{body: map[string]any{"order": in.Order, "charged": in.Cents}}
	})
	p.handle("GET /invoices", func(ctx context.Context, _ *http.Request) answer {
		d := around(30 * time.Millisecond)
		if chance(0.02) {
			d += time.Duration(800+rand.IntN(1700)) * time.Millisecond
			p.log(ctx, "warn", "database", "slow query", map[string]any{
				"query": "SELECT * FROM invoices WHERE customer = $1 ORDER BY issued DESC", "duration_ms": float64(d.Milliseconds())})
		}
		wait(ctx, d)
		open.Set(0) // they are printed
		return answer{body: map[string]any{"invoices": rand.IntN(40)}}
	})
}
