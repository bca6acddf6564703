package access

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/internal/scope"
)

// KeyScope is what a sender with that key of the forward protocol may write.
// Ask for it at every connection: the tenant may be gone since the last one.
func (a *Access) KeyScope(k config.ForwardKey) (tenant.Write, error) {
	return a.writer("forward", tenant.Cluster{Name: k.Cluster, Region: k.Region, Cloud: k.Cloud}, k.Tenant)
}

// writer is the scope of a credential of the configuration: of a cluster, or of a
// tenant where that is not "".
func (a *Access) writer(via string, c tenant.Cluster, id string) (tenant.Write, error) {
	if id == "" {
		if c.Name == "" {
			return tenant.Write{}, fmt.Errorf("%s credential names neither cluster nor tenant: set one of them", via)
		}
		return scope.NewWriteCluster(clusterWho(c)+"/"+via, c, a.opts.Directory), nil
	}
	t, err := tenant.ParseID(id)
	if err != nil {
		return tenant.Write{}, err
	}
	if _, ok := a.opts.Directory.Lookup(t); !ok {
		return tenant.Write{}, fmt.Errorf("%s credential is for tenant %q, which does not exist: onboard it with `oriel tenants onboard %s`", via, t, t)
	}
	return scope.NewWriteTenant(via+":"+string(t), a.opts.Local, t), nil
}

// CheckListener says whether a listener may open on addr: anywhere with
// authentication of its own, else on loopback alone. flag is the listener's, as
// in --listen.forward; the message names it and the mend.
func CheckListener(flag, addr string, hasAuth bool) error {
	if hasAuth || addr == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%s %s: want host:port, such as 127.0.0.1:0", flag, addr)
	}
	// A name is not looked up: it may mean something else tomorrow.
	if ip, err := netip.ParseAddr(host); host == "localhost" || (err == nil && ip.Unmap().IsLoopback()) {
		return nil
	}
	mend := "listen on 127.0.0.1"
	switch flag {
	case "--listen.forward":
		mend = "set forward.keys or forward.clients, or listen on 127.0.0.1"
	case "--listen.journal":
		mend = "set journal.clients, or listen on 127.0.0.1 and let an `oriel agent` on that machine pass the journal on"
	}
	return fmt.Errorf("%s %s: anybody who reaches that address could write here, since this listener has no authentication: %s", flag, addr, mend)
}
