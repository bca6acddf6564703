package otlp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/oriel-project/oriel/metrics"
)

const (
	aheadMax   = 10 * time.Minute // as with remote write
	reasonsMax = 5
	lookback   = 5 * time.Minute // of the engine: how often target_info is repeated
)

// places are the labels that Oriel has for where something runs, by the labels
// that the translation makes of resource attributes.
var places = []struct{ attribute, translated, label string }{
	{"k8s.namespace.name", "k8s_namespace_name", "namespace"},
	{"k8s.pod.name", "k8s_pod_name", "pod"},
	{"k8s.container.name", "k8s_container_name", "container"},
	{"k8s.node.name", "k8s_node_name", "node"},
}

// translate gives the series of a request to app. Its error tells of metrics
// that have no translation; the others are with app.
func translate(ctx context.Context, app *appender, md pmetric.Metrics) error {
	promoted := config.OTLPConfig{}
	for _, p := range places {
		promoted.PromoteResourceAttributes = append(promoted.PromoteResourceAttributes, p.attribute)
	}
	_, err := prometheusremotewrite.NewPrometheusConverter(app).FromMetrics(ctx, md, prometheusremotewrite.Settings{
		AddMetricSuffixes:         true,
		PromoteResourceAttributes: prometheusremotewrite.NewPromoteResourceAttributes(promoted),
		LookbackDelta:             lookback,
	})
	return err
}

// rejections are what can never be stored.
type rejections struct {
	n   int
	why []string // of each kind
}

func (r *rejections) add(n int, why string) {
	r.n += n
	if len(r.why) < reasonsMax && !slices.Contains(r.why, why) {
		r.why = append(r.why, why)
	}
}

// appender names the places as everything else here does, and takes what can
// never be stored out of the transaction instead of ending it.
type appender struct {
	storage.AppenderV2
	maxMillis int64

	stored  int
	out     rejections
	limited int // by a rate: they may come again
	after   time.Duration
	why     string
	failed  error // of the store: nothing of the request is stored
}

func (a *appender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	if a.failed != nil {
		return 0, nil //nolint:nilerr // the request as a whole fails by it
	}
	ls = a.place(ls)
	if t > a.maxMillis {
		a.out.add(1, fmt.Sprintf("the time of %s is too far in the future", ls))
		return 0, nil
	}
	ref, err := a.AppenderV2.Append(ref, ls, st, t, v, h, fh, opts)
	limit, limited := errors.AsType[*metrics.LimitError](err)
	switch {
	case err == nil || errors.Is(err, (*storage.AppendPartialError)(nil)): // of exemplars
		a.stored++
	case limited && limit.After > 0:
		a.limited++
		a.after, a.why = max(a.after, limit.After), limit.Error()
	case errors.Is(err, storage.ErrOutOfBounds), errors.Is(err, storage.ErrOutOfOrderSample), errors.Is(err, storage.ErrTooOldSample),
		errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		a.out.add(1, err.Error())
	default:
		if _, bad := errors.AsType[histogram.Error](err); bad {
			a.out.add(1, err.Error())
		} else {
			a.failed = err
		}
	}
	return ref, nil
}

func (a *appender) place(ls labels.Labels) labels.Labels {
	var b *labels.Builder
	for _, p := range places {
		v := ls.Get(p.translated)
		if v == "" {
			continue
		}
		if b == nil {
			b = labels.NewBuilder(ls)
		}
		b.Del(p.translated)
		b.Set(p.label, v)
	}
	if b == nil {
		return ls
	}
	return b.Labels()
}
