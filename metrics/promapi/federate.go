package promapi

import (
	"cmp"
	"errors"
	"net/http"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/oriel-project/oriel/tenant"
)

// point is the present value of a series.
type point struct {
	ls labels.Labels
	t  int64
	v  float64
}

// federate answers /federate?match[]=...: the newest sample within the lookback
// of every series that one of the selectors matches, as untyped metrics with
// timestamps in the text format, or in the protobuf format for who prefers it.
// Where a series has no label "instance" an empty one is given, so that a
// scraper with honor_labels adds none. Native histograms, which the text format
// does not have, are left out; stale series too.
func (a *API) federate(w http.ResponseWriter, r *http.Request) {
	selectors := r.Form["match[]"]
	if len(selectors) == 0 {
		writeError(w, r, http.StatusBadRequest, `no match[] parameter: name the series to federate, such as match[]={job="shop"}`)
		return
	}
	matchers, err := a.parser.ParseMetricSelectors(selectors)
	if err != nil {
		writeError(w, r, http.StatusBadRequest, err.Error())
		return
	}
	points, err := a.present(r, matchers)
	if err != nil {
		writeError(w, r, http.StatusServiceUnavailable, err.Error())
		return
	}
	format := expfmt.NegotiateAccept(r.Header, expfmt.NewFormat(expfmt.TypeProtoDelim), expfmt.NewFormat(expfmt.TypeTextPlain))
	w.Header().Set("Content-Type", string(format))
	enc := expfmt.NewEncoder(w, format)
	for len(points) > 0 {
		name := points[0].ls.Get(model.MetricNameLabel)
		n := 1
		for n < len(points) && points[n].ls.Get(model.MetricNameLabel) == name {
			n++
		}
		if err := enc.Encode(family(name, points[:n])); err != nil {
			a.opts.Logger.Warn("federation_broke_off", "err", err)
			return
		}
		points = points[n:]
	}
}

// present gives the newest samples, ordered by metric name and labels.
func (a *API) present(r *http.Request, matchers [][]*labels.Matcher) ([]point, error) {
	now := a.opts.Clock()
	mint, maxt := now.Add(-lookback).UnixMilli(), now.UnixMilli()
	q, err := guarded{a.opts.Querier.Queryable(tenant.ReadFrom(r.Context())), a}.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	sets := make([]storage.SeriesSet, 0, len(matchers))
	for _, ms := range matchers {
		sets = append(sets, q.Select(r.Context(), true, &storage.SelectHints{Start: mint, End: maxt}, ms...))
	}
	var (
		out []point
		set = storage.NewMergeSeriesSet(sets, 0, storage.ChainedSeriesMerge)
		it  chunkenc.Iterator
	)
	for set.Next() {
		p := point{}
		it = set.At().Iterator(it)
		found := false
		for vt := it.Next(); vt != chunkenc.ValNone; vt = it.Next() {
			if found = vt == chunkenc.ValFloat; found {
				p.t, p.v = it.At()
			}
		}
		if it.Err() != nil {
			return nil, a.hide(it.Err())
		}
		if !found || value.IsStaleNaN(p.v) {
			continue
		}
		// The strings may lie in memory that is unmapped once the querier is closed.
		p.ls = cloneLabels(set.At().Labels())
		if p.ls.Get(model.MetricNameLabel) != "" {
			out = append(out, p)
		}
		if len(out) > a.opts.SamplesMax {
			return nil, errors.New("federation matches more series than one query may hold; give narrower match[] selectors")
		}
	}
	if set.Err() != nil {
		return nil, a.hide(set.Err())
	}
	slices.SortFunc(out, func(x, y point) int {
		return cmp.Or(cmp.Compare(x.ls.Get(model.MetricNameLabel), y.ls.Get(model.MetricNameLabel)), labels.Compare(x.ls, y.ls))
	})
	return out, nil
}

func cloneLabels(ls labels.Labels) labels.Labels {
	b := labels.NewScratchBuilder(ls.Len())
	ls.Range(func(l labels.Label) { b.Add(string([]byte(l.Name)), string([]byte(l.Value))) })
	return b.Labels()
}

// family gives the points, which are of one metric, as an untyped family.
func family(name string, points []point) *dto.MetricFamily {
	f := &dto.MetricFamily{Name: &name, Type: dto.MetricType_UNTYPED.Enum(), Metric: make([]*dto.Metric, 0, len(points))}
	for _, p := range points {
		m := &dto.Metric{TimestampMs: &p.t, Untyped: &dto.Untyped{Value: &p.v}}
		hasInstance := false
		p.ls.Range(func(l labels.Label) {
			if l.Name == model.MetricNameLabel {
				return
			}
			hasInstance = hasInstance || l.Name == model.InstanceLabel
			m.Label = append(m.Label, &dto.LabelPair{Name: &l.Name, Value: &l.Value})
		})
		if !hasInstance {
			empty, instance := "", string(model.InstanceLabel)
			m.Label = append(m.Label, &dto.LabelPair{Name: &instance, Value: &empty})
		}
		f.Metric = append(f.Metric, m)
	}
	return f
}
