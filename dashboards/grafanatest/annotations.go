package grafanatest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

type annotation struct {
	ID           int      `json:"id"`
	DashboardUID string   `json:"dashboardUID"`
	Time         int64    `json:"time"`
	Tags         []string `json:"tags"`
	Text         string   `json:"text"`
	Login        string   `json:"login"`
}

// annotationsDefault is how many a question gives that does not say how many.
const annotationsDefault = 100

// annotationRoutes: the answer of POST is as recorded, the others as Grafana's
// documentation has them.
func (g *Grafana) annotationRoutes() {
	g.handle("POST /api/annotations", Editor, func(r *http.Request, c caller) (any, *refusal) {
		var a annotation
		if ref := decode(r, &a); ref != nil {
			return nil, ref
		}
		if a.Text == "" {
			return nil, no(http.StatusBadRequest, "Failed to save annotation: text field should not be empty")
		}
		if a.DashboardUID != "" && c.org.boards[a.DashboardUID] == nil {
			return nil, no(http.StatusNotFound, "Dashboard not found")
		}
		a.ID = g.id()
		if c.user != nil {
			a.Login = c.Login
		}
		c.org.annotations[a.ID] = a
		return map[string]any{"id": a.ID, "message": "Annotation added"}, nil
	})
	g.handle("GET /api/annotations", Viewer, func(r *http.Request, c caller) (any, *refusal) {
		q := r.URL.Query()
		number := func(key string, def int64) int64 {
			if n, err := strconv.ParseInt(q.Get(key), 10, 64); err == nil {
				return n
			}
			return def
		}
		from, to, limit := number("from", 0), number("to", 1<<62), number("limit", annotationsDefault)
		out := []annotation{}
		for _, id := range slices.Backward(slices.Sorted(maps.Keys(c.org.annotations))) {
			a := c.org.annotations[id]
			tagged := !slices.ContainsFunc(q["tags"], func(t string) bool { return !slices.Contains(a.Tags, t) })
			seen := a.DashboardUID == "" || c.allowed(c.org.boards[a.DashboardUID].folder, 1)
			if tagged && seen && a.Time >= from && a.Time <= to && int64(len(out)) < limit {
				out = append(out, a)
			}
		}
		return out, nil
	})
	g.handle("DELETE /api/annotations/{id}", Editor, func(r *http.Request, c caller) (any, *refusal) {
		id, _ := strconv.Atoi(r.PathValue("id"))
		if _, ok := c.org.annotations[id]; !ok {
			return nil, no(http.StatusNotFound, "Could not find annotation to update")
		}
		delete(c.org.annotations, id)
		return map[string]any{"message": "Annotation deleted"}, nil
	})
}

// forget removes the annotations of a dashboard, which go with it.
func (o *org) forget(board string) {
	maps.DeleteFunc(o.annotations, func(_ int, a annotation) bool { return a.DashboardUID == board })
}

// Annotations gives the texts of an organisation's annotations, in their order.
func (g *Grafana) Annotations(orgID int) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []string
	if o := g.orgs[orgID]; o != nil {
		for _, id := range slices.Sorted(maps.Keys(o.annotations)) {
			out = append(out, fmt.Sprint(o.annotations[id].Tags, " ", o.annotations[id].Text))
		}
	}
	return out
}
