package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"

	"github.com/oriel-project/oriel/internal/queue"
	"github.com/oriel-project/oriel/metrics/tsdb"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var _ Queue = (*queue.Queue)(nil)

func openQueue(t testing.TB, dir string) *queue.Queue {
	t.Helper()
	q, err := queue.Open(dir, queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// eventually polls until ok, for a minute at most.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come about within a minute", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func start(t testing.TB, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func appendOne(t testing.TB, a storage.AppendableV2, name string, at time.Time, v float64) {
	t.Helper()
	app := a.AppenderV2(context.Background())
	if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, name), 0, at.UnixMilli(), v, nil, nil, storage.AOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

// TestEveryAcknowledgedSampleArrivesOnceAndInOrder sends through a receiver that
// fails in every way, with the sender stopped and its queue opened anew on the way.
func TestEveryAcknowledgedSampleArrivesOnceAndInOrder(t *testing.T) {
	store := openStore(t, t.TempDir())
	good := as(newReceiver(t, store), scopetest.Write("a"))
	var (
		n   atomic.Int64
		rnd = rand.New(rand.NewPCG(1, 2))
		mu  sync.Mutex
	)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		mu.Lock()
		fate := rnd.IntN(8)
		mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer t0" {
			fate = 5
		}
		switch fate {
		case 0:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 1:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		case 2: // stored, and the answer is lost
			good.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case 3:
			panic(http.ErrAbortHandler)
		case 5:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			good.ServeHTTP(w, r)
		}
	}))
	defer srv.Close()

	dir := t.TempDir()
	begin := time.Now().Truncate(time.Second).Add(-time.Minute)
	const total = 40
	for i := range total {
		if i%20 == 0 {
			q := openQueue(t, dir)
			s, err := NewSender(SenderOptions{Queue: q, URL: srv.URL + "/api/v1/write", Token: func() (string, error) { return "t0", nil }})
			if err != nil {
				t.Fatal(err)
			}
			s.backoffMin = time.Millisecond
			for j := i; j < i+20; j++ {
				appendOne(t, s, "m", begin.Add(time.Duration(j)*time.Second), float64(j))
			}
			stop := start(t, s.Run)
			eventually(t, "the delivery of a part", func() bool { items, _ := q.Len(); return items == 0 || i == 0 && items < 15 })
			stop()
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	var want []string
	for i := range total {
		want = append(want, fmt.Sprintf("%d@%d", i, i))
	}
	got := samples(t, store, scopetest.Read("a"), begin)[`{__name__="m", cloud="private", cluster="test", region="eu"}`]
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	t.Logf("%d requests for %d items", n.Load(), total)
}

func TestRefusedSamplesAreCountedAndPassedOver(t *testing.T) {
	var mode atomic.Value
	mode.Store("partial")
	var bodies atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bodies.Add(1)
		switch mode.Load() {
		case "partial":
			w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", "2")
			w.Header().Set("X-Prometheus-Remote-Write-Histograms-Written", "0")
			http.Error(w, "too old", http.StatusBadRequest)
		case "large":
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		case "old":
			if strings.Contains(r.Header.Get("Content-Type"), "v2") {
				w.WriteHeader(http.StatusUnsupportedMediaType)
			}
		}
	}))
	defer srv.Close()
	reg := prometheus.NewRegistry()
	q := openQueue(t, t.TempDir())
	s, err := NewSender(SenderOptions{Queue: q, URL: srv.URL, Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	start(t, s.Run)
	now := time.Now()
	for _, m := range []string{"partial", "large", "old"} {
		mode.Store(m)
		app := s.AppenderV2(context.Background()).(storage.ExemplarAppenderV2)
		for i := range 3 {
			ls := labels.FromStrings(model.MetricNameLabel, "m", "i", fmt.Sprint(i))
			ref, err := app.Append(0, ls, 0, now.UnixMilli(), 1, nil, nil, storage.AOptions{Metadata: metadata.Metadata{Help: "x"}})
			if err != nil || ref == 0 {
				t.Fatal(ref, err)
			}
			if _, err := app.AppendExemplars(ref, ls, []exemplar.Exemplar{{Value: 1, Ts: now.UnixMilli()}}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "h"), 0, now.UnixMilli(), 0, tsdbutil.GenerateTestHistogram(1), nil, storage.AOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := app.AppendExemplars(0, labels.FromStrings(model.MetricNameLabel, "none"), nil); !errors.Is(err, storage.ErrNotFound) {
			t.Error(err)
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the end of the queue", func() bool { items, _ := q.Len(); return items == 0 })
	}
	if n := bodies.Load(); n != 4 { // the last item once in each protocol
		t.Errorf("%d requests", n)
	}
	err = testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP oriel_agent_queue_dropped_samples_total Samples and exemplars that are lost: refused by central (reason is the HTTP status), or not storable in the queue.
# TYPE oriel_agent_queue_dropped_samples_total counter
oriel_agent_queue_dropped_samples_total{reason="400"} 5
oriel_agent_queue_dropped_samples_total{reason="413"} 7
# HELP oriel_agent_queue_sent_samples_total Samples that central has acknowledged.
# TYPE oriel_agent_queue_sent_samples_total counter
oriel_agent_queue_sent_samples_total 6
# HELP oriel_agent_queue_samples_total Samples that were made durable in the agent's queue.
# TYPE oriel_agent_queue_samples_total counter
oriel_agent_queue_samples_total 12
# HELP oriel_agent_up 1 while the agent delivers samples.
# TYPE oriel_agent_up gauge
oriel_agent_up 1
# HELP oriel_agent_queue_lag_seconds Age of the oldest samples that wait in the agent's queue.
# TYPE oriel_agent_queue_lag_seconds gauge
oriel_agent_queue_lag_seconds 0
`), "oriel_agent_queue_dropped_samples_total", "oriel_agent_queue_sent_samples_total", "oriel_agent_queue_samples_total", "oriel_agent_up", "oriel_agent_queue_lag_seconds")
	if err != nil {
		t.Error(err)
	}
}

func TestLargeTransactionsAreSplit(t *testing.T) {
	q := openQueue(t, t.TempDir())
	s, err := NewSender(SenderOptions{Queue: q, URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	app := s.AppenderV2(context.Background())
	for i := range 2*seriesPerItem + 1 {
		if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "m", "i", fmt.Sprint(i)), 0, 1, 1, nil, nil, storage.AOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	if items, _ := q.Len(); items != 3 {
		t.Errorf("%d items", items)
	}
}

func TestBadURL(t *testing.T) {
	for _, u := range []string{"", "central:7480", "ftp://x/", "http://"} {
		if _, err := NewSender(SenderOptions{Queue: openQueue(t, t.TempDir()), URL: u}); err == nil {
			t.Errorf("took %q", u)
		}
	}
}

const childDir = "ORIEL_TEST_RECEIVER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		receiveUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// receiveUntilKilled serves a store in dir and prints its address.
func receiveUntilKilled(dir string) {
	s, err := tsdb.Open(dir, tsdb.Options{})
	if err != nil {
		panic(err)
	}
	rc, err := NewReceiver(ReceiverOptions{Appender: s})
	if err != nil {
		panic(err)
	}
	fmt.Println(httptest.NewServer(as(rc, scopetest.Write("a"))).URL)
	select {}
}

// TestKilledReceiverKeepsWhatItAcknowledged kills a receiving process at any
// moment, several times, while samples are sent to it.
func TestKilledReceiverKeepsWhatItAcknowledged(t *testing.T) {
	dir := t.TempDir()
	begin := time.Now().Truncate(time.Second).Add(-time.Hour / 2)
	acked := map[string]bool{}
	next := 0
	for range 4 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childDir+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		var url string
		if _, err := fmt.Fscanln(out, &url); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(time.Duration(50+rand.IntN(200))*time.Millisecond, func() { _ = child.Process.Kill() })
		for {
			q := newRequest()
			var values []string
			for range 20 {
				q.add(labels.FromStrings(model.MetricNameLabel, "m"), 0, begin.Add(time.Duration(next)*time.Millisecond).UnixMilli(), float64(next), nil, nil, metadata.Metadata{}, nil)
				values = append(values, fmt.Sprint(next))
				next++
			}
			item, err := q.item()
			if err != nil {
				t.Fatal(err)
			}
			_, body, err := splitItem(item)
			if err != nil {
				t.Fatal(err)
			}
			req, err := http.NewRequest(http.MethodPost, url+"/api/v1/write", strings.NewReader(string(body)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", typeV2)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				break // killed
			}
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusNoContent {
				t.Fatalf("%s: %s", resp.Status, text)
			}
			for _, v := range values {
				acked[v] = true
			}
		}
		kill.Stop()
		_ = child.Wait()
	}
	stored := map[string]bool{}
	for _, one := range samples(t, openStore(t, dir), scopetest.Read("a"), begin) {
		for _, s := range one {
			v, _, _ := strings.Cut(s, "@")
			if stored[v] {
				t.Errorf("sample %s is there twice", v)
			}
			stored[v] = true
		}
	}
	for v := range acked {
		if !stored[v] {
			t.Errorf("sample %s was acknowledged and is gone", v)
		}
	}
	t.Logf("%d samples acknowledged, %d stored, over 4 kills", len(acked), len(stored))
	if len(acked) == 0 {
		t.Error("nothing was acknowledged before the first kill")
	}
}

func BenchmarkReceive(b *testing.B) {
	s := openStore(b, b.TempDir())
	h := as(newReceiver(b, s), scopetest.Write("a"))
	const series = 2000
	var bodies [][]byte
	begin := time.Now().Add(-time.Hour)
	for i := range b.N {
		q := newRequest()
		for j := range series {
			q.add(labels.FromStrings(model.MetricNameLabel, "http_requests_total", "pod", fmt.Sprintf("pod-%d", j%100), "code", fmt.Sprint(j), "namespace", "shop", "cluster", "test", "region", "eu", "cloud", "private"),
				0, begin.Add(time.Duration(i)*time.Second).UnixMilli(), float64(i*j), nil, nil, md, nil)
		}
		item, err := q.item()
		if err != nil {
			b.Fatal(err)
		}
		_, body, _ := splitItem(item)
		bodies = append(bodies, body)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for _, body := range bodies {
		if got := post(h, typeV2, "snappy", body); got.Code != 204 {
			b.Fatal(got.Code, got.Body)
		}
	}
	b.ReportMetric(float64(b.N*series)/b.Elapsed().Seconds(), "samples/s")
}
