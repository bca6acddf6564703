package tenant

import (
	"errors"
	"fmt"
	"time"
)

// TokenKind says on whose behalf a token speaks.
type TokenKind string

// The kinds of tokens.
const (
	TokenTenant   TokenKind = "tenant"   // reads, or reads and writes, one tenant
	TokenCluster  TokenKind = "cluster"  // writes one cluster's data and speaks the agent API; reads nothing
	TokenOperator TokenKind = "operator" // everything
)

// TokenAccess says what a tenant's token may do.
type TokenAccess string

// The accesses. A token that may write may read, too.
const (
	AccessRead  TokenAccess = "read"
	AccessWrite TokenAccess = "write"
)

// TokenSpec asks for a token.
type TokenSpec struct {
	Kind    TokenKind
	Tenant  ID          // TokenTenant
	Cluster Cluster     // TokenCluster
	Access  TokenAccess // "" means AccessRead for TokenTenant, everything for TokenOperator
	Name    string      // what it is for, in the owner's words; may be empty
	// Expires is how long it is good for; 0 means until it is revoked.
	Expires time.Duration
}

// TokenInfo is what is known of a token, without its secret.
type TokenInfo struct {
	ID      string      `json:"id"`
	Kind    TokenKind   `json:"kind"`
	Tenant  ID          `json:"tenant,omitempty"`
	Cluster Cluster     `json:"cluster,omitzero"`
	Access  TokenAccess `json:"access,omitempty"`
	Name    string      `json:"name,omitempty"`
	Created time.Time   `json:"created"`
	Expires time.Time   `json:"expires,omitzero"` // exclusive; zero: never
}

// Tokens makes, lists and revokes tokens. Safe for concurrent use. What it
// changed is durable when a call returns without an error.
type Tokens interface {
	// Create gives the token's secret, which is not kept and cannot be had
	// again. The error wraps ErrTokenSpec where the spec is at fault. Whether the
	// tenant exists is the caller's question.
	Create(TokenSpec) (secret string, info TokenInfo, err error)
	// List gives the tokens that are neither revoked nor expired, oldest first.
	List() []TokenInfo
	// Revoke ends a token at once; ErrNoToken where there is none of that ID.
	Revoke(id string) error
}

// Errors of Tokens that callers branch on.
var (
	ErrTokenSpec = errors.New("bad token request")
	ErrNoToken   = errors.New("no such token")
)

const tokenNameLenMax = 200

// Validate says what is wrong with the spec in one sentence; the error wraps
// ErrTokenSpec.
func (s TokenSpec) Validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrTokenSpec, fmt.Sprintf(format, args...))
	}
	switch s.Kind {
	case TokenTenant:
		if _, err := ParseID(string(s.Tenant)); err != nil {
			return bad("%v", err)
		}
		if s.Cluster != (Cluster{}) {
			return bad("a tenant's token is good for every cluster: leave the cluster out")
		}
	case TokenCluster:
		if !isLabel(s.Cluster.Name) {
			return bad("cluster name %q: want 1 to %d of a-z, 0-9 and '-', such as \"eu-1\"", clip(s.Cluster.Name), idLenMax)
		}
		if s.Tenant != "" {
			return bad("a cluster's token belongs to no tenant: leave the tenant out")
		}
	case TokenOperator:
		if s.Tenant != "" || s.Cluster != (Cluster{}) {
			return bad("an operator's token belongs to no tenant and no cluster: leave them out")
		}
	default:
		return bad("kind %q: want %q, %q or %q", clip(string(s.Kind)), TokenTenant, TokenCluster, TokenOperator)
	}
	switch {
	case s.Access != "" && s.Kind == TokenCluster:
		return bad("a cluster's token writes its cluster: leave the access out")
	case s.Access != "" && s.Access != AccessRead && s.Access != AccessWrite:
		return bad("access %q: want %q or %q", clip(string(s.Access)), AccessRead, AccessWrite)
	case len(s.Name) > tokenNameLenMax:
		return bad("name of %d bytes: want at most %d", len(s.Name), tokenNameLenMax)
	case s.Expires < 0:
		return bad("expires %s: want a positive duration such as 90d, or none for a token that lasts until it is revoked", s.Expires)
	}
	return nil
}
