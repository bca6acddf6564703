package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/tenant"
)

// The tenants of the test: alpha asks, bravo has what alpha must not see, ghost
// does not exist. bravo and ghost are equally long, so that answers about them
// can be compared byte by byte after the name is replaced.
const (
	alpha, bravo, ghost = "alpha", "bravo", "ghost"
	// secret is in bravo's namespace, metric, label, log line and index.
	secret = "s3cr3t"
)

// probe is one hostile request. NAME stands for the tenant that is aimed at.
type probe struct {
	method, target, body, contentType string
	header                            map[string]string
}

// TestIsolation walks over every route of the gateway, with every credential
// that alpha's team can have, and sees nothing of bravo's and no difference
// between bravo's and nobody's.
func TestIsolation(t *testing.T) {
	isolation(t, seededGateway(t, nil), func(httpx.Route) bool { return true })
}

// isolation goes over the routes of a gateway that are chosen.
func isolation(t *testing.T, g *gateway, chosen func(httpx.Route) bool) {
	srv := httptest.NewServer(g.handler())
	defer srv.Close()

	tokens := map[string]string{}
	for name, spec := range map[string]tenant.TokenSpec{
		"read":    {Kind: tenant.TokenTenant, Tenant: alpha},
		"write":   {Kind: tenant.TokenTenant, Tenant: alpha, Access: tenant.AccessWrite},
		"cluster": {Kind: tenant.TokenCluster, Cluster: tenant.Cluster{Name: "west"}},
		"wrong":   {},
		"none":    {},
	} {
		switch name {
		case "wrong":
			tokens[name] = "oriel_t_AAAAAAAA_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
		case "none":
		default:
			secret, _, err := g.tokens.Create(spec)
			if err != nil {
				t.Fatal(err)
			}
			tokens[name] = secret
		}
	}

	// The secret is there for whom it is meant.
	theirs, _, err := g.tokens.Create(tenant.TokenSpec{Kind: tenant.TokenTenant, Tenant: bravo})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/v1/query?query=s3cr3t_requests_total", "/es/_search?q=s3cr3t"} {
		req := httptest.NewRequest("GET", path, nil)
		req.Header.Set("Authorization", "Bearer "+theirs)
		w := httptest.NewRecorder()
		g.handler().ServeHTTP(w, req)
		if !strings.Contains(w.Body.String(), "s3cr3t-0") {
			t.Fatalf("bravo does not find its own: GET %s: %d %s", path, w.Code, clip(w.Body.String()))
		}
	}

	routes := g.routes()
	var known []string
	for _, rt := range routes {
		known = append(known, rt.String())
		if _, ok := probes[rt.String()]; !ok {
			t.Errorf("route %q has no row in the table of probes: say how somebody would try to cross it", rt)
		}
	}
	for row := range probes {
		if !slices.Contains(known, row) {
			t.Errorf("the table has a row for %q, and there is no such route", row)
		}
	}
	// Writing comes last: what it leaves behind is alpha's own.
	slices.SortStableFunc(routes, func(a, b httpx.Route) int { return writes(a) - writes(b) })
	sent := 0
	for _, rt := range routes {
		if !chosen(rt) {
			continue
		}
		for _, p := range probes[rt.String()] {
			methods := rt.Methods
			if len(methods) == 0 {
				methods = []string{p.method}
			}
			if !slices.Contains(methods, p.method) {
				t.Errorf("route %q: a probe uses %s", rt, p.method)
			}
			for _, method := range methods {
				for who, token := range tokens {
					for _, way := range []string{"plain", "path", "header", "both"} {
						crossing(t, srv.URL, rt, p, method, who, token, way)
						sent += 2
					}
				}
			}
		}
	}
	t.Logf("%d requests over %d routes", sent, len(routes))
}

func writes(rt httpx.Route) int {
	if rt.Access == httpx.Write {
		return 1
	}
	return 0
}

// crossing sends the probe once aimed at bravo and once at ghost.
func crossing(t *testing.T, base string, rt httpx.Route, p probe, method, who, token, way string) {
	t.Helper()
	if rt.Access == httpx.Open {
		who += " (open route)"
	}
	ask := func(name string) (int, string) {
		target := strings.ReplaceAll(p.target, "NAME", name)
		if way == "path" || way == "both" {
			target = "/t/" + name + target
		}
		req, err := http.NewRequestWithContext(context.Background(), method, base+target, strings.NewReader(strings.ReplaceAll(p.body, "NAME", name)))
		if err != nil {
			t.Fatal(err)
		}
		if p.contentType != "" {
			req.Header.Set("Content-Type", p.contentType)
		}
		for k, v := range p.header {
			req.Header.Set(k, strings.ReplaceAll(v, "NAME", name))
		}
		if way == "header" || way == "both" {
			req.Header.Set("X-Scope-OrgID", name)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	label := fmt.Sprintf("%s %s as %s, aimed by %s", method, p.target, who, way)
	status, body := ask(bravo)
	if leak := named.ReplaceAllString(body, ""); strings.Contains(leak, secret) || strings.Contains(leak, "of-bravo") {
		t.Errorf("%s: something of bravo's came back: %d %s", label, status, clip(body))
	}
	ghostStatus, ghostBody := ask(ghost)
	if status != ghostStatus || normal(body, bravo) != normal(ghostBody, ghost) {
		t.Errorf("%s: bravo and nobody differ:\n%d %s\n%d %s", label, status, clip(body), ghostStatus, clip(ghostBody))
	}
	if way != "plain" && who != "none" && rt.Access == httpx.Read && status != http.StatusNotFound && status != http.StatusUnauthorized && status != http.StatusForbidden {
		t.Errorf("%s: got %d, want 404", label, status)
	}
	if (who == "none" || who == "wrong") && rt.Access != httpx.Open && status != http.StatusUnauthorized {
		t.Errorf("%s: got %d, want 401", label, status)
	}
}

// normal takes out of an answer what differs between two requests anyway: the
// name that was asked for, and the time it took.
func normal(body, name string) string {
	body = strings.ReplaceAll(body, name, "NAME")
	return volatile.ReplaceAllString(body, "N")
}

var (
	volatile = regexp.MustCompile(`"now":"[^"]*"|"took" ?: ?[0-9]+|[0-9a-f-]{36}|"(_scroll_id|pit_id|id|_id)":"[^"]*"|"_seq_no":[0-9]+|\[[0-9]{10}(\.[0-9]+)?,`)
	// named is what the request itself said, and what earlier requests planted.
	named = regexp.MustCompile(`(` + bravo + `|` + ghost + `)-` + secret)
)

func clip(s string) string {
	if len(s) > 600 {
		return s[:600] + "..."
	}
	return s
}

// TestForeignOrigin shows that a web page elsewhere, and a name that was rebound
// to this machine, get nothing of what an anonymous operator on loopback sees.
func TestForeignOrigin(t *testing.T) {
	g := testGateway(t, func(c *config.Config) { c.Auth.Anonymous = config.AnonymousOperator })
	srv := httptest.NewServer(g.handler())
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	_, port, _ := strings.Cut(host, ":")
	cases := []struct {
		name, host string
		header     map[string]string
		want       int
	}{
		{"loopback", host, nil, 200},
		{"localhost", "localhost:" + port, nil, 200},
		{"own page", host, map[string]string{"Origin": "http://" + host}, 200},
		{"foreign origin", host, map[string]string{"Origin": "https://evil.example"}, 401},
		{"opaque origin", host, map[string]string{"Origin": "null"}, 401},
		{"other port's page", host, map[string]string{"Origin": "http://127.0.0.1:1"}, 401},
		{"rebound name", "evil.example:" + port, nil, 401},
		{"rebound look-alike", "127.0.0.1.evil.example:" + port, nil, 401},
		{"behind a proxy", host, map[string]string{"X-Forwarded-For": "192.0.2.1"}, 401},
		{"behind a proxy, new style", host, map[string]string{"Forwarded": "for=192.0.2.1"}, 401},
		{"wrong token", host, map[string]string{"Authorization": "Bearer nonsense"}, 401},
	}
	for _, c := range cases {
		for _, path := range []string{"/", "/metrics", "/api/v1/query?query=up", "/es/_search", "/admin/v1/tenants"} {
			req, err := http.NewRequestWithContext(context.Background(), "GET", srv.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = c.host
			for k, v := range c.header {
				req.Header.Set(k, v)
			}
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != c.want {
				t.Errorf("%s: GET %s: got %d, want %d", c.name, path, resp.StatusCode, c.want)
			}
			if acao := resp.Header.Get("Access-Control-Allow-Origin"); acao != "" {
				t.Errorf("%s: GET %s: Access-Control-Allow-Origin: %s", c.name, path, acao)
			}
		}
	}
}
