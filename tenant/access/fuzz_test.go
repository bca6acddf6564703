package access

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whatever the request line and the tenant header say, a tenant's token reaches
// that tenant and no other, and nobody without a token gets more than 401.
func FuzzGuard(f *testing.F) {
	for _, path := range []string{"/r", "/t/billing/r", "/t/shop/../billing/r", "/t/shop%2f..%2fbilling/r", "//t/billing/r", "http://h/t/billing/r", "*"} {
		f.Add(path, "shop|billing")
		f.Add(path, "")
	}
	f.Fuzz(func(t *testing.T, path, header string) {
		w := newWorld(t, false)
		for _, who := range []string{"shop", ""} {
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n")))
			if err != nil {
				return
			}
			if header != "" {
				r.Header["X-Scope-Orgid"] = []string{header}
			}
			if who != "" {
				r.Header.Set("Authorization", "Bearer "+w.tokens[who])
			}
			rec := httptest.NewRecorder()
			w.guard.ServeHTTP(rec, r)
			switch body := rec.Body.String(); {
			case who == "" && rec.Code != 401 && body != "nothing":
				t.Errorf("%q without a token: %d %q", path, rec.Code, body)
			case strings.Contains(body, "at billing"), strings.Contains(body, "[billing"), strings.Contains(body, "reads all"), strings.Contains(body, "writes"):
				t.Errorf("%q with shop's token: %d %q", path, rec.Code, body)
			}
		}
	})
}
