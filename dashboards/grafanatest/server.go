// Package grafanatest is a stand-in for Grafana 12 in tests: what provisioning
// needs of its HTTP API, in memory. It is not Grafana. It was built after the
// recorded answers of a Grafana 12.3.3 and refuses what that one refused: names
// and uids that are taken (409), stale versions (412), uids of more than 40
// characters (400), credentials of another organisation (401), roles that do not
// suffice (403), folders that hold alert rules (400). It does not draw, does not
// evaluate alerts, and answers data sources by numeric id with 404, as Grafana 13
// does. Its /api/health calls the version "12.3.3-stand-in".
//
//	g := grafanatest.New("admin", "secret")
//	srv := httptest.NewServer(g)
//
// Requests to /api/datasources/proxy/uid/{uid}/... go on to the data source's
// address with its secret headers, as Grafana's proxy does.
package grafanatest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Version is what /api/health says.
const Version = "12.3.3-stand-in"

// Role is what a user may do in an organisation.
type Role string

// The roles.
const (
	Viewer Role = "Viewer"
	Editor Role = "Editor"
	Admin  Role = "Admin"
)

func (r Role) atLeast(min Role) bool {
	order := []Role{Viewer, Editor, Admin}
	return slices.Index(order, r) >= slices.Index(order, min)
}

// Grafana is the stand-in. It is an http.Handler, safe for concurrent use.
type Grafana struct {
	mu       sync.Mutex // guards everything below
	users    map[string]*user
	tokens   map[string]token
	orgs     map[int]*org
	plugins  map[string]bool
	nextID   int
	writes   []string
	requests []string
	fail     []int  // statuses of the next answers
	down     bool   // every answer is 503
	migrate  bool   // dashboards come back as a newer schema
	lose     string // method and path prefix of a request whose answer is lost
	mux      *http.ServeMux
}

type user struct {
	ID          int
	Login       string
	Password    string
	ServerAdmin bool
}

type token struct {
	org  int
	role Role
}

// New makes an instance with the organisation "Main Org." (1) and one server
// admin in it.
func New(adminLogin, adminPassword string) *Grafana {
	g := &Grafana{
		users:   map[string]*user{},
		tokens:  map[string]token{},
		orgs:    map[int]*org{},
		plugins: map[string]bool{"prometheus": true, "elasticsearch": true},
		nextID:  1,
		mux:     http.NewServeMux(),
	}
	main := newOrg(1, "Main Org.")
	g.orgs[1] = main
	g.nextID = 2
	g.users[adminLogin] = &user{ID: 1, Login: adminLogin, Password: adminPassword, ServerAdmin: true}
	main.members[1] = Admin
	g.routes()
	return g
}

func (g *Grafana) id() int { g.nextID++; return g.nextID }

// AddUser adds a user who belongs to no organisation yet.
func (g *Grafana) AddUser(login, password string, serverAdmin bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.users[login] = &user{ID: g.id(), Login: login, Password: password, ServerAdmin: serverAdmin}
}

// Join gives a user a role in the organisation of that name; "" takes it away.
// It panics where there is no such user or organisation.
func (g *Grafana) Join(login, orgName string, r Role) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, o := range g.orgs {
		if o.Name == orgName {
			if r == "" {
				delete(o.members, g.users[login].ID)
			} else {
				o.members[g.users[login].ID] = r
			}
			return
		}
	}
	panic("grafanatest: no organisation " + orgName)
}

// Token makes a service account's token for an organisation.
func (g *Grafana) Token(orgID int, r Role) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := fmt.Sprintf("glsa_stand-in-%d", g.id())
	g.tokens[key] = token{org: orgID, role: r}
	return key
}

// OrgID gives the organisation of that name; 0 for none.
func (g *Grafana) OrgID(name string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, o := range g.orgs {
		if o.Name == name {
			return o.ID
		}
	}
	return 0
}

// RemovePlugin takes a data source plugin away, as an upgrade to 13 does.
func (g *Grafana) RemovePlugin(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.plugins, id)
}

// FailNext answers the next requests with these statuses, one each.
func (g *Grafana) FailNext(statuses ...int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fail = append(g.fail, statuses...)
}

// LoseAnswer carries out the next request that begins with "METHOD /path" and
// then answers 502, as a proxy does when Grafana restarts in the middle.
func (g *Grafana) LoseAnswer(methodAndPath string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lose = methodAndPath
}

// SetMigrating gives dashboards back in a newer schema than they were saved in,
// as newer Grafanas do.
func (g *Grafana) SetMigrating(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.migrate = on
}

// SetDown answers everything with 503 while true.
func (g *Grafana) SetDown(down bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down = down
}

// Writes lists the changes that were carried out since the last call, as
// "METHOD /path".
func (g *Grafana) Writes() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.writes
	g.writes = nil
	return w
}

// Requests lists all requests since the last call, as "METHOD /path".
func (g *Grafana) Requests() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.requests
	g.requests = nil
	return r
}

// caller is who asks, and in which organisation.
type caller struct {
	*user // nil for a token
	org   *org
	role  Role
}

// refusal is an answer other than 200.
type refusal struct {
	status int
	body   map[string]any
}

func no(status int, format string, args ...any) *refusal {
	return &refusal{status, map[string]any{"message": fmt.Sprintf(format, args...)}}
}

// handler answers with a JSON value or a refusal. g.mu is held.
type handler func(r *http.Request, c caller) (any, *refusal)

// handle adds a route for callers with the role in their organisation.
func (g *Grafana) handle(pattern string, min Role, h handler) {
	g.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		c, ref := g.authenticate(r)
		if ref == nil && !c.role.atLeast(min) {
			ref = no(http.StatusForbidden, "You'll need additional permissions to perform this action.")
		}
		g.answer(w, r, c, ref, h)
	})
}

// handleServer adds a route for server admins, whatever the organisation.
func (g *Grafana) handleServer(pattern string, h handler) {
	g.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		c, ref := g.authenticate(r)
		if ref == nil && (c.user == nil || !c.ServerAdmin) {
			ref = no(http.StatusForbidden, "You'll need additional permissions to perform this action. Permissions needed: orgs:read")
		}
		g.answer(w, r, c, ref, h)
	})
}

func (g *Grafana) answer(w http.ResponseWriter, r *http.Request, c caller, ref *refusal, h handler) {
	var out any
	if ref == nil {
		out, ref = h(r, c)
	}
	what := r.Method + " " + r.URL.Path
	if ref == nil && r.Method != http.MethodGet {
		g.writes = append(g.writes, what)
		if g.lose != "" && strings.HasPrefix(what, g.lose) {
			g.lose = ""
			ref = no(http.StatusBadGateway, "the answer was lost")
		}
	}
	status := http.StatusOK
	if c, ok := out.(created); ok {
		status, out = http.StatusCreated, c.any
	}
	if ref != nil {
		status, out = ref.status, ref.body
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(out)
}

// authenticate finds the caller and the organisation asked for: that of the
// token, else X-Grafana-Org-Id, else the main one. A user who is no member has
// no role in it.
func (g *Grafana) authenticate(r *http.Request) (caller, *refusal) {
	asked, _ := strconv.Atoi(r.Header.Get("X-Grafana-Org-Id"))
	if key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		t, ok := g.tokens[key]
		if !ok || g.orgs[t.org] == nil {
			return caller{}, &refusal{http.StatusUnauthorized, map[string]any{"message": "Invalid API key", "messageId": "api-key.invalid", "statusCode": 401}}
		}
		if asked != 0 && asked != t.org {
			return caller{}, &refusal{http.StatusUnauthorized, map[string]any{"message": "API key does not belong to the requested organization", "messageId": "api-key.organization-mismatch", "statusCode": 401}}
		}
		return caller{org: g.orgs[t.org], role: t.role}, nil
	}
	login, password, ok := r.BasicAuth()
	u := g.users[login]
	if !ok || u == nil || u.Password != password {
		return caller{}, &refusal{http.StatusUnauthorized, map[string]any{"message": "Invalid username or password", "messageId": "password-auth.failed", "statusCode": 401}}
	}
	o := g.orgs[cmp.Or(asked, 1)]
	if o == nil {
		o = newOrg(0, "")
	}
	return caller{user: u, org: o, role: o.members[u.ID]}, nil
}

// ServeHTTP implements http.Handler.
func (g *Grafana) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.requests = append(g.requests, r.Method+" "+r.URL.Path)
	status := 0
	if g.down {
		status = http.StatusServiceUnavailable
	} else if len(g.fail) > 0 {
		status, g.fail = g.fail[0], g.fail[1:]
	}
	g.mu.Unlock()
	if status != 0 {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, `{"message":"failing as told"}`)
		return
	}
	g.mux.ServeHTTP(w, r)
}

func decode(r *http.Request, out any) *refusal {
	if err := json.NewDecoder(r.Body).Decode(out); err != nil {
		return no(http.StatusBadRequest, "bad request data")
	}
	return nil
}

func badUID(uid string) *refusal {
	switch {
	case len(uid) > 40:
		return no(http.StatusBadRequest, "uid too long, max 40 characters")
	case strings.ContainsFunc(uid, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_')
	}):
		return no(http.StatusBadRequest, "uid contains illegal characters")
	}
	return nil
}
