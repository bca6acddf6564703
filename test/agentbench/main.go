// Command agentbench has Oriel's agent and Prometheus in agent mode scrape the same
// targets and send to the same receiver by remote write 2.0, one after the other,
// and prints what each took.
//
//	go run ./test/agentbench -oriel bin/oriel -targets 500 -series 1000
//
// What counts are the ratios of CPU time and memory in one run. The receiver takes
// everything at once, and is this program, as are the targets. Linux only.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/klauspost/compress/snappy"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/oriel-project/oriel/test/peers"
)

type bench struct {
	oriel           string
	targets, series int
	interval        time.Duration
	warm, measure   time.Duration
	work            string
	scraped         atomic.Int64 // pages
	bytes, samples  atomic.Int64 // that the receiver got
	requests        atomic.Int64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "agentbench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	b := &bench{}
	flag.StringVar(&b.oriel, "oriel", "bin/oriel", "the program oriel")
	flag.IntVar(&b.targets, "targets", 500, "targets")
	flag.IntVar(&b.series, "series", 1000, "series of each")
	flag.DurationVar(&b.interval, "interval", 15*time.Second, "between two scrapes of a target")
	flag.DurationVar(&b.warm, "warm", 45*time.Second, "before it counts")
	flag.DurationVar(&b.measure, "measure", time.Minute, "how long it counts")
	flag.Parse()
	bin, err := peers.Prometheus(ctx)
	if err != nil {
		return err
	}
	if b.work, err = os.MkdirTemp("", "oriel-agentbench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.work)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: http.HandlerFunc(b.serve)}
	go func() { _ = srv.Serve(ln) }()
	defer srv.Close()
	address := ln.Addr().String()

	fmt.Printf("%s, %d targets of %d series every %s, measured for %s after %s\n\n", time.Now().UTC().Format(time.DateOnly), b.targets, b.series, b.interval, b.measure, b.warm)
	fmt.Println("| agent | CPU-s a million samples | ratio | memory, MiB | ratio | peak, MiB | bytes a sample on the wire | requests/s | samples/s |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
	var peer result
	for _, one := range []struct {
		name string
		cmd  func(dir, address string) (*exec.Cmd, error)
	}{
		{"Prometheus", func(dir, address string) (*exec.Cmd, error) { return b.prometheus(bin.Server, dir, address) }},
		{"Oriel", b.agent},
	} {
		r, err := b.one(ctx, one.name, address, one.cmd)
		if err != nil {
			return err
		}
		if peer == (result{}) {
			peer = r
		}
		fmt.Printf("| %s | %.2f | %.2f | %d | %.2f | %d | %.1f | %.1f | %.0f |\n", one.name, r.cpu, r.cpu/peer.cpu, r.rss>>20, float64(r.rss)/float64(peer.rss), r.peak>>20, r.bytes, r.requests, r.rate)
	}
	return nil
}

type result struct {
	cpu, bytes, requests, rate float64
	rss, peak                  int64
}

func (b *bench) one(ctx context.Context, name, address string, prepare func(dir, address string) (*exec.Cmd, error)) (r result, err error) {
	dir, err := os.MkdirTemp(b.work, "run")
	if err != nil {
		return r, err
	}
	cmd, err := prepare(dir, address)
	if err != nil {
		return r, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return r, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return r, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	wait := func(d time.Duration) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := wait(b.warm); err != nil {
		return r, err
	}
	cpu, samples, size, requests, began := cpuOf(cmd.Process.Pid), b.samples.Load(), b.bytes.Load(), b.requests.Load(), time.Now()
	if err := wait(b.measure); err != nil {
		return r, err
	}
	n := float64(b.samples.Load() - samples)
	if n == 0 {
		text, _ := os.ReadFile(filepath.Join(dir, "log"))
		return r, fmt.Errorf("%s sent nothing: %.2000s", name, text)
	}
	took := time.Since(began).Seconds()
	r = result{
		cpu: (cpuOf(cmd.Process.Pid) - cpu).Seconds() / n * 1e6, bytes: float64(b.bytes.Load()-size) / n,
		requests: float64(b.requests.Load()-requests) / took, rate: n / took,
	}
	if r.rss, err = memoryOf(cmd.Process.Pid, "VmRSS"); err == nil {
		r.peak, err = memoryOf(cmd.Process.Pid, "VmHWM")
	}
	return r, err
}

func (b *bench) prometheus(bin, dir, address string) (*exec.Cmd, error) {
	var c strings.Builder
	fmt.Fprintf(&c, "global: {scrape_interval: %s}\nremote_write: [{url: \"http://%s/api/v1/write\", protobuf_message: io.prometheus.write.v2.Request}]\nscrape_configs:\n- job_name: load\n  static_configs:\n", b.interval, address)
	for i := range b.targets {
		fmt.Fprintf(&c, "  - {targets: [%q], labels: {__metrics_path__: /t/%d, namespace: bench, pod: p-%d, container: load, node: n, cluster: bench, region: eu, cloud: private}}\n", address, i, i)
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(c.String()), 0o600); err != nil {
		return nil, err
	}
	return exec.Command(bin, "--agent", "--config.file="+file, "--storage.agent.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0"), nil
}

// agent is Oriel's, in a cluster whose API server is away: it scrapes its static
// targets, and asks again and again for the others.
func (b *bench) agent(dir, address string) (*exec.Cmd, error) {
	var c strings.Builder
	token := filepath.Join(dir, "token")
	fmt.Fprintf(&c, "cluster: {name: bench, region: eu, cloud: private}\nagent: {central: {url: \"http://%s\", token_file: %q}}\nscrape:\n  interval: %s\n  static:\n", address, token, b.interval)
	for i := range b.targets {
		fmt.Fprintf(&c, "  - {job: load, namespace: bench, targets: [%q], path: /t/%d, labels: {pod: p-%d, container: load, node: n}}\n", address, i, i)
	}
	kube := `{"apiVersion":"v1","kind":"Config","current-context":"c","clusters":[{"name":"c","cluster":{"server":"http://127.0.0.1:1"}}],"users":[{"name":"c","user":{}}],"contexts":[{"name":"c","context":{"cluster":"c","user":"c"}}]}`
	var errs []error
	for name, text := range map[string]string{"oriel.yaml": c.String(), "token": "oriel_c_AAAAAAAA_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", "kubeconfig": kube} {
		errs = append(errs, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return exec.Command(b.oriel, "agent", "--config="+filepath.Join(dir, "oriel.yaml"), "--kubeconfig="+filepath.Join(dir, "kubeconfig"), "--data-dir="+filepath.Join(dir, "data"),
		"--listen.http=127.0.0.1:0", "--listen.forward=", "--listen.journal="), errors.Join(errs...)
}

// serve is targets and receiver.
func (b *bench) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/t/"):
		b.page(w)
	case r.URL.Path == "/api/v1/write":
		body, err := io.ReadAll(r.Body)
		raw, derr := snappy.Decode(nil, body)
		var req writev2.Request
		if err := errors.Join(err, derr, proto.Unmarshal(raw, &req)); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		n := 0
		for _, ts := range req.Timeseries {
			n += len(ts.Samples)
		}
		b.samples.Add(int64(n))
		b.bytes.Add(int64(len(body)))
		b.requests.Add(1)
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(n))
		w.WriteHeader(http.StatusNoContent)
	case strings.HasPrefix(r.URL.Path, "/agent/v1/namespaces"):
		_, _ = io.WriteString(w, `{"decisions":[]}`)
	case r.URL.Path == "/agent/v1/heartbeat":
		_, _ = fmt.Fprintf(w, `{"now":%q}`, time.Now().Format(time.RFC3339Nano))
	default:
		http.NotFound(w, r)
	}
}

// page shows counters, half of which move.
func (b *bench) page(w http.ResponseWriter) {
	n := b.scraped.Add(1)
	var out bytes.Buffer
	out.WriteString("# HELP http_requests_total Requests by route.\n# TYPE http_requests_total counter\n")
	for i := range b.series {
		fmt.Fprintf(&out, "http_requests_total{method=\"GET\",code=\"%d\",route=\"/api/v1/things/%d\",version=\"1.2.3\"} %d\n", 200+i%5, i, n*int64(i%2)*int64(i)+int64(i))
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	_, _ = w.Write(out.Bytes())
}

// cpuOf is what all threads of a process have used, to a hundredth of a second.
func cpuOf(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memoryOf gives VmRSS or VmHWM in bytes.
func memoryOf(pid int, which string) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(l, which+":"); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("/proc has no " + which)
}
