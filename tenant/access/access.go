package access

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/internal/scope"
)

// Options of an Access. Directory and Tokens are needed.
type Options struct {
	Directory tenant.Directory
	Tokens    *Tokens
	// Anonymous lets callers without a credential be the operator, if they are on
	// this machine beyond doubt.
	Anonymous bool
	// Local is the cluster that is stamped where no credential names one.
	Local      tenant.Cluster
	Logger     *slog.Logger // nil: silent
	Registerer prometheus.Registerer
	Clock      clock.Clock
}

// Access knows callers and makes their scopes. It is safe for concurrent use.
type Access struct {
	opts     Options
	failures *prometheus.CounterVec
	logs     *rate.Limiter
	origin   *http.CrossOriginProtection
}

// New makes an Access.
func New(o Options) *Access {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	a := &Access{
		opts: o,
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_auth_failures_total",
			Help: "Requests that were refused for who sent them, by reason.",
		}, []string{"reason"}),
		logs:   rate.NewLimiter(rate.Every(time.Second), 5),
		origin: http.NewCrossOriginProtection(),
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(a.failures)
	}
	return a
}

// Caller is who sent a request.
type Caller struct {
	Who     string // for logs and batch keys; not a secret
	Kind    tenant.TokenKind
	Tenant  tenant.ID          // TokenTenant
	Access  tenant.TokenAccess // TokenTenant
	Cluster tenant.Cluster     // TokenCluster
}

// read is what the caller may read.
func (a *Access) read(c Caller) tenant.Read {
	switch c.Kind {
	case tenant.TokenOperator:
		return scope.NewReadAll(c.Who, a.opts.Directory)
	case tenant.TokenTenant:
		return scope.NewRead(c.Who, a.opts.Directory, c.Tenant)
	}
	return tenant.Read{}
}

// OperatorRead is the scope of the system's own work over all tenants.
func (a *Access) OperatorRead() tenant.Read { return scope.NewReadAll("oriel", a.opts.Directory) }

// TenantRead is the scope of the system's own work for one tenant, such as
// looking whether its window stands.
func (a *Access) TenantRead(id tenant.ID) tenant.Read {
	return scope.NewRead("oriel", a.opts.Directory, id)
}

// TenantWrite is the scope of the system's own work for one tenant: what Oriel
// tells it of a cluster.
func (a *Access) TenantWrite(id tenant.ID, c tenant.Cluster) tenant.Write {
	return scope.NewWriteTenant("oriel", c, id)
}

// SystemWrite is what Oriel writes about itself.
func (a *Access) SystemWrite() tenant.Write {
	return scope.NewWriteTenant("oriel", a.opts.Local, tenant.System)
}

// LocalWrite writes the local cluster's namespaces to their owners. It is for
// what needs no credential because it is this process or this machine: the
// scraper, and the forward and journal listeners on loopback. via tells them
// apart in batch keys.
func (a *Access) LocalWrite(via string) tenant.Write {
	return scope.NewWriteCluster(clusterWho(a.opts.Local)+"/"+via, a.opts.Local, a.opts.Directory)
}

// A cluster is named by its name, not by its token: a batch that an agent
// repeats after its token was replaced is still the same batch.
func clusterWho(c tenant.Cluster) string { return "cluster:" + c.Name }
