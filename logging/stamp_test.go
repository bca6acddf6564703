package logging_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var (
	received = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	cluster  = tenant.Cluster{Name: "EU-1", Region: "eu", Cloud: "public"}
	owners   = scopetest.Owners{Of: map[string]tenant.ID{"EU-1/web": "shop", "EU-1/pay": "billing"}}
)

func stamper() *logging.Stamper {
	return &logging.Stamper{Clock: func() time.Time { return received }, Retention: 7 * 24 * time.Hour}
}

func TestStampOwner(t *testing.T) {
	byCluster, byTenant := scopetest.WriteCluster(cluster, owners), scopetest.Write("shop")
	for _, c := range []struct {
		w      tenant.Write
		raw    logging.Raw
		tenant tenant.ID
		index  string
		err    string
	}{
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"kubernetes":{"namespace_name":"web"}}`)}, tenant: "shop", index: "logs-eu-1-web"},
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"namespace":"pay"}`)}, tenant: "billing", index: "logs-eu-1-pay"},
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"namespace":"pay","kubernetes":{"namespace_name":"web"}}`)}, tenant: "shop", index: "logs-eu-1-web"},
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"namespace":"web","namespace":"pay"}`)}, tenant: "billing", index: "logs-eu-1-pay"},
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"namespace":["web"]}`)}, tenant: "shop", index: "logs-eu-1-web"},
		// A shipper that merges what an application logs into its own record must not
		// lend it the shipper's voice.
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"kubernetes.namespace_name":"pay","kubernetes":{"namespace_name":"web"}}`)}, tenant: tenant.Unassigned, index: "logs-eu-1-_none"},
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"kubernetes":{"namespace_name":"web"},"kubernetes.namespace_name":"pay"}`)}, tenant: tenant.Unassigned, index: "logs-eu-1-_none"},
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"kubernetes":{"namespace_name":"pay"},"kubernetes":{"namespace_name":"web"}}`)}, tenant: "shop", index: "logs-eu-1-web"},
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"kubernetes.namespace_name":"web","kubernetes":{"namespace_name":"web"}}`)}, tenant: "shop", index: "logs-eu-1-web"},
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"kubernetes":[{"namespace_name":"pay"},{"namespace_name":"web"}]}`)}, tenant: tenant.Unassigned, index: "logs-eu-1-_none"},
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"namespace":["pay","web"]}`)}, tenant: tenant.Unassigned, index: "logs-eu-1-_none"},
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"namespace":["pay","x"],"kubernetes":{"namespace_name":"web"}}`)}, tenant: "shop", index: "logs-eu-1-web"},
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"namespace":"pay","x":[` + strings.Repeat("0,", 1<<16) + `0],"kubernetes":{"namespace_name":"web"}}`)}, tenant: tenant.Unassigned, index: "logs-eu-1-_none"},
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"namespace":7}`)}, tenant: tenant.Unassigned, index: "logs-eu-1-_none"},
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"namespace":"odd Name*"}`)}, tenant: tenant.Unassigned, index: "logs-eu-1-odd_name_"},
		{w: byCluster, raw: logging.Raw{Source: []byte(`{}`), Node: true}, tenant: tenant.System, index: "logs-eu-1-_node"},
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"namespace":"web"}`), Node: true}, tenant: "shop", index: "logs-eu-1-web"},
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"namespace":"web"}`), Index: "logs-eu-1-pay"}, tenant: "shop", index: "logs-eu-1-web"},
		{w: byTenant, raw: logging.Raw{Source: []byte(`{"namespace":"pay"}`)}, tenant: "shop", index: "logs-test-pay"},
		{w: byTenant, raw: logging.Raw{Source: []byte(`{}`), Node: true}, tenant: "shop", index: "logs-test-_node"},
		{w: byTenant, raw: logging.Raw{Source: []byte(`{}`), Index: "audit-2026"}, tenant: "shop", index: "audit-2026"},
		{w: byTenant, raw: logging.Raw{Source: []byte(`{}`), Index: "Audit"}, err: "must be lowercase"},
		{w: byTenant, raw: logging.Raw{Source: []byte(`{}`), Index: "a*"}, err: "must not contain"},
		{w: byTenant, raw: logging.Raw{Source: []byte(`{}`), Index: "_all"}, err: "must not start"},
		{w: byTenant, raw: logging.Raw{Source: []byte(`{}`), Index: strings.Repeat("a", 256)}, err: "longer"},
		{w: byTenant, raw: logging.Raw{Source: []byte(`[]`)}, err: "want one JSON object"},
		{w: byTenant, raw: logging.Raw{Source: []byte(`{} {}`)}, err: "want one JSON object"},
		{w: byTenant, raw: logging.Raw{Source: nil}, err: "want one JSON object"},
		{w: byTenant, raw: logging.Raw{Source: []byte(`{}`), ID: strings.Repeat("x", 600)}, err: "id of 600"},
		{w: byCluster, raw: logging.Raw{Source: []byte(`{"namespace":"` + strings.Repeat("x", 300) + `"}`)}, err: "namespace of 300"},
		{w: tenant.Write{}, raw: logging.Raw{Source: []byte(`{}`)}, err: "may not write"},
	} {
		rec, err := stamper().Stamp(c.w, c.raw)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got error %v, want %q", c.raw.Source, err, c.err)
			}
			continue
		}
		if err != nil || rec.Tenant != c.tenant || rec.Index != c.index {
			t.Errorf("%s: got %s in %s, %v; want %s in %s", c.raw.Source, rec.Tenant, rec.Index, err, c.tenant, c.index)
		}
	}
}

func TestStampTime(t *testing.T) {
	at := received.Add(-time.Hour)
	for _, c := range []struct {
		src      string
		given    time.Time
		want     time.Time
		original string
	}{
		{src: `{}`, want: received},
		{src: `{}`, given: at, want: at},
		{src: `{"@timestamp":"2026-11-22T11:00:00.123456789Z"}`, given: received, want: at.Add(123456789)},
		{src: `{"@timestamp":1795345200000}`, want: at},
		{src: `{"@timestamp":1795345200000.5}`, want: at.Add(500 * time.Microsecond)},
		{src: `{"@timestamp":"1795345200000"}`, want: at},
		{src: `{"@timestamp":"soon"}`, given: at, want: at},
		{src: `{"@timestamp":true}`, want: received},
		{src: `{"@timestamp":"2026-11-23T12:00:00Z"}`, want: received.Add(24 * time.Hour)},
		{src: `{"@timestamp":"2026-11-23T12:00:01Z"}`, want: received, original: "2026-11-23T12:00:01Z"},
		{src: `{"@timestamp":"2026-11-15T11:59:59Z"}`, given: at, want: received, original: "2026-11-15T11:59:59Z"},
		{src: `{"@timestamp":12}`, want: received, original: "12"},
		{src: `{"@timestamp":9223372036854775807}`, want: received},
		{src: `{}`, given: received.AddDate(-1, 0, 0), want: received, original: "2025-11-22T12:00:00Z"},
	} {
		clamps := 0
		s := stamper()
		s.OnClamp = func(id tenant.ID) { clamps++ }
		rec, err := s.Stamp(scopetest.Write("shop"), logging.Raw{Source: []byte(c.src), Time: c.given})
		if err != nil || !rec.Time.Equal(c.want) || rec.Original != c.original || clamps != 0 != (c.original != "") || !rec.Received.Equal(received) {
			t.Errorf("%s: got %v (%q, %d clamps, %v), want %v (%q)", c.src, rec.Time, rec.Original, clamps, err, c.want, c.original)
		}
	}
}

func TestStampFields(t *testing.T) {
	w := scopetest.WriteCluster(cluster, owners)
	src := "{\"log\":\"hello\\n\",\"stream\":\"stderr\",\"severity\":\"ERR\",\"kubernetes\":{\"namespace_name\":\"web\",\"pod_name\":\"p\",\"container_name\":\"c\",\"host\":\"n\"},\"bad\":\"\xff\"}"
	rec, err := stamper().Stamp(w, logging.Raw{Source: []byte(src), ID: "given"})
	if err != nil {
		t.Fatal(err)
	}
	want := logging.Record{
		Tenant: "shop", Index: "logs-eu-1-web", ID: "given", Time: received, Received: received,
		Cluster: "EU-1", Region: "eu", Cloud: "public", Namespace: "web", Pod: "p", Container: "c", Node: "n",
		Level: "error", Stream: "stderr", Message: "hello", Source: []byte(strings.ReplaceAll(src, "\xff", "\uFFFD")),
	}
	if !reflect.DeepEqual(rec, want) {
		t.Errorf("got %+v\nwant %+v", rec, want)
	}
	// As the shippers of deploy/ send what an application logged as JSON.
	src = `{"log":"{\"msg\":\"charge refused\",\"severity\":\"ERROR\"}","fields":{"msg":"charge refused","severity":"ERROR","namespace":"jobs","kubernetes":{"namespace_name":"jobs"}},"kubernetes":{"namespace_name":"web"}}`
	rec, err = stamper().Stamp(w, logging.Raw{Source: []byte(src)})
	if err != nil || rec.Message != "charge refused" || rec.Level != "error" || rec.Namespace != "web" {
		t.Errorf("%+v, %v", rec, err)
	}
	for src, level := range map[string]string{
		`{"level":"odd","severity":"WARN"}`: "warn", `{"priority":3}`: "error", `{"PRIORITY":"6"}`: "info", `{"lvl":"dbg","level":"info"}`: "info",
		`{"loglevel":"Fatal"}`: "fatal", `{"log":{"level":"trace"}}`: "trace", `{}`: "",
	} {
		if rec, _ := stamper().Stamp(w, logging.Raw{Source: []byte(src)}); rec.Level != level {
			t.Errorf("%s: level %q, want %q", src, rec.Level, level)
		}
	}
}

func TestStampAddFields(t *testing.T) {
	w := scopetest.WriteCluster(cluster, owners)
	for src, want := range map[string]string{
		`{}`:    `{"@timestamp":"2026-11-22T12:00:00Z","cluster":"EU-1","region":"eu","cloud":"public"}`,
		"{ \n}": "{ \n" + `"@timestamp":"2026-11-22T12:00:00Z","cluster":"EU-1","region":"eu","cloud":"public"}`,
		`{"cluster":{"x":[1]},"cloud":null , "n":1.50}`:                                                    `{"cluster":{"x":[1]},"cloud":null , "n":1.50,"@timestamp":"2026-11-22T12:00:00Z","region":"eu"}`,
		`{"@timestamp":"2020-01-01T00:00:00Z","kubernetes":{"namespace_name":"web"},"severity":"warning"}`: `{"@timestamp":"2020-01-01T00:00:00Z","kubernetes":{"namespace_name":"web"},"severity":"warning","timestamp_original":"2020-01-01T00:00:00Z","level":"warn","cluster":"EU-1","region":"eu","cloud":"public","namespace":"web"}`,
		`{"log":"hello\n"}`:                `{"log":"hello\n","@timestamp":"2026-11-22T12:00:00Z","message":"hello","cluster":"EU-1","region":"eu","cloud":"public"}`,
		`{"log":"hello\n","message":null}`: `{"log":"hello\n","message":null,"@timestamp":"2026-11-22T12:00:00Z","cluster":"EU-1","region":"eu","cloud":"public"}`,
	} {
		rec, err := stamper().Stamp(w, logging.Raw{Source: []byte(src), AddFields: true})
		if err != nil || string(rec.Source) != want {
			t.Errorf("%s:\n got %s %v\nwant %s", src, rec.Source, err, want)
		}
	}
}

func FuzzStamp(f *testing.F) {
	for _, s := range []string{`{"@timestamp":"2026-11-22T11:00:00Z","level":3,"namespace":"web","message":"x"}`, `{"log":{"level":"x"}}`, ` {"a":1} `, `{"a":"` + "\xff" + `"}`, `{"namespace":"w\u0065b"}`} {
		f.Add([]byte(s), "id", "index", true)
	}
	w := scopetest.WriteCluster(cluster, owners)
	f.Fuzz(func(t *testing.T, src []byte, id, index string, add bool) {
		rec, err := stamper().Stamp(w, logging.Raw{Source: src, ID: id, Index: index, AddFields: add})
		if err != nil {
			return
		}
		var doc map[string]any
		if err := json.Unmarshal(rec.Source, &doc); err != nil {
			t.Fatalf("%q became %q: %v", src, rec.Source, err)
		}
		if rec.Cluster != "EU-1" || !strings.HasPrefix(rec.Index, "logs-eu-1-") || logging.CheckIndexName(rec.Index) != nil {
			t.Fatalf("%q: cluster %q, index %q", src, rec.Cluster, rec.Index)
		}
		if want, ok := owners.Of["EU-1/"+rec.Namespace]; ok && rec.Tenant != want || !ok && rec.Tenant != tenant.Unassigned {
			t.Fatalf("%q: namespace %q given to %q", src, rec.Namespace, rec.Tenant)
		}
		if !logging.MayWrite(w, &rec) {
			t.Fatalf("%q: the scope may not write what it stamped", src)
		}
	})
}

func TestMayWrite(t *testing.T) {
	w := scopetest.WriteCluster(cluster, owners)
	for _, c := range []struct {
		w    tenant.Write
		rec  logging.Record
		want bool
	}{
		{scopetest.Write("shop"), logging.Record{Tenant: "shop"}, true},
		{scopetest.Write("shop"), logging.Record{Tenant: "billing"}, false},
		{scopetest.Write("shop"), logging.Record{Tenant: tenant.System}, false},
		{w, logging.Record{Tenant: "shop", Cluster: "EU-1", Namespace: "web"}, true},
		{w, logging.Record{Tenant: "shop", Cluster: "EU-1", Namespace: "pay"}, false},
		{w, logging.Record{Tenant: "shop", Cluster: "US-1", Namespace: "web"}, false},
		{w, logging.Record{Tenant: tenant.System, Cluster: "EU-1"}, true},
		{w, logging.Record{Tenant: tenant.System, Cluster: "EU-1", Namespace: "web"}, false},
		{w, logging.Record{Tenant: tenant.Unassigned, Cluster: "EU-1", Namespace: "new"}, true},
		{tenant.Write{}, logging.Record{Tenant: "shop"}, false},
	} {
		if got := logging.MayWrite(c.w, &c.rec); got != c.want {
			t.Errorf("%+v: got %v", c.rec, got)
		}
	}
}

func TestBatchKey(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range []string{
		logging.BatchKey("a", "b", "c", []byte("d")), logging.BatchKey("ab", "", "c", []byte("d")), logging.BatchKey("a", "bc", "", []byte("d")),
		logging.BatchKey("a", "b", "", []byte("cd")), logging.BatchKey("a", "b", "c", nil),
	} {
		if seen[k] || len(k) != 32 {
			t.Errorf("key %q", k)
		}
		seen[k] = true
	}
}

func TestDerivedID(t *testing.T) {
	for _, seq := range []uint64{1, 35, 36, 1 << 40, 1<<53 - 1} {
		id := logging.DerivedID(seq)
		if got, ok := logging.ParseDerivedID(id); !ok || got != seq || len(id) != 11 {
			t.Errorf("%d: %q read as %d, %v", seq, id, got, ok)
		}
	}
	for _, id := range []string{"", "1", "0000000000A", "zzzzzzzzzzz", "+0000000001", "-0000000001"} {
		if _, ok := logging.ParseDerivedID(id); ok {
			t.Errorf("%q passed", id)
		}
	}
}
