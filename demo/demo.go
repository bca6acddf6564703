// Package demo is two small teams to look at: shop and billing, in the cluster
// "demo". Each is a process of its own with real HTTP servers, metrics by
// client_golang and logs by fluent-logger-golang, under synthetic traffic; a
// checkout of shop charges through billing.
//
// The parent supervises the two as children of the same binary and learns the
// addresses to scrape:
//
//	root.AddCommand(demo.Command())
//	err := demo.Supervise(ctx, demo.SuperviseOptions{ForwardAddr: addr, OnTarget: func(t demo.Target) { ... }})
package demo

import (
	"time"

	"github.com/google/uuid"

	"github.com/oriel-project/oriel/tenant"
)

// Cluster gives the cluster that the teams live in.
func Cluster() tenant.Cluster {
	return tenant.Cluster{Name: "demo", Region: "local", Cloud: "private"}
}

// The teams. Their namespaces have the same names.
const (
	shop    = "shop"
	billing = "billing"
)

// Claims gives the teams' namespaces as an agent would tell of them. The UIDs
// are the same at every start: what was collected before is still theirs.
func Claims() []tenant.Claim {
	claim := func(team string, dependsOn ...string) tenant.Claim {
		return tenant.Claim{
			Namespace: team,
			UID:       uuid.NewSHA1(uuid.NameSpaceURL, []byte("oriel:demo/"+team)).String(),
			Created:   time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
			Tenant:    team,
			Groups:    []string{"demo:" + team},
			OnDelete:  tenant.Archive,
			DependsOn: dependsOn,
		}
	}
	return []tenant.Claim{claim(billing), claim(shop, billing)}
}

// Target is a pod that can be scraped at http://Address/metrics. A team writes
// one a line, as JSON, on its standard output when it listens.
type Target struct {
	Team      string `json:"team"`
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Container string `json:"container"`
	Node      string `json:"node"`
	Address   string `json:"address"` // host:port
	PID       int    `json:"pid"`
}

// place is where a pod runs, as Kubernetes would name it.
type place struct{ pod, container, node, app string }

// places gives the pods of a team. The names stay the same over restarts, as a
// restarted container's do.
func places(team string) []place {
	switch team {
	case shop:
		return []place{
			{"shop-web-7c9f6d5b4-2xkqp", "web", "demo-node-1", "shop-web"},
			{"shop-web-7c9f6d5b4-9fmzt", "web", "demo-node-2", "shop-web"},
		}
	case billing:
		return []place{
			{"billing-api-5d8c7b6f9-hh2vw", "api", "demo-node-1", "billing-api"},
			{"billing-api-5d8c7b6f9-tq7rn", "api", "demo-node-2", "billing-api"},
		}
	}
	return nil
}
