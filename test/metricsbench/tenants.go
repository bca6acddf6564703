package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// many measures a central with many tenants: its memory, and what an operator's
// query over all of them takes.
func (b *bench) many(ctx context.Context) error {
	s, err := b.startOriel(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	admin, err := os.ReadFile(filepath.Join(s.dir, "data", "admin.token"))
	if err != nil {
		return err
	}
	cluster, err := b.cli(ctx, s, "token", "create", "--cluster", "local")
	if err != nil {
		return err
	}
	s.token = strings.TrimSpace(string(admin))
	for i := range b.tenants {
		body, err := json.Marshal(map[string]any{"namespaces": []map[string]string{{"cluster": "local", "name": fmt.Sprintf("ns-%d", i)}}})
		if err != nil {
			return err
		}
		if _, err := s.do(ctx, http.MethodPut, fmt.Sprintf("%s/admin/v1/tenants/team-%d", s.url, i), body, "application/json"); err != nil {
			return err
		}
	}
	empty, _ := s.memory("VmRSS")
	say := func(what string) error {
		rss, err := s.memory("VmRSS")
		peak, _ := s.memory("VmHWM")
		fmt.Printf("| %s | %d | %d | %.0f |\n", what, rss>>20, peak>>20, float64(rss-empty)/float64(b.tenants)/1000)
		return err
	}
	fmt.Println("| | memory, MiB | most so far, MiB | KB a tenant |")
	fmt.Println("|---|---:|---:|---:|")
	if err := say(fmt.Sprintf("%d tenants, no samples", b.tenants)); err != nil {
		return err
	}
	s.token = strings.TrimSpace(cluster)
	begin := time.Now().Add(-30 * time.Minute)
	fill := func(each, rounds int) error {
		l := newLoad(b.tenants*each, func(i int) string { return fmt.Sprintf("ns-%d", i/each) })
		for round := range rounds {
			at := begin.Add(time.Duration(round) * 15 * time.Second)
			for from := 0; from < l.series; from += perRequest {
				if _, err := s.do(ctx, http.MethodPost, s.write, l.request(true, from, min(from+perRequest, l.series), at), contentType(true)); err != nil {
					return err
				}
			}
		}
		begin = begin.Add(time.Duration(rounds) * 15 * time.Second)
		s.settle(ctx)
		return nil
	}
	if err := fill(1, 1); err != nil {
		return err
	}
	if err := say("one sample each: an idle tenant"); err != nil {
		return err
	}
	if err := fill(b.each, 10); err != nil {
		return err
	}
	if err := say(fmt.Sprintf("%d series each, 10 samples of each", b.each)); err != nil {
		return err
	}

	s.token = strings.TrimSpace(string(admin))
	fmt.Println("\n| operator's query | CPU-ms, median | series it touches |")
	fmt.Println("|---|---:|---:|")
	at := begin.Add(-15 * time.Second).Unix()
	for _, q := range []struct {
		name, query string
		touches     int
	}{
		{"one namespace", `count({namespace="ns-7"})`, b.each},
		{"one metric of all", `count(app_metric_1)`, b.tenants * b.each / 100},
		{"ten metrics of all", `count({__name__=~"app_metric_1."})`, b.tenants * b.each / 10},
		{"everything", `count({job="app"})`, b.tenants * b.each},
		{"nothing", `no_such_metric`, 0},
	} {
		var took []float64
		for range b.repeat {
			before := s.cpu()
			if _, err := s.do(ctx, http.MethodGet, s.url+"/api/v1/query?"+url.Values{"query": {q.query}, "time": {fmt.Sprint(at)}}.Encode(), nil, ""); err != nil {
				return err
			}
			took = append(took, (s.cpu()-before).Seconds()*1000)
		}
		slices.Sort(took)
		fmt.Printf("| %s: `%s` | %.1f | %d |\n", q.name, q.query, took[len(took)/2], q.touches)
	}
	return nil
}
