package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// query asks Prometheus and Oriel the same, in turns, over the same samples.
func (b *bench) query(ctx context.Context) error {
	var servers []*server
	for _, start := range []func(context.Context) (*server, error){b.startPrometheus, b.startOriel} {
		s, err := start(ctx)
		if err != nil {
			return err
		}
		defer s.stop()
		if _, err := b.send(ctx, s, false); err != nil {
			return err
		}
		servers = append(servers, s)
	}
	now := time.Now().Unix() - 20
	from := now - int64(b.rounds)*15
	fmt.Println("| query | Prometheus, CPU-ms | Oriel, CPU-ms | ratio |")
	fmt.Println("|---|---:|---:|---:|")
	var sums [2]float64
	for _, q := range []struct {
		name, query string
		step        int // 0: instant
	}{
		{"one series, range", `app_metric_1{pod="app-7d9f8b6c5-00001"}`, 15},
		{"one metric, instant", `app_metric_1`, 0},
		{"rate of one metric, range", `rate(app_metric_1[5m])`, 30},
		{"sum by pod of rates, range", `sum by (pod) (rate(app_metric_1[5m]))`, 30},
		{"everything, summed by metric, instant", `sum by (__name__) ({job="app"})`, 0},
		{"sums of everything by node, range", `topk(5, sum by (node) ({__name__=~"app_metric_.*"}))`, 60},
		{"join, range", `app_metric_1 / on (pod) app_metric_5`, 30},
		{"regexp over pods, range", `max_over_time(app_metric_2{pod=~".*-000[0-4].*"}[10m])`, 60},
	} {
		params := url.Values{"query": {q.query}}
		path := "/api/v1/query"
		if q.step > 0 {
			path = "/api/v1/query_range"
			params.Set("start", strconv.FormatInt(from, 10))
			params.Set("end", strconv.FormatInt(now, 10))
			params.Set("step", strconv.Itoa(q.step))
		} else {
			params.Set("time", strconv.FormatInt(now, 10))
		}
		var took [2][]float64
		var answers [2][]byte
		// Enough of each that a turn takes tens of milliseconds.
		n := 20
		for range 2 * b.repeat {
			for i, s := range servers {
				before := s.cpu()
				for range n {
					var err error
					if answers[i], err = s.do(ctx, http.MethodGet, s.url+path+"?"+params.Encode(), nil, ""); err != nil {
						return err
					}
				}
				took[i] = append(took[i], (s.cpu()-before).Seconds()*1000/float64(n))
			}
		}
		for i := range took {
			slices.Sort(took[i])
			sums[i] += took[i][len(took[i])/2]
		}
		p, o := took[0][len(took[0])/2], took[1][len(took[1])/2]
		fmt.Printf("| %s | %.2f | %.2f | %.2f |\n", q.name, p, o, o/p)
		if !bytes.Equal(answers[0], answers[1]) && len(answers[0])*10 < len(answers[1])*9 {
			return fmt.Errorf("%s: the answers differ: %d and %d bytes", q.name, len(answers[0]), len(answers[1]))
		}
	}
	fmt.Printf("| all | %.2f | %.2f | %.2f |\n", sums[0], sums[1], sums[1]/sums[0])
	return nil
}
