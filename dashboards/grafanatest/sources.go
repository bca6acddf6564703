package grafanatest

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
)

// source is a data source. Its secrets never leave but through the proxy.
type source struct {
	ID        int            `json:"id"`
	OrgID     int            `json:"orgId"`
	UID       string         `json:"uid"`
	Name      string         `json:"name"`
	Type      string         `json:"type"`
	Access    string         `json:"access"`
	URL       string         `json:"url"`
	IsDefault bool           `json:"isDefault"`
	JSONData  map[string]any `json:"jsonData"`
	Version   int            `json:"version"`
	ReadOnly  bool           `json:"readOnly"`
	secrets   map[string]string
}

type sourceWithFields struct {
	source
	SecureJSONFields map[string]bool `json:"secureJsonFields"`
}

func (s *source) full() sourceWithFields {
	f := sourceWithFields{source: *s, SecureJSONFields: map[string]bool{}}
	for k := range s.secrets {
		f.SecureJSONFields[k] = true
	}
	return f
}

type sourceIn struct {
	UID            string
	Name           string
	Type           string
	Access         string
	URL            string
	IsDefault      bool
	JSONData       map[string]any
	SecureJSONData map[string]string
	Version        int
}

func (g *Grafana) sourceRoutes() {
	g.handle("GET /api/datasources", Viewer, func(_ *http.Request, c caller) (any, *refusal) {
		list := []*source{}
		for _, uid := range slices.Sorted(maps.Keys(c.org.sources)) {
			list = append(list, c.org.sources[uid])
		}
		return list, nil
	})
	g.handle("POST /api/datasources", Admin, func(r *http.Request, c caller) (any, *refusal) {
		var in sourceIn
		if ref := decode(r, &in); ref != nil {
			return nil, ref
		}
		if in.Name == "" || in.Type == "" || (in.Access != "proxy" && in.Access != "direct") {
			return nil, no(http.StatusBadRequest, "bad request data")
		}
		if ref := badUID(in.UID); ref != nil {
			return nil, ref
		}
		s := &source{ID: g.id(), OrgID: c.org.ID, UID: in.UID, secrets: map[string]string{}}
		if s.UID == "" {
			s.UID = fmt.Sprintf("generated-%d", s.ID)
		}
		if ref := c.org.sourceTaken(in.Name, ""); ref != nil {
			return nil, ref
		}
		if c.org.sources[s.UID] != nil {
			return nil, no(http.StatusConflict, "data source with the same uid already exists")
		}
		c.org.put(s, in)
		return map[string]any{"datasource": s.full(), "id": s.ID, "message": "Datasource added", "name": s.Name}, nil
	})
	byUID := func(h func(r *http.Request, c caller, s *source) (any, *refusal)) handler {
		return func(r *http.Request, c caller) (any, *refusal) {
			if s := c.org.sources[r.PathValue("uid")]; s != nil {
				return h(r, c, s)
			}
			return nil, no(http.StatusNotFound, "Data source not found")
		}
	}
	g.handle("GET /api/datasources/uid/{uid}", Viewer, byUID(func(_ *http.Request, _ caller, s *source) (any, *refusal) {
		return s.full(), nil
	}))
	g.handle("PUT /api/datasources/uid/{uid}", Admin, byUID(func(r *http.Request, c caller, s *source) (any, *refusal) {
		var in sourceIn
		if ref := decode(r, &in); ref != nil {
			return nil, ref
		}
		switch {
		case s.ReadOnly:
			return nil, no(http.StatusForbidden, "Cannot update read-only data source")
		case in.Name == "" || in.Type == "" || in.Access == "":
			return nil, no(http.StatusBadRequest, "bad request data")
		}
		if ref := c.org.sourceTaken(in.Name, s.UID); ref != nil {
			return nil, ref
		}
		c.org.put(s, in)
		return map[string]any{"datasource": s.full(), "id": s.ID, "message": "Datasource updated", "name": s.Name}, nil
	}))
	g.handle("DELETE /api/datasources/uid/{uid}", Admin, byUID(func(_ *http.Request, c caller, s *source) (any, *refusal) {
		if s.ReadOnly {
			return nil, no(http.StatusForbidden, "Cannot delete read-only data source")
		}
		delete(c.org.sources, s.UID)
		return map[string]any{"id": s.ID, "message": "Data source deleted"}, nil
	}))
	g.mux.HandleFunc("/api/datasources/proxy/uid/{uid}/{rest...}", g.proxy)
}

func (o *org) sourceTaken(name, butUID string) *refusal {
	for _, s := range o.sources {
		if s.Name == name && s.UID != butUID {
			return no(http.StatusConflict, "data source with the same name already exists")
		}
	}
	return nil
}

// put keeps the secrets that are not given, as Grafana does.
func (o *org) put(s *source, in sourceIn) {
	s.Name, s.Type, s.Access, s.URL, s.IsDefault, s.JSONData = in.Name, in.Type, in.Access, in.URL, in.IsDefault, in.JSONData
	s.Version++
	maps.Copy(s.secrets, in.SecureJSONData)
	if s.IsDefault {
		for _, other := range o.sources {
			other.IsDefault = other == s
		}
	}
	o.sources[s.UID] = s
}

// SetReadOnly makes a data source look as if it came from a file.
func (g *Grafana) SetReadOnly(orgID int, uid string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.orgs[orgID].sources[uid].ReadOnly = true
}

// proxy hands a request on. Every member may query every data source of the
// organisation: that is how Grafana is, and why a folder isolates no data.
func (g *Grafana) proxy(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	c, ref := g.authenticate(r)
	var s *source
	switch {
	case ref != nil:
	case c.role == "":
		ref = no(http.StatusForbidden, "You'll need additional permissions to perform this action. Permissions needed: datasources:query")
	default:
		if s = c.org.sources[r.PathValue("uid")]; s == nil {
			ref = no(http.StatusNotFound, "Data source not found")
		} else {
			ref = proxyRefuses(s.Type, r.Method, r.PathValue("rest"))
		}
	}
	if ref != nil {
		g.answer(w, r, c, ref, nil)
		g.mu.Unlock()
		return
	}
	target, err := url.Parse(s.URL)
	headers := http.Header{}
	for i := 1; ; i++ {
		name, ok := s.JSONData[fmt.Sprintf("httpHeaderName%d", i)].(string)
		if !ok {
			break
		}
		headers.Set(name, s.secrets[fmt.Sprintf("httpHeaderValue%d", i)])
	}
	g.mu.Unlock()
	if err != nil {
		http.Error(w, "Validation of data source URL failed", http.StatusBadRequest)
		return
	}
	(&httputil.ReverseProxy{Rewrite: func(pr *httputil.ProxyRequest) {
		pr.Out.URL.Path = "/" + r.PathValue("rest")
		pr.Out.URL.RawPath = ""
		pr.SetURL(target)
		for _, h := range []string{"Authorization", "Cookie", "X-Grafana-Org-Id"} {
			pr.Out.Header.Del(h)
		}
		maps.Copy(pr.Out.Header, headers)
	}}).ServeHTTP(w, r)
}

// proxyRefuses knows what Grafana's proxy lets through to these two types.
func proxyRefuses(kind, method, path string) *refusal {
	switch method {
	case http.MethodGet, http.MethodHead:
		return nil
	case http.MethodPost:
		if kind == "elasticsearch" && path != "_msearch" {
			return no(http.StatusForbidden, "posts not allowed on proxied Elasticsearch datasource except on /_msearch")
		}
		if kind == "prometheus" && !strings.HasPrefix(path, "api/v1/") {
			return no(http.StatusForbidden, "non allow-listed POSTs not allowed on proxied Prometheus datasource")
		}
		return nil
	}
	return no(http.StatusForbidden, "%ss not allowed on proxied datasource", strings.ToLower(method))
}
