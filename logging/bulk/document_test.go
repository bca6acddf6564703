package bulk

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/internal/golden"
	"github.com/oriel-project/oriel/logging"
)

// TestDocumentAnswers writes one document after the other into one store, each
// as a client does, and looks at the answers.
func TestDocumentAnswers(t *testing.T) {
	r := newRig(Options{DocumentBytesMax: 1000})
	var out bytes.Buffer
	for _, c := range []struct {
		index, id string
		create    bool
		params    string
		body      string
	}{
		{index: "app", body: `{"message":"one"}`},
		{index: "app", id: "a/1", body: `{"message":"one"}`},
		{index: "app", id: "a/1", body: `{ "message" : "one" }` + "\n"},
		{index: "app", id: "a/1", body: `{"message":"two"}`},
		{index: "app", id: "a/1", create: true, body: `{"message":"one"}`},
		{index: "app", id: "a/1", params: "op_type=create", body: `{"message":"one"}`},
		{index: "app", id: "b", create: true, params: "refresh=true&routing=x&pipeline=_none", body: `{"message":"three"}`},
		{index: "app", id: "c", params: "op_type=delete", body: `{}`},
		{index: "app", id: "c", params: "if_seq_no=1&if_primary_term=1", body: `{}`},
		{index: "app", id: "c", params: "version=2&version_type=external", body: `{}`},
		{index: "app", id: "c", params: "pipeline=geoip", body: `{}`},
		{index: "app", id: "c", params: "require_alias", body: `{}`},
		{index: "app", id: "c", body: ``},
		{index: "app", id: "c", body: `[1]`},
		{index: "app", id: "c", body: `{"message":` + "\n"},
		{index: "App", id: "c", body: `{}`},
		{index: "app", id: strings.Repeat("x", 513), body: `{}`},
		{index: "app", id: "c", body: `{"message":"` + strings.Repeat("x", 1000) + `"}`},
	} {
		req := httptest.NewRequest(http.MethodPut, "/?"+c.params, strings.NewReader(c.body))
		w := httptest.NewRecorder()
		r.ServeDocument(w, req, r.scope, logging.Raw{Index: c.index, ID: c.id}, c.create)
		parse(t, w)
		fmt.Fprintf(&out, "%s/%.10s create=%t %s %.40s\n%d %s\n%s\n\n", c.index, c.id, c.create, c.params, strings.TrimSpace(c.body), w.Code, w.Header().Get("Location"), w.Body)
	}
	golden.Check(t, "documents.golden", out.Bytes())
	if got := strings.Join(r.messages(t), ","); got != "one,one,three" {
		t.Errorf("stored: %s", got)
	}
	if n := r.inFlight.Load(); n != 0 {
		t.Errorf("%d bytes held", n)
	}
}

// A document is refused as a whole request is: see TestWholeRequestRefused.
func TestDocumentQuota(t *testing.T) {
	r := newRig(Options{Appender: failing{fmt.Errorf("tenant shop: %w", logging.ErrTooMuch)}})
	w := httptest.NewRecorder()
	r.ServeDocument(w, httptest.NewRequest(http.MethodPost, "/", gz(`{}`)), r.scope, logging.Raw{Index: "app"}, false)
	if got := parse(t, w); w.Code != 400 || got.Error == nil {
		t.Errorf("packed without saying so: %d %s", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	req := httptest.NewRequest(http.MethodPost, "/", gz(`{}`))
	req.Header.Set("Content-Encoding", "gzip")
	r.ServeDocument(w, req, r.scope, logging.Raw{Index: "app"}, false)
	if got := parse(t, w); w.Code != 429 || got.Error.Type != "es_rejected_execution_exception" || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
