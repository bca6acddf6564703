package promapi

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"
	v1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

// statusLimitMax is Prometheus' own bound on status/tsdb?limit=.
const statusLimitMax = 10_000

// statusTSDB answers /api/v1/status/tsdb over the databases of the scope, in
// Prometheus' shape. Chunks are not counted (0): the engine tells of them in
// metrics alone, which are not registered here.
func (a *API) statusTSDB(w http.ResponseWriter, r *http.Request) {
	limit := 10
	if s := r.Form.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			writeError(w, r, http.StatusBadRequest, "limit must be a positive number")
			return
		}
		if n > statusLimitMax {
			writeError(w, r, http.StatusBadRequest, "limit must not exceed "+strconv.Itoa(statusLimitMax))
			return
		}
		limit = n
	}
	c, err := a.opts.Cardinality(r.Context(), tenant.ReadFrom(r.Context()), limit)
	if err != nil {
		writeError(w, r, http.StatusServiceUnavailable, a.hide(err).Error())
		return
	}
	writeData(w, v1.TSDBStatus{
		HeadStats: v1.HeadStats{
			NumSeries: uint64(c.Series), NumLabelPairs: c.LabelPairs, MinTime: c.MinTimeMillis, MaxTime: c.MaxTimeMillis,
		},
		SeriesCountByMetricName:     statsOf(c.SeriesByMetric),
		LabelValueCountByLabelName:  statsOf(c.ValuesByLabel),
		MemoryInBytesByLabelName:    statsOf(c.BytesByLabel),
		SeriesCountByLabelValuePair: statsOf(c.SeriesByLabelPair),
	})
}

func statsOf(counts []metrics.Count) []v1.TSDBStat {
	out := make([]v1.TSDBStat, 0, len(counts))
	for _, c := range counts {
		out = append(out, v1.TSDBStat{Name: c.Name, Value: c.N})
	}
	return out
}

func sortTargets(ts []*v1.Target) {
	slices.SortFunc(ts, func(x, y *v1.Target) int {
		return cmp.Or(cmp.Compare(x.ScrapePool, y.ScrapePool), labels.Compare(x.Labels, y.Labels))
	})
}

// writeData writes a success in Prometheus' shape, by Prometheus' codec.
func writeData(w http.ResponseWriter, data any) {
	b, err := v1.JSONCodec{}.Encode(&v1.Response{Status: "success", Data: data})
	if err != nil {
		writeError(w, nil, http.StatusInternalServerError, "the answer could not be written as JSON")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// A client that went away is the only error here, and needs no answer.
	_, _ = w.Write(b)
}
