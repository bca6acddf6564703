package esapi

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestWrites asks for everything that writes, and for what would change what was
// written. What the parts behind answer is theirs to test.
func TestWrites(t *testing.T) {
	h := asShop(testAPI(t))
	for _, c := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"POST", "/app/_doc", `{}`, 201, `{"_index":"app","_id":"","tenant":"shop","create":false,"bytes":2}`},
		{"PUT", "/app/_doc/a%2F1", `{}`, 201, `{"_index":"app","_id":"a/1","tenant":"shop","create":false,"bytes":2}`},
		{"POST", "/app/_doc/1", `{}`, 201, `"_id":"1"`},
		{"PUT", "/app/_create/1", `{}`, 201, `"create":true`},
		{"PUT", "/app/_doc/1/_create", `{}`, 201, `"create":true`},
		{"POST", "/app/_create/1?pretty", `{}`, 201, "\n  \"create\" : true"},
		{"PUT", "/%3Clogs-%7Bnow%2Fd%7D%3E/_doc/1", `{}`, 201, `"_index":"logs-2024.02.29"`},
		{"PUT", "/%3Clogs-%7Bnow%3E/_doc/1", `{}`, 400, `invalid dynamic name expression`},
		{"PUT", "/app/_bulk?filter_path=errors,items.*.status", "{\"index\":{}}\n{}\n", 200, `{"errors":false,"items":[{"create":{"status":201}}]}`},
		{"PUT", "/app/_doc", `{}`, 405, `"error":"Incorrect HTTP method for uri [/app/_doc] and method [PUT], allowed: [POST]"`},
		{"DELETE", "/app/_doc/1", ``, 400, `[delete] is not supported: log records are written once`},
		{"DELETE", "/app", ``, 400, `[delete index] is not supported`},
		{"POST", "/app/_update/1", `{"doc":{}}`, 400, `[_update] is not supported`},
		{"POST", "/app/_update_by_query", `{}`, 400, `[_update_by_query] is not supported`},
		{"POST", "/app/_delete_by_query", `{"query":{"match_all":{}}}`, 400, `[_delete_by_query] is not supported`},
	} {
		if w := send(t, h, c.method, c.path, c.body); w.Code != c.code || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, w.Code, w.Body, c.code, c.want)
		}
	}
}

// TestAnswersAfterTheBody refuses requests before anything of them was looked
// at. A client that writes all of it before it reads must still get the answer:
// it would see a broken connection else, and send everything again.
func TestAnswersAfterTheBody(t *testing.T) {
	a := testAPI(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_bulk" {
			a.Error(w, r, http.StatusUnauthorized, "no")
			return
		}
		a.ServeHTTP(w, r)
	}))
	defer srv.Close()
	const size = 20 << 20
	for path, want := range map[string]int{"/_bulk": 401, "/nothing/at/all": 400, "/app/_update/1": 400} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(srv.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", path, size)
		chunk := make([]byte, 1<<20)
		for range size / len(chunk) {
			if _, err := conn.Write(chunk); err != nil {
				t.Fatalf("%s: answered while the body was sent: %v", path, err)
			}
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, res.Status, want)
		}
	}
}
