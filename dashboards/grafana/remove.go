package grafana

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/oriel-project/oriel/dashboards"
)

// hit is one answer of Grafana's search.
type hit struct {
	UID       string `json:"uid"`
	Type      string `json:"type"` // dash-db, dash-folder
	FolderUID string `json:"folderUid"`
}

// searchMax is how many hits one search asks for.
const searchMax = 5000

func (p *pass) search(ctx context.Context, q url.Values) ([]hit, error) {
	q.Set("limit", fmt.Sprint(searchMax))
	var hits []hit
	if err := p.call(ctx, http.MethodGet, "/api/search", q, nil, &hits); err != nil {
		return nil, fmt.Errorf("search dashboards: %w", err)
	}
	return hits, nil
}

// Remove implements dashboards.Target. The order matters where it is cut short:
// what is left can still be told to be ours. An organisation or a folder that
// holds what people made is kept, with that in it.
func (c *Client) Remove(ctx context.Context, n dashboards.Names) ([]dashboards.Change, error) {
	p := &pass{Client: c, n: n}
	ctx = hurry(ctx)
	octx, id, ok, err := c.org(ctx, n)
	if err != nil || !ok {
		return nil, err
	}
	err = p.remove(ctx, octx, id)
	if c.mode == dashboards.ByOrg && is(err, http.StatusForbidden, http.StatusUnauthorized) {
		if err := c.joinOrg(ctx, id); err != nil {
			return p.changes, err
		}
		err = p.remove(ctx, octx, id)
	}
	return p.changes, err
}

// remove works in octx, and removes the organisation itself from outside.
func (p *pass) remove(ctx, octx context.Context, org uint) error {
	if err := p.removeInside(octx); err != nil {
		return err
	}
	if p.mode == dashboards.ByFolder {
		return p.removeTeam(octx)
	}
	foreign, err := p.foreignInOrg(octx)
	if err != nil {
		return err
	}
	if foreign != "" {
		p.did(dashboards.Kept, "org", p.n.Org, fmt.Sprintf("organisation %q holds what is not Oriel's: %s", p.n.Org, foreign))
		return nil
	}
	if _, err := p.sdk.DeleteOrg(ctx, org); err != nil && !is(err, http.StatusNotFound) {
		return fmt.Errorf("remove organisation %q: %w", p.n.Org, unwrap(err))
	}
	p.did(dashboards.Removed, "org", p.n.Org, "")
	return nil
}

func (p *pass) removeInside(ctx context.Context) error {
	// Those of a dashboard cannot be found any more when it is gone.
	if err := p.removeAnnotations(ctx); err != nil {
		return err
	}
	if err := p.prune(ctx, nil); err != nil {
		return err
	}
	// Grafana's search may not know yet what was made a moment ago.
	for _, uid := range p.n.Dashboards() {
		live, ok, err := p.get(ctx, uid)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if !dashboards.Ours(live.Dashboard, p.n.Tenant) {
			p.did(dashboards.Kept, "dashboard", uid, fmt.Sprintf("dashboard %s does not carry Oriel's mark", uid))
			continue
		}
		if err := p.call(ctx, http.MethodDelete, "/api/dashboards/uid/"+url.PathEscape(uid), nil, nil, nil); err != nil && !is(err, http.StatusNotFound) {
			return fmt.Errorf("remove dashboard %s: %w", uid, err)
		}
		p.removed("dashboard", uid)
	}
	if err := p.removeRules(ctx); err != nil {
		return err
	}
	ours := map[string]bool{p.n.Metrics: true, p.n.Logs: true}
	for _, uid := range []string{p.n.Metrics, p.n.Logs} {
		s, ok, err := p.findSource(ctx, uid)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if s.JSONData[dashboards.MarkTenant] != string(p.n.Tenant) {
			p.did(dashboards.Kept, "data source", uid, fmt.Sprintf("data source %s (%q) does not carry Oriel's mark", uid, s.Name))
			delete(ours, uid)
			continue
		}
		if err := p.call(ctx, http.MethodDelete, "/api/datasources/uid/"+url.PathEscape(uid), nil, nil, nil); err != nil && !is(err, http.StatusNotFound) {
			return fmt.Errorf("remove data source %s: %w", uid, err)
		}
		p.did(dashboards.Removed, "data source", uid, "")
	}
	return p.removeFolder(ctx, ours)
}

// removeFolder keeps a folder that holds dashboards, library panels or alert
// rules of somebody. Rules that ask nothing but the tenant's own data sources
// are dead without them and go with the folder.
func (p *pass) removeFolder(ctx context.Context, ours map[string]bool) error {
	if _, err := p.sdk.GetFolderByUID(ctx, p.n.Folder); is(err, http.StatusNotFound) {
		return nil
	} else if err != nil {
		return fmt.Errorf("folder %s: %w", p.n.Folder, unwrap(err))
	}
	hits, err := p.foreignBoards(ctx, url.Values{"folderUIDs": {p.n.Folder}})
	if err != nil {
		return err
	}
	rules, err := p.foreignRules(ctx, ours, p.n.Folder)
	if err != nil {
		return err
	}
	panels, err := p.libraryPanels(ctx, p.n.Folder)
	if err != nil {
		return err
	}
	if reason := counted(hits, "dashboards or folders", rules, "alert rules", panels, "library panels"); reason != "" {
		p.did(dashboards.Kept, "folder", p.n.Folder, fmt.Sprintf("folder %s holds what is not Oriel's: %s", p.n.Folder, reason))
		return nil
	}
	if err := p.call(ctx, http.MethodDelete, "/api/folders/"+url.PathEscape(p.n.Folder), url.Values{"forceDeleteRules": {"true"}}, nil, nil); err != nil && !is(err, http.StatusNotFound) {
		return fmt.Errorf("remove folder %s: %w", p.n.Folder, err)
	}
	p.removed("folder", p.n.Folder)
	return nil
}

func (p *pass) removeTeam(ctx context.Context) error {
	id, ok, err := p.teamID(ctx)
	if err != nil || !ok {
		return err
	}
	if _, err := p.sdk.DeleteTeam(ctx, id); err != nil && !is(err, http.StatusNotFound) {
		return fmt.Errorf("remove team %q: %w", p.n.Team, unwrap(err))
	}
	p.did(dashboards.Removed, "team", p.n.Team, "")
	return nil
}

// foreignInOrg names what an organisation holds that is not ours; "" for
// nothing. Members are no content.
func (p *pass) foreignInOrg(ctx context.Context) (string, error) {
	hits, err := p.foreignBoards(ctx, url.Values{})
	if err != nil {
		return "", err
	}
	var sources []source
	if err := p.call(ctx, http.MethodGet, "/api/datasources", nil, nil, &sources); err != nil {
		return "", fmt.Errorf("list data sources: %w", err)
	}
	rules, err := p.foreignRules(ctx, map[string]bool{p.n.Metrics: true, p.n.Logs: true}, "")
	if err != nil {
		return "", err
	}
	panels, err := p.libraryPanels(ctx, "")
	if err != nil {
		return "", err
	}
	return counted(hits, "dashboards or folders", len(sources), "data sources", rules, "alert rules", panels, "library panels"), nil
}

// foreignBoards counts the dashboards and folders that are not ours. The search
// may still name what this pass removed.
func (p *pass) foreignBoards(ctx context.Context, q url.Values) (int, error) {
	hits, err := p.search(ctx, q)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, h := range hits {
		if !p.gone[h.UID] && h.UID != p.n.Folder {
			n++
		}
	}
	return n, nil
}

// foreignRules counts the alert rules (of one folder, if one is given) that ask
// a data source that is not ours.
func (p *pass) foreignRules(ctx context.Context, ours map[string]bool, folder string) (int, error) {
	var rules []struct {
		FolderUID string `json:"folderUID"`
		Data      []struct {
			DatasourceUID string `json:"datasourceUid"`
		} `json:"data"`
	}
	if err := p.call(ctx, http.MethodGet, "/api/v1/provisioning/alert-rules", nil, nil, &rules); err != nil {
		if is(err, http.StatusNotFound) { // alerting is off
			return 0, nil
		}
		return 0, fmt.Errorf("list alert rules: %w", err)
	}
	n := 0
	for _, r := range rules {
		if folder != "" && r.FolderUID != folder {
			continue
		}
		for _, d := range r.Data {
			// Expressions over other queries are no data source.
			if !ours[d.DatasourceUID] && d.DatasourceUID != "__expr__" && d.DatasourceUID != "-100" {
				n++
				break
			}
		}
	}
	return n, nil
}

func (p *pass) libraryPanels(ctx context.Context, folder string) (int, error) {
	var page struct {
		Result struct {
			Elements []struct {
				FolderUID string `json:"folderUid"`
			} `json:"elements"`
		} `json:"result"`
	}
	if err := p.call(ctx, http.MethodGet, "/api/library-elements", url.Values{"perPage": {"1000"}}, nil, &page); err != nil {
		return 0, fmt.Errorf("list library panels: %w", err)
	}
	n := 0
	for _, e := range page.Result.Elements {
		if folder == "" || e.FolderUID == folder {
			n++
		}
	}
	return n, nil
}

// counted spells pairs of a number and what it counts, without zeros.
func counted(pairs ...any) string {
	var parts []string
	for i := 0; i < len(pairs); i += 2 {
		if n := pairs[i].(int); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, pairs[i+1]))
		}
	}
	return strings.Join(parts, ", ")
}
