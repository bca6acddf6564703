package grafana

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/oriel-project/oriel/dashboards"
)

// annotation is one as Grafana gives and takes it.
type annotation struct {
	ID           int64    `json:"id,omitempty"`
	DashboardUID string   `json:"dashboardUID,omitempty"`
	Time         int64    `json:"time"` // milliseconds
	Tags         []string `json:"tags"`
	Text         string   `json:"text"`
}

// annotationsMax is how many one question gives back.
const annotationsMax = 5000

// Annotate implements dashboards.Annotator. What is there is known by its time,
// its text and the tags of the tenant; annotations that people made are others.
// In an organisation of many tenants they belong to the tenant's overview, so
// that who may not see that does not see them.
func (c *Client) Annotate(ctx context.Context, n dashboards.Names, moments []dashboards.Moment) ([]dashboards.Change, error) {
	if len(moments) == 0 {
		return nil, nil
	}
	p := &pass{Client: c, n: n}
	octx, _, ok, err := c.org(ctx, n)
	if err != nil || !ok {
		return nil, err
	}
	live, err := p.annotations(octx, moments[0].At, moments[len(moments)-1].At)
	if err != nil {
		return nil, err
	}
	type key struct {
		at   int64
		text string
	}
	have := map[key]bool{}
	for _, a := range live {
		have[key{a.Time, a.Text}] = true
	}
	for _, m := range moments {
		a := annotation{Time: m.At.UnixMilli(), Text: m.Text, Tags: m.Tags(string(n.Tenant))}
		if c.mode == dashboards.ByFolder {
			a.DashboardUID = n.Dashboards()[0]
		}
		if have[key{a.Time, a.Text}] {
			continue
		}
		if err := p.call(once(octx), http.MethodPost, "/api/annotations", nil, a, nil); err != nil {
			return p.changes, fmt.Errorf("annotate %q: %w", m.Text, err)
		}
		p.did(dashboards.Created, "annotation", m.Text, "")
	}
	return p.changes, nil
}

// annotations gives those with the tenant's tags between the two times, both
// inclusive; of all time where both are zero.
func (p *pass) annotations(ctx context.Context, from, to time.Time) ([]annotation, error) {
	q := url.Values{"tags": {dashboards.Tag, string(p.n.Tenant)}, "type": {"annotation"}, "limit": {strconv.Itoa(annotationsMax)}}
	if !from.IsZero() {
		q.Set("from", strconv.FormatInt(from.UnixMilli(), 10))
		q.Set("to", strconv.FormatInt(to.UnixMilli(), 10))
	}
	var live []annotation
	if err := p.call(ctx, http.MethodGet, "/api/annotations", q, nil, &live); err != nil {
		return nil, fmt.Errorf("list annotations: %w", err)
	}
	if p.mode == dashboards.ByFolder {
		// A tenant may be called as the cluster or the namespace of another's moment is.
		live = slices.DeleteFunc(live, func(a annotation) bool { return a.DashboardUID != p.n.Dashboards()[0] })
	}
	return live, nil
}

// removeAnnotations removes those with the tenant's tags.
func (p *pass) removeAnnotations(ctx context.Context) error {
	for {
		live, err := p.annotations(ctx, time.Time{}, time.Time{})
		if err != nil || len(live) == 0 {
			return err
		}
		for _, a := range live {
			if err := p.call(ctx, http.MethodDelete, fmt.Sprintf("/api/annotations/%d", a.ID), nil, nil, nil); err != nil && !is(err, http.StatusNotFound) {
				return fmt.Errorf("remove annotation %d: %w", a.ID, err)
			}
			p.did(dashboards.Removed, "annotation", a.Text, "")
		}
		if len(live) < annotationsMax {
			return nil
		}
	}
}
