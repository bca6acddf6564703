package golden

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Exchange serves one request and gives it and its reply as a reader would
// write them down. JSON is indented; mask, where not nil, replaces what differs
// from run to run.
func Exchange(t testing.TB, h http.Handler, r *http.Request, body string, mask func(string) string) []byte {
	t.Helper()
	if body != "" {
		fresh := httptest.NewRequest(r.Method, r.URL.String(), strings.NewReader(body)).WithContext(r.Context())
		fresh.Header = r.Header
		r = fresh
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.URL.RequestURI())
	if body != "" {
		fmt.Fprintf(&b, "%s\n", indent(body))
	}
	fmt.Fprintf(&b, "\n%d %s\n", w.Code, http.StatusText(w.Code))
	for _, name := range []string{"Allow", "Content-Type", "Location"} {
		if v := w.Header().Get(name); v != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	if w.Body.Len() > 0 {
		fmt.Fprintf(&b, "%s\n", indent(w.Body.String()))
	}
	out := b.String()
	if mask != nil {
		out = mask(out)
	}
	return []byte(out)
}

func indent(s string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(s), "", "  ") != nil {
		return s
	}
	return strings.TrimRight(b.String(), "\n")
}
