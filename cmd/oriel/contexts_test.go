package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/tenant"
)

// TestForeignContexts hands alpha the ids of bravo's scroll and point in time: to
// alpha they are what an id is that nobody ever had, byte for byte, whatever is
// asked with them, and bravo's are still open afterwards.
func TestForeignContexts(t *testing.T) {
	g := seededGateway(t, nil)
	tokens := map[tenant.ID]string{}
	for _, id := range []tenant.ID{alpha, bravo} {
		secret, _, err := g.tokens.Create(tenant.TokenSpec{Kind: tenant.TokenTenant, Tenant: id})
		if err != nil {
			t.Fatal(err)
		}
		tokens[id] = secret
	}
	ask := func(id tenant.ID, method, path, body string) (int, string) {
		req := httptest.NewRequest(method, path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+tokens[id])
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		g.handler().ServeHTTP(w, req)
		return w.Code, w.Body.String()
	}
	var theirs struct {
		Scroll string `json:"_scroll_id"`
		PIT    string `json:"id"`
	}
	for _, path := range []string{"/es/_search?scroll=1h&size=1&sort=_doc", "/es/logs-*/_pit?keep_alive=1h"} {
		status, body := ask(bravo, "POST", path, "")
		if err := json.Unmarshal([]byte(body), &theirs); err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, status, body)
		}
	}
	for _, id := range []string{theirs.Scroll, theirs.PIT} {
		if len(id) < 20 {
			t.Fatalf("id %q is too short to be guessed at", id)
		}
		none := strings.Repeat("A", len(id))
		for _, c := range []struct{ method, path, body string }{
			{"POST", "/es/_search/scroll", `{"scroll":"1m","scroll_id":"ID"}`},
			{"GET", "/es/_search/scroll/ID", ""},
			{"GET", "/es/_search/scroll?scroll_id=ID", ""},
			{"DELETE", "/es/_search/scroll", `{"scroll_id":["ID"]}`},
			{"DELETE", "/es/_search/scroll/ID", ""},
			{"DELETE", "/es/_search/scroll/_all", ""},
			{"POST", "/es/_search", `{"pit":{"id":"ID","keep_alive":"1m"}}`},
			{"POST", "/es/_msearch", "{}\n" + `{"pit":{"id":"ID"}}` + "\n"},
			{"DELETE", "/es/_pit", `{"id":"ID"}`},
		} {
			with := func(id string) (int, string) {
				status, body := ask(alpha, c.method, strings.ReplaceAll(c.path, "ID", id), strings.ReplaceAll(c.body, "ID", id))
				return status, volatile.ReplaceAllString(strings.ReplaceAll(body, id, "ID"), "N")
			}
			status, body := with(id)
			noStatus, noBody := with(none)
			if status != noStatus || body != noBody || strings.Contains(body, secret) {
				t.Errorf("%s %s: %d %s, and of an id that nobody had %d %s", c.method, c.path, status, clip(body), noStatus, clip(noBody))
			}
		}
	}
	if status, body := ask(bravo, "POST", "/es/_search/scroll", `{"scroll":"1m","scroll_id":"`+theirs.Scroll+`"}`); status != http.StatusOK {
		t.Errorf("bravo's scroll is gone: %d %s", status, body)
	}
	if status, body := ask(bravo, "POST", "/es/_search", `{"pit":{"id":"`+theirs.PIT+`"}}`); status != http.StatusOK {
		t.Errorf("bravo's point in time is gone: %d %s", status, body)
	}
}
