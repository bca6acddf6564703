package access

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/oriel-project/oriel/tenant"
)

const (
	pathPrefix = "/t/"
	header     = "X-Scope-Orgid" // X-Scope-OrgID, as net/http writes it
)

// named is what a request says of the tenants it is about.
type named struct {
	path    bool // it said so by its path
	tenant  tenant.ID
	bare    bool // the path is /t/{tenant}, without the slash that pages need
	header  bool // it said so by its header
	tenants []tenant.ID
	inner   *http.Request // without the path's prefix
	// err is what is wrong with the names; held back until the caller is known.
	err error
}

// notFound is the answer for a tenant that is not there, and for one that is not
// the caller's.
func notFound() error {
	return &Denied{http.StatusNotFound, "tenant", "no such tenant, or not one of yours"}
}

// whichTenant reads the path and the header. It decides nothing.
func whichTenant(r *http.Request, byPath bool) named {
	n := named{inner: r}
	if byPath {
		n.fromPath(r)
	}
	if values, ok := r.Header[header]; ok && n.err == nil {
		n.fromHeader(values)
	}
	return n
}

func (n *named) fromPath(r *http.Request) {
	if r.URL.Path != "/t" && !strings.HasPrefix(r.URL.Path, pathPrefix) {
		return
	}
	n.path = true
	name, rest, slash := strings.Cut(strings.TrimPrefix(r.URL.Path, pathPrefix), "/")
	id, err := tenant.ParseID(name)
	prefix := pathPrefix + name
	// The prefix must stand in the path letter by letter: with an escaped one,
	// two readers of the path could see two tenants.
	if err != nil || (r.URL.RawPath != "" && r.URL.RawPath != prefix && !strings.HasPrefix(r.URL.RawPath, prefix+"/")) {
		n.err = notFound()
		return
	}
	n.tenant, n.bare = id, !slash
	inner := new(http.Request)
	*inner = *r
	inner.URL = new(url.URL)
	*inner.URL = *r.URL
	inner.URL.Path = "/" + rest
	if r.URL.RawPath != "" {
		inner.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, prefix)
	}
	n.inner = inner
}

func (n *named) fromHeader(values []string) {
	if len(values) != 1 {
		n.err = &Denied{http.StatusBadRequest, "tenant", "header X-Scope-OrgID stands more than once: send one, such as `shop|billing`"}
		return
	}
	n.header = true
	for name := range strings.SplitSeq(values[0], "|") {
		id, err := tenant.ParseID(name)
		if err != nil {
			n.err = notFound()
			return
		}
		n.tenants = append(n.tenants, id)
	}
}

// choose gives the tenants that the request named, each of them the caller's
// and there; nil where it named none. The error is a *Denied.
func (a *Access) choose(c Caller, n named) ([]tenant.ID, error) {
	if n.err != nil {
		return nil, n.err
	}
	if !n.path && !n.header {
		return nil, nil
	}
	ids := n.tenants
	if n.path {
		ids = append(slices.Clone(ids), n.tenant)
	}
	for _, id := range ids {
		if !a.mine(c, id) {
			return nil, notFound()
		}
	}
	if n.path {
		if n.header && !slices.Contains(n.tenants, n.tenant) {
			return nil, notFound() // nothing is left of the two
		}
		return []tenant.ID{n.tenant}, nil
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

func (a *Access) mine(c Caller, id tenant.ID) bool {
	if c.Kind == tenant.TokenCluster || (c.Kind == tenant.TokenTenant && c.Tenant != id) {
		return false
	}
	_, ok := a.opts.Directory.Lookup(id)
	return ok
}
