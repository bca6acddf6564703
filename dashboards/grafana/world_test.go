package grafana_test

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/dashboards/grafana"
	"github.com/oriel-project/oriel/dashboards/grafanatest"
	"github.com/oriel-project/oriel/tenant"
)

// directory is a tenant.Directory to change at will.
type directory struct {
	mu sync.Mutex
	m  map[tenant.ID]tenant.Tenant
}

func (d *directory) add(ids ...tenant.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		d.m[id] = tenant.Tenant{ID: id}
	}
}

func (d *directory) remove(id tenant.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.m, id)
}

func (d *directory) Lookup(id tenant.ID) (tenant.Tenant, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, ok := d.m[id]
	return t, ok
}

func (d *directory) All() iter.Seq[tenant.Tenant] {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Values(maps.Clone(d.m))
}
func (d *directory) Owner(string, string, time.Time) (tenant.ID, bool) { return "", false }
func (d *directory) Sealed(tenant.ID) []tenant.Life                    { return nil }

// tokens is a tenant.Tokens in memory.
type tokens struct {
	mu   sync.Mutex
	n    int
	live map[string]tenant.TokenInfo // by secret
}

func (t *tokens) Create(s tenant.TokenSpec) (string, tenant.TokenInfo, error) {
	if err := s.Validate(); err != nil {
		return "", tenant.TokenInfo{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	info := tenant.TokenInfo{ID: fmt.Sprintf("t%d", t.n), Kind: s.Kind, Tenant: s.Tenant, Access: s.Access, Name: s.Name}
	secret := fmt.Sprintf("secret$%d", t.n)
	t.live[secret] = info
	return secret, info, nil
}

func (t *tokens) List() []tenant.TokenInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.live))
}

func (t *tokens) Revoke(id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for secret, info := range t.live {
		if info.ID == id {
			delete(t.live, secret)
			return nil
		}
	}
	return tenant.ErrNoToken
}

func (t *tokens) of(secret string) (tenant.TokenInfo, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := t.live[secret]
	return i, ok
}

// world is a Grafana, a gateway behind it and a reconciler between the two.
type world struct {
	t       testing.TB
	g       *grafanatest.Grafana
	grafana *httptest.Server
	gateway *httptest.Server
	dir     *directory
	tokens  *tokens
	now     time.Time
	opt     dashboards.Options
	rec     *dashboards.Reconciler
	events  []dashboards.Event
}

func newWorld(t testing.TB, iso dashboards.Isolation) *world {
	w := &world{
		t:      t,
		g:      grafanatest.New("admin", "pw"),
		dir:    &directory{m: map[tenant.ID]tenant.Tenant{}},
		tokens: &tokens{live: map[string]tenant.TokenInfo{}},
		now:    time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC),
	}
	w.grafana = httptest.NewServer(w.g)
	t.Cleanup(w.grafana.Close)
	// The gateway tells who it takes the caller for: that is all a window needs
	// to show that it is the right one.
	w.gateway = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		secret, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		info, ok := w.tokens.of(secret)
		if !ok {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(rw, "%s %s %s for %s", info.Access, r.Method, r.URL.Path, info.Tenant)
	}))
	t.Cleanup(w.gateway.Close)
	w.opt = dashboards.Options{
		Directory: w.dir, Target: w.client(iso), Tokens: w.tokens, Dir: t.TempDir(), Isolation: iso,
		GatewayURL: w.gateway.URL,
		Clock:      func() time.Time { return w.now },
		OnEvent:    func(e dashboards.Event) { w.events = append(w.events, e) },
	}
	w.restart()
	return w
}

func (w *world) client(iso dashboards.Isolation) *grafana.Client {
	c, err := grafana.New(grafana.Options{
		URL: w.grafana.URL, User: "admin", Password: "pw", Isolation: iso,
		RequestsPerSecond: 1e6, Backoff: time.Microsecond, Clock: func() time.Time { return w.now },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// restart makes the reconciler anew over the same directory, as a new process does.
func (w *world) restart() {
	w.t.Helper()
	r, err := dashboards.New(w.opt)
	if err != nil {
		w.t.Fatal(err)
	}
	w.rec = r
}

func (w *world) reconcile(id tenant.ID) {
	w.t.Helper()
	if err := w.rec.Reconcile(w.t.Context(), id); err != nil {
		w.t.Fatal(err)
	}
}

// quiet reconciles and sees to it that nothing is written.
func (w *world) quiet(id tenant.ID) {
	w.t.Helper()
	w.g.Writes()
	w.reconcile(id)
	if got := w.g.Writes(); len(got) != 0 {
		w.t.Errorf("a second reconcile wrote %v", got)
	}
}

// ops gives what happened since the last call, as "op object".
func (w *world) ops() []string {
	var s []string
	for _, e := range w.events {
		s = append(s, string(e.Op)+" "+e.Object)
	}
	w.events = nil
	return s
}

// ask calls Grafana as a user in an organisation (0: the user's own).
func (w *world) ask(login string, org int, method, path, body string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.grafana.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("X-Disable-Provenance", "true") // as Grafana's pages write alert rules
	req.SetBasicAuth(login, "pw")
	if org != 0 {
		req.Header.Set("X-Grafana-Org-Id", fmt.Sprint(org))
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

func (w *world) must(login string, org int, method, path, body string) string {
	w.t.Helper()
	status, text := w.ask(login, org, method, path, body)
	if status != http.StatusOK && status != http.StatusCreated {
		w.t.Fatalf("%s %s as %s: %d %s", method, path, login, status, text)
	}
	return text
}

// edit changes a dashboard as somebody with a browser would: what Oriel wrote
// beside the dashboard proper does not come back.
func (w *world) edit(login string, org int, uid string, f func(d map[string]any)) {
	w.t.Helper()
	var found struct {
		Meta      struct{ FolderUID string }
		Dashboard map[string]any
	}
	if err := json.Unmarshal([]byte(w.must(login, org, "GET", "/api/dashboards/uid/"+uid, "")), &found); err != nil {
		w.t.Fatal(err)
	}
	delete(found.Dashboard, "oriel")
	f(found.Dashboard)
	body, err := json.Marshal(map[string]any{"dashboard": found.Dashboard, "folderUid": found.Meta.FolderUID, "overwrite": true})
	if err != nil {
		w.t.Fatal(err)
	}
	w.must(login, org, "POST", "/api/dashboards/db", string(body))
}

func (w *world) title(org int, uid string) string {
	w.t.Helper()
	var found struct{ Dashboard struct{ Title string } }
	if err := json.Unmarshal([]byte(w.must("admin", org, "GET", "/api/dashboards/uid/"+uid, "")), &found); err != nil {
		w.t.Fatal(err)
	}
	return found.Dashboard.Title
}

func uidsOf(t *testing.T, search string) []string {
	t.Helper()
	var hits []struct{ UID string }
	if err := json.Unmarshal([]byte(search), &hits); err != nil {
		t.Fatal(err)
	}
	var uids []string
	for _, h := range hits {
		uids = append(uids, h.UID)
	}
	return uids
}
