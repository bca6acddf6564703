package access

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/tenant"
)

// ClientScope is what the sender with that certificate may write: that of the
// client whose name it bears. via, forward or journal, tells listeners apart in batch keys. Ask for it at
// every request or frame: the tenant may be gone since the last one.
func (a *Access) ClientScope(clients []config.Client, state *tls.ConnectionState, via string) (tenant.Write, error) {
	if state == nil || len(state.VerifiedChains) == 0 {
		return tenant.Write{}, fmt.Errorf("no certificate was shown that an authority of client_ca_file signed")
	}
	names := namesOf(state.PeerCertificates[0])
	for _, c := range clients {
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, c.Name) }) {
			return a.writer(via, tenant.Cluster{Name: c.Cluster, Region: c.Region, Cloud: c.Cloud}, c.Tenant)
		}
	}
	return tenant.Write{}, fmt.Errorf("the certificate is valid and none of the clients listed has one of its names %q", names)
}

// namesOf: RFC 6125 looks at the common name only where there is no other.
func namesOf(c *x509.Certificate) []string {
	if len(c.DNSNames) > 0 {
		return c.DNSNames
	}
	return []string{c.Subject.CommonName}
}

// GuardClients is GuardFlat for a listener whose callers are known by their
// certificates, as that of the journal beyond loopback; they write and read nothing.
func (a *Access) GuardClients(api httpx.API, clients []config.Client, via string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scope, err := a.ClientScope(clients, r.TLS, via)
		what, known := api.Access(r)
		if known && what != httpx.Write && err == nil {
			err = fmt.Errorf("a certificate writes and does nothing else")
		}
		if err != nil {
			a.failures.WithLabelValues("certificate").Inc()
			if a.logs.Allow() {
				a.opts.Logger.Warn("request_refused", "status", http.StatusForbidden, "reason", "certificate", "peer", r.RemoteAddr, "error", err)
			}
			api.Error(w, r, http.StatusForbidden, "this certificate may not write here: list its name in the configuration's clients")
			return
		}
		api.ServeHTTP(w, r.WithContext(tenant.WithWrite(r.Context(), scope)))
	})
}
