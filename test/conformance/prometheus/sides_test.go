//go:build real

// Package prometheus holds Oriel against a real Prometheus of the same version:
// both get the same series by remote write, and are asked the same over HTTP.
package prometheus

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/labels"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/metrics/metricstest"
	"github.com/oriel-project/oriel/metrics/promapi"
	"github.com/oriel-project/oriel/metrics/remote"
	"github.com/oriel-project/oriel/metrics/tsdb"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
	"github.com/oriel-project/oriel/test/peers"
)

// The series lie in the last hour; everything is asked within it.
var (
	until = time.Now().Add(-time.Minute).Truncate(time.Minute)
	since = until.Add(-time.Hour)
)

// stamp is what Oriel stamps on whatever the test's credential writes: series
// that carry it already are the same on both sides.
var stamp = []string{"cluster", "test", "region", "eu", "cloud", "private", "namespace", "shop"}

type sides struct{ oriel, real string } // base URLs

// start gives both with the series of metricstest. The other tenant's series in
// Oriel have the same names, and other values.
func start(t *testing.T, seed uint64) sides {
	t.Helper()
	s := sides{oriel: serveOriel(t), real: startPrometheus(t)}
	series := metricstest.MakeSeries(seed, since, until, 15*time.Second, stamp...)
	for _, body := range requests(t, series) {
		send(t, s.real+"/api/v1/write", body)
		send(t, s.oriel+"/api/v1/write", body)
	}
	for _, body := range requests(t, metricstest.MakeSeries(seed+1, since, until, 15*time.Second, append(stamp[:7:7], "other-shop", "secret", "x")...)) {
		send(t, s.oriel+"/other/api/v1/write", body)
	}
	return s
}

// serveOriel serves the store's APIs to one team; below /other to another one.
func serveOriel(t *testing.T) string {
	t.Helper()
	store, err := tsdb.Open(t.TempDir(), tsdb.Options{OutOfOrder: 3 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	prom, err := promapi.New(promapi.Options{Querier: store, Metadata: store.Metadata})
	if err != nil {
		t.Fatal(err)
	}
	write, err := remote.NewReceiver(remote.ReceiverOptions{Appender: store})
	if err != nil {
		t.Fatal(err)
	}
	apis := httpx.Join(prom, write)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := tenant.ID("shop")
		if rest, ok := strings.CutPrefix(r.URL.Path, "/other"); ok {
			id, r.URL.Path = "other", rest
		}
		ctx := tenant.WithWrite(tenant.WithRead(r.Context(), scopetest.Read(id)), scopetest.Write(id))
		apis.ServeHTTP(w, r.WithContext(ctx))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func startPrometheus(t *testing.T) string {
	t.Helper()
	bin, err := peers.Prometheus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir, listen := t.TempDir(), freeAddress(t)
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte("storage: {tsdb: {out_of_order_time_window: 3h}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(bin.Server, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+listen, "--web.enable-remote-write-receiver", "--enable-feature=exemplar-storage")
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("log of prometheus: %.3000s", log.String())
		}
	})
	base := "http://" + listen
	for until := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if resp, err := http.Get(base + "/-/ready"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == 200 {
				return base
			}
		}
		if time.Now().After(until) {
			t.Fatalf("prometheus is not ready: %s", log.String())
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// requests gives remote write 2.0 bodies, a series' samples in order.
func requests(t *testing.T, series []metricstest.Series) [][]byte {
	t.Helper()
	var out [][]byte
	for from := 0; from < len(series); from += 20 {
		symbols := writev2.NewSymbolTable()
		req := writev2.Request{}
		for _, s := range series[from:min(from+20, len(series))] {
			if len(s.Samples) == 0 {
				continue
			}
			ts := writev2.TimeSeries{LabelsRefs: symbols.SymbolizeLabels(s.Labels, nil)}
			for _, one := range s.Samples {
				if one.H != nil {
					ts.Histograms = append(ts.Histograms, writev2.FromIntHistogram(0, one.T, one.H))
				} else {
					ts.Samples = append(ts.Samples, writev2.Sample{Value: one.V, Timestamp: one.T})
				}
			}
			if ts.Samples != nil {
				last := ts.Samples[len(ts.Samples)-1]
				ts.Exemplars = []writev2.Exemplar{{LabelsRefs: symbols.SymbolizeLabels(labels.FromStrings("trace_id", s.Labels.Get("pod")), nil), Value: last.Value, Timestamp: last.Timestamp}}
			}
			req.Timeseries = append(req.Timeseries, ts)
		}
		req.Symbols = symbols.Symbols()
		b, err := proto.Marshal(&req)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, snappy.Encode(nil, b))
	}
	return out
}

func send(t *testing.T, target string, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("X-Prometheus-Remote-Write-Version", "2.0.0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode/100 != 2 {
		t.Fatalf("POST %s: %d %.1000s", target, resp.StatusCode, text)
	}
}

// ask gives "status body".
func ask(t *testing.T, base, path string, params url.Values) string {
	t.Helper()
	resp, err := http.Get(base + path + "?" + params.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, b)
}
