package main

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// TestNumbersTellNothing: a tenant writes a record, another one a thousand, the
// first one more. No number and no id of an answer is one of the positions that
// all share, and ids find their records again.
func TestNumbersTellNothing(t *testing.T) {
	g := seededGateway(t, nil)
	token := func(id tenant.ID) string {
		secret, _, err := g.tokens.Create(tenant.TokenSpec{Kind: tenant.TokenTenant, Tenant: id, Access: tenant.AccessWrite})
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	mine, theirs := token(alpha), token(bravo)
	ask := func(token, method, path, body string) string {
		t.Helper()
		req := httptest.NewRequest(method, path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		g.handler().ServeHTTP(w, req)
		if w.Code != 200 {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		return w.Body.String() + "\n" + w.Header().Get("Oriel-After")
	}
	line := func(i int) string {
		return fmt.Sprintf(`{"create":{"_index":"app"}}`+"\n"+`{"message":"line %d"}`+"\n", i)
	}
	var answers []string
	see := func(method, path, body string) string {
		answers = append(answers, ask(mine, method, path, body))
		return answers[len(answers)-1]
	}
	see("POST", "/es/_bulk", line(1))
	see("POST", "/es/_bulk", `{"create":{"_index":"app","_id":"`+logging.DerivedID(3)+`"}}`+"\n"+`{"message":"as if derived"}`+"\n")
	var many strings.Builder
	for i := range 1000 {
		many.WriteString(line(i))
	}
	ask(theirs, "POST", "/es/_bulk", many.String())
	see("POST", "/es/_bulk", line(2))
	found := see("POST", "/es/app/_search", `{"seq_no_primary_term":true,"sort":["_doc"],"query":{"match":{"message":"line"}},"aggs":{"t":{"top_hits":{"sort":["_doc"],"seq_no_primary_term":true}}}}`)
	see("GET", "/api/v1/logs/tail?wait=0s", "")
	from, _ := strconv.ParseUint(strings.TrimSpace(answers[len(answers)-1]), 10, 64) // of Oriel-After
	see("GET", fmt.Sprintf("/api/v1/logs/tail?wait=0s&after=%d", from), "")
	answers = append(answers, strings.TrimSuffix(ask(mine, "GET", "/api/v1/logs/tail?wait=0s&after=0", ""), "\n0"))

	// What could be a position: numbers of that size, and ids that are read as such.
	number := regexp.MustCompile(`"(?:_seq_no|seq)":(\d+)|"sort":\[(\d+)\]|\n(\d+)$`)
	id := regexp.MustCompile(`"_?id":"([0-9a-z]{11})"`)
	numbers := 0
	for _, a := range answers {
		for _, m := range number.FindAllStringSubmatch(a, -1) {
			numbers++
			if n, _ := strconv.ParseUint(m[1]+m[2]+m[3], 10, 64); n < 1<<32 {
				t.Errorf("%d of %s", n, clip(a))
			}
		}
		for _, m := range id.FindAllStringSubmatch(a, -1) {
			numbers++
			if n, ok := logging.ParseDerivedID(m[1]); !ok || n < 1<<32 && m[1] != logging.DerivedID(3) {
				t.Errorf("id %s of %s", m[1], clip(a))
			}
		}
	}
	if numbers < 20 {
		t.Fatalf("there are only %d numbers in %s", numbers, strings.Join(answers, "\n"))
	}

	// Cursors and ids lead back, also after the store was opened anew.
	var hits struct {
		Hits struct {
			Hits []struct {
				ID     string `json:"_id"`
				Source struct{ Message string }
				Sort   []json.Number
			}
		}
	}
	if err := json.Unmarshal([]byte(strings.TrimSpace(found)), &hits); err != nil || len(hits.Hits.Hits) != 2 {
		t.Fatalf("%v: %s", err, found)
	}
	first, last := hits.Hits.Hits[0], hits.Hits.Hits[1]
	rest := ask(mine, "POST", "/es/app/_search", fmt.Sprintf(`{"sort":["_doc"],"search_after":[%s],"query":{"match":{"message":"line"}}}`, first.Sort[0]))
	if !strings.Contains(rest, last.ID) || strings.Contains(rest, first.ID) {
		t.Errorf("behind %s: %s", first.Sort[0], rest)
	}
	if got := ask(mine, "GET", "/es/app/_doc/"+last.ID, ""); !strings.Contains(got, `"line 2"`) {
		t.Errorf("%s: %s", last.ID, got)
	}
	if got := ask(mine, "GET", "/es/app/_doc/"+logging.DerivedID(3), ""); !strings.Contains(got, "as if derived") {
		t.Errorf("the id that was given: %s", got)
	}
	again, err := openVeil(g.dir.Path(numbersKey), g.dir.Path(dirLogs, numbersMark))
	if err != nil {
		t.Fatal(err)
	}
	if n := uint64(77); again.Shown(n) != g.veil.Shown(n) {
		t.Error("after a restart ids are others")
	}
}

// TestVeilFile: whatever a copy of the directory lacks, no record is ever shown by its
// position, and none gets another id unsaid.
func TestVeilFile(t *testing.T) {
	dir := t.TempDir()
	path, mark := filepath.Join(dir, numbersKey), filepath.Join(dir, numbersMark)
	v, err := openVeil(path, mark)
	if err != nil {
		t.Fatal(err)
	}
	if v.Shown(1) == 1 && v.Shown(2) == 2 {
		t.Error("positions are shown as they are")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b, m := read(path), read(mark)
	if strings.Contains(string(m), strings.Fields(string(b))[4]) {
		t.Errorf("the mark tells the key: %s", m)
	}
	elsewhere := filepath.Join(t.TempDir(), numbersKey)
	if _, err := openVeil(elsewhere, ""); err != nil {
		t.Fatal(err)
	}
	older := veilFile([logging.VeilKeyBytes]byte{1}, 1000)
	for _, c := range []struct {
		name      string
		key, mark []byte // nil: there is none
		want      string // of the error
	}{
		{"as it was", b, m, ""},
		{"before there were marks", older, nil, ""},
		{"a new directory", nil, nil, ""},
		{"the key is gone", nil, m, "is gone"},
		{"the key of another directory", read(elsewhere), m, "is not the one"},
		{"an empty mark", b, []byte{}, "is not the one"},
		{"torn", b[:len(b)-3], m, "restore the file"},
		{"torn, and no mark", b[:len(b)-3], nil, "or delete it to take"},
		{"longer", append(slices.Clone(b), 'x'), m, "restore the file"},
		{"empty", []byte{}, m, "restore the file"},
		{"another first", []byte(strings.Replace(string(b), "first 1", "first 2", 1)), m, "restore the file"},
	} {
		for name, b := range map[string][]byte{path: c.key, mark: c.mark} {
			_ = os.Remove(name)
			if b != nil {
				if err := os.WriteFile(name, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		v, err := openVeil(path, mark)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil || v.Shown(5000) == 5000 {
			t.Errorf("%s: 5000 is shown as %d: %v", c.name, v.Shown(5000), err)
		}
		if again, err := openVeil(path, mark); err != nil || again.Shown(5000) != v.Shown(5000) {
			t.Errorf("%s, started again: %v", c.name, err)
		}
	}
}
