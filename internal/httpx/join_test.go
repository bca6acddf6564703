package httpx

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestJoin(t *testing.T) {
	api := func(name string, patterns ...string) API {
		m := NewMux(func(w http.ResponseWriter, _ *http.Request, status int, _ string) { fmt.Fprint(w, name, " ", status) })
		for _, p := range patterns {
			m.Handle(Route{Methods: []string{"GET"}, Pattern: p, Access: Read}, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) })
		}
		return m
	}
	j := Join(api("prom", "/api/v1/query"), Mount("/es", api("es", "/{$}", "/{index}/_search", "/_bulk")), api("page", "/{$}"))
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/api/v1/query", "prom"},
		{"GET", "/es/_bulk", "es"},
		{"GET", "/", "page"},
		{"GET", "/es/", "es"},
		{"GET", "/es/logs/_search", "es"},
		{"GET", "/logs/_search", "page 404"},
		{"GET", "/_bulk", "page 404"},
		{"GET", "/es_bulk", "page 404"},
		{"GET", "/%65s/_bulk", "es 404"},
		{"GET", "/api/v1/nothing", "prom 404"},
		{"POST", "/api/v1/query", "prom 405"},
		{"GET", "/es/nothing", "es 404"},
		{"GET", "/es", "es"},
		{"GET", "/nothing", "page 404"},
		{"GET", "//es/_bulk", "page 404"},
	} {
		w := httptest.NewRecorder()
		j.ServeHTTP(w, httptest.NewRequest(c.method, "http://h"+c.path, nil))
		if got := w.Body.String(); got != c.want {
			t.Errorf("%s %s: got %q, want %q", c.method, c.path, got, c.want)
		}
	}
	if n := len(j.Routes()); n != 5 {
		t.Errorf("got %d routes, want 5", n)
	}
}
