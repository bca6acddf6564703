package console

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/oriel-project/oriel/tenant"
)

// row is one tenant of the list.
type row struct {
	ID       tenant.ID
	Clusters []cluster
	State    state
	Samples  string // per second
	Records  string
}

type cluster struct {
	Name       string
	Namespaces []string
}

// state is how far a tenant's window is.
type state struct {
	Ready   bool
	Text    string
	Seconds string // it took; "" where unknown
}

func (c *console) tenants(w http.ResponseWriter, r *http.Request) {
	scope := tenant.ReadFrom(r.Context())
	var rates map[tenant.ID]Rate
	if c.opts.Rates != nil {
		rates = c.opts.Rates()
	}
	var rows []row
	ready := 0
	for _, t := range c.inScope(scope) {
		rw := row{ID: t.ID, Clusters: clusters(t), State: c.state(t.ID), Samples: "–", Records: "–"}
		if rate, ok := rates[t.ID]; ok {
			rw.Samples, rw.Records = perSecond(rate.Samples), perSecond(rate.Records)
		}
		if rw.State.Ready {
			ready++
		}
		rows = append(rows, rw)
	}
	c.render(w, http.StatusOK, "tenants.html", struct {
		base
		Operator bool
		Home     bool // there is a dashboard over all tenants
		Rows     []row
		Ready    int
		Notices  []string
	}{c.base("Tenants"), scope.All(), scope.All() && c.opts.Boards != nil, rows, ready, c.opts.Notices})
}

// inScope gives the tenants that the scope may read and that exist, by ID.
func (c *console) inScope(scope tenant.Read) []tenant.Tenant {
	var out []tenant.Tenant
	if scope.All() {
		for t := range c.opts.Directory.All() {
			out = append(out, t)
		}
		return out
	}
	for _, id := range scope.Tenants() {
		if t, ok := c.opts.Directory.Lookup(id); ok {
			out = append(out, t)
		}
	}
	return out
}

// clusters groups a tenant's namespaces, which come ordered by cluster and name.
func clusters(t tenant.Tenant) []cluster {
	var out []cluster
	for _, ns := range t.Namespaces {
		if n := len(out); n == 0 || out[n-1].Name != ns.Cluster {
			out = append(out, cluster{Name: ns.Cluster})
		}
		last := &out[len(out)-1]
		last.Namespaces = append(last.Namespaces, ns.Namespace)
	}
	return out
}

func (c *console) state(id tenant.ID) state {
	if c.opts.Onboarding == nil {
		return state{Ready: true, Text: "ready"}
	}
	seconds, missing := c.opts.Onboarding(id)
	s := state{Ready: len(missing) == 0, Text: "ready"}
	if !s.Ready {
		s.Text = "waiting for " + strings.Join(missing, ", ")
	}
	longest := -1.0
	for _, took := range seconds {
		longest = max(longest, took)
	}
	if s.Ready && longest >= 0 {
		s.Seconds = fmt.Sprintf("%.1f s", longest)
	}
	return s
}

func perSecond(v float64) string {
	switch {
	case v != v: // NaN: not known yet
		return "–"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 1:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
