package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/klauspost/compress/snappy"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/metrics/tsdb"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

func openStore(t testing.TB, dir string) *tsdb.Store {
	t.Helper()
	s, err := tsdb.Open(dir, tsdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newReceiver(t testing.TB, a metrics.Appender) *Receiver {
	t.Helper()
	rc, err := NewReceiver(ReceiverOptions{Appender: a})
	if err != nil {
		t.Fatal(err)
	}
	return rc
}

// as serves h to a caller with one write scope.
func as(h http.Handler, w tenant.Write) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(rw, r.WithContext(tenant.WithWrite(r.Context(), w)))
	})
}

// samples gives "value@seconds" of everything that the scope sees, by series.
func samples(t testing.TB, s *tsdb.Store, r tenant.Read, since time.Time) map[string][]string {
	t.Helper()
	q, err := s.Queryable(r).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	out := map[string][]string{}
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+"))
	for set.Next() {
		it := set.At().Iterator(nil)
		name := strings.Clone(set.At().Labels().String())
		for vt := it.Next(); vt != chunkenc.ValNone; vt = it.Next() {
			sec := (it.AtT() - since.UnixMilli()) / 1000
			if vt == chunkenc.ValFloat {
				_, v := it.At()
				out[name] = append(out[name], fmt.Sprintf("%g@%d", v, sec))
			} else {
				_, fh := it.AtFloatHistogram(nil)
				out[name] = append(out[name], fmt.Sprintf("h%g@%d", fh.Count, sec))
			}
		}
	}
	if set.Err() != nil {
		t.Fatal(set.Err())
	}
	return out
}

var md = metadata.Metadata{Type: "counter", Help: "how many"}

func TestReceiverTakesBothVersions(t *testing.T) {
	s := openStore(t, t.TempDir())
	owners := scopetest.Owners{Of: map[string]tenant.ID{"eu-1/shop": "shop"}}
	srv := httptest.NewServer(as(newReceiver(t, s), scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, owners)))
	defer srv.Close()
	// The field's own client.
	api, err := remoteapi.NewAPI(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Second)
	at := func(sec int) int64 { return now.Add(time.Duration(sec) * time.Second).UnixMilli() }

	q := newRequest()
	shop := labels.FromStrings(model.MetricNameLabel, "m_total", "namespace", "shop", "cluster", "forged")
	q.add(shop, 0, at(-2), 1, nil, nil, md, []exemplar.Exemplar{{Labels: labels.FromStrings("trace", "x"), Value: 1, Ts: at(-2)}})
	q.add(shop, 0, at(-1), 2, nil, nil, md, nil)
	q.add(labels.FromStrings(model.MetricNameLabel, "h", "namespace", "shop"), 0, at(-1), 0, tsdbutil.GenerateTestHistogram(1), nil, metadata.Metadata{}, nil)
	q.add(labels.FromStrings(model.MetricNameLabel, "node", "node", "n1"), 0, at(-1), 7, nil, nil, metadata.Metadata{}, nil)
	stats, err := api.Write(t.Context(), remoteapi.WriteV2MessageType, q.message())
	if err != nil || stats.Samples != 3 || stats.Histograms != 1 || stats.Exemplars != 1 {
		t.Errorf("2.0: %+v %v", stats, err)
	}
	_, err = api.Write(t.Context(), remoteapi.WriteV1MessageType, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels:  []prompb.Label{{Name: "__name__", Value: "m_total"}, {Name: "namespace", Value: "shop"}},
		Samples: []prompb.Sample{{Value: 3, Timestamp: at(0)}},
	}}})
	if err != nil {
		t.Errorf("1.0: %v", err)
	}
	got := samples(t, s, scopetest.Read("shop"), now)
	if m := got[`{__name__="m_total", cluster="eu-1", namespace="shop"}`]; !slices.Equal(m, []string{"1@-2", "2@-1", "3@0"}) {
		t.Errorf("%v", got)
	}
	if m := got[`{__name__="h", cluster="eu-1", namespace="shop"}`]; len(m) != 1 {
		t.Errorf("%v", got)
	}
	if got := samples(t, s, scopetest.Read(tenant.System), now); len(got) != 1 {
		t.Errorf("%v", got)
	}
	if got := s.Metadata(scopetest.Read("shop")); got["m_total"][0].Help != "how many" {
		t.Errorf("%v", got)
	}
}

func post(h http.Handler, contentType, encoding string, body []byte) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/api/v1/write", bytes.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec
}

const (
	typeV1 = "application/x-protobuf"
	typeV2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
)

func pack(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, b)
}

func TestGoodPartIsStored(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	old := now.Add(-2 * time.Hour).UnixMilli()
	for _, c := range []struct {
		name, contentType string
		body              func(name string, at int64, v float64) (series any)
	}{{name: "1.0", contentType: typeV1}, {name: "2.0", contentType: typeV2}} {
		s := openStore(t, t.TempDir())
		h := as(newReceiver(t, s), scopetest.Write("a"))
		send := func(at int64) *httptest.ResponseRecorder {
			q := newRequest()
			q.add(labels.FromStrings(model.MetricNameLabel, "bad"), 0, at, 1, nil, nil, metadata.Metadata{}, nil)
			q.add(labels.FromStrings(model.MetricNameLabel, "good", "at", fmt.Sprint(at)), 0, now.UnixMilli(), 2, nil, nil, metadata.Metadata{}, nil)
			item, err := q.item()
			if err != nil {
				t.Fatal(err)
			}
			_, body, err := splitItem(item)
			if err == nil && c.contentType == typeV1 {
				body, err = asV1(body)
			}
			if err != nil {
				t.Fatal(err)
			}
			return post(h, c.contentType, "snappy", body)
		}
		if got := send(now.UnixMilli()); got.Code != http.StatusNoContent {
			t.Errorf("%s: %d %s", c.name, got.Code, got.Body)
		}
		got := send(old) // too old a sample for its series, and a good one
		if got.Code != http.StatusBadRequest || !strings.Contains(got.Body.String(), "bad") {
			t.Errorf("%s: %d %s", c.name, got.Code, got.Body)
		}
		if n := got.Header().Get("X-Prometheus-Remote-Write-Samples-Written"); c.contentType == typeV2 && n != "1" {
			t.Errorf("%s: %s samples written", c.name, n)
		}
		if n := len(samples(t, s, scopetest.Read("a"), now)); n != 3 {
			t.Errorf("%s: %d series are stored, want 3", c.name, n)
		}
	}
}

// breaking is an appender whose store is gone.
type breaking struct{}

func (breaking) Appender(context.Context, tenant.Write) storage.AppenderV2 { return breakingApp{} }

type breakingApp struct{ storage.ExemplarAppenderV2 }

func (breakingApp) Append(storage.SeriesRef, labels.Labels, int64, int64, float64, *histogram.Histogram, *histogram.FloatHistogram, storage.AOptions) (storage.SeriesRef, error) {
	return 1, nil
}
func (breakingApp) Commit() error {
	return errors.New("write /var/lib/oriel/metrics/b/wal: no space left")
}
func (breakingApp) Rollback() error { return nil }

func TestReceiverRefuses(t *testing.T) {
	s := openStore(t, t.TempDir())
	h := as(newReceiver(t, s), scopetest.Write("a"))
	small, err := NewReceiver(ReceiverOptions{Appender: s, BodyBytesMax: 10})
	if err != nil {
		t.Fatal(err)
	}
	one := func(ls ...string) *writev2.Request {
		q := newRequest()
		q.add(labels.FromStrings(ls...), 0, time.Now().UnixMilli(), 1, nil, nil, metadata.Metadata{}, nil)
		return q.message()
	}
	good := one(model.MetricNameLabel, "m")
	outside := one(model.MetricNameLabel, "m")
	outside.Timeseries[0].LabelsRefs = []uint32{1, 99}
	twice := one(model.MetricNameLabel, "m")
	twice.Timeseries[0].LabelsRefs = append(twice.Timeseries[0].LabelsRefs, twice.Timeseries[0].LabelsRefs...)
	// One byte of length and none of content, each: 80 bytes of memory for two.
	many := bytes.Repeat([]byte{0x2a, 0x00}, messagesMax+1)
	nested := append([]byte{0x2a, 0xc2, 0x84, 0x3d}, bytes.Repeat([]byte{0x1a, 0x00}, 500_001)...)

	for _, c := range []struct {
		name        string
		h           http.Handler
		contentType string
		encoding    string
		body        []byte
		want        int
	}{
		{"good", h, typeV2, "snappy", pack(t, good), 204},
		{"no content type's parameter", h, typeV1, "snappy", pack(t, &prompb.WriteRequest{}), 204},
		{"json", h, "application/json", "", []byte("{}"), 415},
		{"unknown message", h, "application/x-protobuf;proto=x", "snappy", pack(t, good), 415},
		{"zstd", h, typeV2, "zstd", pack(t, good), 415},
		{"not compressed", h, typeV2, "snappy", []byte("hello"), 400},
		{"claims 4 GB", h, typeV2, "snappy", []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0}, 400},
		{"torn", h, typeV2, "snappy", pack(t, good)[:10], 400},
		{"not protobuf", h, typeV2, "snappy", snappy.Encode(nil, []byte("\xff\xff\xff")), 400},
		{"symbol outside", h, typeV2, "snappy", pack(t, outside), 400},
		{"label twice", h, typeV2, "snappy", pack(t, twice), 400},
		{"no name", h, typeV2, "snappy", pack(t, one("a", "b")), 400},
		{"too many messages", h, typeV2, "snappy", snappy.Encode(nil, many), 400},
		{"too many within one", h, typeV2, "snappy", snappy.Encode(nil, nested), 400},
		{"too large", as(small, scopetest.Write("a")), typeV2, "snappy", pack(t, good), 413},
		{"no scope", as(newReceiver(t, s), tenant.Write{}), typeV2, "snappy", pack(t, good), 403},
		{"store is gone", as(newReceiver(t, breaking{}), scopetest.Write("a")), typeV2, "snappy", pack(t, good), 500},
	} {
		got := post(c.h, c.contentType, c.encoding, c.body)
		if got.Code != c.want || strings.Contains(got.Body.String(), "/var/lib") {
			t.Errorf("%s: %d %s, want %d", c.name, got.Code, got.Body, c.want)
		}
	}
	if n := len(samples(t, s, scopetest.Operator(), time.Now())); n != 1 {
		t.Errorf("%d series are stored, want the good one", n)
	}
}

func FuzzReceiver(f *testing.F) {
	s, err := tsdb.Open(f.TempDir(), tsdb.Options{})
	if err != nil {
		f.Fatal(err)
	}
	defer s.Close()
	h := as(newReceiver(f, s), scopetest.Write("a"))
	q := newRequest()
	q.add(labels.FromStrings(model.MetricNameLabel, "m", "a", "b"), 1, 2, 1, nil, nil, md, []exemplar.Exemplar{{Labels: labels.FromStrings("t", "x"), Value: 1, Ts: 2}})
	q.add(labels.FromStrings(model.MetricNameLabel, "h"), 1, 2, 1, tsdbutil.GenerateTestHistogram(1), nil, metadata.Metadata{}, nil)
	v2, err := proto.Marshal(q.message())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(v2, true)
	f.Add([]byte{0x0a, 0x02, 0x0a, 0x00}, false)
	f.Fuzz(func(t *testing.T, raw []byte, newer bool) {
		contentType := typeV1
		if newer {
			contentType = typeV2
		}
		if got := post(h, contentType, "snappy", snappy.Encode(nil, raw)); got.Code >= 500 {
			t.Errorf("%d %s", got.Code, got.Body)
		}
		_ = post(h, contentType, "snappy", raw)
		_, _, _ = splitItem(raw)
		_, _ = asV1(raw)
	})
}
