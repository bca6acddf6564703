package access

import (
	"errors"
	"net/http"
	"strings"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/internal/scope"
)

// Guard serves an API to those who may call it, each with their scope in the
// request's context (tenant.ReadFrom, tenant.WriteFrom). The path prefix
// /t/{tenant}/ narrows the caller's scope to that tenant; the API sees the rest
// of the path, and the tenant by tenant.NamedFrom.
func (a *Access) Guard(api httpx.API) http.Handler {
	return &guard{access: a, api: api, byPath: true}
}

// GuardFlat is Guard for a listener whose paths are all the API's own: the
// tenant is named by the credential or by the header X-Scope-OrgID alone.
func (a *Access) GuardFlat(api httpx.API) http.Handler { return &guard{access: a, api: api} }

// GuardListener is GuardFlat for a listener that CheckListener allowed and whose
// protocol has no credentials, such as --listen.journal: a program on this
// machine writes the local cluster (as LocalWrite(via)) and reads nothing. A page
// of a browser on this machine is not who is meant.
func (a *Access) GuardListener(api httpx.API, via string) http.Handler {
	return &guard{access: a, api: api, via: via}
}

type guard struct {
	access *Access
	api    httpx.API
	byPath bool
	via    string // GuardListener's
}

func (g *guard) identify(r *http.Request) (Caller, error) {
	if _, presented := r.Header["Authorization"]; g.via == "" || presented {
		return g.access.Identify(r)
	}
	if err := fromThisMachine(r); err != nil {
		return Caller{}, err
	}
	local := g.access.opts.Local
	return Caller{Who: clusterWho(local) + "/" + g.via, Kind: tenant.TokenCluster, Cluster: local}, nil
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := whichTenant(r, g.byPath)
	inner := n.inner
	what, known := g.api.Access(inner)
	open := known && what == httpx.Open
	_, presented := r.Header["Authorization"]
	if open && !presented {
		g.api.ServeHTTP(w, inner)
		return
	}
	caller, err := g.identify(r)
	if err != nil {
		g.refuse(w, inner, err)
		return
	}
	if open {
		g.api.ServeHTTP(w, inner)
		return
	}
	chosen, err := g.access.choose(caller, n)
	if err != nil {
		g.refuse(w, inner, err)
		return
	}
	ours := what == httpx.Agent || what == httpx.Operator // nothing of a tenant's
	switch {
	case hasDots(r.URL.Path), known && ours && n.path:
		g.api.Error(w, inner, http.StatusNotFound, "no such page or endpoint")
		return
	case n.bare && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		to := *r.URL
		to.Scheme, to.Host, to.Path, to.RawPath = "", "", to.Path+"/", ""
		http.Redirect(w, r, to.String(), http.StatusFound)
		return
	case !known:
		// The API's own 404 or 405. It gets no scope: a path that it serves
		// without having listed it reads and writes nothing.
		g.api.ServeHTTP(w, inner)
		return
	}
	ctx := inner.Context()
	if n.path {
		ctx = tenant.WithNamed(ctx, n.tenant)
	}
	switch what {
	case httpx.Known:
		// Nothing of a tenant's is asked for: who only writes may know it, too.
		if rs, denied := g.access.narrowed(caller, httpx.Read, chosen); denied == nil {
			ctx = tenant.WithRead(ctx, rs)
		}
	case httpx.Write, httpx.Agent:
		var ws tenant.Write
		if ws, err = g.access.write(caller, what, chosen); err == nil {
			ctx = tenant.WithWrite(ctx, ws)
		}
	default:
		var rs tenant.Read
		if rs, err = g.access.narrowed(caller, what, chosen); err == nil {
			ctx = tenant.WithRead(ctx, rs)
		}
	}
	if err != nil {
		g.refuse(w, inner, err)
		return
	}
	g.api.ServeHTTP(w, inner.WithContext(ctx))
}

// narrowed makes the read scope for a route.
func (a *Access) narrowed(c Caller, what httpx.Access, chosen []tenant.ID) (tenant.Read, error) {
	switch {
	case what == httpx.Operator && c.Kind == tenant.TokenOperator && c.Access == tenant.AccessRead:
		return tenant.Read{}, forbidden("this token reads tenants' telemetry and nothing else: use one made with `oriel token create --operator`")
	case what == httpx.Operator && c.Kind != tenant.TokenOperator:
		return tenant.Read{}, forbidden("this is the operator's: use a token made with `oriel token create --operator`")
	case what != httpx.Operator && what != httpx.Read:
		return tenant.Read{}, forbidden("this is nobody's") // an access that this build does not know
	case c.Kind == tenant.TokenCluster:
		return tenant.Read{}, forbidden("a cluster's token writes and reads nothing: use a tenant's, made with `oriel token create --tenant NAME`")
	}
	r := a.read(c)
	if chosen != nil {
		r = r.Narrow(chosen...)
	}
	return r, nil
}

// write makes the write scope for a route.
func (a *Access) write(c Caller, what httpx.Access, chosen []tenant.ID) (tenant.Write, error) {
	switch {
	case c.Kind == tenant.TokenCluster:
		return scope.NewWriteCluster(c.Who, c.Cluster, a.opts.Directory), nil
	case c.Kind == tenant.TokenOperator && c.Access == tenant.AccessRead:
		return tenant.Write{}, forbidden("this token may only read: use one made with `oriel token create --operator`")
	case what == httpx.Agent && c.Kind != tenant.TokenOperator:
		return tenant.Write{}, forbidden("this is for agents: use a token made with `oriel token create --cluster NAME`")
	case what == httpx.Agent, c.Kind == tenant.TokenOperator && len(chosen) == 0:
		return scope.NewWriteCluster(c.Who, a.opts.Local, a.opts.Directory), nil
	case c.Kind == tenant.TokenOperator && len(chosen) > 1:
		return tenant.Write{}, &Denied{http.StatusBadRequest, "tenant", "writing goes to one tenant: name exactly one in the header X-Scope-OrgID"}
	case c.Kind == tenant.TokenOperator:
		return scope.NewWriteTenant(c.Who, a.opts.Local, chosen[0]), nil
	case c.Access != tenant.AccessWrite:
		return tenant.Write{}, forbidden("this token may only read: ask the operator for one that may write, made with `oriel token create --tenant " + string(c.Tenant) + " --access write`")
	}
	return scope.NewWriteTenant(c.Who, a.opts.Local, c.Tenant), nil
}

func forbidden(what string) error { return &Denied{http.StatusForbidden, "forbidden", what} }

// refuse answers, counts and logs. The log is limited, since anybody can fill it.
func (g *guard) refuse(w http.ResponseWriter, r *http.Request, err error) {
	d, ok := errors.AsType[*Denied](err)
	if !ok {
		panic("access: an error that is not Denied: " + err.Error())
	}
	g.access.failures.WithLabelValues(d.Reason).Inc()
	if g.access.logs.Allow() {
		g.access.opts.Logger.Warn("request_refused", "status", d.Status, "reason", d.Reason, "peer", r.RemoteAddr, "method", clip(r.Method), "path", clip(r.URL.Path))
	}
	if d.Status == http.StatusUnauthorized {
		// Browsers ask for a password, which is the token.
		w.Header()["Www-Authenticate"] = []string{`Basic realm="Oriel: any name, and a token as the password", charset="UTF-8"`, "Bearer", "ApiKey"}
	}
	g.api.Error(w, r, d.Status, d.What)
}

func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "..."
	}
	return s
}

// hasDots reports a path with a "." or ".." segment, in whatever spelling:
// nobody's client needs them, and two readers may resolve them differently.
func hasDots(path string) bool {
	for s := range strings.SplitSeq(path, "/") {
		if s == "." || s == ".." {
			return true
		}
	}
	return false
}
