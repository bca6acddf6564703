package esapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/internal/golden"
)

// TestGolden answers the requests of testdata/*.req, whose shapes are those that
// Grafana, olivere/elastic and curl send. A request's first line is its method
// and path, then come headers, a blank line and the body.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.req")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d requests, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".req")
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			head, body, _ := strings.Cut(string(raw), "\n\n")
			lines := strings.Split(strings.TrimSpace(head), "\n")
			method, path, _ := strings.Cut(lines[0], " ")
			r := httptest.NewRequest(method, path, nil)
			for _, l := range lines[1:] {
				key, value, _ := strings.Cut(l, ": ")
				r.Header.Set(key, value)
			}
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				rec := httptest.NewRecorder()
				asShop(testAPI(t)).ServeHTTP(rec, r)
				if b := rec.Body.Bytes(); strings.HasPrefix(rec.Header().Get("Content-Type"), "application/") && len(b) > 0 && !json.Valid(b) {
					t.Errorf("the reply is not JSON: %s", b)
				}
				for k, v := range rec.Header() {
					w.Header()[k] = v
				}
				w.WriteHeader(rec.Code)
				w.Write(rec.Body.Bytes())
			})
			golden.Check(t, name+".golden", golden.Exchange(t, h, r, body, mask))
		})
	}
}
