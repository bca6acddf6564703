package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var (
	owners = scopetest.Owners{Of: map[string]tenant.ID{"eu-1/shop": "team-shop"}}
	scope  = scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, owners)
)

func list(events ...string) string {
	return `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[` + strings.Join(events, ",") + `]}` + "\n"
}

// event is one as kube-apiserver writes it, with more fields.
func made(id, verb, ref, more string) string {
	if ref != "" {
		ref = `,"objectRef":` + ref
	}
	return fmt.Sprintf(`{"level":"RequestResponse","auditID":%q,"stage":"ResponseComplete","requestURI":"/x","verb":%q,"user":{"username":"alice","groups":["g"]},`+
		`"sourceIPs":["10.0.0.1"],"userAgent":"kubectl"%s,"responseStatus":{"metadata":{},"code":200},`+
		`"requestReceivedTimestamp":"2026-11-29T12:00:00.000001Z","stageTimestamp":"2026-11-29T12:00:00.500001Z"%s}`, id, verb, ref, more)
}

func newTestAPI(o Options) http.Handler {
	o.Stamper = &logging.Stamper{}
	o.Owned = func(cluster, namespace string) bool {
		_, ok := owners.Owner(cluster, namespace, time.Time{})
		return ok
	}
	return New(o)
}

func post(t *testing.T, api http.Handler, w tenant.Write, body string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, path, iotest.OneByteReader(strings.NewReader(body)))
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	api.ServeHTTP(rec, req.WithContext(tenant.WithWrite(t.Context(), w)))
	return rec
}

func stored(t *testing.T, s *mem.Store) (out []logging.Record) {
	t.Helper()
	v, err := s.Snapshot(t.Context(), scopetest.Operator())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	res, err := v.Search(t.Context(), logging.Query{Limit: 1000, Sort: []logging.SortKey{{Field: logging.Field{Name: logging.FieldSeq}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range res.Hits {
		out = append(out, h.Record)
	}
	return out
}

func TestOwnersAndSentences(t *testing.T) {
	for _, tc := range []struct {
		event, tenant, level, message string
	}{
		{made("1", "patch", `{"resource":"deployments","namespace":"shop","name":"web","apiGroup":"apps"}`, ""), "team-shop", "info", "alice patch deployments shop/web: 200"},
		{made("2", "create", `{"resource":"pods","namespace":"shop","name":"web-0","subresource":"exec"}`, `,"responseStatus":{"code":101}`), "team-shop", "info", "alice create pods/exec shop/web-0: 101"},
		{made("3", "list", `{"resource":"pods","namespace":"other"}`, ""), "_system", "info", "alice list pods other: 200"},
		{made("4", "delete", `{"resource":"nodes","name":"n1"}`, `,"responseStatus":{"code":403}`), "_system", "warn", "alice delete nodes n1: 403"},
		{made("5", "get", ``, `,"responseStatus":{"code":500}`), "_system", "error", "alice get /x: 500"},
		{strings.Replace(made("6", "watch", `{"resource":"pods","namespace":"shop"}`, `,"responseStatus":null`), "ResponseComplete", "RequestReceived", 1), "team-shop", "info", "alice watch pods shop: RequestReceived"},
	} {
		store := mem.New(mem.Options{})
		if w := post(t, newTestAPI(Options{Appender: store}), scope, list(tc.event)); w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		got := stored(t, store)
		if len(got) != 1 {
			t.Fatalf("%d records", len(got))
		}
		r := got[0]
		if string(r.Tenant) != tc.tenant || r.Level != tc.level || r.Message != tc.message || r.Stream != stream || r.Time.Nanosecond() != 500001000 {
			t.Errorf("tenant %s level %s message %q time %v, want %s %s %q", r.Tenant, r.Level, r.Message, r.Time, tc.tenant, tc.level, tc.message)
		}
		var doc struct{ Audit json.RawMessage }
		if err := json.Unmarshal(r.Source, &doc); err != nil || string(doc.Audit) != tc.event {
			t.Errorf("%v: the event is not as it came:\n%s", err, r.Source)
		}
	}
}

// What Secrets and tokens hold is nowhere in what is stored.
func TestSecretsAreLeftOut(t *testing.T) {
	const hush = "aHVzaA=="
	secret := `{"kind":"Secret","apiVersion":"v1","data":{"password":"` + hush + `"}}`
	objects := func(request, response string) (out string) {
		if request != "" {
			out += `,"requestObject":` + request
		}
		if response != "" {
			out += `,"responseObject":` + response
		}
		return out
	}
	inShop := func(resource, more string) string {
		return `{"resource":"` + resource + `","namespace":"shop","name":"x"` + more + `}`
	}
	for name, tc := range map[string]struct {
		event string
		out   []string
	}{
		"create":              {made("1", "create", inShop("secrets", ""), objects(secret, secret)), []string{"requestObject", "responseObject"}},
		"strategic patch":     {made("1", "patch", inShop("secrets", ""), objects(`{"data":{"password":"`+hush+`"}}`, "")), []string{"requestObject"}},
		"JSON patch":          {made("1", "patch", inShop("secrets", ""), objects(`[{"op":"add","path":"/data/x","value":"`+hush+`"}]`, "")), []string{"requestObject"}},
		"list":                {made("1", "list", inShop("secrets", ""), objects("", `{"kind":"SecretList","items":[{"data":{"x":"`+hush+`"}}]}`)), []string{"responseObject"}},
		"by another name":     {made("1", "create", inShop("things", ""), objects(secret, "")), []string{"requestObject"}},
		"list of all kinds":   {made("1", "create", inShop("things", ""), objects(`{"kind":"List","items":[{"kind":"ConfigMap"},`+secret+`]}`, "")), []string{"requestObject"}},
		"no reference":        {made("1", "create", "", objects("", secret)), []string{"responseObject"}},
		"token of account":    {made("1", "create", inShop("serviceaccounts", `,"subresource":"token"`), objects("", `{"status":{"token":"`+hush+`"}}`)), []string{"responseObject"}},
		"token review":        {made("1", "create", `{"resource":"tokenreviews","apiGroup":"authentication.k8s.io"}`, objects(`{"spec":{"token":"`+hush+`"}}`, "")), []string{"requestObject"}},
		"service proxy":       {made("1", "get", inShop("services", `,"subresource":"proxy"`), objects("", `{"x":"`+hush+`"}`)), []string{"responseObject"}},
		"kind is no string":   {made("1", "create", inShop("things", ""), objects(`{"kind":{"x":"`+hush+`"}}`, "")), []string{"requestObject"}},
		"another spelling":    {made("1", "create", inShop("secrets", ""), `,"RequestObject":`+secret), []string{"RequestObject"}},
		"two of them":         {made("1", "create", inShop("secrets", ""), `,"requestObject":{},"requestObject":`+secret), []string{"requestObject"}},
		"too large":           {made("1", "create", inShop("configmaps", ""), objects(`{"kind":"ConfigMap","data":{"x":"`+strings.Repeat(hush, 1<<18)+`"}}`, "")), []string{"requestObject"}},
		"nothing to be left":  {made("1", "create", inShop("configmaps", ""), objects(`{"kind":"ConfigMap","data":{"x":"y"}}`, "")), nil},
		"a plain JSON patch":  {made("1", "patch", inShop("deployments", ""), objects(`[{"op":"remove","path":"/spec/x"}]`, "")), nil},
		"secret, but only it": {made("1", "get", inShop("secrets", ""), ""), nil},
	} {
		t.Run(name, func(t *testing.T) {
			store := mem.New(mem.Options{})
			if w := post(t, newTestAPI(Options{Appender: store}), scope, list(tc.event)); w.Code != http.StatusOK {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			got := stored(t, store)
			if len(got) != 1 || strings.Contains(string(got[0].Source), hush) {
				t.Fatalf("%d records, %.500s", len(got), got[0].Source)
			}
			var doc struct {
				Redacted []string
				Audit    map[string]any
			}
			if err := json.Unmarshal(got[0].Source, &doc); err != nil || !slices.Equal(doc.Redacted, tc.out) || doc.Audit["userAgent"] != "kubectl" {
				t.Errorf("%v, redacted %q, want %q: %.500s", err, doc.Redacted, tc.out, got[0].Source)
			}
		})
	}
}

// A client may choose the auditID of its requests (Audit-ID): what it does under
// one that was there is not taken for what was done before.
func TestChosenID(t *testing.T) {
	store := mem.New(mem.Options{})
	api := newTestAPI(Options{Appender: store})
	ref := `{"resource":"pods","namespace":"shop","name":"web-0"}`
	post(t, api, scope, list(made("chosen", "get", ref, "")))
	post(t, api, scope, list(made("chosen", "delete", ref, ""), made("chosen", "get", ref, "")))
	if got := stored(t, store); len(got) != 2 || !strings.Contains(got[1].Message, "alice delete pods shop/web-0") {
		t.Errorf("%+v", got)
	}
}

// A batch that comes again, whole or in other company, is stored once; another
// stage of an event is another record, and so is another cluster's.
func TestIdempotent(t *testing.T) {
	store := mem.New(mem.Options{})
	reg := prometheus.NewRegistry()
	api := newTestAPI(Options{Appender: store, Registerer: reg})
	a, b := made("a", "get", "", ""), made("b", "get", "", "")
	for _, body := range []string{list(a, b), list(a, b), list(b, strings.Replace(a, "ResponseComplete", "Panic", 1), `{"auditID":"no stage"}`, `"no object"`)} {
		if w := post(t, api, scope, body); w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if got := stored(t, store); len(got) != 3 {
		t.Errorf("%d records, want 3", len(got))
	}
	want := `# HELP oriel_audit_events_total Audit events, by what became of them. Those of a batch that was not answered 200 come again.
# TYPE oriel_audit_events_total counter
oriel_audit_events_total{result="duplicate"} 3
oriel_audit_events_total{result="refused"} 2
oriel_audit_events_total{result="stored"} 3
# HELP oriel_audit_events_received_total Audit events that were read.
# TYPE oriel_audit_events_received_total counter
oriel_audit_events_received_total 8
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "oriel_audit_events_total", "oriel_audit_events_received_total"); err != nil {
		t.Error(err)
	}
	other := scopetest.WriteCluster(tenant.Cluster{Name: "eu-2"}, owners)
	post(t, api, other, list(strings.Replace(a, `"verb"`, `"objectRef":{"resource":"pods","namespace":"shop"},"verb"`, 1)))
	got := stored(t, store)
	if len(got) != 4 || got[3].Tenant != tenant.System || got[3].Cluster != "eu-2" {
		t.Errorf("cluster eu-2 wrote %+v", got[len(got)-1])
	}
}

// failing answers with an error.
type failing struct{ err error }

func (f failing) Append(context.Context, tenant.Write, logging.Batch) ([]logging.ItemResult, error) {
	return nil, f.err
}

func TestAnswers(t *testing.T) {
	ok := list(made("a", "get", "", ""))
	for name, tc := range map[string]struct {
		body string
		err  error // of the store
		code int
		want string
	}{
		"good":            {ok, nil, 200, "Success"},
		"nothing":         {list(), nil, 200, "Success"},
		"kind comes last": {`{"items":[],"apiVersion":"audit.k8s.io/v1","kind":"EventList"}`, nil, 200, "Success"},
		"no list":         {`[]`, nil, 400, "no EventList"},
		"torn":            {ok[:100], nil, 400, "unexpected EOF"},
		"no JSON":         {"x", nil, 400, "no EventList"},
		"older version":   {strings.Replace(ok, "k8s.io/v1", "k8s.io/v1beta1", 1), nil, 400, "--audit-webhook-version"},
		"no version":      {`{"items":[]}`, nil, 400, "missing"},
		"items no array":  {`{"items":{}}`, nil, 400, "no EventList"},
		"too large":       {list(made("a", "get", "", `,"x":"`+strings.Repeat("x", 5000)+`"`)), nil, 413, "--audit-webhook-truncate-enabled"},
		"over quota":      {ok, logging.ErrTooMuch, 429, "quota"},
		"unavailable":     {ok, logging.ErrUnavailable, 503, "again"},
		"broken":          {ok, errors.New("secret path"), 500, "log of Oriel"},
	} {
		t.Run(name, func(t *testing.T) {
			var store logging.Appender = mem.New(mem.Options{})
			if tc.err != nil {
				store = failing{tc.err}
			}
			w := post(t, newTestAPI(Options{Appender: store, BodyBytesMax: 4096}), scope, tc.body)
			var status struct {
				Kind, Status, Message string
				Code                  int
			}
			if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil || status.Kind != "Status" || status.Code != w.Code {
				t.Fatalf("%v: %s", err, w.Body)
			}
			if w.Code != tc.code || !strings.Contains(status.Status+status.Message, tc.want) || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, tc.code, tc.want)
			}
		})
	}
	if w := post(t, newTestAPI(Options{}), tenant.Write{}, ok); w.Code != 403 {
		t.Errorf("no scope: %d", w.Code)
	}
}

// FuzzBatch: whatever comes, nothing panics, what is stored is JSON, and no
// object of a Secret is in it.
func FuzzBatch(f *testing.F) {
	f.Add(list(made("a", "get", `{"resource":"secrets"}`, `,"requestObject":{"kind":"Secret","x":"hush"}`)))
	f.Add(list(made("a", "create", "", `,"responseObject":{"kind":"List","items":[{"kind":"Secret","x":"hush"}]}`), "{}", "1"))
	f.Add(`{"items":[{"auditID":"a","stage":"b","requestobject":{"kind":"Secret","x":"hush"}}],"kind":"EventList","apiVersion":"audit.k8s.io/v1"}`)
	f.Fuzz(func(t *testing.T, body string) {
		store := mem.New(mem.Options{})
		api := New(Options{Appender: store, Stamper: &logging.Stamper{}, Owned: func(string, string) bool { return true }})
		req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, req.WithContext(tenant.WithWrite(t.Context(), scope)))
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s", w.Body)
		}
		for _, r := range stored(t, store) {
			if !json.Valid(r.Source) {
				t.Fatalf("%q", r.Source)
			}
		}
	})
}
