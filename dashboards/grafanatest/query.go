package grafanatest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
)

// queryRoute answers POST /api/ds/query, by which Grafana's own pages and alerts
// ask. Who may ask what is as recorded; what comes back is the data source's raw
// answer in the place of frames.
func (g *Grafana) queryRoute() {
	g.mux.HandleFunc("POST /api/ds/query", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Queries []struct {
				RefID       string
				Datasource  struct{ UID string }
				Expr, Query string
			}
		}
		g.mu.Lock()
		c, ref := g.authenticate(r)
		if ref == nil {
			ref = decode(r, &in)
		}
		if ref == nil && c.role == "" {
			ref = no(http.StatusForbidden, "You'll need additional permissions to perform this action. Permissions needed: datasources:query")
		}
		kinds := map[string]string{}
		for _, q := range in.Queries {
			if ref != nil {
				break
			}
			s := c.org.sources[q.Datasource.UID]
			if s == nil {
				ref = no(http.StatusNotFound, "Data source not found")
				break
			}
			kinds[s.UID] = s.Type
		}
		if ref != nil {
			g.answer(w, r, c, ref, nil)
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		results := map[string]any{}
		for _, q := range in.Queries {
			path, contentType, body := "/api/v1/query", "application/x-www-form-urlencoded", url.Values{"query": {q.Expr}}.Encode()
			if kinds[q.Datasource.UID] == "elasticsearch" {
				search, err := json.Marshal(map[string]any{"query": map[string]any{"query_string": map[string]any{"query": q.Query}}})
				if err != nil {
					http.Error(w, err.Error(), http.StatusBadRequest)
					return
				}
				path, contentType, body = "/_msearch", "application/x-ndjson", fmt.Sprintf("{\"index\":\"*\"}\n%s\n", search)
			}
			rec := httptest.NewRecorder()
			to := "/api/datasources/proxy/uid/" + url.PathEscape(q.Datasource.UID) + path
			sub, err := http.NewRequestWithContext(r.Context(), http.MethodPost, to, strings.NewReader(body))
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			sub.Header = r.Header.Clone()
			sub.Header.Set("Content-Type", contentType)
			sub.Header.Del("Accept-Encoding")
			g.ServeHTTP(rec, sub)
			results[q.RefID] = map[string]any{"status": rec.Code, "frames": []string{rec.Body.String()}}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"results": results})
	})
}
