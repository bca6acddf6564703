package self

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// notebook is an Appender that notes what it gets.
type notebook struct {
	storage.AppenderV2
	lines     []string
	committed bool
}

func (n *notebook) Appender(context.Context, tenant.Write) storage.AppenderV2 { return n }

func (n *notebook) Append(_ storage.SeriesRef, ls labels.Labels, _, _ int64, v float64, _ *histogram.Histogram, _ *histogram.FloatHistogram, o storage.AppendV2Options) (storage.SeriesRef, error) {
	n.lines = append(n.lines, fmt.Sprintf("%s %g %s", ls, v, o.Metadata.Type))
	return 0, nil
}
func (n *notebook) AppendExemplar(storage.SeriesRef, labels.Labels, exemplar.Exemplar) (storage.SeriesRef, error) {
	return 0, nil
}
func (n *notebook) Commit() error { n.committed = true; return nil }

func TestWrite(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oriel_x_total", Help: "X."}, []string{"reason"})
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "oriel_took_seconds", Help: "Took.", Buckets: []float64{0.5, 5}})
	other := prometheus.NewGauge(prometheus.GaugeOpts{Name: "go_something", Help: "Not ours."})
	reg.MustRegister(c, h, other)
	c.WithLabelValues("full").Add(3)
	h.Observe(1)
	h.Observe(60)
	n := &notebook{}
	if err := New(Options{Gatherer: reg, Appender: n, Write: scopetest.Write("any")}).write(t.Context(), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	slices.Sort(n.lines)
	want := strings.Split(strings.TrimSpace(`
{__name__="oriel_took_seconds_bucket", job="oriel", le="+Inf"} 2 histogram
{__name__="oriel_took_seconds_bucket", job="oriel", le="0.5"} 0 histogram
{__name__="oriel_took_seconds_bucket", job="oriel", le="5.0"} 1 histogram
{__name__="oriel_took_seconds_count", job="oriel"} 2 histogram
{__name__="oriel_took_seconds_sum", job="oriel"} 61 histogram
{__name__="oriel_x_total", job="oriel", reason="full"} 3 counter`), "\n")
	if d := cmp.Diff(want, n.lines); d != "" || !n.committed {
		t.Errorf("written, committed %v (-want +got):\n%s", n.committed, d)
	}
}
