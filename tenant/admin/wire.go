// Package admin is the operator's API over HTTP, tenants and tokens, and the
// client that the command line uses.
//
//	api := admin.New(admin.Options{Tenants: registry, Tokens: tokens})
//	c := &admin.Client{URL: "http://127.0.0.1:7480"}
//	state, err := c.Onboard(ctx, "payments", []string{"keystone:payments"}, []registry.NamespaceRef{{Cluster: "eu-1", Name: "payments-prod"}})
//
// docs/api.md shows the requests and replies.
package admin

import (
	"time"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/registry"
)

const bodyBytesMax = 1 << 20

// List is the reply of GET /admin/v1/tenants.
type List struct {
	Tenants  []registry.State        `json:"tenants"`            // everything that is kept, by ID; the condition says what exists
	Refusals []registry.Refusal      `json:"refusals,omitempty"` // claims that do not hold now
	Clusters []registry.ClusterState `json:"clusters,omitempty"` // agents that have spoken since the start
}

// Shown is the reply of GET /admin/v1/tenants/{t}.
type Shown struct {
	registry.State
	Receipt *dashboards.Receipt `json:"receipt,omitempty"` // of a live one
}

// onboarding is the body of PUT /admin/v1/tenants/{t}.
type onboarding struct {
	Groups     []string                `json:"groups,omitzero"` // absent: those it has
	Namespaces []registry.NamespaceRef `json:"namespaces,omitempty"`
}

// assignment is the body of PUT /admin/v1/tenants/{t}/namespaces.
type assignment struct {
	Namespaces []registry.NamespaceRef `json:"namespaces"`
}

// namespaceList is the reply of GET and PUT /admin/v1/tenants/{t}/namespaces.
type namespaceList struct {
	Namespaces []tenant.Namespace `json:"namespaces"`
}

// tokenRequest is the body of POST /admin/v1/tokens.
type tokenRequest struct {
	Kind           tenant.TokenKind   `json:"kind"`
	Tenant         tenant.ID          `json:"tenant,omitempty"`
	Cluster        tenant.Cluster     `json:"cluster,omitzero"`
	Access         tenant.TokenAccess `json:"access,omitempty"`
	Name           string             `json:"name,omitempty"`
	ExpiresSeconds int64              `json:"expires_seconds,omitempty"` // from now; 0: never
}

// NewToken is the reply of POST /admin/v1/tokens. The secret is shown this once.
type NewToken struct {
	Secret string           `json:"secret"`
	Token  tenant.TokenInfo `json:"token"`
}

// tokenList is the reply of GET /admin/v1/tokens.
type tokenList struct {
	Tokens []tenant.TokenInfo `json:"tokens"`
}

const expiresSecondsMax = int64(100 * 365 * 24 * time.Hour / time.Second)
