// Command onboardbench measures how long a team waits for its window: from the
// annotation on its namespace, in a real kube-apiserver, until its series, its
// log records, its dashboards and its people's access are all there.
//
//	go run ./test/onboardbench -oriel bin/oriel -standing 2000 -one 100 -batch 500
//
// 2,000 tenants stand already, each with a namespace and a pod that is scraped.
// Then central is started anew, so that it looks after all of them while one more
// is annotated, again and again, and at last a batch at once. Grafana is the
// stand-in of dashboards/grafanatest, in this process: what it takes to answer is
// nothing, what counts are the requests and their limit. Linux only.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/oriel-project/oriel/dashboards/grafanatest"
	"github.com/oriel-project/oriel/test/kubetest"
)

type bench struct {
	oriel                string
	standing, one, batch int
	requests             int // a second, that Grafana is asked at most
	interval             time.Duration
	verbose              bool

	work    string
	cluster *kubetest.Cluster
	grafana *grafanatest.Grafana
	page    string // HOST:PORT of what is scraped
	central *process
	agent   *process
	http    *http.Client
	token   string // an operator's
	base    string // of central
	shown   string // of Grafana
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{http: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	flag.StringVar(&b.oriel, "oriel", "bin/oriel", "the program oriel")
	flag.IntVar(&b.standing, "standing", 2000, "tenants that are there before")
	flag.IntVar(&b.one, "one", 100, "tenants that come one after the other")
	flag.IntVar(&b.batch, "batch", 500, "tenants that come at once")
	flag.IntVar(&b.requests, "requests", 40, "requests a second that Grafana is asked at most")
	flag.DurationVar(&b.interval, "interval", 15*time.Second, "between two scrapes of a pod")
	flag.BoolVar(&b.verbose, "v", false, "tell of each tenant that comes alone")
	flag.Parse()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "onboardbench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.work, err = os.MkdirTemp("", "oriel-onboardbench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.work)
	stop, err := b.servers()
	if err != nil {
		return err
	}
	defer stop()
	if b.cluster, err = kubetest.New(ctx, kubetest.Options{}); err != nil {
		return err
	}
	defer b.cluster.Stop()
	defer func() {
		b.agent.kill()
		b.central.kill()
		if err != nil {
			err = fmt.Errorf("%w\ncentral: %s\nagent: %s", err, b.central.tail(), b.agent.tail())
		}
	}()
	began := time.Now()
	if err := b.stand(ctx); err != nil {
		return err
	}
	fmt.Printf("%s, %d tenants stand after %.0f s\n\n", time.Now().UTC().Format(time.DateOnly), b.standing, time.Since(began).Seconds())
	// From here on with the limit that counts, while all windows are looked after.
	b.central.kill()
	if err := b.startCentral(ctx, b.requests); err != nil {
		return err
	}
	if err := b.settled(ctx); err != nil {
		return err
	}
	var each []timings
	for i := range b.one {
		t, err := b.onboardOne(ctx, fmt.Sprintf("one-%d", i))
		if err != nil {
			return err
		}
		each = append(each, t)
		if b.verbose {
			fmt.Println(i, t)
		}
	}
	if len(each) > 0 {
		report(fmt.Sprintf("One more tenant, %d times", b.one), each)
	}
	if b.batch > 0 {
		all, err := b.onboardBatch(ctx)
		if err != nil {
			return err
		}
		report(fmt.Sprintf("%d at once", b.batch), all)
	}
	return nil
}

// servers are Grafana's stand-in and the page that every pod shows.
func (b *bench) servers() (stop func(), err error) {
	b.grafana = grafanatest.New("admin", "pw")
	b.grafana.AddUser("mia", "pw", false)
	var closers []func() error
	serve := func(h http.Handler) (string, error) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
		go func() { _ = srv.Serve(ln) }()
		closers = append(closers, srv.Close)
		return ln.Addr().String(), nil
	}
	shown, err := serve(b.grafana)
	if err != nil {
		return nil, err
	}
	b.shown = "http://" + shown
	var page strings.Builder
	page.WriteString("# TYPE http_requests_total counter\n")
	for code := range 5 {
		fmt.Fprintf(&page, "http_requests_total{code=\"%d00\",method=\"GET\"} %d\n", code+1, code)
	}
	page.WriteString("# TYPE http_request_duration_seconds histogram\n")
	for _, le := range []string{"0.1", "0.5", "1", "5", "+Inf"} {
		fmt.Fprintf(&page, "http_request_duration_seconds_bucket{le=%q} 1\n", le)
	}
	page.WriteString("http_request_duration_seconds_sum 1\nhttp_request_duration_seconds_count 1\n# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1\n")
	text := page.String()
	b.page, err = serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write([]byte(text))
	}))
	return func() {
		for _, c := range closers {
			_ = c()
		}
	}, err
}

// stand makes the tenants that are there before, and waits until they are whole.
func (b *bench) stand(ctx context.Context) error {
	if err := b.startCentral(ctx, 10_000); err != nil {
		return err
	}
	if err := b.startAgent(ctx); err != nil {
		return err
	}
	if err := b.each(ctx, "team", b.standing, func(name string) error { return b.make(name, true) }); err != nil {
		return err
	}
	return b.until(ctx, 5*time.Minute, func() error {
		n, err := b.done("dashboards", "metrics")
		if err == nil && n < b.standing {
			err = fmt.Errorf("%d of %d tenants are whole", n, b.standing)
		}
		return err
	})
}

// settled waits until the agent has sent central again what it may have lost, and
// the round over the windows is under way.
func (b *bench) settled(ctx context.Context) error {
	return b.until(ctx, 2*time.Minute, func() error {
		n, err := b.done("dashboards")
		if err == nil && n < min(20, b.standing) {
			err = errors.New("the round over the windows has not begun")
		}
		if err != nil {
			return err
		}
		// The pages' own samples, of every pod within two scrapes.
		var a struct {
			Data struct{ Result []json.RawMessage }
		}
		fresh := fmt.Sprintf("count(time() - timestamp(up) < %g) >= %d", 2*b.interval.Seconds(), b.standing)
		if err := b.ask(b.base+"/api/v1/query?query="+url.QueryEscape(fresh), b.operator(), &a); err != nil {
			return err
		}
		if len(a.Data.Result) == 0 {
			return errors.New("the agent is behind")
		}
		return nil
	})
}
