package httpx

import (
	"net/http"
	"net/url"
	"strings"
)

// Mount serves an API below a path prefix such as "/es": the API sees the rest
// of the path, and its routes are listed with the prefix.
func Mount(prefix string, a API) API { return mounted{prefix, a} }

type mounted struct {
	prefix string
	API
}

func (m mounted) Routes() []Route {
	rs := m.API.Routes()
	out := make([]Route, len(rs))
	for i, r := range rs {
		r.Pattern = m.prefix + r.Pattern
		out[i] = r
	}
	return out
}

func (m mounted) Access(r *http.Request) (Access, bool) {
	if !m.holds(r.URL) {
		return Open, false
	}
	return m.API.Access(m.strip(r))
}

func (m mounted) Error(w http.ResponseWriter, r *http.Request, status int, reason string) {
	m.API.Error(w, m.strip(r), status, reason)
}

func (m mounted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !m.holds(r.URL) {
		m.API.Error(w, r, http.StatusNotFound, "no such page or endpoint: "+r.URL.Path)
		return
	}
	m.API.ServeHTTP(w, m.strip(r))
}

// holds reports whether the path, in both of its spellings, lies below the prefix.
func (m mounted) holds(u *url.URL) bool {
	below := func(path string) bool { return path == m.prefix || strings.HasPrefix(path, m.prefix+"/") }
	return below(u.Path) && (u.RawPath == "" || below(u.RawPath))
}

// strip takes the prefix off the path, in both of its spellings.
func (m mounted) strip(r *http.Request) *http.Request {
	r2 := new(http.Request)
	*r2 = *r
	r2.URL = new(url.URL)
	*r2.URL = *r.URL
	r2.URL.Path = rest(r.URL.Path, m.prefix)
	if r.URL.RawPath != "" {
		r2.URL.RawPath = rest(r.URL.RawPath, m.prefix)
	}
	return r2
}

func rest(path, prefix string) string {
	p := strings.TrimPrefix(path, prefix)
	if p == "" {
		return "/"
	}
	return p
}
