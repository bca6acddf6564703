package access

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/tenant"
)

// directory is a Directory of tenants since a moment.
type directory map[tenant.ID]time.Time

func (d directory) Lookup(id tenant.ID) (tenant.Tenant, bool) {
	since, ok := d[id]
	return tenant.Tenant{ID: id, Since: since}, ok
}

func (d directory) All() iter.Seq[tenant.Tenant] { return func(func(tenant.Tenant) bool) {} }
func (d directory) Owner(cluster, namespace string, _ time.Time) (tenant.ID, bool) {
	_, ok := d[tenant.ID(namespace)]
	return tenant.ID(namespace), ok
}
func (d directory) Sealed(tenant.ID) []tenant.Life { return nil }

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// world is an Access with two tenants and a token of each kind.
type world struct {
	*Access
	dir    directory
	now    time.Time
	log    bytes.Buffer
	tokens map[string]string // by name
	ids    map[string]string
	guard  http.Handler
	flat   http.Handler
}

func newWorld(t *testing.T, anonymous bool) *world {
	t.Helper()
	w := &world{dir: directory{"shop": start, "billing": start}, now: start.Add(time.Hour), tokens: map[string]string{}, ids: map[string]string{}}
	tokens, err := OpenTokens(t.TempDir(), func() time.Time { return w.now })
	if err != nil {
		t.Fatal(err)
	}
	for name, spec := range map[string]tenant.TokenSpec{
		"shop":     {Kind: tenant.TokenTenant, Tenant: "shop"},
		"shop-w":   {Kind: tenant.TokenTenant, Tenant: "shop", Access: tenant.AccessWrite},
		"billing":  {Kind: tenant.TokenTenant, Tenant: "billing"},
		"east":     {Kind: tenant.TokenCluster, Cluster: tenant.Cluster{Name: "east", Region: "eu"}},
		"operator": {Kind: tenant.TokenOperator},
		"reader":   {Kind: tenant.TokenOperator, Access: tenant.AccessRead},
		"short":    {Kind: tenant.TokenTenant, Tenant: "shop", Expires: time.Hour},
	} {
		secret, info, err := tokens.Create(spec)
		if err != nil {
			t.Fatal(err)
		}
		w.tokens[name], w.ids[name] = secret, info.ID
	}
	w.Access = New(Options{
		Directory: w.dir, Tokens: tokens, Anonymous: anonymous, Local: tenant.Cluster{Name: "local"},
		Logger: slog.New(slog.NewTextHandler(&w.log, nil)), Registerer: prometheus.NewRegistry(),
	})
	w.guard, w.flat = w.Guard(testAPI()), w.GuardFlat(testAPI())
	return w
}

// testAPI answers with the scope that it was given.
func testAPI() httpx.API {
	m := httpx.NewMux(func(w http.ResponseWriter, _ *http.Request, status int, reason string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, "%d %s", status, reason)
	})
	say := func(w http.ResponseWriter, r *http.Request) {
		rs, ws := tenant.ReadFrom(r.Context()), tenant.WriteFrom(r.Context())
		switch {
		case rs.All():
			fmt.Fprint(w, "reads all")
		case !rs.Empty():
			fmt.Fprint(w, "reads ", rs.Tenants())
		case ws.Valid():
			if id, ok := ws.Tenant(); ok {
				fmt.Fprint(w, "writes ", id)
			} else {
				fmt.Fprint(w, "writes cluster ", ws.Cluster().Name, " as ", ws.Who())
			}
		default:
			fmt.Fprint(w, "nothing")
		}
		if id, ok := tenant.NamedFrom(r.Context()); ok {
			fmt.Fprint(w, " at ", id)
		}
		if v := r.PathValue("x"); v != "" {
			fmt.Fprintf(w, " x=%s", v)
		}
	}
	for _, rt := range []httpx.Route{
		{Methods: []string{"GET", "POST"}, Pattern: "/r", Access: httpx.Read},
		{Methods: []string{"GET"}, Pattern: "/{$}", Access: httpx.Read},
		{Methods: []string{"GET"}, Pattern: "/r/{x}", Access: httpx.Read},
		{Methods: []string{"POST"}, Pattern: "/w", Access: httpx.Write},
		{Methods: []string{"PUT"}, Pattern: "/agent", Access: httpx.Agent},
		{Methods: []string{"GET"}, Pattern: "/admin", Access: httpx.Operator},
		{Methods: []string{"GET"}, Pattern: "/open", Access: httpx.Open},
		{Methods: []string{"GET"}, Pattern: "/known", Access: httpx.Known},
		{Methods: []string{"GET"}, Pattern: "/odd", Access: "odd"},
	} {
		m.Handle(rt, say)
	}
	return m
}

// do sends "GET /path" as the holder of a named token ("" without one).
func (w *world) do(h http.Handler, who, request string, headers ...string) (int, string) {
	method, target, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, "http://oriel.example"+target, nil)
	r.RemoteAddr = "10.0.0.9:1234"
	if who != "" {
		r.Header.Set("Authorization", "Bearer "+w.tokens[who])
	}
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		r.Header.Add(k, v)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

const foreign = "404 no such tenant, or not one of yours"

func TestGuard(t *testing.T) {
	w := newWorld(t, false)
	f := func(who, request, want string, headers ...string) {
		t.Helper()
		if _, got := w.do(w.guard, who, request, headers...); !strings.HasPrefix(got, want) {
			t.Errorf("%s, %s %q: got %q, want %q", who, request, headers, got, want)
		}
	}
	// Who may call what.
	f("", "GET /open", "nothing")
	f("", "GET /r", "401 a credential is needed")
	f("", "POST /w", "401")
	f("", "PUT /agent", "401")
	f("", "GET /admin", "401")
	f("", "GET /no/such/path", "401")
	f("", "DELETE /r", "401")
	f("", "GET /t/shop/r", "401")
	f("", "GET /t/nobody/r", "401")
	f("", "GET /t/Nobody%2f/r", "401")
	f("shop", "GET /open", "nothing")
	f("shop", "GET /r", "reads [shop]")
	f("shop", "GET /t/shop/r", "reads [shop] at shop")
	f("shop", "POST /w", "403 this token may only read")
	f("shop", "PUT /agent", "403 this is for agents")
	f("shop", "GET /admin", "403 this is the operator's")
	f("shop", "GET /odd", "403")
	f("shop", "GET /no/such/path", "404 no such page")
	f("shop", "DELETE /r", "405")
	f("shop-w", "GET /r", "reads [shop]")
	f("shop-w", "POST /w", "writes shop")
	f("shop-w", "POST /t/shop/w", "writes shop at shop")
	f("shop-w", "PUT /agent", "403")
	f("east", "GET /r", "403 a cluster's token writes and reads nothing")
	f("east", "GET /", "403")
	f("east", "POST /w", "writes cluster east as cluster:east")
	f("east", "PUT /agent", "writes cluster east")
	f("east", "GET /admin", "403")
	f("operator", "GET /r", "reads all")
	f("operator", "GET /", "reads all")
	f("operator", "GET /admin", "reads all")
	f("operator", "PUT /agent", "writes cluster local")
	f("reader", "GET /r", "reads all")
	f("reader", "GET /t/shop/r", "reads [shop] at shop")
	f("reader", "GET /admin", "403 this token reads tenants' telemetry and nothing else")
	f("reader", "PUT /agent", "403 this token may only read")
	f("reader", "POST /w", "403 this token may only read")
	f("reader", "POST /w", "403 this token may only read", "X-Scope-OrgID: shop")
	f("operator", "POST /w", "writes cluster local")
	f("operator", "GET /odd", "403")
	f("", "GET /known", "401")
	f("shop", "GET /known", "reads [shop]")
	f("shop", "GET /t/shop/known", "reads [shop] at shop")
	f("shop", "GET /t/billing/known", foreign)
	f("shop-w", "GET /known", "reads [shop]")
	f("east", "GET /known", "nothing")
	f("east", "GET /t/shop/known", foreign)
	f("operator", "GET /known", "reads all")

	// Which tenant: by path.
	f("operator", "GET /t/shop/r", "reads [shop] at shop")
	f("operator", "GET /t/shop/", "reads [shop] at shop")
	f("operator", "POST /t/billing/w", "writes billing at billing")
	f("operator", "GET /t/nobody/r", foreign)
	f("operator", "GET /t/_system/r", foreign)
	f("operator", "GET /t/shop/admin", "404 no such page")
	f("operator", "PUT /t/shop/agent", "404 no such page")
	f("shop", "GET /t/billing/r", foreign)
	f("shop", "GET /t/nobody/r", foreign)
	f("shop", "GET /t/billing/no/such/path", foreign)
	f("shop", "GET /t/nobody/no/such/path", foreign)
	f("shop-w", "POST /t/billing/w", foreign)
	f("east", "GET /t/shop/r", foreign)
	f("east", "POST /t/shop/w", foreign)
	f("shop", "GET /t/shop/open", "nothing")
	f("", "GET /t/nobody/open", "nothing")

	// By header.
	f("operator", "GET /r", "reads [shop]", "X-Scope-OrgID: shop")
	f("operator", "GET /r", "reads [billing shop]", "X-Scope-OrgID: shop|billing|shop")
	f("operator", "GET /r", foreign, "X-Scope-OrgID: shop|nobody")
	f("operator", "GET /r", foreign, "X-Scope-OrgID: _system")
	f("operator", "POST /w", "writes shop", "X-Scope-OrgID: shop")
	f("operator", "POST /w", "400 writing goes to one tenant", "X-Scope-OrgID: shop|billing")
	f("operator", "GET /admin", "reads all")
	f("shop", "GET /r", "reads [shop]", "X-Scope-OrgID: shop")
	f("shop", "GET /r", foreign, "X-Scope-OrgID: shop|billing")
	f("shop", "GET /r", foreign, "X-Scope-OrgID: shop|nobody")
	f("shop", "GET /r", foreign, "X-Scope-OrgID: billing")
	f("shop", "GET /r", foreign, "X-Scope-OrgID: shop|")
	f("shop", "GET /r", foreign, "X-Scope-OrgID: ")
	f("shop", "GET /r", foreign, "X-Scope-OrgID: shop, billing")
	f("shop", "GET /r", foreign, "X-Scope-OrgID:  billing")
	f("shop", "GET /r", "400 header X-Scope-OrgID stands more than once", "X-Scope-OrgID: shop", "X-Scope-OrgID: shop")
	f("shop", "GET /r", "400", "X-Scope-OrgID: shop", "x-scope-orgid: billing")
	f("shop-w", "POST /w", foreign, "X-Scope-OrgID: billing")
	f("east", "POST /w", foreign, "X-Scope-OrgID: shop")
	f("", "GET /r", "401", "X-Scope-OrgID: nobody")

	// By both: the intersection.
	f("operator", "GET /t/shop/r", "reads [shop] at shop", "X-Scope-OrgID: shop|billing")
	f("operator", "GET /t/shop/r", foreign, "X-Scope-OrgID: billing")
	f("operator", "GET /t/shop/r", foreign, "X-Scope-OrgID: shop|nobody")
	f("shop", "GET /t/shop/r", foreign, "X-Scope-OrgID: shop|billing")

	// A query or a form names no tenant.
	f("shop", "GET /r?X-Scope-OrgID=billing&tenant=billing", "reads [shop]")
}

// Nobody gets out of his tenant by the way a path is spelled.
func TestPathTricks(t *testing.T) {
	w := newWorld(t, false)
	f := func(request, want string) {
		t.Helper()
		if _, got := w.do(w.guard, "shop", request); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q", request, got, want)
		}
	}
	for _, p := range []string{
		"/t", "/t/", "/t//", "/t//r", "/t//shop/r", "/t/./r", "/t/../r", "/t/%2e%2e/r", "/t/SHOP/r", "/t/_system/r",
		"/t/shop%2fr", "/t/shop%2f/r", "/t/shop%2f..%2fbilling/r", "/t/billing/../shop/r", "/t/billing%2f..%2fshop/r",
		"/t/shop%00/r", "/t/shop%20/r", "/t/shop;a=b/r", "/t/shop%5c..%5cbilling/r", "/%74/shop%2fr", "/t%2fbilling/r",
		"/t/s%68op/r%2fa", "/t/%73hop/r%2fa",
	} {
		f("GET "+p, "404")
	}
	// A needless escape of the tenant is refused only where it could be read in two ways.
	f("GET /t/%73hop/r", "404")
	f("GET /t/shop/../billing/r", "404 no such page")
	f("GET /t/shop/%2e%2e/billing/r", "404 no such page")
	f("GET /t/shop/..%2fbilling/r", "404 no such page")
	f("GET /t/shop/t/billing/r", "404 no such page")
	f("GET /t/shop//t/billing/r", "404 no such page")
	f("GET //t/billing/r", "404 no such page")
	f("GET /./t/billing/r", "404 no such page")
	f("GET /r/../t/billing/r", "404 no such page")
	f("GET /t/shop//r", "404 no such page")
	f("GET /t/shop/r/a%2fb", "reads [shop] at shop x=a/b")
	f("GET /t/shop/r/t%2fbilling%2fr", "reads [shop] at shop x=t/billing/r")

	if code, _ := w.do(w.guard, "shop", "GET /t/shop"); code != http.StatusFound {
		t.Errorf("/t/shop without its slash: got %d, want a redirect", code)
	}
	f("GET /t/billing", foreign)

	// A listener that is all the API's own knows no path prefix: there, /t is
	// the API's, and in this one nothing.
	if _, got := w.do(w.flat, "shop", "GET /t/shop/r"); !strings.HasPrefix(got, "404 no such page") {
		t.Error(got)
	}
	if _, got := w.do(w.flat, "operator", "GET /r", "X-Scope-OrgID: shop"); got != "reads [shop]" {
		t.Error(got)
	}
}

// An answer for a foreign tenant is byte for byte that for an absent one.
func TestForeignLooksAbsent(t *testing.T) {
	w := newWorld(t, false)
	for _, request := range []string{"GET /t/%s/r", "POST /t/%s/w", "GET /t/%s/", "GET /t/%s", "GET /t/%s/nothing", "GET /t/%s/admin", "PUT /t/%s/agent", "DELETE /t/%s/r"} {
		for _, who := range []string{"shop", "shop-w", "east"} {
			ac, a := w.do(w.guard, who, fmt.Sprintf(request, "billing"))
			bc, b := w.do(w.guard, who, fmt.Sprintf(request, "bullring"))
			if ac != bc || a != b {
				t.Errorf("%s, %s: %d %q for a foreign tenant, %d %q for an absent one", who, request, ac, a, bc, b)
			}
		}
	}
}

func TestCredentials(t *testing.T) {
	w := newWorld(t, true) // anonymous or not: what is presented is checked
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	tok := w.tokens["shop"]
	f := func(header, want string) {
		t.Helper()
		r := httptest.NewRequest("GET", "http://127.0.0.1:7480/r", nil)
		r.RemoteAddr = "127.0.0.1:999"
		r.Header["Authorization"] = strings.Split(header, "\n")
		rec := httptest.NewRecorder()
		w.guard.ServeHTTP(rec, r)
		if got := rec.Body.String(); !strings.HasPrefix(got, want) {
			t.Errorf("%q: got %q, want %q", header, got, want)
		}
		if challenge := rec.Header().Get("WWW-Authenticate"); (rec.Code == 401) != strings.HasPrefix(challenge, "Basic ") {
			t.Errorf("%q: %d with challenge %q", header, rec.Code, challenge)
		}
	}
	f("Bearer "+tok, "reads [shop]")
	f("bearer  "+tok, "reads [shop]")
	f("ApiKey "+tok, "reads [shop]")
	f("ApiKey "+b64("anyid:"+tok), "reads [shop]")
	f("ApiKey "+b64(tok), "reads [shop]")
	f("Basic "+b64("grafana:"+tok), "reads [shop]")
	f("Basic "+b64(":"+tok), "reads [shop]")

	f("", "401 the Authorization header cannot be read")
	f("Bearer", "401")
	f("Bearer ", "401")
	f("Digest x", "401")
	f("Basic !!!", "401")
	f("Basic "+b64(tok), "401")
	f("Basic "+b64("user:"), "401")
	f("Bearer nonsense", "401 the token is not valid")
	f("Bearer "+tok[:len(tok)-1], "401 the token is not valid")
	f("Bearer "+tok+"x", "401 the token is not valid")
	f("Bearer "+strings.Replace(tok, "_t_", "_o_", 1), "401 the token is not valid")
	f("Bearer oriel_t_"+w.ids["shop"]+"_", "401")
	f("Bearer oriel_t__"+tok[len(tok)-secretLen:], "401")
	f("Bearer "+strings.Repeat("a", 1<<16), "401")
	f("Bearer "+tok+"\nBearer "+tok, "401 more than one")

	if strings.Contains(w.log.String(), tok[len(tok)-8:]) {
		t.Errorf("a token is in the log:\n%s", w.log.String())
	}
	if n := testutil.ToFloat64(w.failures.WithLabelValues("unknown")); n < 2 {
		t.Errorf("oriel_auth_failures_total{reason=\"unknown\"} is %v", n)
	}
}

// What ends, ends at once.
func TestEndsAtOnce(t *testing.T) {
	w := newWorld(t, false)
	f := func(who, want string) {
		t.Helper()
		if _, got := w.do(w.guard, who, "GET /r"); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q", who, got, want)
		}
	}
	f("short", "reads [shop]")
	w.now = w.now.Add(time.Hour)
	f("short", "401 the token has expired")

	f("billing", "reads [billing]")
	if err := w.opts.Tokens.Revoke(w.ids["billing"]); err != nil {
		t.Fatal(err)
	}
	f("billing", "401 the token is not valid")

	delete(w.dir, "shop")
	f("shop", "401 the tenant of this token has been offboarded")
	if _, got := w.do(w.guard, "operator", "GET /t/shop/r"); got != foreign {
		t.Errorf("operator: got %q", got)
	}
	// Somebody else takes the name: the old team's tokens stay dead.
	w.dir["shop"] = w.now
	f("shop", "401 the tenant of this token has been offboarded")
}

func TestAnonymous(t *testing.T) {
	w := newWorld(t, true)
	const peer = "127.0.0.1:5555"
	f := func(remote, host, want string, headers ...string) {
		t.Helper()
		for _, request := range []string{"GET /r", "POST /w", "GET /admin"} {
			method, path, _ := strings.Cut(request, " ")
			r := httptest.NewRequest(method, "http://x"+path, nil)
			r.RemoteAddr, r.Host = remote, host
			for _, h := range headers {
				k, v, _ := strings.Cut(h, ": ")
				r.Header.Add(k, v)
			}
			rec := httptest.NewRecorder()
			w.guard.ServeHTTP(rec, r)
			if got := rec.Body.String(); want == "" != (rec.Code == 200) || !strings.Contains(got, want) {
				t.Errorf("%s from %s to %s %q: got %d %q, want %q", request, remote, host, headers, rec.Code, got, want)
			}
		}
	}
	f(peer, "localhost:7480", "")
	f(peer, "localhost", "")
	f(peer, "127.0.0.1:7480", "")
	f("[::1]:5555", "[::1]:7480", "")
	f("[::1]:5555", "[::1]", "")
	f("[::ffff:127.0.0.1]:5555", "127.0.0.1:7480", "")
	f(peer, "localhost:7480", "", "Origin: http://localhost:7480")
	f(peer, "localhost:7480", "", "Sec-Fetch-Site: same-origin")
	f(peer, "localhost:7480", "", "Sec-Fetch-Site: none")

	f("10.0.0.9:5555", "localhost:7480", "from other machines")
	f("[fe80::1]:5555", "localhost:7480", "from other machines")
	f("", "localhost:7480", "from other machines")
	f(peer, "", "unless Oriel is called")
	f(peer, "oriel.example:7480", "unless Oriel is called")
	f(peer, "evil.localhost", "unless Oriel is called")
	f(peer, "localhost.evil.example", "unless Oriel is called")
	f(peer, "127.0.0.1.evil.example:7480", "unless Oriel is called")
	f(peer, "[::1", "unless Oriel is called")
	f(peer, "localhost:7480", "another origin", "Origin: http://evil.example")
	f(peer, "localhost:7480", "another origin", "Origin: http://localhost:3000")
	f(peer, "localhost:7480", "another origin", "Origin: https://localhost:7480")
	f(peer, "localhost:7480", "another origin", "Origin: null")
	f(peer, "localhost:7480", "another origin", "Origin: ")
	f(peer, "localhost:7480", "another origin", "Origin: http://localhost:7480", "Origin: http://evil.example")
	f(peer, "localhost:7480", "another origin", "Sec-Fetch-Site: cross-site")
	f(peer, "localhost:7480", "another origin", "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors")
	f(peer, "localhost:7480", "through a proxy", "Forwarded: for=10.0.0.1")
	f(peer, "localhost:7480", "through a proxy", "X-Forwarded-For: 127.0.0.1")
	f(peer, "localhost:7480", "through a proxy", "x-forwarded-host: localhost")
	f(peer, "localhost:7480", "through a proxy", "X-Real-IP: 127.0.0.1")

	// A link that somebody followed shows a page to him, not to whoever set it.
	if _, got := w.do(w.Guard(testAPI()), "", "GET /r"); !strings.HasPrefix(got, "401") {
		t.Error(got)
	}
	r := httptest.NewRequest("GET", "http://localhost:7480/r", nil)
	r.RemoteAddr = peer
	r.Header.Set("Sec-Fetch-Site", "same-site")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	if c, err := w.Identify(r); err != nil || c.Kind != tenant.TokenOperator {
		t.Error(c, err)
	}
	r.Header.Set("Sec-Fetch-Dest", "iframe")
	if _, err := w.Identify(r); err == nil {
		t.Error("a frame of a foreign page was served")
	}
}

// A listener on loopback takes what programs on this machine send, for the local
// cluster, and no more.
func TestGuardListener(t *testing.T) {
	w := newWorld(t, false)
	h := w.GuardListener(testAPI(), "journal")
	f := func(remote, host, request, want string, headers ...string) {
		t.Helper()
		method, path, _ := strings.Cut(request, " ")
		r := httptest.NewRequest(method, "http://"+host+path, nil)
		r.RemoteAddr = remote
		for _, h := range headers {
			k, v, _ := strings.Cut(h, ": ")
			r.Header.Add(k, v)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if got := rec.Body.String(); !strings.HasPrefix(got, want) {
			t.Errorf("%s from %s %q: got %q, want %q", request, remote, headers, got, want)
		}
	}
	const peer, host = "127.0.0.1:5555", "127.0.0.1:19532"
	f(peer, host, "POST /w", "writes cluster local as cluster:local/journal")
	f(peer, host, "GET /r", "403")
	f(peer, host, "GET /admin", "403")
	f(peer, host, "POST /w", foreign, "X-Scope-OrgID: shop")
	f(peer, host, "POST /w", "writes cluster east", "Authorization: Bearer "+w.tokens["east"])
	f(peer, host, "POST /w", "401", "Authorization: Bearer wrong")
	f(peer, host, "POST /w", "401", "Origin: http://evil.example")
	f(peer, "evil.example:19532", "POST /w", "401")
	f("10.0.0.9:5555", host, "POST /w", "401")
}

// A browser sends a Basic password along with what a foreign page makes it send.
func TestBasicFromForeignPage(t *testing.T) {
	w := newWorld(t, false)
	f := func(request, want string, headers ...string) {
		t.Helper()
		basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+w.tokens["shop-w"]))
		if _, got := w.do(w.guard, "", request, append(headers, basic)...); !strings.HasPrefix(got, want) {
			t.Errorf("%s %q: got %q, want %q", request, headers, got, want)
		}
	}
	f("POST /w", "writes shop")
	f("POST /w", "writes shop", "Sec-Fetch-Site: same-origin")
	f("POST /w", "403 a page of another origin", "Sec-Fetch-Site: cross-site")
	f("POST /w", "403 a page of another origin", "Origin: https://evil.example")
	f("GET /r", "reads [shop]", "Sec-Fetch-Site: cross-site")
}
