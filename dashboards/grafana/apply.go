package grafana

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"

	"github.com/grafana-tools/sdk"

	"github.com/oriel-project/oriel/dashboards"
)

// pass is one go over one tenant's objects; it remembers what it changed.
type pass struct {
	*Client
	n       dashboards.Names
	blank   bool // this pass made the organisation: there is nothing in it to look for
	changes []dashboards.Change
	gone    map[string]bool // uids of dashboards and folders removed by this pass
	errs    []error
}

func (p *pass) did(op dashboards.Op, object, name, reason string) {
	p.changes = append(p.changes, dashboards.Change{Op: op, Object: object, Name: name, Reason: reason})
}

func (p *pass) removed(object, uid string) {
	p.did(dashboards.Removed, object, uid, "")
	if p.gone == nil {
		p.gone = map[string]bool{}
	}
	p.gone[uid] = true
}

func (p *pass) refuse(object, name, reason string) {
	p.did(dashboards.Refused, object, name, reason)
	p.errs = append(p.errs, &dashboards.RefusedError{Reason: reason})
}

// Apply implements dashboards.Target.
func (c *Client) Apply(ctx context.Context, w dashboards.Window, cred dashboards.Credential) ([]dashboards.Change, error) {
	p := &pass{Client: c, n: w.Names}
	if w.Fresh {
		ctx = hurry(ctx)
	}
	octx, id, err := p.ensureOrg(ctx)
	if err != nil {
		return p.changes, err
	}
	err = p.apply(octx, w, cred)
	if c.mode == dashboards.ByOrg && is(err, http.StatusForbidden, http.StatusUnauthorized) {
		if err := c.joinOrg(ctx, id); err != nil {
			return p.changes, err
		}
		p.errs, p.blank = nil, false
		err = p.apply(octx, w, cred)
	}
	return p.changes, err
}

func (p *pass) ensureOrg(ctx context.Context) (context.Context, uint, error) {
	octx, id, ok, err := p.org(ctx, p.n)
	if err != nil || ok {
		return octx, id, err
	}
	made, err := p.sdk.CreateOrg(ctx, sdk.Org{Name: p.n.Org})
	if err != nil && !is(err, http.StatusConflict) { // a conflict: an attempt whose answer was lost
		return ctx, 0, fmt.Errorf("make organisation %q: %w", p.n.Org, unwrap(err))
	}
	if err == nil {
		p.did(dashboards.Created, "org", p.n.Org, "")
		if made.OrgID != nil {
			p.blank = true
			return inOrg(ctx, *made.OrgID), *made.OrgID, nil
		}
	}
	octx, id, ok, err = p.org(ctx, p.n)
	if err == nil && !ok {
		err = fmt.Errorf("organisation %q was made, and Grafana does not find it", p.n.Org)
	}
	return octx, id, err
}

func (p *pass) apply(ctx context.Context, w dashboards.Window, cred dashboards.Credential) error {
	// A dashboard that is where it belongs says that its folder is there, too.
	have := make([]*found, len(w.Boards))
	folder := p.mode == dashboards.ByFolder
	for i, d := range w.Boards {
		if p.blank {
			folder = true
			break
		}
		live, ok, err := p.get(ctx, d.UID)
		if err != nil {
			return err
		}
		if ok {
			have[i] = &live
		}
		folder = folder || !ok || live.Meta.FolderUID != p.n.Folder
	}
	if folder {
		if err := p.folder(ctx); err != nil {
			return err
		}
	}
	for _, ds := range w.Sources {
		if err := p.source(ctx, ds, cred); err != nil {
			return err
		}
	}
	for i, d := range w.Boards {
		if err := p.dashboard(ctx, have[i], d); err != nil {
			return err
		}
	}
	if err := p.prune(ctx, w.Boards); err != nil {
		return err
	}
	if err := p.rules(ctx, w.Rules); err != nil {
		return err
	}
	return errors.Join(p.errs...)
}

// folder makes the folder. Its title is the team's to change.
func (p *pass) folder(ctx context.Context) error {
	var err error
	if !p.blank {
		_, err = p.sdk.GetFolderByUID(ctx, p.n.Folder)
	}
	if p.blank || is(err, http.StatusNotFound) {
		err = p.call(ctx, http.MethodPost, "/api/folders", nil, map[string]string{"uid": p.n.Folder, "title": p.n.FolderTitle}, nil)
		switch {
		case err == nil:
			p.did(dashboards.Created, "folder", p.n.Folder, "")
		case is(err, http.StatusPreconditionFailed, http.StatusConflict): // an attempt whose answer was lost
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("folder %s: %w", p.n.Folder, unwrap(err))
	}
	if p.mode == dashboards.ByFolder {
		return p.team(ctx)
	}
	return nil
}

// team lets the tenant's team alone (and admins) into the folder. Grafana opens
// a new folder to every viewer, and setting permissions replaces all of them.
func (p *pass) team(ctx context.Context) error {
	id, ok, err := p.teamID(ctx)
	if err == nil && !ok {
		_, err = p.sdk.CreateTeam(ctx, sdk.Team{Name: p.n.Team})
		if err == nil {
			p.did(dashboards.Created, "team", p.n.Team, "")
		}
		if err == nil || is(err, http.StatusConflict) {
			id, ok, err = p.teamID(ctx)
		}
		if err == nil && !ok {
			err = errors.New("it was made, and Grafana does not find it")
		}
	}
	if err != nil {
		return fmt.Errorf("team %q: %w", p.n.Team, unwrap(err))
	}
	perms, err := p.sdk.GetFolderPermissions(ctx, p.n.Folder)
	if err != nil {
		return fmt.Errorf("permissions of folder %s: %w", p.n.Folder, unwrap(err))
	}
	if len(perms) == 1 && perms[0].TeamId == id && perms[0].Permission == sdk.PermissionEdit {
		return nil
	}
	if _, err := p.sdk.UpdateFolderPermissions(ctx, p.n.Folder, sdk.FolderPermission{TeamId: id, Permission: sdk.PermissionEdit}); err != nil {
		return fmt.Errorf("permissions of folder %s: %w", p.n.Folder, unwrap(err))
	}
	p.did(dashboards.Updated, "folder", p.n.Folder, "")
	return nil
}

// teamID searches by part of the name: the library's search by the whole name
// asks for a parameter that Grafana does not know.
func (p *pass) teamID(ctx context.Context) (uint, bool, error) {
	page, err := p.sdk.SearchTeams(ctx, sdk.WithQuery(p.n.Team))
	if err != nil {
		return 0, false, unwrap(err)
	}
	for _, t := range page.Teams {
		if t.Name == p.n.Team {
			return t.ID, true, nil
		}
	}
	return 0, false, nil
}

// source is a data source as Grafana gives and takes it.
type source struct {
	UID              string            `json:"uid"`
	Name             string            `json:"name"`
	Type             string            `json:"type"`
	Access           string            `json:"access"`
	URL              string            `json:"url"`
	IsDefault        bool              `json:"isDefault"`
	JSONData         map[string]any    `json:"jsonData"`
	SecureJSONData   map[string]string `json:"secureJsonData,omitempty"`   // never read back
	SecureJSONFields map[string]bool   `json:"secureJsonFields,omitempty"` // read only: which secrets are set
}

func (p *pass) findSource(ctx context.Context, uid string) (s source, ok bool, err error) {
	err = p.call(ctx, http.MethodGet, "/api/datasources/uid/"+url.PathEscape(uid), nil, nil, &s)
	if is(err, http.StatusNotFound) {
		return s, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("data source %s: %w", uid, err)
	}
	return s, true, nil
}

func (p *pass) source(ctx context.Context, d dashboards.DataSource, cred dashboards.Credential) error {
	data := maps.Clone(d.JSONData)
	data[dashboards.MarkToken] = cred.ID
	want := source{
		UID: d.UID, Name: d.Name, Type: d.Type, Access: "proxy", URL: d.URL, IsDefault: d.Default,
		JSONData:       data,
		SecureJSONData: map[string]string{"httpHeaderValue1": "Bearer " + cred.Secret},
	}
	var live source
	var ok bool
	var err error
	if !p.blank {
		live, ok, err = p.findSource(ctx, d.UID)
	}
	if err != nil {
		return err
	}
	if !ok {
		err := p.call(ctx, http.MethodPost, "/api/datasources", nil, want, nil)
		if err == nil {
			p.did(dashboards.Created, "data source", d.UID, "")
			return nil
		}
		if !is(err, http.StatusConflict) {
			return fmt.Errorf("make data source %s: %w", d.UID, err)
		}
		// Either an attempt whose answer was lost, or somebody's of that name.
		var ferr error
		if live, ok, ferr = p.findSource(ctx, d.UID); ferr != nil {
			return ferr
		}
		if !ok {
			p.refuse("data source", d.UID, fmt.Sprintf("a data source named %q is there already and is not Oriel's: rename it, and Oriel makes its own", d.Name))
			return nil
		}
	}
	switch {
	case live.JSONData[dashboards.MarkTenant] != d.JSONData[dashboards.MarkTenant]:
		p.refuse("data source", d.UID, fmt.Sprintf("data source %s (%q) does not carry Oriel's mark: change its uid or remove it, and Oriel makes its own", d.UID, live.Name))
		return nil
	case live.same(want):
		return nil
	}
	if err := p.call(ctx, http.MethodPut, "/api/datasources/uid/"+url.PathEscape(d.UID), nil, want, nil); err != nil {
		return fmt.Errorf("update data source %s: %w", d.UID, err)
	}
	p.did(dashboards.Updated, "data source", d.UID, "")
	return nil
}

// same compares all that Grafana shows. Which secret is set says our mark.
func (s source) same(want source) bool {
	return s.Name == want.Name && s.Type == want.Type && s.Access == want.Access && s.URL == want.URL &&
		s.IsDefault == want.IsDefault && dashboards.Holds(s.JSONData, want.JSONData) && s.SecureJSONFields["httpHeaderValue1"]
}

// found is a dashboard as Grafana returns it.
type found struct {
	Meta struct {
		FolderUID   string `json:"folderUid"`
		Provisioned bool   `json:"provisioned"`
	} `json:"meta"`
	Dashboard json.RawMessage `json:"dashboard"`
}

func (p *pass) get(ctx context.Context, uid string) (d found, ok bool, err error) {
	err = p.call(ctx, http.MethodGet, "/api/dashboards/uid/"+url.PathEscape(uid), nil, nil, &d)
	if is(err, http.StatusNotFound) {
		return d, false, nil
	}
	if err != nil {
		return d, false, fmt.Errorf("dashboard %s: %w", uid, err)
	}
	return d, true, nil
}

// dashboard takes what was found under the uid; nil: nothing.
func (p *pass) dashboard(ctx context.Context, live *found, want dashboards.Dashboard) error {
	if live == nil {
		err := p.save(ctx, want, "made by Oriel", false)
		if is(err, http.StatusPreconditionFailed, http.StatusConflict) {
			// An attempt whose answer was lost, or somebody came first.
			if now, ok, gerr := p.get(ctx, want.UID); gerr == nil && ok {
				return p.dashboardFound(ctx, now, want)
			}
		}
		if err != nil {
			return err
		}
		p.did(dashboards.Created, "dashboard", want.UID, "")
		return nil
	}
	return p.dashboardFound(ctx, *live, want)
}

func (p *pass) dashboardFound(ctx context.Context, live found, want dashboards.Dashboard) error {
	verdict, err := dashboards.Judge(live.Dashboard, want)
	if err != nil {
		return err
	}
	if live.Meta.Provisioned {
		verdict = dashboards.Foreign
	}
	switch verdict {
	case dashboards.Foreign:
		p.refuse("dashboard", want.UID, fmt.Sprintf("dashboard %s does not carry Oriel's mark (tag %q): change its uid or remove it, and Oriel makes its own", want.UID, dashboards.Tag))
		return nil
	case dashboards.Same:
		if live.Meta.FolderUID == p.n.Folder {
			return nil
		}
	case dashboards.Edited:
		if err := p.copy(ctx, live.Dashboard); err != nil {
			return err
		}
	}
	if err := p.save(ctx, want, "mended by Oriel", true); err != nil {
		return err
	}
	p.did(dashboards.Updated, "dashboard", want.UID, "")
	return nil
}

// copy keeps somebody's edits, once.
func (p *pass) copy(ctx context.Context, live []byte) error {
	c, err := dashboards.CopyOf(p.n, live, p.clock())
	if err != nil {
		return err
	}
	err = p.save(ctx, c, "copied by Oriel before it mended the original", false)
	if is(err, http.StatusPreconditionFailed, http.StatusConflict) {
		return nil // copied before
	}
	if err != nil {
		return err
	}
	p.did(dashboards.Copied, "dashboard", c.UID, fmt.Sprintf("a dashboard kept by Oriel was edited; the edits are in %q", c.Title))
	return nil
}

func (p *pass) save(ctx context.Context, d dashboards.Dashboard, message string, overwrite bool) error {
	err := p.call(ctx, http.MethodPost, "/api/dashboards/db", nil, map[string]any{
		"dashboard": json.RawMessage(d.JSON), "folderUid": p.n.Folder, "message": message, "overwrite": overwrite,
	}, nil)
	if err != nil {
		return fmt.Errorf("save dashboard %s: %w", d.UID, err)
	}
	return nil
}

// prune removes dashboards of ours that are wanted no more.
func (p *pass) prune(ctx context.Context, wanted []dashboards.Dashboard) error {
	if p.blank {
		return nil
	}
	boards, err := p.search(ctx, url.Values{"type": {"dash-db"}, "tag": {dashboards.Tag}})
	if err != nil {
		return err
	}
next:
	for _, b := range boards {
		if !p.n.Owns(b.UID) {
			continue
		}
		for _, w := range wanted {
			if w.UID == b.UID {
				continue next
			}
		}
		if err := p.call(ctx, http.MethodDelete, "/api/dashboards/uid/"+url.PathEscape(b.UID), nil, nil, nil); err != nil && !is(err, http.StatusNotFound) {
			return fmt.Errorf("remove dashboard %s: %w", b.UID, err)
		}
		p.removed("dashboard", b.UID)
	}
	return nil
}
