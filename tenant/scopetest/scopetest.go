// Package scopetest makes scopes for tests. Only _test.go files may import it;
// test/arch checks that.
package scopetest

import (
	"time"

	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/internal/scope"
)

// Cluster is the cluster that scopes made here stamp.
var cluster = tenant.Cluster{Name: "test", Region: "eu", Cloud: "private"}

// Read gives a scope over the tenants.
func Read(ids ...tenant.ID) tenant.Read { return scope.NewRead("test", Owners{}, ids...) }

// ReadSealed gives a scope over the tenants in which the lives of o are sealed.
func ReadSealed(o Owners, ids ...tenant.ID) tenant.Read { return scope.NewRead("test", o, ids...) }

// ReadAs gives a scope over the tenants for a named caller.
func ReadAs(who string, ids ...tenant.ID) tenant.Read { return scope.NewRead(who, Owners{}, ids...) }

// Operator gives a scope over every tenant.
func Operator() tenant.Read { return scope.NewReadAll("operator", Owners{}) }

// Write gives a scope that writes one tenant.
func Write(id tenant.ID) tenant.Write { return WriteTenant(id, cluster) }

// WriteTenant writes one tenant, with the labels of a cluster.
func WriteTenant(id tenant.ID, c tenant.Cluster) tenant.Write {
	return scope.NewWriteTenant("test", c, id)
}

// WriteCluster gives a scope that writes the namespaces of c to their owners.
func WriteCluster(c tenant.Cluster, o Owners) tenant.Write {
	return scope.NewWriteCluster("cluster:"+c.Name, c, o)
}

// Owners is a fixed answer to whose data something is: "cluster/namespace" to
// tenant, whatever the time, and the sealed lives of each tenant.
type Owners struct {
	Of    map[string]tenant.ID
	Lives map[tenant.ID][]tenant.Life
}

// Owner implements the lookup.
func (o Owners) Owner(cluster, namespace string, _ time.Time) (tenant.ID, bool) {
	id, ok := o.Of[cluster+"/"+namespace]
	return id, ok
}

// Sealed implements the lookup.
func (o Owners) Sealed(id tenant.ID) []tenant.Life { return o.Lives[id] }

// WriteClusterOf is WriteCluster with an answer that may depend on the time.
func WriteClusterOf(c tenant.Cluster, o scope.Owners) tenant.Write {
	return scope.NewWriteCluster("cluster:"+c.Name, c, o)
}
