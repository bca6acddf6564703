//go:build real

package opensearch

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestNode stores a document and finds it by a script, which needs the modules.
func TestNode(t *testing.T) {
	n := Start(t)
	do := func(method, path, body, want string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, n.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if err != nil || !strings.Contains(string(got), want) {
			t.Fatalf("%s %s: %d %s (%v), want %s in it", method, path, resp.StatusCode, got, err, want)
		}
	}
	do("GET", "/", "", `"distribution" : "opensearch"`)
	do("PUT", "/a/_doc/1?refresh=true", `{"n":20}`, `"result":"created"`)
	do("POST", "/a/_search", `{"query":{"script":{"script":"doc['n'].value + 1 == 21"}}}`, `"value":1,`)
}
