package remote

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
)

// reference makes requests by Prometheus' own types: what the sender's encoder
// has to be equal to, and what the receiver's tests send.
type reference struct {
	owner   string
	symbols writev2.SymbolsTable
	series  []writev2.TimeSeries
	has     tally
}

func newRequest() *reference { return &reference{symbols: writev2.NewSymbolTable()} }

func (q *reference) add(ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, md metadata.Metadata, es []exemplar.Exemplar) {
	ts := writev2.TimeSeries{LabelsRefs: q.symbols.SymbolizeLabels(ls, nil)}
	if !md.IsEmpty() {
		ts.Metadata = writev2.Metadata{
			Type: writev2.FromMetadataType(md.Type), HelpRef: q.symbols.Symbolize(md.Help), UnitRef: q.symbols.Symbolize(md.Unit),
		}
	}
	switch {
	case fh != nil:
		ts.Histograms = []writev2.Histogram{writev2.FromFloatHistogram(st, t, fh)}
		q.has.histograms++
	case h != nil:
		ts.Histograms = []writev2.Histogram{writev2.FromIntHistogram(st, t, h)}
		q.has.histograms++
	default:
		ts.Samples = []writev2.Sample{{Value: v, Timestamp: t, StartTimestamp: st}}
		q.has.samples++
	}
	for _, e := range es {
		ts.Exemplars = append(ts.Exemplars, writev2.Exemplar{
			LabelsRefs: q.symbols.SymbolizeLabels(e.Labels, nil), Value: e.Value, Timestamp: e.Ts,
		})
		q.has.exemplars++
	}
	q.series = append(q.series, ts)
}

func (q *reference) message() *writev2.Request {
	return &writev2.Request{Symbols: q.symbols.Symbols(), Timeseries: q.series}
}

func (q *reference) item() ([]byte, error) {
	raw, err := q.message().OptimizedMarshal(nil)
	return appendItem(q.owner, q.has, raw), err
}

// spelled gives what a body of 2.0 says, a line for each series.
func spelled(t testing.TB, body []byte) (out []string) {
	t.Helper()
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		t.Fatal(err)
	}
	var req writev2.Request
	if err := proto.Unmarshal(raw, &req); err != nil {
		t.Fatal(err)
	}
	if len(req.Symbols) == 0 || req.Symbols[0] != "" {
		t.Errorf("the first symbol is not the empty one: %q", req.Symbols)
	}
	b := labels.NewScratchBuilder(0)
	for _, ts := range req.Timeseries {
		ls, err := ts.ToLabels(&b, req.Symbols)
		if err != nil {
			t.Fatal(err)
		}
		md, err := ts.ToMetadata(req.Symbols)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprint(ls, md)
		for _, s := range ts.Samples {
			line += fmt.Sprint(" ", s.StartTimestamp, s.Timestamp, math.Float64bits(s.Value))
		}
		for _, h := range ts.Histograms {
			line += " " + h.String()
		}
		for _, x := range ts.Exemplars {
			e, err := x.ToExemplar(&b, req.Symbols)
			if err != nil {
				t.Fatal(err)
			}
			line += fmt.Sprint(" ", e)
		}
		out = append(out, line)
	}
	return out
}

// kept is a queue that only keeps.
type kept struct {
	Queue
	mu    sync.Mutex
	items [][]byte
}

func (k *kept) Acked() uint64 { return 0 }

func (k *kept) Append(_ context.Context, item []byte) (uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.items = append(k.items, slices.Clone(item))
	return uint64(len(k.items)), nil
}

// TestItemSaysWhatWasAppended: scrape after scrape, by labels and by reference,
// with series that come and go, new help texts, histograms, exemplars and every
// kind of number, an item is what Prometheus' own encoder would have made.
func TestItemSaysWhatWasAppended(t *testing.T) {
	now := time.Now()
	q := &kept{}
	s, err := NewSender(SenderOptions{Queue: q, URL: "http://central/api/v1/write", Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	refs := map[string]storage.SeriesRef{}
	values := []float64{0, 1, math.Inf(1), math.NaN(), math.Float64frombits(0x7ff0000000000002), 1e300}
	for round := range 40 {
		want := newRequest()
		app := s.AppenderV2(t.Context())
		for i := range 100 {
			if (i+round)%7 == 0 {
				continue
			}
			ls := labels.FromStrings(model.MetricNameLabel, fmt.Sprintf("m%d", i%5), "i", fmt.Sprint(i), "life", fmt.Sprint(round/10), "leer", "ünï", "node", "n")
			md := metadata.Metadata{Type: model.MetricTypeCounter, Help: fmt.Sprint("help of ", i%5, " since ", round/25), Unit: "s"}
			var (
				h  *histogram.Histogram
				fh *histogram.FloatHistogram
				es []exemplar.Exemplar
			)
			switch i % 10 {
			case 3:
				h = tsdbutil.GenerateTestHistogram(int64(round))
			case 4:
				fh = tsdbutil.GenerateTestFloatHistogram(int64(round))
			case 5:
				es = []exemplar.Exemplar{{Labels: labels.FromStrings("trace", fmt.Sprint(round, i)), Value: 1, Ts: now.UnixMilli()}, {Value: 2}}
			case 6:
				md = metadata.Metadata{}
			}
			st, at, v := int64(i%3), now.UnixMilli(), values[(i+round)%len(values)]
			got, err := app.Append(refs[ls.String()], ls, st, at, v, h, fh, storage.AOptions{Metadata: md, Exemplars: es})
			if err != nil {
				t.Fatal(err)
			}
			// Only another dictionary gives a known series another reference.
			if old := refs[ls.String()]; old != got && old>>slotBits == got>>slotBits {
				t.Errorf("series %s had reference %x and now %x", ls, old, got)
			}
			refs[ls.String()] = got
			want.add(ls, st, at, v, h, fh, md, es)
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		item, err := want.item()
		if err != nil {
			t.Fatal(err)
		}
		owner, has, body, err := parseItem(q.items[round])
		if err != nil || owner != "" || has != want.has {
			t.Fatalf("round %d holds %+v of %q, want %+v: %v", round, has, owner, want.has, err)
		}
		_, wanted, _ := splitItem(item)
		got, wants := spelled(t, body), spelled(t, wanted)
		for i := range max(len(got), len(wants)) {
			if i >= len(got) || i >= len(wants) || got[i] != wants[i] {
				t.Fatalf("round %d, series %d: got %q, want %q", round, i, got[min(i, len(got)):][:1], wants[min(i, len(wants)):][:1])
			}
		}
		now = now.Add(time.Minute)
	}
}

// TestDictionaryForgets: what is written no longer does not stay for ever, and
// references of before are taken for what they are.
func TestDictionaryForgets(t *testing.T) {
	now := time.Now()
	q := &kept{}
	s, err := NewSender(SenderOptions{Queue: q, URL: "http://central/api/v1/write", Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	stays := labels.FromStrings(model.MetricNameLabel, "stays")
	write := func(fresh int, ref storage.SeriesRef) storage.SeriesRef {
		app := s.AppenderV2(t.Context())
		for i := range fresh {
			if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "goes", "n", fmt.Sprint(now.Unix(), i)), 0, now.UnixMilli(), 1, nil, nil, storage.AOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		ref, err := app.Append(ref, stays, 0, now.UnixMilli(), 1, nil, nil, storage.AOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		return ref
	}
	first := write(2*sweepFloor, 0)
	for range 3 {
		now = now.Add(sweepEvery)
		write(1, first)
	}
	last := write(0, first)
	if first>>slotBits == last>>slotBits {
		t.Error("the dictionary of long ago is still in use")
	}
	if n := len(s.series.at(now).view.Load().series); n > 100 {
		t.Errorf("%d series are kept, of which one is written", n)
	}
	_, _, body, err := parseItem(q.items[len(q.items)-1])
	if got := spelled(t, body); err != nil || len(got) != 1 || !strings.HasPrefix(got[0], `{__name__="stays"}`) {
		t.Errorf("%q %v", got, err)
	}
	// The order of labels in the text is no difference.
	app := s.AppenderV2(t.Context())
	a, _ := app.Append(0, labels.FromStrings(model.MetricNameLabel, "m", "a", "1", "b", "2"), 0, 1, 1, nil, nil, storage.AOptions{})
	b, _ := app.Append(0, labels.FromStrings("b", "2", "a", "1", model.MetricNameLabel, "m"), 0, 1, 1, nil, nil, storage.AOptions{})
	if a != b {
		t.Errorf("one series has references %x and %x", a, b)
	}
}

// TestManyWriteAtOnce is for the race detector, too.
func TestManyWriteAtOnce(t *testing.T) {
	q := &kept{}
	s, err := NewSender(SenderOptions{Queue: q, URL: "http://central/api/v1/write"})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			var refs [50]storage.SeriesRef
			for round := range 10 {
				app := s.AppenderV2(context.Background())
				for i := range refs {
					refs[i], _ = app.Append(refs[i], labels.FromStrings(model.MetricNameLabel, "m", "w", fmt.Sprint(w, i%20), "i", fmt.Sprint(i)), 0, int64(round), float64(i), nil, nil, storage.AOptions{})
				}
				if err := app.Commit(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	series := map[string]int{}
	for _, item := range q.items {
		_, _, body, err := parseItem(item)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range spelled(t, body) {
			series[line]++
		}
	}
	if len(series) != 8*50*10 {
		t.Errorf("%d samples, want %d", len(series), 8*50*10)
	}
}

func BenchmarkSenderAppend(b *testing.B) {
	s, err := NewSender(SenderOptions{Queue: &kept{}, URL: "http://central/api/v1/write"})
	if err != nil {
		b.Fatal(err)
	}
	var all []labels.Labels
	for i := range 1000 {
		all = append(all, labels.FromStrings(model.MetricNameLabel, "http_requests_total", "method", "GET", "code", fmt.Sprint(200+i%5), "route", fmt.Sprint("/api/v1/things/", i), "version", "1.2.3",
			"cluster", "bench", "region", "eu", "cloud", "private", "namespace", "bench", "pod", "p-1", "container", "load", "node", "n", "job", "load", "instance", "127.0.0.1:8080"))
	}
	refs := make([]storage.SeriesRef, len(all))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		app := s.AppenderV2(b.Context())
		for j, ls := range all {
			refs[j], _ = app.Append(refs[j], ls, 0, int64(i)*15_000, float64(i*j), nil, nil, storage.AOptions{Metadata: md})
		}
		if err := app.Commit(); err != nil {
			b.Fatal(err)
		}
		s.opts.Queue.(*kept).items = nil
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(all)), "ns/sample")
}
