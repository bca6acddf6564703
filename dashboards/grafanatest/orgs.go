package grafanatest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// org is one organisation with all it holds.
type org struct {
	ID          int           `json:"id"`
	Name        string        `json:"name"`
	members     map[int]Role  // by user
	teams       map[int]*team // by id
	folders     map[string]*folder
	boards      map[string]*board
	sources     map[string]*source
	rules       map[string]map[string]any
	panels      map[string]map[string]any
	annotations map[int]annotation
	contacts    []map[string]any // beside the one that every organisation has
	receiver    string           // of the one policy below the default
	// intervals of groups of rules in seconds, by folder and group.
	intervals map[string]int
}

type team struct {
	ID      int    `json:"id"`
	OrgID   int    `json:"orgId"`
	Name    string `json:"name"`
	members map[int]bool
}

func newOrg(id int, name string) *org {
	return &org{
		ID: id, Name: name, members: map[int]Role{}, teams: map[int]*team{}, folders: map[string]*folder{},
		boards: map[string]*board{}, sources: map[string]*source{}, rules: map[string]map[string]any{}, panels: map[string]map[string]any{},
		intervals: map[string]int{}, annotations: map[int]annotation{},
	}
}

func (g *Grafana) routes() {
	g.mux.HandleFunc("GET /api/health", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"database": "ok", "version": Version, "commit": "stand-in"})
	})
	g.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		json.NewEncoder(w).Encode(map[string]string{"message": "Not found"})
	})
	g.handle("GET /api/plugins/{id}/settings", Viewer, func(r *http.Request, _ caller) (any, *refusal) {
		id := r.PathValue("id")
		if !g.plugins[id] {
			return nil, no(http.StatusNotFound, "Plugin not found, no installed plugin with that id")
		}
		return map[string]any{"id": id, "type": "datasource"}, nil
	})
	g.orgRoutes()
	g.teamRoutes()
	g.sourceRoutes()
	g.folderRoutes()
	g.ruleRoutes()
	g.boardRoutes()
	g.annotationRoutes()
	g.queryRoute()
	g.contactRoutes()
}

func (g *Grafana) orgRoutes() {
	g.handle("GET /api/org", Viewer, func(_ *http.Request, c caller) (any, *refusal) { return c.org, nil })
	g.mux.HandleFunc("GET /api/user", func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		c, ref := g.authenticate(r)
		g.answer(w, r, c, ref, func(*http.Request, caller) (any, *refusal) {
			if c.user == nil {
				return nil, no(http.StatusNotFound, "user not found")
			}
			return map[string]any{"id": c.user.ID, "login": c.Login, "isGrafanaAdmin": c.ServerAdmin}, nil
		})
	})
	g.handleServer("GET /api/orgs", func(*http.Request, caller) (any, *refusal) {
		return slices.SortedFunc(maps.Values(g.orgs), func(a, b *org) int { return a.ID - b.ID }), nil
	})
	g.handleServer("GET /api/orgs/name/{name}", func(r *http.Request, _ caller) (any, *refusal) {
		for _, o := range g.orgs {
			if o.Name == r.PathValue("name") {
				return o, nil
			}
		}
		return nil, no(http.StatusNotFound, "Organization not found")
	})
	g.handleServer("POST /api/orgs", func(r *http.Request, c caller) (any, *refusal) {
		var in struct{ Name string }
		if ref := decode(r, &in); ref != nil {
			return nil, ref
		}
		if in.Name == "" {
			return nil, no(http.StatusBadRequest, "bad request data")
		}
		for _, o := range g.orgs {
			if o.Name == in.Name {
				return nil, no(http.StatusConflict, "Organization name taken")
			}
		}
		o := newOrg(g.id(), in.Name)
		o.members[c.user.ID] = Admin
		g.orgs[o.ID] = o
		return map[string]any{"message": "Organization created", "orgId": o.ID}, nil
	})
	g.handleServer("DELETE /api/orgs/{id}", func(r *http.Request, c caller) (any, *refusal) {
		o, ref := g.orgByID(r)
		if ref != nil {
			return nil, ref
		}
		if o.ID == c.org.ID {
			return nil, no(http.StatusBadRequest, "Can not delete org for current user")
		}
		delete(g.orgs, o.ID)
		return map[string]any{"message": "Organization deleted"}, nil
	})
	g.handleServer("POST /api/orgs/{id}/users", func(r *http.Request, _ caller) (any, *refusal) {
		o, ref := g.orgByID(r)
		if ref != nil {
			return nil, ref
		}
		var in struct {
			LoginOrEmail string
			Role         Role
		}
		if ref := decode(r, &in); ref != nil {
			return nil, ref
		}
		u := g.users[in.LoginOrEmail]
		if u == nil {
			return nil, no(http.StatusNotFound, "User not found")
		}
		if _, ok := o.members[u.ID]; ok {
			return nil, no(http.StatusConflict, "User is already member of this organization")
		}
		o.members[u.ID] = in.Role
		return map[string]any{"message": "User added to organization", "userId": u.ID}, nil
	})
	g.handleServer("PATCH /api/orgs/{id}/users/{user}", func(r *http.Request, _ caller) (any, *refusal) {
		o, ref := g.orgByID(r)
		if ref != nil {
			return nil, ref
		}
		var in struct{ Role Role }
		if ref := decode(r, &in); ref != nil {
			return nil, ref
		}
		id, _ := strconv.Atoi(r.PathValue("user"))
		if _, ok := o.members[id]; !ok {
			return nil, no(http.StatusNotFound, "User not found")
		}
		o.members[id] = in.Role
		return map[string]any{"message": "Organization user updated"}, nil
	})
}

func (g *Grafana) orgByID(r *http.Request) (*org, *refusal) {
	id, _ := strconv.Atoi(r.PathValue("id"))
	if o := g.orgs[id]; o != nil {
		return o, nil
	}
	return nil, no(http.StatusNotFound, "Organization not found")
}

// teamsPageMax is the default page of the search for teams.
const teamsPageMax = 1000

func (g *Grafana) teamRoutes() {
	g.handle("POST /api/teams", Admin, func(r *http.Request, c caller) (any, *refusal) {
		var in struct{ Name string }
		if ref := decode(r, &in); ref != nil {
			return nil, ref
		}
		for _, t := range c.org.teams {
			if t.Name == in.Name {
				return nil, no(http.StatusConflict, "Team name taken")
			}
		}
		t := &team{ID: g.id(), OrgID: c.org.ID, Name: in.Name, members: map[int]bool{}}
		c.org.teams[t.ID] = t
		return map[string]any{"message": "Team created", "teamId": t.ID, "uid": "team-" + strconv.Itoa(t.ID)}, nil
	})
	g.handle("GET /api/teams/search", Viewer, func(r *http.Request, c caller) (any, *refusal) {
		name, part := r.FormValue("name"), strings.ToLower(r.FormValue("query"))
		found := []*team{}
		for _, id := range slices.Sorted(maps.Keys(c.org.teams)) {
			if t := c.org.teams[id]; (name == "" || t.Name == name) && strings.Contains(strings.ToLower(t.Name), part) {
				found = append(found, t)
			}
		}
		total := len(found)
		return map[string]any{"totalCount": total, "teams": found[:min(total, teamsPageMax)], "page": 1, "perPage": teamsPageMax}, nil
	})
	g.handle("DELETE /api/teams/{id}", Admin, func(r *http.Request, c caller) (any, *refusal) {
		id, _ := strconv.Atoi(r.PathValue("id"))
		if c.org.teams[id] == nil {
			return nil, no(http.StatusNotFound, "Team not found")
		}
		delete(c.org.teams, id)
		return map[string]any{"message": "Team deleted"}, nil
	})
	g.handle("POST /api/teams/{id}/members", Admin, func(r *http.Request, c caller) (any, *refusal) {
		id, _ := strconv.Atoi(r.PathValue("id"))
		var in struct{ UserID int }
		if ref := decode(r, &in); ref != nil {
			return nil, ref
		}
		t := c.org.teams[id]
		if t == nil {
			return nil, no(http.StatusNotFound, "Team not found")
		}
		t.members[in.UserID] = true
		return map[string]any{"message": "Member added to Team"}, nil
	})
}

// JoinTeam puts a user into a team of the main organisation. It panics where
// either is missing.
func (g *Grafana) JoinTeam(login, teamName string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.orgs[1].teams {
		if t.Name == teamName {
			t.members[g.users[login].ID] = true
			return
		}
	}
	panic("grafanatest: no team " + teamName)
}
