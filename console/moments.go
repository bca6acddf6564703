package console

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/oriel-project/oriel/tenant"
)

// momentsRangeMax bounds what one question looks at.
const momentsRangeMax = 31 * 24 * time.Hour

// moments gives what happened to the scope's workloads between from and to, both
// in milliseconds, in the shape of Grafana's annotations: time, text, tags.
func (c *console) moments(w http.ResponseWriter, r *http.Request) {
	type note struct {
		Time int64    `json:"time"`
		Text string   `json:"text"`
		Tags []string `json:"tags"`
	}
	bound := func(name string) (time.Time, bool) {
		n, err := strconv.ParseInt(r.FormValue(name), 10, 64)
		return time.UnixMilli(n), err == nil
	}
	from, okFrom := bound("from")
	to, okTo := bound("to")
	if !okFrom || !okTo || to.Before(from) || to.Sub(from) > momentsRangeMax {
		c.error(w, r, http.StatusBadRequest, "want from and to in milliseconds since 1970, at most 31 days apart, such as /moments?from=1795960800000&to=1795964400000")
		return
	}
	out := []note{}
	if scope := tenant.ReadFrom(r.Context()); c.opts.Moments != nil && !scope.Empty() {
		moments, err := c.opts.Moments(r.Context(), scope, from, to)
		if err != nil {
			c.opts.Logger.Error("moments_failed", "err", err)
			c.error(w, r, http.StatusServiceUnavailable, "the metric store does not answer; Oriel's log has the reason")
			return
		}
		for _, m := range moments {
			out = append(out, note{m.At.UnixMilli(), m.Text, []string{m.Kind, m.Cluster, m.Namespace}})
		}
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(out) // whoever went away needs no answer
}
