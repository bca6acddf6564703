package remote

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/internal/queue"
)

// decoded gives the samples of a request, as "owner i@value".
func decoded(t testing.TB, r *http.Request) (out []float64, namespace string) {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	raw, err := snappy.Decode(nil, b)
	if err != nil {
		t.Error(err)
	}
	var req writev2.Request
	if err := proto.Unmarshal(raw, &req); err != nil {
		t.Error(err)
	}
	lb := labels.NewScratchBuilder(0)
	for _, ts := range req.Timeseries {
		ls, err := ts.ToLabels(&lb, req.Symbols)
		if err != nil {
			t.Error(err)
		}
		switch ns := ls.Get("namespace"); {
		case namespace == "":
			namespace = ns
		case namespace != ns:
			t.Errorf("one request has samples of %s and of %s", namespace, ns)
		}
		for _, s := range ts.Samples {
			out = append(out, s.Value)
		}
	}
	return out, namespace
}

func appendTo(t testing.TB, a storage.AppendableV2, v float64, namespaces ...string) {
	t.Helper()
	app := a.AppenderV2(context.Background())
	for _, ns := range namespaces {
		if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "m", "namespace", ns), 0, int64(v), v, nil, nil, storage.AOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

// TestWhatCentralLosesIsSentAgain sends to a receiver that loses power: what it
// had not made durable is gone. In the end it has everything, in order.
func TestWhatCentralLosesIsSentAgain(t *testing.T) {
	const total = 300
	for seed := range uint64(5) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var (
			mu                  sync.Mutex
			durable, volatile   []float64
			epoch, losses       = 1, 0
			generation, settled = uint64(1), uint64(0)
		)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			vs, _ := decoded(t, r)
			mu.Lock()
			defer mu.Unlock()
			if known := r.Header.Get(DurabilityHeader); known != "" && known != fmt.Sprint("e", epoch) {
				w.Header().Set(DurabilityHeader, durability{fmt.Sprint("e", epoch), generation, settled}.String())
				w.WriteHeader(http.StatusPreconditionFailed)
				return
			}
			volatile = append(volatile, vs...)
			w.Header().Set(DurabilityHeader, durability{fmt.Sprint("e", epoch), generation, settled}.String())
			switch rnd.IntN(4) {
			case 0: // an fsync
				durable, volatile = append(durable, volatile...), nil
				settled = generation
				generation++
			case 1: // a power cut: the answer may get through, or not
				if losses++; losses > 20 {
					break
				}
				volatile = nil
				epoch++
				generation, settled = 1, 0
				if rnd.IntN(2) == 0 {
					panic(http.ErrAbortHandler)
				}
			}
		}))
		q := openQueue(t, t.TempDir())
		s, err := NewSender(SenderOptions{Queue: q, URL: srv.URL})
		if err != nil {
			t.Fatal(err)
		}
		s.backoffMin = time.Millisecond
		stop := start(t, s.Run)
		for i := range total {
			appendTo(t, s, float64(i), "shop")
			if i%10 == 0 {
				<-time.After(time.Millisecond) // so that there are several requests
			}
		}
		// A heartbeat's answer, as one comes every few seconds.
		eventually(t, "everything durable", func() bool {
			mu.Lock()
			if len(volatile) > 0 && volatile[len(volatile)-1] == total-1 || len(durable) > 0 && durable[len(durable)-1] == total-1 {
				durable, volatile = append(durable, volatile...), nil
				settled = generation
				generation++
			}
			e, d := fmt.Sprint("e", epoch), settled
			mu.Unlock()
			if err := s.Durable(e, d); err != nil {
				t.Error(err)
			}
			items, _ := q.Len()
			return items == 0
		})
		stop()
		srv.Close()
		mu.Lock()
		var got []float64
		for _, v := range durable {
			if len(got) == 0 || v > got[len(got)-1] {
				got = append(got, v)
			} else if !slices.Contains(got, v) {
				t.Fatalf("seed %d: %g came after %g", seed, v, got[len(got)-1])
			}
		}
		if len(got) != total {
			t.Errorf("seed %d: %d of %d samples are there after %d power cuts", seed, len(got), total, losses)
		}
		mu.Unlock()
	}
}

// TestOneTenantsRefusalHoldsUpNobody: one tenant is put off, over a restart, and
// then taken again.
func TestOneTenantsRefusalHoldsUpNobody(t *testing.T) {
	var (
		mu   sync.Mutex
		got  = map[string][]float64{}
		full = true
	)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		vs, ns := decoded(t, r)
		mu.Lock()
		defer mu.Unlock()
		if ns == "shop" && full {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		got[ns] = append(got[ns], vs...)
	}))
	defer srv.Close()
	dir := t.TempDir()
	run := func(before ...string) (*Sender, func()) {
		q, err := queue.Open(filepath.Join(dir, "main"), queue.Options{})
		if err != nil {
			t.Fatal(err)
		}
		opened := []*queue.Queue{q}
		s, err := NewSender(SenderOptions{
			Queue: q, URL: srv.URL, Owner: strings.ToUpper, HeldBefore: before,
			Held: func(owner string) (Queue, error) {
				h, err := queue.Open(filepath.Join(dir, owner), queue.Options{})
				mu.Lock()
				opened = append(opened, h)
				mu.Unlock()
				return h, err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.backoffMin, s.putOffMax = time.Millisecond, 5*time.Millisecond
		stop := start(t, s.Run)
		return s, func() {
			stop()
			for _, q := range opened {
				if err := q.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	}
	has := func(ns string, n int) func() bool {
		return func() bool { mu.Lock(); defer mu.Unlock(); return len(got[ns]) >= n }
	}
	s, stop := run()
	for i := range 50 {
		appendTo(t, s, float64(i), "shop", "billing")
	}
	eventually(t, "the other tenant's samples", has("billing", 50))
	eventually(t, "an empty main queue", func() bool { return !s.main.busy() })
	if s.Lag() <= 0 {
		t.Error("what is held up does not count as lag")
	}
	stop()
	s, stop = run("SHOP")
	for i := 50; i < 100; i++ {
		appendTo(t, s, float64(i), "shop", "billing")
	}
	eventually(t, "the other tenant's samples after a restart", has("billing", 100))
	mu.Lock()
	full = false
	mu.Unlock()
	eventually(t, "what was held up", has("shop", 100))
	for i := 100; i < 120; i++ {
		appendTo(t, s, float64(i), "shop")
	}
	eventually(t, "what came after", has("shop", 120))
	stop()
	for ns, vs := range got {
		if !slices.IsSorted(vs) {
			t.Errorf("%s: not in order: %v", ns, vs)
		}
	}
}

// TestHeldGoesFirstToAnotherEpoch: central answers what waited in a tenant's own queue,
// and loses power before it is durable. What the tenant has sent since comes behind it.
func TestHeldGoesFirstToAnotherEpoch(t *testing.T) {
	var (
		mu    sync.Mutex
		full  = true
		epoch = "e1"
		got   []float64
	)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		vs, _ := decoded(t, r)
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set(DurabilityHeader, durability{epoch, 1, 0}.String())
		switch known := r.Header.Get(DurabilityHeader); {
		case full:
			w.WriteHeader(http.StatusTooManyRequests)
		case known != "" && known != epoch:
			w.WriteHeader(http.StatusPreconditionFailed)
		default:
			got = append(got, vs...)
		}
	}))
	defer srv.Close()
	has := func(n int) func() bool {
		return func() bool { mu.Lock(); defer mu.Unlock(); return len(got) >= n }
	}
	s, err := NewSender(SenderOptions{
		Queue: openQueue(t, t.TempDir()), URL: srv.URL, Owner: strings.ToUpper,
		Held: func(string) (Queue, error) { return openQueue(t, t.TempDir()), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.backoffMin, s.putOffMax = time.Millisecond, 5*time.Millisecond
	defer start(t, s.Run)()
	for i := range 5 {
		appendTo(t, s, float64(i), "shop")
	}
	eventually(t, "the tenant's queue", func() bool { return !s.main.busy() })
	mu.Lock()
	full = false
	mu.Unlock()
	eventually(t, "what waited", has(5))
	eventually(t, "an empty queue", func() bool { return !slices.ContainsFunc(s.lanes(), (*lane).busy) })
	// The main queue's own answers are of that epoch, too.
	appendTo(t, s, 5, "shop")
	eventually(t, "what came after", has(6))
	mu.Lock()
	epoch, got = "e2", nil
	mu.Unlock()
	appendTo(t, s, 6, "shop")
	eventually(t, "everything again", has(7))
	mu.Lock()
	defer mu.Unlock()
	if !slices.IsSorted(got) {
		t.Errorf("not in order: %v", got)
	}
}

// An answer of an epoch that is over, as another lane has learned meanwhile, is none.
func TestAnswerOfAnEpochThatIsOver(t *testing.T) {
	s, err := NewSender(SenderOptions{Queue: openQueue(t, t.TempDir()), URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, s, 1, "shop")
	l := s.main
	began := "e1"
	s.lastEpoch.Store(&began) // of another lane
	if got := l.knownEpoch(); got != "e1" {
		t.Errorf("the first request is for %q", got)
	}
	l.began("e2") // while a request to e1 is under way
	if err := l.passed(1, "e1", []durability{{"e1", 3, 2}}); err != nil || !l.busy() {
		t.Errorf("%v; sent again: %t", err, l.busy())
	}
	l.takeRewind()
	if err := l.passed(1, l.knownEpoch(), []durability{{"e2", 1, 0}}); err != nil || l.busy() {
		t.Errorf("%v; sent again: %t", err, l.busy())
	}
}

// TestMerge: what goes in one request is what was in several.
func TestMerge(t *testing.T) {
	var bodies [][]byte
	var want []string
	for i := range 3 {
		q := newRequest()
		for j := range 4 {
			q.add(labels.FromStrings(model.MetricNameLabel, "m", "j", fmt.Sprint(j), "i", fmt.Sprint(i)), int64(i), int64(j), float64(i*j), nil, nil,
				metadata.Metadata{Type: model.MetricTypeCounter, Help: fmt.Sprint("help ", j), Unit: "s"},
				[]exemplar.Exemplar{{Labels: labels.FromStrings("trace", fmt.Sprint(i, j)), Value: 1, Ts: 2}})
		}
		item, err := q.item()
		if err != nil {
			t.Fatal(err)
		}
		_, body, err := splitItem(item)
		if err != nil {
			t.Fatal(err)
		}
		bodies, want = append(bodies, body), append(want, spelled(t, body)...)
	}
	merged, err := merge(bodies)
	if err != nil {
		t.Fatal(err)
	}
	if got := spelled(t, merged); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if _, err := merge([][]byte{bodies[0], []byte("x")}); err == nil {
		t.Error("took what is no snappy block")
	}
}

func TestDurabilityHeader(t *testing.T) {
	for text, want := range map[string]durability{
		"e 2 1": {"e", 2, 1}, "": {}, "e": {}, "e x 1": {}, "e 1 x": {}, "e 1 -1": {}, "e 1 2 3": {},
	} {
		if got := parseDurability(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func FuzzItem(f *testing.F) {
	q := newRequest()
	q.owner = "shop"
	q.add(labels.FromStrings(model.MetricNameLabel, "m"), 0, 1, 1, nil, nil, metadata.Metadata{}, nil)
	item, err := q.item()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(item)
	f.Add([]byte{itemVersionOld, 1, 0, 0})
	f.Add([]byte{itemVersion, 200, 1})
	f.Fuzz(func(t *testing.T, item []byte) {
		owner, has, body, err := parseItem(item)
		if err == nil && (len(owner)+len(body) > len(item) || has.all() < 0) {
			t.Errorf("%d bytes hold an owner of %d and a body of %d", len(item), len(owner), len(body))
		}
		_, _ = merge([][]byte{body, body})
		_, _ = merge([][]byte{snappy.Encode(nil, body), snappy.Encode(nil, body)})
	})
}
