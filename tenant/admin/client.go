package admin

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/registry"
)

// Client speaks to a running Oriel. Safe for concurrent use. An answer that is
// not a success is an *httpx.StatusError with the server's sentence.
type Client struct {
	URL   string                 // such as http://127.0.0.1:7480
	Token func() (string, error) // an operator's token; nil: HTTP brings it, or none is needed
	HTTP  *http.Client           // nil: one with a timeout of 30 s
}

var defaultHTTP = &http.Client{Timeout: 30 * time.Second}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var token string
	if c.Token != nil {
		var err error
		if token, err = c.Token(); err != nil {
			return err
		}
	}
	hc := c.HTTP
	if hc == nil {
		hc = defaultHTTP
	}
	return httpx.CallJSON(ctx, hc, method, strings.TrimSuffix(c.URL, "/")+path, token, in, out)
}

func tenantPath(id tenant.ID) string { return "/admin/v1/tenants/" + url.PathEscape(string(id)) }

// Tenants gives everything that is kept of every tenant.
func (c *Client) Tenants(ctx context.Context) (out List, err error) {
	err = c.call(ctx, http.MethodGet, "/admin/v1/tenants", nil, &out)
	return out, err
}

// Tenant gives one tenant, with its receipt.
func (c *Client) Tenant(ctx context.Context, id tenant.ID) (out Shown, err error) {
	err = c.call(ctx, http.MethodGet, tenantPath(id), nil, &out)
	return out, err
}

// Onboard makes the tenant exist and adds namespaces to it. nil groups leave
// those that it has.
func (c *Client) Onboard(ctx context.Context, id tenant.ID, groups []string, namespaces []registry.NamespaceRef) (out registry.State, err error) {
	err = c.call(ctx, http.MethodPut, tenantPath(id), onboarding{groups, namespaces}, &out)
	return out, err
}

// Offboard ends the tenant.
func (c *Client) Offboard(ctx context.Context, id tenant.ID) error {
	return c.call(ctx, http.MethodDelete, tenantPath(id), nil, nil)
}

// Namespaces gives the living namespaces of the tenant.
func (c *Client) Namespaces(ctx context.Context, id tenant.ID) ([]tenant.Namespace, error) {
	var out namespaceList
	err := c.call(ctx, http.MethodGet, tenantPath(id)+"/namespaces", nil, &out)
	return out.Namespaces, err
}

// SetNamespaces makes the namespaces that the operator gave to the tenant
// exactly these, and gives all of its living ones.
func (c *Client) SetNamespaces(ctx context.Context, id tenant.ID, namespaces []registry.NamespaceRef) ([]tenant.Namespace, error) {
	if namespaces == nil {
		namespaces = []registry.NamespaceRef{}
	}
	var out namespaceList
	err := c.call(ctx, http.MethodPut, tenantPath(id)+"/namespaces", assignment{namespaces}, &out)
	return out.Namespaces, err
}

// CreateToken gives a token's secret, this once. Expires is rounded up to seconds.
func (c *Client) CreateToken(ctx context.Context, s tenant.TokenSpec) (out NewToken, err error) {
	in := tokenRequest{Kind: s.Kind, Tenant: s.Tenant, Cluster: s.Cluster, Access: s.Access, Name: s.Name,
		ExpiresSeconds: int64((s.Expires + time.Second - 1) / time.Second)}
	err = c.call(ctx, http.MethodPost, "/admin/v1/tokens", in, &out)
	return out, err
}

// Tokens gives the tokens that are good now, oldest first.
func (c *Client) Tokens(ctx context.Context) ([]tenant.TokenInfo, error) {
	var out tokenList
	err := c.call(ctx, http.MethodGet, "/admin/v1/tokens", nil, &out)
	return out.Tokens, err
}

// RevokeToken ends a token at once.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/admin/v1/tokens/"+url.PathEscape(id), nil, nil)
}

// MergeLogs brings the log store's segments into as few as there can be, which
// can take minutes: HTTP must allow for them.
func (c *Client) MergeLogs(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/admin/v1/logs/merge", nil, nil)
}
