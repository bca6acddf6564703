// Package probe asks the addresses that namespaces name in their annotation
// oriel/probe, and writes what came of it as series of the namespace:
//
//	p := probe.New(probe.Options{Targets: targets, Resolve: resolve, Appendable: samples})
//	err := p.Run(ctx) // probe_success{namespace="shop",target="http://web/health",job="probe"} 1
//
// An agent reaches what the people of a namespace cannot, so an address is not
// looked up: it names a service of the namespace itself, and Resolve gives a pod of
// the namespace behind it. A redirect is an answer and is not followed.
package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
	"golang.org/x/sync/errgroup"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/metrics"
)

// The series, in the names of Prometheus' blackbox exporter.
const (
	seriesSuccess  = "probe_success"
	seriesDuration = "probe_duration_seconds"
	seriesStatus   = "probe_http_status_code"
	seriesExpiry   = "probe_ssl_earliest_cert_expiry"
	seriesRefused  = "oriel_probe_refused"
)

var help = map[string]string{
	seriesSuccess:  "1 if the address answered: TCP connected, HTTP with a status below 400.",
	seriesDuration: "How long the answer took.",
	seriesStatus:   "Status of the answer; 0 where there was none.",
	seriesExpiry:   "When the first certificate of the chain that was shown expires, in seconds since 1970.",
	seriesRefused:  "1 for an address that is not probed, by reason.",
}

// Target is one address that a namespace names.
type Target struct{ Namespace, Address string }

// Refused is why an address is not probed at all.
type Refused struct{ Reason, What string }

func (e *Refused) Error() string { return e.What }

// Resolver gives the address, IP:PORT, of a pod of the namespace behind one of its
// services. A *Refused error is final; any other means that nothing is there now.
type Resolver func(ctx context.Context, namespace, service, port string) (string, error)

// Options of a Prober. Targets, Resolve and Appendable are needed.
type Options struct {
	Targets    func() []Target // of namespaces that are somebody's
	Resolve    Resolver
	Appendable metrics.Appendable
	Every      time.Duration // 0: 30 s
	Timeout    time.Duration // of one probe; 0: 5 s
	Parallel   int           // probes of a namespace at once; 0: 4
	Clock      clock.Clock
	Logger     *slog.Logger // nil: silent
}

// Prober probes again and again.
type Prober struct{ o Options }

// New makes a Prober that does nothing until Run.
func New(o Options) *Prober {
	if o.Every <= 0 {
		o.Every = 30 * time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Prober{o}
}

// Run probes until ctx ends.
func (p *Prober) Run(ctx context.Context) error {
	tick := time.NewTicker(p.o.Every)
	defer tick.Stop()
	for {
		if err := p.round(ctx); err != nil && ctx.Err() == nil {
			p.o.Logger.Warn("results of probes could not be written", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// result is what came of one probe.
type result struct {
	Target
	at      time.Time
	took    time.Duration
	ok      bool
	http    bool
	status  int
	expires time.Time
	refused string
}

func (p *Prober) round(ctx context.Context) error {
	targets := p.o.Targets()
	results := make([]result, len(targets))
	of := map[string][]int{} // targets of each namespace
	for i, t := range targets {
		of[t.Namespace] = append(of[t.Namespace], i)
	}
	// Addresses that hang hold up none of other namespaces: what of a namespace was
	// not probed when the next round is due has failed.
	due, cancel := context.WithTimeout(ctx, p.o.Every)
	defer cancel()
	var all sync.WaitGroup
	for _, mine := range of {
		all.Go(func() {
			var g errgroup.Group
			g.SetLimit(p.o.Parallel)
			for _, i := range mine {
				g.Go(func() error {
					results[i] = p.probe(due, targets[i])
					return nil
				})
			}
			_ = g.Wait() // probes tell by their results
		})
	}
	all.Wait()
	if ctx.Err() != nil || len(results) == 0 {
		return ctx.Err()
	}
	app := p.o.Appendable.AppenderV2(ctx)
	// What is refused of one team, such as that it has too many series, costs the
	// others nothing.
	var first error
	refused := 0
	for _, r := range results {
		err := appendResult(app, r)
		if err == nil {
			continue
		}
		if refused++; first == nil {
			first = fmt.Errorf("%s of namespace %s: %w", r.Address, r.Namespace, err)
		}
	}
	if refused > 1 {
		first = fmt.Errorf("%w; and %d other addresses", first, refused-1)
	}
	return errors.Join(first, app.Commit())
}

func (p *Prober) probe(ctx context.Context, t Target) result {
	r := result{Target: t, at: p.o.Clock()}
	ctx, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	began := time.Now()
	err := p.ask(ctx, t, &r)
	r.took = time.Since(began)
	r.ok = err == nil
	if refused, ok := errors.AsType[*Refused](err); ok {
		r.refused = refused.Reason
	}
	return r
}

func (p *Prober) ask(ctx context.Context, t Target, r *result) error {
	u, err := url.Parse(t.Address)
	if err != nil {
		return &Refused{"address", "the address cannot be read"}
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	to, err := p.o.Resolve(ctx, t.Namespace, u.Hostname(), port)
	if err != nil {
		return err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", to)
	}
	if u.Scheme == "tcp" {
		c, err := dial(ctx, "", "")
		if err == nil {
			err = c.Close()
		}
		return err
	}
	r.http = true
	transport := &http.Transport{DialContext: dial, DisableKeepAlives: true, Proxy: nil, TLSClientConfig: &tls.Config{
		MinVersion: tls.VersionTLS12,
	}}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.Address, nil)
	if err != nil {
		return &Refused{"address", "the address cannot be read"}
	}
	req.Header.Set("User-Agent", "oriel-probe")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	r.status = res.StatusCode
	if res.TLS != nil {
		r.expires = earliest(res.TLS.PeerCertificates)
	}
	const bodyBytesMax = 64 << 10
	if _, err := io.CopyN(io.Discard, res.Body, bodyBytesMax); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if res.StatusCode >= 400 {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return nil
}

func earliest(chain []*x509.Certificate) (first time.Time) {
	for _, c := range chain {
		if first.IsZero() || c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}

func appendResult(app storage.AppenderV2, r result) error {
	add := func(name string, v float64, more ...string) error {
		b := labels.NewScratchBuilder(6)
		b.Add(model.MetricNameLabel, name)
		b.Add(model.JobLabel, "probe")
		b.Add("namespace", r.Namespace)
		b.Add("target", r.Address)
		for i := 0; i+1 < len(more); i += 2 {
			b.Add(more[i], more[i+1])
		}
		b.Sort()
		_, err := app.Append(0, b.Labels(), 0, r.at.UnixMilli(), v, nil, nil, storage.AOptions{
			MetricFamilyName: name, Metadata: metadata.Metadata{Type: model.MetricTypeGauge, Help: help[name]},
		})
		return err
	}
	if r.refused != "" {
		return add(seriesRefused, 1, "reason", r.refused)
	}
	success := 0.0
	if r.ok {
		success = 1
	}
	errs := []error{add(seriesSuccess, success), add(seriesDuration, r.took.Seconds())}
	if r.http {
		errs = append(errs, add(seriesStatus, float64(r.status)))
	}
	if !r.expires.IsZero() {
		errs = append(errs, add(seriesExpiry, float64(r.expires.Unix())))
	}
	return errors.Join(errs...)
}
