// Package grafana shows windows in a Grafana over its HTTP API.
//
//	c, err := grafana.New(grafana.Options{URL: "http://grafana:3000", User: "admin", Password: pw})
//	err = c.Check(ctx) // is it there, may we, can it read what we send?
//
// Health, organisations, teams, folders and dashboards go through
// grafana-tools/sdk where that is sound; data sources by uid, folders of
// dashboards and a few more are small calls of our own. Typed boards of the
// library lose parts of a dashboard and are not used.
package grafana

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/grafana-tools/sdk"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/internal/clock"
)

// Options of New. URL and either Token, or User and Password, are needed.
type Options struct {
	URL            string // of Grafana's root, with its sub-path if it has one
	User, Password string // of a server admin for dashboards.ByOrg, else of an organisation's admin
	Token          string // of an admin service account; dashboards.ByFolder only
	Isolation      dashboards.Isolation
	// RequestsPerSecond that Grafana is asked at most; 0: 40, at which a round
	// over 2,000 windows that are already right (ten requests each) takes eight
	// minutes.
	RequestsPerSecond float64
	Attempts          int               // for one request; 0: 5
	Backoff           time.Duration     // before the second attempt, doubled each time; 0: 250 ms
	Transport         http.RoundTripper // nil: http.DefaultTransport, for TLS and tests
	Clock             clock.Clock       // nil: the machine's
	Registerer        prometheus.Registerer
}

// Client is one Grafana. Safe for concurrent use.
type Client struct {
	url   string
	user  string
	mode  dashboards.Isolation
	http  *http.Client
	sdk   *sdk.Client
	clock clock.Clock
}

var (
	_ dashboards.Target    = (*Client)(nil)
	_ dashboards.Annotator = (*Client)(nil)
	_ dashboards.Contacter = (*Client)(nil)
)

// New checks the options; it does not call Grafana.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return nil, errors.New("grafana.url: want an address such as http://grafana:3000, without user and password")
	}
	switch {
	case o.Isolation == "":
		o.Isolation = dashboards.ByOrg
	case o.Isolation != dashboards.ByOrg && o.Isolation != dashboards.ByFolder:
		return nil, fmt.Errorf("grafana.isolation %q: want %q or %q", o.Isolation, dashboards.ByOrg, dashboards.ByFolder)
	}
	switch {
	case o.Token == "" && (o.User == "" || o.Password == ""):
		return nil, errors.New("grafana: give grafana.user with grafana.password_file, or grafana.token_file")
	case o.Token != "" && o.Password != "":
		return nil, errors.New("grafana: give either grafana.password_file or grafana.token_file, not both")
	case o.Token != "" && o.Isolation == dashboards.ByOrg:
		return nil, errors.New("grafana.isolation \"org\" needs grafana.user and grafana.password_file of a server admin: a service account's token belongs to one organisation and cannot make others")
	}
	if o.RequestsPerSecond <= 0 {
		o.RequestsPerSecond = 40
	}
	if o.Attempts <= 0 {
		o.Attempts = 5
	}
	if o.Backoff <= 0 {
		o.Backoff = 250 * time.Millisecond
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	answers := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "oriel_grafana_requests_total", Help: "Requests to Grafana by status; 0 where there was no answer.",
	}, []string{"status"})
	if o.Registerer != nil {
		if err := o.Registerer.Register(answers); err != nil {
			return nil, fmt.Errorf("grafana: register metrics: %w", err)
		}
	}
	hc := &http.Client{
		Timeout: 2 * time.Minute, // over all attempts of one request
		Transport: &transport{
			base: o.Transport, user: o.User, password: o.Password, token: o.Token,
			pacer:    newPacer(o.RequestsPerSecond),
			attempts: o.Attempts, backoff: o.Backoff,
			onAnswer: func(status int) { answers.WithLabelValues(strconv.Itoa(status)).Inc() },
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	base := strings.TrimRight(o.URL, "/")
	lib, err := sdk.NewClient(base, "", hc)
	if err != nil {
		return nil, fmt.Errorf("grafana.url: %w", err)
	}
	return &Client{url: base, user: o.User, mode: o.Isolation, http: hc, sdk: lib, clock: o.Clock}, nil
}

// Check asks Grafana whether it is there, whether the credentials suffice, and
// whether it has the plugins the data sources need. It gives Grafana's version.
func (c *Client) Check(ctx context.Context) (version string, err error) {
	h, err := c.sdk.GetHealth(ctx)
	if err != nil {
		return "", fmt.Errorf("grafana: %w", unwrap(err))
	}
	if c.mode == dashboards.ByOrg {
		if _, err := c.sdk.GetAllOrgs(ctx); err != nil {
			if is(err, http.StatusForbidden) {
				return h.Version, fmt.Errorf("grafana.isolation \"org\": user %s is no server admin of Grafana and cannot make organisations: make it one, or use grafana.isolation \"folder\"", c.user)
			}
			return h.Version, fmt.Errorf("grafana: %w", unwrap(err))
		}
	} else if _, err := c.sdk.GetActualOrg(ctx); err != nil {
		return h.Version, fmt.Errorf("grafana: %w", unwrap(err))
	}
	for _, plugin := range []string{"prometheus", "elasticsearch"} {
		if err := c.call(ctx, http.MethodGet, "/api/plugins/"+plugin+"/settings", nil, nil, nil); err != nil {
			if is(err, http.StatusNotFound) {
				return h.Version, fmt.Errorf("grafana %s has no %s data source: from version 13 on it is a plugin of its own; install it with \"grafana cli plugins install %s\" and restart Grafana", h.Version, plugin, plugin)
			}
			return h.Version, err
		}
	}
	return h.Version, nil
}

// call is one request of our own. in and out are JSON and may be nil.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode the request %s %s: %w", method, path, err)
		}
		body = bytes.NewReader(raw)
	}
	target := c.url + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return unwrap(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("read grafana's answer to %s %s: %w", method, path, err)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("grafana's answer to %s %s is not what its API promises: %w", method, path, err)
	}
	return nil
}

// org gives the context in which a tenant's requests act, and whether there is
// an organisation for it at all.
func (c *Client) org(ctx context.Context, n dashboards.Names) (_ context.Context, id uint, ok bool, err error) {
	if c.mode != dashboards.ByOrg {
		return ctx, 0, true, nil
	}
	org, err := c.sdk.GetOrgByOrgName(ctx, n.Org)
	switch {
	case is(err, http.StatusNotFound):
		return ctx, 0, false, nil
	case err != nil:
		return ctx, 0, false, fmt.Errorf("look up organisation %q: %w", n.Org, unwrap(err))
	}
	return inOrg(ctx, org.ID), org.ID, true, nil
}

// joinOrg makes our user an admin of the organisation. Who made it is one
// already; after a restore, or with another user in the configuration, not.
func (c *Client) joinOrg(ctx context.Context, id uint) error {
	_, err := c.sdk.AddOrgUser(ctx, sdk.UserRole{LoginOrEmail: c.user, Role: "Admin"}, id)
	if is(err, http.StatusConflict) {
		// A member with a lesser role.
		var me struct {
			ID uint `json:"id"`
		}
		if err := c.call(ctx, http.MethodGet, "/api/user", nil, nil, &me); err != nil {
			return err
		}
		_, err = c.sdk.UpdateOrgUser(ctx, sdk.UserRole{Role: "Admin"}, id, me.ID)
	}
	if err != nil {
		return fmt.Errorf("join organisation %d as admin: %w", id, unwrap(err))
	}
	return nil
}
