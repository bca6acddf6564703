package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
	"golang.org/x/sync/errgroup"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/dashboards/grafanatest"
	"github.com/oriel-project/oriel/tenant"
)

// The stages, each from the annotation on: Kubernetes says that the namespace is
// ready; the team's series answer; its log record is found; all its dashboards are
// in Grafana; a member of its organisation gets both through Grafana's data sources.
const (
	ready = iota
	series
	index
	dashboard
	access
	stages
)

var stageNames = [stages]string{"oriel/status is ready", "series", "log index", "dashboards", "access through Grafana"}

type timings [stages]time.Duration

func (t timings) all() time.Duration { return slices.Max(t[:]) }

// each runs f for n names, 32 at a time.
func (b *bench) each(ctx context.Context, prefix string, n int, f func(name string) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(32)
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return f(fmt.Sprintf("%s-%d", prefix, i)) })
	}
	return group.Wait()
}

// make makes a namespace with a pod in it that is to be scraped.
func (b *bench) make(name string, annotated bool) error {
	host, port, err := net.SplitHostPort(b.page)
	if err != nil {
		return err
	}
	annotations := ""
	if annotated {
		annotations = fmt.Sprintf(`,"annotations":{"oriel/tenant":%q}`, name)
	}
	if _, err := b.cluster.Do("POST", "/api/v1/namespaces", "application/json",
		fmt.Sprintf(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q%s}}`, name, annotations)); err != nil {
		return err
	}
	pods := "/api/v1/namespaces/" + name + "/pods"
	pod := fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-0","annotations":{"prometheus.io/scrape":"true","prometheus.io/port":%q}},
"spec":{"serviceAccountName":"default","automountServiceAccountToken":false,"terminationGracePeriodSeconds":0,"containers":[{"name":"main","image":"example.invalid/none"}]}}`, port)
	// The namespace's service account comes a moment after it.
	if err := b.until(context.Background(), 30*time.Second, func() error {
		_, err := b.cluster.Do("POST", pods, "application/json", pod)
		return err
	}); err != nil {
		return err
	}
	_, err = b.cluster.Do("PATCH", pods+"/web-0/status", "application/merge-patch+json",
		fmt.Sprintf(`{"status":{"phase":"Running","podIP":%q,"podIPs":[{"ip":%q}],"conditions":[{"type":"Ready","status":"True"}]}}`, host, host))
	return err
}

func (b *bench) annotate(name string) error {
	_, err := b.cluster.Do("PATCH", "/api/v1/namespaces/"+name, "application/merge-patch+json",
		fmt.Sprintf(`{"metadata":{"annotations":{"oriel/tenant":%q}}}`, name))
	return err
}

// logs sends records of the namespaces by forward, acknowledged, again and again
// as programs do, until ctx ends.
func (b *bench) logs(ctx context.Context, names ...string) error {
	host, port, err := net.SplitHostPort(b.agent.address("forward"))
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	f, err := fluent.New(fluent.Config{FluentHost: host, FluentPort: n, RequestAck: true, Timeout: time.Minute, ReadTimeout: 2 * time.Minute})
	if err != nil {
		return err
	}
	defer f.Close()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, name := range names {
			if ctx.Err() != nil {
				return nil
			}
			if err := f.Post("kube."+name, map[string]any{"message": "moved in", "level": "info",
				"kubernetes": map[string]string{"namespace_name": name, "pod_name": "web-0", "container_name": "main"}}); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// is asks for one stage of one tenant.
func (b *bench) is(stage int, name string) error {
	base := b.base + "/t/" + name
	switch stage {
	case ready:
		return b.status(name)
	case series:
		return b.hasSeries(base, b.operator())
	case index:
		return b.hasRecord(base+"/es", b.operator())
	}
	n := dashboards.NamesOf(tenant.ID(name))
	org := b.grafana.OrgID(n.Org)
	if org == 0 {
		return errors.New("no organisation")
	}
	// Who is let in is the operator's to say; it takes no time of Oriel's.
	b.grafana.Join("mia", n.Org, grafanatest.Viewer)
	req, err := http.NewRequest(http.MethodGet, b.shown, nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth("mia", "pw")
	req.Header.Set("X-Grafana-Org-Id", strconv.Itoa(org))
	if stage == dashboard {
		for _, uid := range n.Dashboards() {
			if err := b.ask(b.shown+"/api/dashboards/uid/"+uid, req.Header, nil); err != nil {
				return err
			}
		}
		return nil
	}
	proxy := b.shown + "/api/datasources/proxy/uid/"
	return errors.Join(b.hasSeries(proxy+n.Metrics, req.Header), b.hasRecord(proxy+n.Logs, req.Header))
}

func (b *bench) status(name string) error {
	raw, err := b.cluster.Do("GET", "/api/v1/namespaces/"+name, "", "")
	if err != nil {
		return err
	}
	var ns struct {
		Metadata struct{ Annotations map[string]string }
	}
	if err := json.Unmarshal(raw, &ns); err != nil {
		return err
	}
	if s := ns.Metadata.Annotations["oriel/status"]; s != "ready" {
		return fmt.Errorf("status %q", s)
	}
	return nil
}

func (b *bench) hasSeries(base string, h http.Header) error {
	var a struct {
		Data struct{ Result []json.RawMessage }
	}
	if err := b.ask(base+"/api/v1/query?query="+url.QueryEscape("http_requests_total"), h, &a); err != nil {
		return err
	}
	if len(a.Data.Result) == 0 {
		return errors.New("no series")
	}
	return nil
}

func (b *bench) hasRecord(base string, h http.Header) error {
	var a struct {
		Hits struct{ Total struct{ Value int } }
	}
	if err := b.ask(base+"/_search?size=0&track_total_hits=true&q=message:moved", h, &a); err != nil {
		return err
	}
	if a.Hits.Total.Value == 0 {
		return errors.New("no record")
	}
	return nil
}

const oneMax = 2 * time.Minute

func (b *bench) onboardOne(ctx context.Context, name string) (t timings, err error) {
	if err := b.make(name, false); err != nil {
		return t, err
	}
	began := time.Now()
	if err := b.annotate(name); err != nil {
		return t, err
	}
	writing, enough := context.WithCancel(ctx)
	defer enough()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return b.logs(writing, name) })
	for s := range stages {
		group.Go(func() error {
			if err := b.until(ctx, oneMax, func() error { return b.is(s, name) }); err != nil {
				return fmt.Errorf("%s of %s: %w", stageNames[s], name, err)
			}
			t[s] = time.Since(began)
			if s == index {
				enough()
			}
			return nil
		})
	}
	return t, group.Wait()
}

const batchMax = 8 * time.Minute

// onboardBatch annotates all at once. They are asked for one after the other, so
// that the asking is a small part of the load: a figure is late by one round.
func (b *bench) onboardBatch(ctx context.Context) ([]timings, error) {
	var names []string
	if err := b.each(ctx, "batch", b.batch, func(name string) error { return b.make(name, false) }); err != nil {
		return nil, err
	}
	for i := range b.batch {
		names = append(names, fmt.Sprintf("batch-%d", i))
	}
	b.grafana.Requests() // forgets those before
	began := time.Now()
	if err := b.each(ctx, "batch", b.batch, b.annotate); err != nil {
		return nil, err
	}
	annotated := time.Since(began)
	out := make([]timings, b.batch)
	var sent error
	const senders = 8 // as nodes have one each
	writing, enough := context.WithCancel(ctx)
	defer enough()
	var wg sync.WaitGroup
	var sending errgroup.Group
	for part := range slices.Chunk(names, (len(names)+senders-1)/senders) {
		sending.Go(func() error { return b.logs(writing, part...) })
	}
	wg.Go(func() { sent = sending.Wait() })
	for s := range stages {
		wg.Go(func() {
			for i, left := 0, b.batch; left > 0 && ctx.Err() == nil && time.Since(began) < batchMax; i = (i + 1) % b.batch {
				if i == 0 {
					time.Sleep(100 * time.Millisecond) // between two rounds of questions
				}
				if out[i][s] == 0 && b.is(s, names[i]) == nil {
					out[i][s] = time.Since(began)
					left--
				}
			}
			if s == index {
				enough()
			}
		})
	}
	wg.Wait()
	for i := range out {
		for s := range stages {
			if sent == nil && out[i][s] == 0 {
				sent = fmt.Errorf("%s has no %s after %v", names[i], stageNames[s], batchMax)
			}
		}
	}
	byStart := 0
	for _, r := range b.grafana.Requests() {
		if strings.HasPrefix(r, "POST ") || strings.HasPrefix(r, "PUT ") {
			byStart++
		}
	}
	fmt.Printf("%d annotations took %.1f s; Grafana was written to %d times\n\n", b.batch, annotated.Seconds(), byStart)
	return out, sent
}

func report(title string, each []timings) {
	fmt.Printf("| %s | p50, s | p90, s | p99, s | slowest, s |\n|---|---:|---:|---:|---:|\n", title)
	row := func(name string, of func(timings) time.Duration) {
		took := make([]time.Duration, len(each))
		for i, t := range each {
			took[i] = of(t)
		}
		slices.Sort(took)
		at := func(share float64) float64 { return took[int(math.Ceil(share*float64(len(took))))-1].Seconds() }
		fmt.Printf("| %s | %.2f | %.2f | %.2f | %.2f |\n", name, at(0.5), at(0.9), at(0.99), took[len(took)-1].Seconds())
	}
	for s, name := range stageNames {
		row(name, func(t timings) time.Duration { return t[s] })
	}
	row("everything", timings.all)
	fmt.Println()
}
