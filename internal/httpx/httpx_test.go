package httpx

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

func testAPI() *Mux {
	m := NewMux(func(w http.ResponseWriter, _ *http.Request, status int, reason string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, "error: %s", reason)
	})
	m.Handle(Route{Methods: []string{"GET", "HEAD"}, Pattern: "/x/{name}", Access: Read}, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "x %s at %s", r.PathValue("name"), r.URL.Path)
	})
	m.Handle(Route{Pattern: "/any", Access: Open}, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "any") })
	return m
}

func TestMux(t *testing.T) {
	mounted := Mount("/pre", testAPI())
	cases := []struct {
		api          API
		method, path string
		status       int
		body         string
		access       Access
		known        bool
	}{
		{testAPI(), "GET", "/x/a", 200, "x a at /x/a", Read, true},
		{testAPI(), "HEAD", "/x/a", 200, "x a at /x/a", Read, true},
		{testAPI(), "POST", "/x/a", 405, "error: method POST is not allowed here; allowed: GET, HEAD", Open, false},
		{testAPI(), "DELETE", "/any", 200, "any", Open, true},
		{testAPI(), "GET", "/nope", 404, "error: no such page or endpoint: /nope", Open, false},
		{testAPI(), "GET", "/x/../any", 404, "error: no such page or endpoint: /x/../any", Open, false},
		{mounted, "GET", "/pre/x/a", 200, "x a at /x/a", Read, true},
		{mounted, "GET", "/pre", 404, "error: no such page or endpoint: /", Open, false},
	}
	for _, c := range cases {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "http://h"+c.path, nil)
			if a, ok := c.api.Access(r); a != c.access || ok != c.known {
				t.Errorf("Access: got %v %v, want %v %v", a, ok, c.access, c.known)
			}
			w := httptest.NewRecorder()
			c.api.ServeHTTP(w, r)
			if w.Code != c.status || w.Body.String() != c.body {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, c.status, c.body)
			}
		})
	}
	if got, want := fmt.Sprint(mounted.Routes()), "[GET,HEAD /pre/x/{name} * /pre/any]"; got != want {
		t.Errorf("Routes: got %s, want %s", got, want)
	}
}
