package grafana

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/oriel-project/oriel/dashboards"
)

// nobodysAddress is where a new organisation's alerts go.
const nobodysAddress = "<example@email.com>"

// route is a notification policy, with those below it.
type route struct {
	Receiver string  `json:"receiver"`
	Routes   []route `json:"routes"`
}

func (r route) receivers() []string {
	out := []string{r.Receiver}
	for _, below := range r.Routes {
		out = append(out, below.receivers()...)
	}
	return out
}

// Contact implements dashboards.Contacter: a contact point that a notification
// policy of the organisation leads to, other than the one that Grafana makes.
func (c *Client) Contact(ctx context.Context, n dashboards.Names) (name string, known bool, err error) {
	octx, _, ok, err := c.org(ctx, n)
	if err != nil || !ok {
		return "", false, err
	}
	var policy route
	var points []struct {
		Name     string         `json:"name"`
		Type     string         `json:"type"`
		Settings map[string]any `json:"settings"`
	}
	for path, out := range map[string]any{"policies": &policy, "contact-points": &points} {
		err := c.call(octx, http.MethodGet, "/api/v1/provisioning/"+path, nil, nil, out)
		if is(err, http.StatusNotFound) { // alerting is off
			return "", false, nil
		}
		if err != nil {
			return "", false, fmt.Errorf("who is told of alerts: %w", err)
		}
	}
	used := policy.receivers()
	for _, p := range points {
		if to, _ := p.Settings["addresses"].(string); p.Type == "email" && strings.TrimSpace(to) == nobodysAddress {
			continue
		}
		if slices.Contains(used, p.Name) {
			return p.Name, true, nil
		}
	}
	return "", true, nil
}
