package tenant_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oriel-project/oriel/tenant"
)

const day = 24 * time.Hour

func TestParseAnnotations(t *testing.T) {
	type kv = map[string]string
	for name, tt := range map[string]struct {
		prefix    string
		in        kv
		want      tenant.Claim
		onboarded bool
	}{
		"nothing":          {in: nil},
		"somebody else's":  {in: kv{"example.com/tenant": "x", "orielx/tenant": "x"}},
		"only our status":  {in: kv{"oriel/status": "ready"}},
		"tenant":           {in: kv{"oriel/tenant": " payments "}, want: tenant.Claim{Tenant: "payments"}, onboarded: true},
		"other prefix":     {prefix: "obs.corp/", in: kv{"obs.corp/tenant": "a", "oriel/tenant": "b"}, want: tenant.Claim{Tenant: "a"}, onboarded: true},
		"status is no key": {in: kv{"oriel/tenant": "a", "oriel/status": "nonsense"}, want: tenant.Claim{Tenant: "a"}, onboarded: true},
		"everything": {
			in: kv{
				"oriel/tenant":     "payments",
				"oriel/groups":     "keystone:payments; CN=Payments,OU=Teams,DC=corp;keystone:payments;",
				"oriel/retention":  "logs=7d, metrics=1d12h",
				"oriel/limits":     "series=50000,logs=5MB/s",
				"oriel/on-delete":  "purge",
				"oriel/probe":      "https://shop.example/health?full=1, tcp://db:5432, tcp://[::1]:1",
				"oriel/depends-on": "billing, https://api.partner.example",
			},
			want: tenant.Claim{
				Tenant:    "payments",
				Groups:    []string{"CN=Payments,OU=Teams,DC=corp", "keystone:payments"},
				Retention: tenant.Retention{Logs: 7 * day, Metrics: 36 * time.Hour},
				Limits:    tenant.Limits{SeriesMax: 50000, LogBytesPerSecond: 5_000_000},
				OnDelete:  tenant.Purge,
				Probes:    []string{"https://shop.example/health?full=1", "tcp://db:5432", "tcp://[::1]:1"},
				DependsOn: []string{"billing", "https://api.partner.example"},
			},
			onboarded: true,
		},
		"typo without a tenant": {
			in:   kv{"oriel/tennant": "a"},
			want: tenant.Claim{Problems: []string{"annotation oriel/tennant is unknown: did you mean oriel/tenant?"}},
		},
		"groups without a tenant": {
			in:   kv{"oriel/groups": "a"},
			want: tenant.Claim{Problems: []string{"annotation oriel/groups has no effect without oriel/tenant: add that one, with the tenant's name"}},
		},
		"several problems, in order": {
			in: kv{"oriel/tenant": "Payments", "oriel/retension": "1d", "oriel/on-delete": "keep"},
			want: tenant.Claim{Tenant: "Payments", Problems: []string{
				`annotation oriel/on-delete: "keep": want archive or purge`,
				"annotation oriel/retension is unknown: did you mean oriel/retention?",
				`annotation oriel/tenant: tenant name "Payments": want 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit (RFC 1123 label), such as "payments"`,
			}},
			onboarded: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, onboarded := tenant.ParseAnnotations(tt.prefix, tt.in)
			if diff := cmp.Diff(tt.want, got); diff != "" || onboarded != tt.onboarded {
				t.Errorf("onboarded %v, want %v (-want +got):\n%s", onboarded, tt.onboarded, diff)
			}
		})
	}
}

// TestParseAnnotationsRefuses: each value is refused, leaves its field alone,
// and the sentence names the annotation and contains the mend.
func TestParseAnnotationsRefuses(t *testing.T) {
	for _, tt := range []struct{ name, value, mend string }{
		{"tenant", "", "such as"},
		{"tenant", "_system", "such as"},
		{"groups", " ; ", "want a group"},
		{"groups", "a;b\x00c", "want a group"},
		{"groups", strings.Repeat("x;", 3) + strings.Repeat("g", 2000), "want a group"},
		{"retention", "", "logs=7d,metrics=30d"},
		{"retention", "7d", "want logs=... or metrics=..."},
		{"retention", "logs=7", "such as 7d"},
		{"retention", "logs=0d", "such as 7d"},
		{"retention", "logs=-1d", "such as 7d"},
		{"retention", "logs=1h1d", "such as 7d"},
		{"retention", "logs=1d1d", "such as 7d"},
		{"retention", "logs=9999999w", "such as 7d"},
		{"retention", "logs=3650d1h", "such as 7d"},
		{"retention", "logs=99999999999999999999d", "such as 7d"},
		{"retention", "logs=7d,logs=8d", "twice"},
		{"retention", "traces=7d", "want logs=... or metrics=..."},
		{"limits", "series=0", "such as 50000"},
		{"limits", "series=5e4", "such as 50000"},
		{"limits", "series=99999999999999999999", "such as 50000"},
		{"limits", "logs=5MB", "such as 5MB/s"},
		{"limits", "logs=5/s", "such as 5MB/s"},
		{"limits", "logs=infB/s", "such as 5MB/s"},
		{"limits", "logs=0.1B/s", "such as 5MB/s"},
		{"limits", "logs=999999999999GB/s", "such as 5MB/s"},
		{"limits", "logs=1.2.3MB/s", "such as 5MB/s"},
		{"on-delete", "Archive", "want archive or purge"},
		{"probe", "shop.example/health", "want an address"},
		{"probe", "ftp://shop.example", "want an address"},
		{"probe", "tcp://db", "want an address"},
		{"probe", "tcp://db:99999", "want an address"},
		{"probe", "https://user:secret@shop.example", "want an address"},
		{"probe", "https://ok.example, file:///etc/passwd", "want an address"},
		{"depends-on", "Billing", "want a tenant's name"},
		{"depends-on", strings.Join(numbered(65), ","), "more than 64"},
	} {
		c, _ := tenant.ParseAnnotations("", map[string]string{"oriel/tenant": "a", "oriel/" + tt.name: tt.value})
		if len(c.Problems) != 1 || !strings.HasPrefix(c.Problems[0], "annotation oriel/"+tt.name+": ") || !strings.Contains(c.Problems[0], tt.mend) {
			t.Errorf("%s: %q: problems %q, want one with %q", tt.name, tt.value, c.Problems, tt.mend)
		}
		if len(c.Problems) == 1 && len(c.Problems[0]) > 400 {
			t.Errorf("%s: a sentence of %d bytes", tt.name, len(c.Problems[0]))
		}
	}
}

func numbered(n int) (names []string) {
	for i := range n {
		names = append(names, "t"+string(rune('a'+i/26))+string(rune('a'+i%26)))
	}
	return names
}

func TestProblemsAreBounded(t *testing.T) {
	in := map[string]string{"oriel/tenant": "a"}
	for _, name := range numbered(200) {
		in["oriel/"+name] = ""
	}
	c, _ := tenant.ParseAnnotations("", in)
	if n := len(c.Problems); n != 20 || !strings.HasPrefix(c.Problems[n-1], "and 181 more") {
		t.Errorf("%d problems, the last is %q", n, c.Problems[n-1])
	}
}

func FuzzParseAnnotations(f *testing.F) {
	f.Add("tenant", "payments", "groups", "a;b")
	f.Add("retention", "logs=7d,metrics=30d", "limits", "series=50000,logs=5MB/s")
	f.Add("probe", "https://a.example,tcp://[::1]:1", "depends-on", "billing")
	f.Add("tennant", "\xff", "on-delete", "purge")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		in := map[string]string{"oriel/tenant": "a", "oriel/" + name1: value1, "oriel/" + name2: value2}
		c, onboarded := tenant.ParseAnnotations("", in)
		again, _ := tenant.ParseAnnotations("", in)
		if !onboarded || !cmp.Equal(c, again) {
			t.Fatal("parsing is not a function of the annotations")
		}
		for _, p := range c.Problems {
			if !strings.HasPrefix(p, "annotation ") || len(p) > 1000 {
				t.Errorf("problem %q", p)
			}
		}
		if c.Retention.Logs < 0 || c.Retention.Metrics < 0 || c.Limits.SeriesMax < 0 || c.Limits.LogBytesPerSecond < 0 {
			t.Errorf("negative: %+v", c)
		}
		if !slices.IsSorted(c.Groups) {
			t.Errorf("groups %q are not sorted", c.Groups)
		}
		// What was understood reads the same when written out again.
		if len(c.Problems) == 0 && len(c.Groups) > 0 {
			in["oriel/groups"] = strings.Join(c.Groups, " ; ")
			if again, _ := tenant.ParseAnnotations("", in); !slices.Equal(again.Groups, c.Groups) {
				t.Errorf("groups %q became %q", c.Groups, again.Groups)
			}
		}
	})
}
