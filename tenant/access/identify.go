package access

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/oriel-project/oriel/tenant"
)

// Denied is why a request is refused for who sent it.
type Denied struct {
	Status int    // 401, 403, 404 or 400
	Reason string // one word, the label of oriel_auth_failures_total
	What   string // one sentence that may be shown to the caller
}

func (d *Denied) Error() string { return d.What }

func unauthorized(reason, what string) error {
	return &Denied{http.StatusUnauthorized, reason, what}
}

const howToAuthenticate = "send a token as `Authorization: Bearer ...`, as `ApiKey ...`, or as the password of Basic authentication"

// Identify finds out who sent the request. A credential that is presented is
// checked, whatever else the caller could be. The error is a *Denied.
func (a *Access) Identify(r *http.Request) (Caller, error) {
	presented, ok := r.Header["Authorization"]
	if !ok {
		return a.anonymous(r)
	}
	if len(presented) != 1 {
		return Caller{}, unauthorized("malformed", "more than one Authorization header: send one")
	}
	token, basic, ok := credential(presented[0])
	if !ok {
		return Caller{}, unauthorized("malformed", "the Authorization header cannot be read: "+howToAuthenticate)
	}
	info, err := a.opts.Tokens.check(token)
	switch {
	case errors.Is(err, errExpired):
		return Caller{}, unauthorized("expired", "the token has expired: ask for a new one (`oriel token create`)")
	case err != nil:
		return Caller{}, unauthorized(err.Error(), "the token is not valid: it was revoked, or is not one of this Oriel; `oriel token list` shows the valid ones")
	}
	// A browser keeps a Basic password and sends it along with what foreign pages
	// make it send; nobody's script does that with the other two.
	if basic && a.origin.Check(r) != nil {
		return Caller{}, &Denied{http.StatusForbidden, "origin", "a page of another origin made this request: open Oriel's own page"}
	}
	return a.caller(info)
}

func (a *Access) caller(info tenant.TokenInfo) (Caller, error) {
	c := Caller{Who: "token:" + info.ID, Kind: info.Kind, Tenant: info.Tenant, Access: info.Access, Cluster: info.Cluster}
	switch info.Kind {
	case tenant.TokenCluster:
		c.Who = clusterWho(info.Cluster)
	case tenant.TokenTenant:
		// A name can be given away and taken by another team: a token speaks for
		// the tenant that it was made for, not for a later one of that name.
		t, ok := a.opts.Directory.Lookup(info.Tenant)
		if !ok || info.Created.Before(t.Since) {
			return Caller{}, unauthorized("tenant_gone", "the tenant of this token has been offboarded: ask the operator")
		}
	}
	return c, nil
}

// credential takes the token out of an Authorization header.
func credential(header string) (token string, basic, ok bool) {
	scheme, rest, ok := strings.Cut(header, " ")
	rest = strings.TrimSpace(rest)
	if !ok || rest == "" {
		return "", false, false
	}
	switch strings.ToLower(scheme) {
	case "bearer":
		return rest, false, true
	case "apikey":
		// Elasticsearch clients send base64 of "id:key"; the token is the key.
		if strings.HasPrefix(rest, tokenPrefix) {
			return rest, false, true
		}
		plain, ok := decodeBase64(rest)
		if _, key, found := strings.Cut(plain, ":"); found {
			plain = key
		}
		return plain, false, ok
	case "basic":
		plain, ok := decodeBase64(rest)
		_, password, found := strings.Cut(plain, ":")
		return password, true, ok && found
	}
	return "", false, false
}

func decodeBase64(s string) (string, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	return string(b), err == nil
}

// anonymous takes a caller without a credential for the operator, where that is
// allowed.
func (a *Access) anonymous(r *http.Request) (Caller, error) {
	if !a.opts.Anonymous {
		return Caller{}, unauthorized("missing", "a credential is needed; "+howToAuthenticate)
	}
	if err := fromThisMachine(r); err != nil {
		return Caller{}, err
	}
	return Caller{Who: "anonymous", Kind: tenant.TokenOperator}, nil
}

// fromThisMachine refuses what may come from elsewhere. What passes was sent by
// hand, by a program on this machine, or by Oriel's own page. A page of another
// site that somebody's browser happens to show (cross-site requests, DNS
// rebinding) and whatever a proxy hands on are somebody else.
func fromThisMachine(r *http.Request) error {
	deny := func(reason, what string) error { return unauthorized(reason, what+"; "+howToAuthenticate) }
	if !isLoopback(r.RemoteAddr) {
		return deny("anonymous_peer", "a credential is needed from other machines")
	}
	if !isLocalHost(r.Host) {
		return deny("anonymous_host", "a credential is needed unless Oriel is called localhost, 127.0.0.1 or [::1]")
	}
	for name := range r.Header {
		if name == "Forwarded" || name == "Via" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-") {
			return deny("anonymous_forwarded", fmt.Sprintf("a credential is needed through a proxy (header %s)", name))
		}
	}
	if !ownOrigin(r) {
		return deny("anonymous_origin", "a credential is needed for requests that a page of another origin makes")
	}
	return nil
}

func isLoopback(remote string) bool {
	p, err := netip.ParseAddrPort(remote)
	return err == nil && p.Addr().Unmap().IsLoopback()
}

func isLocalHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	} else if h, ok := strings.CutPrefix(hostport, "["); ok {
		host, ok = strings.CutSuffix(h, "]")
		if !ok {
			return false
		}
	}
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// ownOrigin reports whether no foreign page stands behind the request. A link
// on a foreign page that the operator followed is fine: its page sees nothing of
// the answer.
func ownOrigin(r *http.Request) bool {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	for _, origin := range r.Header["Origin"] {
		if origin != scheme+r.Host {
			return false
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return true
	}
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}
