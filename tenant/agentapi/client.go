package agentapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/tenant"
)

// Client is central's roster as an agent sees it. Safe for concurrent use.
type Client struct {
	URL   string                 // of central, such as https://central.example:7480
	Token func() (string, error) // the cluster's token, asked anew at every call; nil: none
	HTTP  *http.Client           // nil: one with a timeout of 30 s
}

var _ tenant.Roster = (*Client)(nil)

var defaultHTTP = &http.Client{Timeout: 30 * time.Second}

// Snapshot implements tenant.Roster. The cluster is the one that the token
// belongs to; c must be the same, and is not sent.
func (c *Client) Snapshot(ctx context.Context, _ tenant.Cluster, version uint64, list []tenant.Claim) ([]tenant.Decision, error) {
	if list == nil {
		list = []tenant.Claim{}
	}
	return c.call(ctx, http.MethodPut, pathSnapshot, snapshot{Version: version, Claims: list})
}

// Changes implements tenant.Roster.
func (c *Client) Changes(ctx context.Context, _ tenant.Cluster, version uint64, set []tenant.Claim, gone []string) ([]tenant.Decision, error) {
	return c.call(ctx, http.MethodPost, pathChanges, changes{Version: version, Set: set, Ended: gone})
}

func (c *Client) call(ctx context.Context, method, path string, in any) ([]tenant.Decision, error) {
	var token string
	if c.Token != nil {
		var err error
		if token, err = c.Token(); err != nil {
			return nil, fmt.Errorf("token for central: %w", err)
		}
	}
	hc := c.HTTP
	if hc == nil {
		hc = defaultHTTP
	}
	var out reply
	err := httpx.CallJSON(ctx, hc, method, strings.TrimSuffix(c.URL, "/")+path, token, in, &out)
	var status *httpx.StatusError
	if errors.As(err, &status) && status.Status == http.StatusConflict {
		return nil, tenant.ErrStaleRoster
	}
	if err != nil {
		return nil, fmt.Errorf("roster to central: %w", err)
	}
	return out.Decisions, nil
}
