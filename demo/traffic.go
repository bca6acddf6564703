package demo

import (
	"context"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

const visitorsMax = 64 // at once; more are turned away, as at any door

// visit sends visitors' requests to the team's pods until ctx ends.
func visit(ctx context.Context, team string, urls []string, rate float64) error {
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	room := make(chan struct{}, visitorsMax)
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		// Visitors come independently of each other: exponential gaps.
		wait(ctx, time.Duration(rand.ExpFloat64()/(rate*wave(time.Now()))*float64(time.Second)))
		if ctx.Err() != nil {
			return nil
		}
		select {
		case room <- struct{}{}:
		default:
			continue
		}
		wg.Go(func() {
			defer func() { <-room }()
			method, path := next(team)
			// A request that fails is in the pods' own logs and metrics.
			_ = request(ctx, client, method, urls[rand.IntN(len(urls))]+path)
		})
	}
}

func request(ctx context.Context, c *http.Client, method, url string) error {
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("traceparent", traceparent(ctx))
	r.Header.Set("User-Agent", "visitor/1.0")
	resp, err := c.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return err
}

// next gives what a visitor does.
func next(team string) (method, path string) {
	if team == billing {
		return http.MethodGet, "/invoices"
	}
	switch x := rand.Float64(); {
	case x < 0.55:
		return http.MethodGet, "/"
	case x < 0.70:
		return http.MethodGet, "/cart"
	case x < 0.85:
		return http.MethodPost, "/cart"
	}
	return http.MethodPost, "/checkout"
}

// wave is how busy it is compared with the average: least at four in the
// morning, most at four in the afternoon, with a swell of seven minutes on top
// so that an hour does not look flat either. It is always above 0.1.
func wave(t time.Time) float64 {
	day := float64(t.Hour()*3600+t.Minute()*60+t.Second()) / 86400
	swell := float64(t.Unix()%420) / 420
	return 1 + 0.55*math.Sin(2*math.Pi*(day-10.0/24)) + 0.2*math.Sin(2*math.Pi*swell)
}

// expNorm gives a log-normal factor with median 1.
func expNorm(sigma float64) float64 { return math.Exp(sigma * rand.NormFloat64()) }
