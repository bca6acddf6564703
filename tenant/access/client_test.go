package access

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/tenant"
)

func TestClients(t *testing.T) {
	w := newWorld(t, false)
	clients := []config.Client{
		{Name: "node-1.example", Cluster: "eu-1", Region: "eu"},
		{Name: "shop.example", Tenant: "shop"},
		{Name: "gone.example", Tenant: "gone"},
	}
	state := func(cn string, dns ...string) *tls.ConnectionState {
		c := &x509.Certificate{Subject: pkix.Name{CommonName: cn}, DNSNames: dns}
		return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}, VerifiedChains: [][]*x509.Certificate{{c}}}
	}
	unverified := state("node-1.example")
	unverified.VerifiedChains = nil
	m := httpx.NewMux(func(w http.ResponseWriter, _ *http.Request, status int, reason string) { http.Error(w, reason, status) })
	m.Handle(httpx.Route{Pattern: "/upload", Access: httpx.Write}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Who", tenant.WriteFrom(r.Context()).Who())
	})
	m.Handle(httpx.Route{Pattern: "/read", Access: httpx.Read}, func(http.ResponseWriter, *http.Request) { t.Error("was served") })
	guard := w.GuardClients(m, clients, "journal")
	for name, tc := range map[string]struct {
		state  *tls.ConnectionState
		path   string
		status int
		who    string
	}{
		"common name":                       {state("node-1.example"), "/upload", 200, "cluster:eu-1/journal"},
		"DNS name":                          {state("whatever", "other.example", "NODE-1.example"), "/upload", 200, "cluster:eu-1/journal"},
		"common name beside DNS names":      {state("node-1.example", "other.example"), "/upload", 403, ""},
		"a tenant's":                        {state("shop.example"), "/upload", 200, "journal:shop"},
		"a tenant that is gone":             {state("gone.example"), "/upload", 403, ""},
		"not listed":                        {state("node-2.example"), "/upload", 403, ""},
		"no certificate":                    {nil, "/upload", 403, ""},
		"not verified":                      {unverified, "/upload", 403, ""},
		"reads nothing":                     {state("node-1.example"), "/read", 403, ""},
		"what is not there is not there":    {state("node-1.example"), "/none", 404, ""},
		"nor for those who are not listed":  {state("node-2.example"), "/none", 403, ""},
		"no name at all, and none is asked": {state(""), "/upload", 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, tc.path, nil)
			r.TLS = tc.state
			rec := httptest.NewRecorder()
			guard.ServeHTTP(rec, r)
			if rec.Code != tc.status || rec.Header().Get("Who") != tc.who {
				t.Fatalf("%d %s, as %q", rec.Code, rec.Body, rec.Header().Get("Who"))
			}
		})
	}
}
