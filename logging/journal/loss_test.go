package journal

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// numbered is an entry of a journal as its reader sends it.
func numbered(journal string, n int, more string) string {
	return fmt.Sprintf("__CURSOR=s=%s;i=%x;b=b;m=1;t=1;x=1\n_HOSTNAME=n1\nMESSAGE=entry %d\n%s\n", journal, n, n, more)
}

func TestLosses(t *testing.T) {
	id := strings.Repeat("a1b2", 16)
	driver := "MESSAGE_ID=" + messageDropped + "\n_TRANSPORT=driver\nN_DROPPED=7\n"
	said := func(unit string) string {
		return "__CURSOR=s=a;i=2\n_HOSTNAME=n1\nMESSAGE=Suppressed 7 messages from " + unit + "\n" + driver + "\n"
	}
	container := "_UID=0\nCONTAINER_NAME=k8s_main_web-1_shop-prod_uid_0\nCONTAINER_ID_FULL=" + id + "\n"
	for name, tc := range map[string]struct {
		body string
		want []string
	}{
		"nothing is missing":         {numbered("a", 1, "") + numbered("a", 2, "") + numbered("a", 3, ""), nil},
		"three are":                  {numbered("a", 0xf, "") + numbered("a", 0x13, ""), []string{"/n1/journal_gap/3"}},
		"one comes again":            {numbered("a", 1, "") + numbered("a", 2, "") + numbered("a", 2, "") + numbered("a", 3, ""), nil},
		"two journals, interleaved":  {numbered("a", 1, "") + numbered("b", 9, "") + numbered("a", 2, "") + numbered("b", 10, ""), nil},
		"journald's own word":        {numbered("a", 1, "") + said("docker.service"), []string{"/n1/journald_suppressed/7"}},
		"of a container":             {numbered("a", 1, container) + said("crio-conmon-"+id+".scope"), []string{"shop-prod/n1/journald_suppressed/7"}},
		"of a container, but forged": {numbered("a", 1, strings.Replace(container, "_UID=0", "_UID=1000", 1)) + said("crio-conmon-"+id+".scope"), []string{"/n1/journald_suppressed/7"}},
		"what a program says is not": {numbered("a", 1, "") + strings.Replace(said("x.service"), "_TRANSPORT=driver", "_TRANSPORT=journal", 1), nil},
		"older journald, no count":   {numbered("a", 1, "") + strings.Replace(said("x.service"), "N_DROPPED=7\n", "", 1), []string{"/n1/journald_suppressed/7"}},
		"numbers that are none":      {"__CURSOR=s=a;i=zz\nMESSAGE=x\n\n__CURSOR=rubbish\nMESSAGE=y\n\n__CURSOR=s=a;i=ffffffffffffffffff\nMESSAGE=z\n\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			o := Options{Appender: mem.New(mem.Options{}), OnLoss: func(w tenant.Write, l Loss) {
				if w.Who() != owners.Who() {
					t.Errorf("under %s", w.Who())
				}
				got = append(got, fmt.Sprintf("%s/%s/%s/%d", l.Namespace, l.Node, l.Reason, l.Records))
			}}
			if w := post(t, o, owners, strings.NewReader(tc.body)); w.Code != http.StatusAccepted || !slices.Equal(got, tc.want) {
				t.Fatalf("%d, got %q, want %q", w.Code, got, tc.want)
			}
		})
	}
}

// An entry that bears the cursor of one that is still to come does not keep it out.
func TestForgedCursor(t *testing.T) {
	store := mem.New(mem.Options{})
	forged := strings.Replace(numbered("a", 2, ""), "entry 2", "nothing to see", 1)
	for _, body := range []string{forged, numbered("a", 1, "") + numbered("a", 2, ""), numbered("a", 2, "")} {
		post(t, Options{Appender: store}, owners, strings.NewReader(body))
	}
	var got []string
	for _, r := range stored(t, store) {
		got = append(got, r.Message)
	}
	if want := []string{"nothing to see", "entry 1", "entry 2"}; !slices.Equal(got, want) {
		t.Fatalf("%q", got)
	}
}

// A source goes on behind its cursor; where its entry is gone, the next one is kept
// and what lies between is counted.
func TestSourceGoesOn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cursor")
	store := mem.New(mem.Options{})
	lost := 0
	read := func(body string) {
		t.Helper()
		in := New(Options{Appender: store, Stamper: &logging.Stamper{}, OnLoss: func(_ tenant.Write, l Loss) { lost += l.Records }})
		src := &source{s: in, kind: "local", file: file, scope: func() tenant.Write { return scopetest.Write("shop") }}
		if err := src.load(); err != nil {
			t.Fatal(err)
		}
		if err := src.take(context.Background(), strings.NewReader(body), func() {}, 0); err != nil {
			t.Fatal(err)
		}
		if err := src.save(true); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string, records, missing int) {
		t.Helper()
		if n := len(stored(t, store)); n != records || lost != missing {
			t.Fatalf("%s: %d records and %d lost, want %d and %d", what, n, lost, records, missing)
		}
	}
	read(numbered("a", 1, "") + numbered("a", 2, ""))
	check("begin", 2, 0)
	read(numbered("a", 2, "") + numbered("a", 3, ""))
	check("go on", 3, 0)
	read(numbered("a", 8, "") + numbered("a", 9, ""))
	check("vacuumed meanwhile", 5, 4)
	if err := os.WriteFile(file, []byte("{torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	read(numbered("a", 9, "") + numbered("a", 10, ""))
	check("cursor file broken: from the beginning, known by the store", 6, 4)
}

// FuzzSigns reads arbitrary texts as what tells of missing entries.
func FuzzSigns(f *testing.F) {
	f.Add("s=0123;i=ff;b=1;m=2;t=3;x=4", "Suppressed 35 messages from docker.service", "")
	f.Add("i=;s=", "Suppressed  from", "-1")
	f.Add(";;=;i=ffffffffffffffff;s=a", "Suppressed 99999999999999999999 messages from x", "x")
	f.Fuzz(func(t *testing.T, cursor, message, dropped string) {
		if id, _, ok := sequence(cursor); ok && (id == "" || !strings.Contains(cursor, "s="+id)) {
			t.Fatalf("journal %q of %q", id, cursor)
		}
		fields := []field{{"MESSAGE", []byte(message)}, {"N_DROPPED", []byte(dropped)}}
		if n, _ := suppressed(fields); n < 0 {
			t.Fatalf("%d messages", n)
		}
	})
}
