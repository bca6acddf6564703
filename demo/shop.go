package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// product is what the shop sells.
type product struct {
	Name  string `json:"name"`
	Cents int    `json:"cents"`
}

func products() []product {
	return []product{{"kettle", 3490}, {"teapot", 4250}, {"cups", 1990}, {"green tea", 890}, {"scale", 2690}, {"tray", 1550}}
}

// serveShop adds the front page, the cart and the checkout, which charges
// through billing at billingURL.
func (p *pod) serveShop(billingURL string) {
	orders := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "shop_orders_total", Help: "Checkouts by result."}, []string{"result"})
	revenue := prometheus.NewCounter(prometheus.CounterOpts{Name: "shop_revenue_cents_total", Help: "Worth of the orders that were paid, in cents."})
	calls := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "shop_billing_request_duration_seconds", Help: "Calls to billing, by outcome.", Buckets: prometheus.DefBuckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, // for scrapers that take native ones
	}, []string{"code"})
	p.reg.MustRegister(orders, revenue, calls)
	for _, result := range []string{"paid", "declined", "failed"} {
		orders.WithLabelValues(result) // a rate needs the zero before the first one
	}
	catalogue := products()
	client := &http.Client{Timeout: 3 * time.Second}

	var warm, warmCart atomic.Bool
	p.handle("GET /{$}", func(ctx context.Context, _ *http.Request) answer {
		wait(ctx, around(12*time.Millisecond))
		// The first visitor of a pod meets a cold cache, so that there is an error
		// to look for from the first seconds on.
		if !warm.Swap(true) || chance(0.01) {
			return answer{status: http.StatusInternalServerError, err: errors.New("template home.html: recommendations are missing")}
		}
		return answer{body: catalogue}
	})
	p.handle("/cart", func(ctx context.Context, r *http.Request) answer {
		d := around(20 * time.Millisecond)
		if !warmCart.Swap(true) || chance(0.015) { // and a warning to look for
			d += time.Duration(600+rand.IntN(1400)) * time.Millisecond
			p.log(ctx, "warn", "cart", "session store is slow", map[string]any{"store": "sessions-0", "duration_ms": float64(d.Milliseconds())})
		}
		wait(ctx, d)
		if chance(0.01) {
			return answer{status: http.StatusNotFound, err: errors.New("item is no longer sold")}
		}
		item := catalogue[rand.IntN(len(catalogue))]
		p.log(ctx, "debug", "cart", "item put into the cart", map[string]any{"item": item.Name, "items": 1 + rand.IntN(5)})
		return answer{body: item}
	})
	p.handle("POST /checkout", func(ctx context.Context, _ *http.Request) answer {
		order := fmt.Sprintf("o-%08x", rand.Uint32())
		cents := 0
		for range 1 + rand.IntN(4) {
			cents += catalogue[rand.IntN(len(catalogue))].Cents
		}
		began := time.Now()
		status, err := charge(ctx, client, billingURL, order, cents)
		calls.WithLabelValues(codeOf(status)).Observe(time.Since(began).Seconds())
		switch {
		case err == nil && status == http.StatusOK:
			orders.WithLabelValues("paid").Inc()
			revenue.Add(float64(cents))
			p.log(ctx, "info", "orders", "order paid", map[string]any{"order": order, "cents": cents})
			return answer{status: http.StatusCreated, body: map[string]any{"order": order, "cents": cents}}
		case err == nil && status == http.StatusPaymentRequired:
			orders.WithLabelValues("declined").Inc()
			return answer{status: http.StatusPaymentRequired, err: fmt.Errorf("order %s: the card was declined", order)}
		case err == nil:
			err = fmt.Errorf("billing answered %d", status)
		}
		orders.WithLabelValues("failed").Inc()
		return answer{status: http.StatusBadGateway, err: fmt.Errorf("order %s: %w", order, err)}
	})
}

func charge(ctx context.Context, c *http.Client, billingURL, order string, cents int) (status int, err error) {
	b, err := json.Marshal(map[string]any{"order": order, "cents": cents})
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(billingURL, "/")+"/charge", bytes.NewReader(b))
	if err != nil {
		return 0, err
	}
	r.Header.Set("traceparent", traceparent(ctx))
	r.Header.Set("User-Agent", "shop-web")
	resp, err := c.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, err
}

func codeOf(status int) string {
	if status == 0 {
		return "none"
	}
	return fmt.Sprint(status)
}
