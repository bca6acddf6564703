package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/tenant"
)

// tab is one of a tenant's pages in the bar at the top.
type tab struct {
	Title string
	Path  string // relative to the tenant's root
	Here  bool
}

// frame is a panel before its data: a row has a title alone.
type frame struct {
	ID          int
	Type        string
	Title       string
	Description string
	W, H        int // in Grafana's grid: 24 columns
}

// Row reports whether the frame is a heading.
func (f frame) Row() bool { return f.Type == "row" }

// Chart reports whether the frame is drawn as time series.
func (f frame) Chart() bool { return f.Type == "timeseries" }

// boards gives the tenant's dashboards where the caller may read the tenant; at
// the root, where no tenant is named, the operator's.
func (c *console) boards(r *http.Request) []dashboards.Dashboard {
	id, ok := tenant.NamedFrom(r.Context())
	if !ok && tenant.ReadFrom(r.Context()).All() && c.opts.Boards != nil {
		return []dashboards.Dashboard{dashboards.Home("")}
	}
	if c.opts.Boards == nil || !tenant.ReadFrom(r.Context()).Includes(id) {
		return nil
	}
	return c.opts.Boards(r.Context(), id)
}

// tabs gives the bar of a tenant's pages; here is the key of this one,
// up the way from it to the root.
func (c *console) tabs(up, here string) []tab {
	switch {
	case c.opts.Boards == nil:
		return nil
	case here == dashboards.HomeKey:
		return []tab{{Title: "Tenants", Path: up}, {Title: "Home", Path: up + "d/" + here, Here: true}}
	}
	out := []tab{{Title: "Live", Path: up, Here: here == ""}}
	for _, k := range dashboards.Keys() {
		out = append(out, tab{Title: strings.ToUpper(k[:1]) + k[1:], Path: up + "d/" + k, Here: here == k})
	}
	return out
}

func (c *console) dashboard(w http.ResponseWriter, r *http.Request) {
	id, _ := tenant.NamedFrom(r.Context())
	key := r.PathValue("key")
	for _, b := range c.boards(r) {
		if b.Key != key {
			continue
		}
		frames, about, err := framesOf(b.JSON)
		if err != nil {
			c.opts.Logger.Error("dashboard_failed", "tenant", string(id), "dashboard", key, "err", err)
			c.error(w, r, http.StatusInternalServerError, "the dashboard cannot be read; Oriel's log has the reason")
			return
		}
		page := struct {
			base
			ID     tenant.ID
			Board  string
			About  string
			Model  string
			State  state
			Tabs   []tab
			Frames []frame
			Root   string
		}{c.base(b.Title + " · " + string(id)), id, b.Title, about, key + "/model", c.state(id), c.tabs("../", key), frames, "../../../"}
		if id == "" {
			page.Title, page.ID, page.State, page.Root = b.Title, "all tenants", state{}, "../"
		}
		page.Assets = "../" + page.Assets
		c.render(w, http.StatusOK, "dashboard.html", page)
		return
	}
	c.error(w, r, http.StatusNotFound, "no such dashboard, or not one of yours")
}

// model gives the dashboard's JSON, the same that goes to Grafana.
func (c *console) model(w http.ResponseWriter, r *http.Request) {
	for _, b := range c.boards(r) {
		if b.Key == r.PathValue("key") {
			h := w.Header()
			h.Set("Content-Type", "application/json")
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Cache-Control", "no-store")
			_, _ = w.Write(b.JSON) // whoever went away needs no answer
			return
		}
	}
	c.error(w, r, http.StatusNotFound, "no such dashboard, or not one of yours")
}

func framesOf(raw []byte) (frames []frame, about string, err error) {
	var d struct {
		Description string
		Panels      []struct {
			ID                       int
			Type, Title, Description string
			GridPos                  struct{ H, W int }
		}
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, "", fmt.Errorf("read a dashboard: %w", err)
	}
	for _, p := range d.Panels {
		frames = append(frames, frame{p.ID, p.Type, p.Title, p.Description, p.GridPos.W, p.GridPos.H})
	}
	about, _, _ = strings.Cut(d.Description, " Kept by Oriel")
	return frames, about, nil
}
