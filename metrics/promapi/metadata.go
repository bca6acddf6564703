package promapi

import (
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/oriel-project/oriel/tenant"
)

// metadata answers /api/v1/metadata. Prometheus' own handler knows the targets
// it scrapes itself, of which there are none here.
func (a *API) metadata(w http.ResponseWriter, r *http.Request) {
	limit, err := optionalInt(r.Form.Get("limit"))
	if err != nil {
		writeError(w, r, http.StatusBadRequest, "limit must be a number")
		return
	}
	limitPerMetric, err := optionalInt(r.Form.Get("limit_per_metric"))
	if err != nil {
		writeError(w, r, http.StatusBadRequest, "limit_per_metric must be a number")
		return
	}
	known := a.opts.Metadata(tenant.ReadFrom(r.Context()))
	families := slices.Sorted(maps.Keys(known))
	if metric := r.Form.Get("metric"); metric != "" {
		families = slices.DeleteFunc(families, func(f string) bool { return f != metric })
	}
	if limit >= 0 && len(families) > limit {
		families = families[:limit]
	}
	data := make(map[string][]jsonMetadata, len(families))
	for _, f := range families {
		vs := known[f]
		if limitPerMetric > 0 && len(vs) > limitPerMetric {
			vs = vs[:limitPerMetric]
		}
		for _, v := range vs {
			data[f] = append(data[f], jsonMetadata(v))
		}
	}
	writeJSON(w, http.StatusOK, struct {
		Status string                    `json:"status"`
		Data   map[string][]jsonMetadata `json:"data"`
	}{"success", data})
}

type jsonMetadata struct {
	Type string `json:"type"`
	Help string `json:"help"`
	Unit string `json:"unit"`
}

// optionalInt gives -1 for nothing.
func optionalInt(s string) (int, error) {
	if s == "" {
		return -1, nil
	}
	return strconv.Atoi(s)
}
