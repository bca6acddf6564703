package grafanatest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

type folder struct {
	ID      int    `json:"id"`
	UID     string `json:"uid"`
	OrgID   int    `json:"orgId"`
	Title   string `json:"title"`
	Version int    `json:"version"`
	perms   []permission
}

type permission struct {
	TeamID     int    `json:"teamId,omitempty"`
	UserID     int    `json:"userId,omitempty"`
	Role       Role   `json:"role,omitempty"`
	Permission int    `json:"permission"` // 1 view, 2 edit, 4 admin
	UID        string `json:"uid,omitempty"`
}

type board struct {
	folder      string
	version     int
	json        map[string]any
	provisioned bool
}

// allowed reports whether the caller may do what needs the permission on what is
// in the folder ("" is the general one).
func (c caller) allowed(folderUID string, need int) bool {
	if c.role == Admin {
		return true
	}
	f := c.org.folders[folderUID]
	if f == nil {
		return need == 1 && c.role.atLeast(Viewer) || need == 2 && c.role.atLeast(Editor)
	}
	for _, p := range f.perms {
		switch {
		case p.Permission < need:
		case p.Role != "" && c.role.atLeast(p.Role):
			return true
		case c.user != nil && p.UserID == c.user.ID:
			return true
		case c.user != nil && p.TeamID != 0 && c.org.teams[p.TeamID] != nil && c.org.teams[p.TeamID].members[c.user.ID]:
			return true
		}
	}
	return false
}

var denied = "You'll need additional permissions to perform this action."

func (g *Grafana) folderRoutes() {
	find := func(h func(r *http.Request, c caller, f *folder) (any, *refusal)) handler {
		return func(r *http.Request, c caller) (any, *refusal) {
			if f := c.org.folders[r.PathValue("uid")]; f != nil {
				return h(r, c, f)
			}
			return nil, no(http.StatusNotFound, "folder not found")
		}
	}
	g.handle("POST /api/folders", Editor, func(r *http.Request, c caller) (any, *refusal) {
		var in struct{ UID, Title string }
		if ref := decode(r, &in); ref != nil {
			return nil, ref
		}
		if ref := badUID(in.UID); ref != nil {
			return nil, ref
		}
		if in.Title == "" {
			return nil, no(http.StatusBadRequest, "folder title cannot be empty")
		}
		f := &folder{ID: g.id(), UID: in.UID, OrgID: c.org.ID, Title: in.Title, Version: 1}
		if f.UID == "" {
			f.UID = fmt.Sprintf("generated-%d", f.ID)
		}
		if c.org.folders[f.UID] != nil {
			return nil, no(http.StatusPreconditionFailed, "the folder has been changed by someone else")
		}
		// A new folder is open to everybody of the organisation.
		f.perms = []permission{{Role: Viewer, Permission: 1}, {Role: Editor, Permission: 2}}
		if c.user != nil {
			f.perms = append(f.perms, permission{UserID: c.user.ID, Permission: 4})
		}
		c.org.folders[f.UID] = f
		return f, nil
	})
	g.handle("GET /api/folders/{uid}", Viewer, find(func(_ *http.Request, c caller, f *folder) (any, *refusal) {
		if !c.allowed(f.UID, 1) {
			return nil, no(http.StatusForbidden, "%s", denied)
		}
		return f, nil
	}))
	g.handle("PUT /api/folders/{uid}", Editor, find(func(r *http.Request, c caller, f *folder) (any, *refusal) {
		var in struct {
			Title     string
			Version   int
			Overwrite bool
		}
		if ref := decode(r, &in); ref != nil {
			return nil, ref
		}
		switch {
		case !c.allowed(f.UID, 2):
			return nil, no(http.StatusForbidden, "%s", denied)
		case !in.Overwrite && in.Version != f.Version:
			return nil, no(http.StatusPreconditionFailed, "The dashboard has been changed by someone else")
		}
		f.Title = in.Title
		f.Version++
		return f, nil
	}))
	g.handle("DELETE /api/folders/{uid}", Editor, find(func(r *http.Request, c caller, f *folder) (any, *refusal) {
		if !c.allowed(f.UID, 2) {
			return nil, no(http.StatusForbidden, "%s", denied)
		}
		inFolder := func(_ string, x map[string]any) bool { return x["folderUID"] == f.UID || x["folderUid"] == f.UID }
		for uid, rule := range c.org.rules {
			if inFolder(uid, rule) && r.FormValue("forceDeleteRules") != "true" {
				return nil, &refusal{http.StatusBadRequest, map[string]any{"statusCode": 400, "messageId": "folder.not-empty", "message": "Folder cannot be deleted: folder is not empty"}}
			}
		}
		maps.DeleteFunc(c.org.rules, inFolder)
		maps.DeleteFunc(c.org.panels, inFolder)
		for uid, b := range c.org.boards {
			if b.folder == f.UID {
				delete(c.org.boards, uid)
				c.org.forget(uid)
			}
		}
		delete(c.org.folders, f.UID)
		return map[string]any{"message": "Folder deleted"}, nil
	}))
	g.handle("GET /api/folders/{uid}/permissions", Admin, find(func(_ *http.Request, _ caller, f *folder) (any, *refusal) {
		return f.perms, nil
	}))
	g.handle("POST /api/folders/{uid}/permissions", Admin, find(func(r *http.Request, _ caller, f *folder) (any, *refusal) {
		var in struct{ Items []permission }
		if ref := decode(r, &in); ref != nil {
			return nil, ref
		}
		f.perms = in.Items // a full replace
		return map[string]any{"message": "Folder permissions updated"}, nil
	}))
	g.handle("POST /api/library-elements", Editor, func(r *http.Request, c caller) (any, *refusal) {
		var in map[string]any
		if ref := decode(r, &in); ref != nil {
			return nil, ref
		}
		uid, _ := in["uid"].(string)
		if uid == "" || badUID(uid) != nil {
			return nil, no(http.StatusBadRequest, "bad uid")
		}
		c.org.panels[uid] = in
		return in, nil
	})
	g.handle("GET /api/library-elements", Viewer, func(_ *http.Request, c caller) (any, *refusal) {
		list := sorted(c.org.panels)
		return map[string]any{"result": map[string]any{"totalCount": len(list), "elements": list}}, nil
	})
}

func sorted(of map[string]map[string]any) []map[string]any {
	list := []map[string]any{}
	for _, uid := range slices.Sorted(maps.Keys(of)) {
		list = append(list, of[uid])
	}
	return list
}

func (g *Grafana) boardRoutes() {
	g.handle("POST /api/dashboards/db", Viewer, g.saveBoard)
	g.handle("GET /api/dashboards/uid/{uid}", Viewer, func(r *http.Request, c caller) (any, *refusal) {
		b := c.org.boards[r.PathValue("uid")]
		switch {
		case b == nil:
			return nil, no(http.StatusNotFound, "Dashboard not found")
		case !c.allowed(b.folder, 1):
			return nil, no(http.StatusForbidden, "%s Permissions needed: dashboards:read", denied)
		}
		return map[string]any{
			"meta":      map[string]any{"type": "db", "folderUid": b.folder, "version": b.version, "provisioned": b.provisioned, "canSave": c.allowed(b.folder, 2)},
			"dashboard": g.shown(b),
		}, nil
	})
	g.handle("DELETE /api/dashboards/uid/{uid}", Viewer, func(r *http.Request, c caller) (any, *refusal) {
		uid := r.PathValue("uid")
		b := c.org.boards[uid]
		switch {
		case b == nil:
			return nil, no(http.StatusNotFound, "Dashboard not found")
		case !c.allowed(b.folder, 2):
			return nil, no(http.StatusForbidden, "%s", denied)
		case b.provisioned:
			return nil, no(http.StatusBadRequest, "provisioned dashboard cannot be deleted")
		}
		delete(c.org.boards, uid)
		c.org.forget(uid)
		return map[string]any{"message": "Dashboard deleted", "uid": uid}, nil
	})
	g.handle("GET /api/search", Viewer, func(r *http.Request, c caller) (any, *refusal) {
		q := r.URL.Query()
		hits := []map[string]any{}
		if kind := q.Get("type"); (kind == "" || kind == "dash-folder") && len(q["tag"]) == 0 && len(q["folderUIDs"]) == 0 {
			for _, uid := range slices.Sorted(maps.Keys(c.org.folders)) {
				if c.allowed(uid, 1) {
					hits = append(hits, map[string]any{"uid": uid, "type": "dash-folder", "title": c.org.folders[uid].Title})
				}
			}
		}
		for _, uid := range slices.Sorted(maps.Keys(c.org.boards)) {
			b := c.org.boards[uid]
			tags, _ := b.json["tags"].([]any)
			switch {
			case q.Get("type") == "dash-folder", !c.allowed(b.folder, 1):
			case len(q["folderUIDs"]) > 0 && !slices.Contains(q["folderUIDs"], b.folder):
			case slices.ContainsFunc(q["tag"], func(t string) bool { return !slices.Contains(tags, any(t)) }):
			default:
				hits = append(hits, map[string]any{"uid": uid, "type": "dash-db", "title": b.json["title"], "tags": tags, "folderUid": b.folder})
			}
		}
		return hits, nil
	})
}

// shown is the dashboard as a reader gets it.
func (g *Grafana) shown(b *board) map[string]any {
	if !g.migrate {
		return b.json
	}
	doc := maps.Clone(b.json)
	doc["schemaVersion"] = 42
	panels, _ := doc["panels"].([]any)
	panels = slices.Clone(panels)
	for i, p := range panels {
		if p, ok := p.(map[string]any); ok {
			p = maps.Clone(p)
			p["pluginVersion"] = Version
			panels[i] = p
		}
	}
	doc["panels"] = panels
	return doc
}

func (g *Grafana) saveBoard(r *http.Request, c caller) (any, *refusal) {
	var in struct {
		Dashboard map[string]any
		FolderUID string
		Overwrite bool
	}
	if ref := decode(r, &in); ref != nil {
		return nil, ref
	}
	if in.Dashboard["kind"] != nil && in.Dashboard["spec"] != nil {
		return nil, no(http.StatusBadRequest, "dashboard appears to be in v2 format. Please use the /apis/dashboard.grafana.app/v2 API")
	}
	title, _ := in.Dashboard["title"].(string)
	if title == "" {
		return nil, no(http.StatusBadRequest, "Dashboard title cannot be empty")
	}
	uid, _ := in.Dashboard["uid"].(string)
	if ref := badUID(uid); ref != nil {
		return nil, ref
	}
	if in.FolderUID != "" && c.org.folders[in.FolderUID] == nil {
		return nil, no(http.StatusBadRequest, "folder not found")
	}
	if !c.allowed(in.FolderUID, 2) {
		return nil, no(http.StatusForbidden, "%s", denied)
	}
	id := g.id()
	if uid == "" {
		uid = fmt.Sprintf("generated-%d", id)
	}
	old := c.org.boards[uid]
	version := 1
	if old != nil {
		switch {
		case old.provisioned:
			return nil, no(http.StatusBadRequest, "Cannot save provisioned dashboard")
		case !c.allowed(old.folder, 2):
			return nil, no(http.StatusForbidden, "%s", denied)
		}
		if given, _ := in.Dashboard["version"].(float64); !in.Overwrite && int(given) != old.version {
			return nil, &refusal{http.StatusPreconditionFailed, map[string]any{"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}}
		}
		version = old.version + 1
	}
	// Kept as JSON, so that nobody shares the caller's maps.
	raw, _ := json.Marshal(in.Dashboard)
	var doc map[string]any
	json.Unmarshal(raw, &doc)
	doc["uid"], doc["id"], doc["version"] = uid, id, version
	c.org.boards[uid] = &board{folder: in.FolderUID, version: version, json: doc}
	return map[string]any{"folderUid": in.FolderUID, "id": id, "status": "success", "uid": uid, "version": version, "url": "/d/" + uid}, nil
}
