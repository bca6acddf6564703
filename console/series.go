package console

import (
	"net/http"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

// seriesShown is how many names of a kind the page shows.
const seriesShown = 20

// series shows what the active series of the scope consist of: where a limit of
// series is reached, what to drop.
func (c *console) series(w http.ResponseWriter, r *http.Request) {
	scope := tenant.ReadFrom(r.Context())
	title, home := "Series", "./"
	if id, ok := tenant.NamedFrom(r.Context()); ok {
		if _, exists := c.opts.Directory.Lookup(id); !exists || !scope.Includes(id) {
			c.error(w, r, http.StatusNotFound, "no such tenant, or not one of yours")
			return
		}
		scope = scope.Narrow(id)
		title, home = "Series of "+string(id), "../../"
	}
	var (
		found   metrics.Cardinality
		trouble string
	)
	if c.opts.Cardinality != nil {
		var err error
		if found, err = c.opts.Cardinality(r.Context(), scope, seriesShown); err != nil {
			c.opts.Logger.Error("cardinality_failed", "err", err)
			trouble = "The metric store does not answer for now."
		}
	}
	c.render(w, http.StatusOK, "series.html", struct {
		base
		Home    string
		Found   metrics.Cardinality
		Kinds   []kind
		Trouble string
	}{
		c.base(title), home, found,
		[]kind{
			{"Metrics with most series", "Series", found.SeriesByMetric},
			{"Labels with most values", "Values", found.ValuesByLabel},
			{"Pairs of label and value with most series", "Series", found.SeriesByLabelPair},
			{"Labels whose values take most bytes", "Bytes", found.BytesByLabel},
		},
		trouble,
	})
}

// kind is one table of names.
type kind struct {
	Title, Of string
	Counts    []metrics.Count
}
