package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// An entry that does not read is left out and counted, once it did not twice; what is
// before and behind it comes in. The server is a stand-in for a gatewayd: it gives the
// entries from a cursor on, and behind it where one is to be passed over.
func TestMalformedEntryIsPassedOver(t *testing.T) {
	entries := []string{numbered("a", 1, ""), numbered("a", 2, ""), "__CURSOR=s=a;i=3\nMESSAGE\n\x03\x00\x00\x00\x00\x00\x00\x00abcdef\n\n", numbered("a", 4, ""), numbered("a", 5, "")}
	asked := []string{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/machine" {
			io.WriteString(w, `{"machine_id":"m"}`)
			return
		}
		from := r.Header.Get("Range")
		asked = append(asked, from)
		at := 0
		if cursor, ok := strings.CutPrefix(from, "entries="); ok {
			cursor, past := strings.CutSuffix(cursor, ":1:")
			at = slices.IndexFunc(entries, func(e string) bool { return strings.HasPrefix(e, "__CURSOR="+cursor+"\n") })
			if past {
				at++
			}
		}
		io.WriteString(w, strings.Join(entries[at:], ""))
	}))
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "cursor")
	store, reg := mem.New(mem.Options{}), prometheus.NewRegistry()
	in := New(Options{Appender: store, Stamper: &logging.Stamper{}, Registerer: reg})
	o := PullOptions{URL: srv.URL, Client: srv.Client(), CursorFile: file}
	src := &source{s: in, kind: "pull", name: "node", file: file, scope: func() tenant.Write { return scopetest.Write("shop") }}
	for range 4 { // what Pull does, which waits between them
		t.Log(in.pull(t.Context(), src, o))
	}
	var got []string
	for _, r := range stored(t, store) {
		got = append(got, r.Message)
	}
	slices.Sort(got)
	if want := []string{"entry 1", "entry 2", "entry 4", "entry 5"}; !slices.Equal(got, want) {
		t.Errorf("stored %q, want %q", got, want)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := false
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == "oriel_journal_records_refused_total" && fmt.Sprint(m.Label[0].GetValue(), m.Counter.GetValue()) == "malformed1" {
				counted = true
			}
		}
	}
	if !counted {
		t.Error("not counted as malformed once")
	}
	if want := []string{"", "entries=s=a;i=2;b=b;m=1;t=1;x=1", "entries=s=a;i=3:1:"}; !slices.Equal(asked[:3], want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}

// failing is a store that fails for good.
type failing struct{}

func (failing) Append(context.Context, tenant.Write, logging.Batch) ([]logging.ItemResult, error) {
	return nil, errors.New("a bad disk")
}

// An entry that does not read is not passed over while what is before it could not be
// stored: it would never come again.
func TestNothingIsPassedOverThatIsNotStored(t *testing.T) {
	body := numbered("a", 1, "") + numbered("a", 2, "") + "__CURSOR=s=a;i=3\nMESSAGE\n\x03\x00\x00\x00\x00\x00\x00\x00abcdef\n\n"
	file := filepath.Join(t.TempDir(), "cursor")
	store := mem.New(mem.Options{})
	src := &source{kind: "pull", name: "node", file: file, scope: func() tenant.Write { return scopetest.Write("shop") }}
	take := func(to logging.Appender) {
		src.s = New(Options{Appender: to, Stamper: &logging.Stamper{}})
		t.Log(src.take(t.Context(), strings.NewReader(body), func() {}, 0))
	}
	take(failing{})
	take(failing{})
	if src.at.Cursor != "" {
		t.Errorf("reading goes on behind %q, and nothing is stored", src.at.Cursor)
	}
	take(store)
	take(store)
	if got := len(stored(t, store)); got != 2 || !src.at.Past {
		t.Errorf("%d entries are stored, want 2; passed over: %v", got, src.at.Past)
	}
}
