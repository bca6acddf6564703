package access

import (
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/tenant"
)

func TestTokensAreDurable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tokens")
	now := start
	open := func() *Tokens {
		t.Helper()
		s, err := OpenTokens(dir, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	secret, info, err := s.Create(tenant.TokenSpec{Kind: tenant.TokenTenant, Tenant: "shop", Name: "grafana", Expires: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if info.Access != tenant.AccessRead || !info.Expires.Equal(start.Add(24*time.Hour)) {
		t.Errorf("%+v", info)
	}
	if !strings.HasPrefix(secret, "oriel_t_"+info.ID+"_") || len(secret) != len("oriel_t__")+idLen+secretLen {
		t.Errorf("the token looks odd: %d characters", len(secret))
	}
	_, gone, err := s.Create(tenant.TokenSpec{Kind: tenant.TokenOperator})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Revoke(gone.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Revoke(gone.ID); !errors.Is(err, tenant.ErrNoToken) {
		t.Error(err)
	}

	s = open()
	if got := s.List(); len(got) != 1 || got[0] != info {
		t.Errorf("after reopening: %+v, want %+v", got, info)
	}
	if got, err := s.check(secret); err != nil || got != info {
		t.Error(got, err)
	}
	file := filepath.Join(dir, "tokens.json")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), secret[len(secret)-secretLen:]) {
		t.Error("the secret is in the file")
	}
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 {
		t.Error(fi.Mode(), err)
	}
	now = now.Add(24 * time.Hour)
	if got := s.List(); len(got) != 0 {
		t.Errorf("expired, and listed: %+v", got)
	}
}

func TestTokensRefuseDamage(t *testing.T) {
	f := func(content, want string) {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "tokens.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenTokens(dir, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", content, err, want)
		}
	}
	f("", "cannot be read")
	f(`{"version":1,"tokens":[`, "cannot be read")
	f(`{"version":2,"tokens":[]}`, "version 2")
	f(`{"version":1,"tokens":[{"id":"a","kind":"operator","created":"2026-03-01T00:00:00Z","sha256":"00"}]}`, `damaged entry for token "a"`)
}

func TestTokenSpecs(t *testing.T) {
	s, err := OpenTokens(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range []tenant.TokenSpec{
		{},
		{Kind: "root"},
		{Kind: tenant.TokenTenant},
		{Kind: tenant.TokenTenant, Tenant: "_system"},
		{Kind: tenant.TokenTenant, Tenant: "shop", Access: "admin"},
		{Kind: tenant.TokenTenant, Tenant: "shop", Cluster: tenant.Cluster{Name: "east"}},
		{Kind: tenant.TokenCluster},
		{Kind: tenant.TokenCluster, Cluster: tenant.Cluster{Name: "East!"}},
		{Kind: tenant.TokenCluster, Cluster: tenant.Cluster{Name: "east"}, Tenant: "shop"},
		{Kind: tenant.TokenCluster, Cluster: tenant.Cluster{Name: "east"}, Access: tenant.AccessRead},
		{Kind: tenant.TokenOperator, Tenant: "shop"},
		{Kind: tenant.TokenOperator, Expires: -1},
		{Kind: tenant.TokenOperator, Name: strings.Repeat("n", 201)},
	} {
		if _, _, err := s.Create(spec); !errors.Is(err, tenant.ErrTokenSpec) {
			t.Errorf("%+v: %v", spec, err)
		}
	}
}

// A cluster's token that another Oriel made counts here, one at a time, and is
// nowhere kept.
func TestAccept(t *testing.T) {
	dir := t.TempDir()
	central, err := OpenTokens(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := OpenTokens(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	make := func(s tenant.TokenSpec) string {
		secret, _, err := central.Create(s)
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	eu := tenant.Cluster{Name: "eu-1"}
	first, second := make(tenant.TokenSpec{Kind: tenant.TokenCluster, Cluster: eu}), make(tenant.TokenSpec{Kind: tenant.TokenCluster, Cluster: eu})
	a := New(Options{Tokens: tokens})
	who := func(token string) string {
		r := httptest.NewRequest("POST", "/agent/v1/audit", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		c, err := a.Identify(r)
		if err != nil {
			return "nobody"
		}
		return string(c.Kind) + " " + c.Cluster.Name
	}
	for _, token := range []string{first, second} {
		if got := who(token); got != "nobody" {
			t.Errorf("before it is accepted: %s", got)
		}
		if err := tokens.Accept(token, eu); err != nil {
			t.Fatal(err)
		}
		if got := who(token); got != "cluster eu-1" {
			t.Errorf("accepted: %s", got)
		}
	}
	if got := who(first); got != "nobody" {
		t.Errorf("after it was replaced: %s", got)
	}
	if got := who(second[:len(second)-1] + "x"); got != "nobody" {
		t.Errorf("another secret under its id: %s", got)
	}
	own, _, err := tokens.Create(tenant.TokenSpec{Kind: tenant.TokenCluster, Cluster: eu})
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"", "x", make(tenant.TokenSpec{Kind: tenant.TokenOperator}), make(tenant.TokenSpec{Kind: tenant.TokenTenant, Tenant: "shop"}), own} {
		if err := tokens.Accept(token, eu); err == nil {
			t.Errorf("%.9s... was accepted", token)
		}
	}
	if n := len(tokens.List()); n != 1 {
		t.Errorf("%d tokens are listed, want the own one", n)
	}
	again, err := OpenTokens(dir, nil)
	if err != nil || len(again.List()) != 1 {
		t.Errorf("%v, %d tokens are kept", err, len(again.List()))
	}
}

func TestAdminToken(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "admin.token")
	s, err := OpenTokens(filepath.Join(dir, "tokens"), nil)
	if err != nil {
		t.Fatal(err)
	}
	read := func() string {
		t.Helper()
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(data))
	}
	if err := s.AdminToken(file); err != nil {
		t.Fatal(err)
	}
	first := read()
	if info, err := s.check(first); err != nil || info.Kind != tenant.TokenOperator {
		t.Error(info, err)
	}
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 {
		t.Error(fi.Mode(), err)
	}
	if len(s.List()) != 0 {
		t.Error("the admin token is listed")
	}
	if _, _, err := s.Create(tenant.TokenSpec{Kind: tenant.TokenOperator}); err != nil {
		t.Fatal(err)
	}
	// The next process has another one, and knows nothing of this one.
	s, err = OpenTokens(filepath.Join(dir, "tokens"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AdminToken(file); err != nil {
		t.Fatal(err)
	}
	if _, err := s.check(first); !errors.Is(err, errUnknown) {
		t.Error(err)
	}
	if _, err := s.check(read()); err != nil {
		t.Error(err)
	}
}

func TestScopesWithoutRequests(t *testing.T) {
	w := newWorld(t, false)
	if !w.OperatorRead().All() || !w.TenantRead("shop").Includes("shop") || w.TenantRead("shop").Includes("billing") {
		t.Error("read scopes are wrong")
	}
	if id, _ := w.SystemWrite().Owner("shop", start); id != tenant.System {
		t.Errorf("Oriel's own data go to %q", id)
	}
	f := func(ws tenant.Write, namespace string, want tenant.ID) {
		t.Helper()
		if id, ok := ws.Owner(namespace, start); !ok || id != want {
			t.Errorf("%s: namespace %q is %q's, want %q", ws.Who(), namespace, id, want)
		}
	}
	f(w.LocalWrite("forward"), "shop", "shop")
	f(w.LocalWrite("forward"), "nobody", tenant.Unassigned)
	byCluster, err := w.KeyScope(config.ForwardKey{Cluster: "west", Region: "us"})
	if err != nil || byCluster.Cluster() != (tenant.Cluster{Name: "west", Region: "us"}) {
		t.Error(byCluster.Cluster(), err)
	}
	f(byCluster, "billing", "billing")
	byTenant, err := w.KeyScope(config.ForwardKey{Tenant: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	f(byTenant, "billing", "shop")
	for _, k := range []config.ForwardKey{{}, {Tenant: "nobody"}, {Tenant: "_system"}} {
		if ws, err := w.KeyScope(k); err == nil || ws.Valid() {
			t.Errorf("%+v: a scope", k)
		}
	}
}

func TestCheckListener(t *testing.T) {
	f := func(flag, addr string, hasAuth bool, want string) {
		t.Helper()
		err := CheckListener(flag, addr, hasAuth)
		if (err == nil) != (want == "") || (err != nil && (!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), flag))) {
			t.Errorf("%s %q %v: %v, want %q", flag, addr, hasAuth, err, want)
		}
	}
	const fwd = "--listen.forward"
	f(fwd, "127.0.0.1:24224", false, "")
	f(fwd, "127.1.2.3:0", false, "")
	f(fwd, "[::1]:24224", false, "")
	f(fwd, "localhost:24224", false, "")
	f(fwd, "", false, "")
	f(fwd, "0.0.0.0:24224", true, "")
	f(fwd, "0.0.0.0:24224", false, "forward.keys")
	f(fwd, ":24224", false, "forward.keys")
	f(fwd, "[::]:24224", false, "forward.keys")
	f(fwd, "10.1.2.3:24224", false, "forward.keys")
	f(fwd, "node.example:24224", false, "forward.keys")
	f(fwd, "24224", false, "host:port")
	f("--listen.journal", "0.0.0.0:19532", false, "listen on 127.0.0.1")
}
