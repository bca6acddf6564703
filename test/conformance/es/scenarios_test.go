//go:build real

// Package es asks Oriel and a real engine of Elasticsearch's family the same
// things over the same documents, and compares the answers field by field.
//
// A scenario is one request; the files of testdata have one a line:
//
//	POST /logs-*/_count {"query":{"match_all":{}}}
//
// A table is a request with a place for what its rows bring: $ takes the row as
// a JSON string, % as it is.
//
//	>>> POST /logs-*/_search {"query":{"query_string":{"query":$}}}
//	level:error
//	level:error OR status:500
//	>>>
//
// Above a scenario stands what of it may differ, and why: "~ path: why" for one
// place (see fits), "! why" for the answer as a whole. What does not differ
// any more must not be declared. "? why" says that Oriel may refuse the request
// with a 400; where it answers, the answer must be right. Bodies of several lines, as of _msearch, are
// written as an array after the word LINES.
package es

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type scenario struct {
	at                 string // file:line
	method, path, body string
	differs            []exception
	whole              string // why the answer as a whole differs
	refusable          bool   // Oriel may refuse it
}

type exception struct{ pattern, why string }

func (s scenario) String() string { return fmt.Sprintf("%s %s %s", s.method, s.path, s.body) }

// scenariosMin keeps files from being lost.
const scenariosMin = 900

// TestConformance compares over one node and one store of Oriel's: the files'
// scenarios, generated ones, and those that take several requests.
func TestConformance(t *testing.T) {
	s := start(t)
	t.Run("scenarios", s.scenarios)
	t.Run("generated", s.generated)
	t.Run("sequences", s.sequences)
	t.Run("stores", s.stores)
}

func (s sides) scenarios(t *testing.T) {
	all := allScenarios(t)
	if len(all) < scenariosMin {
		t.Errorf("%d scenarios, there were at least %d", len(all), scenariosMin)
	}
	for _, sc := range all {
		s.check(t, sc)
	}
	t.Logf("%d scenarios", len(all))
}

func allScenarios(t *testing.T) []scenario {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []scenario
	for _, f := range files {
		all = append(all, readScenarios(t, f)...)
	}
	return all
}

// check compares the answers to one scenario.
func (s sides) check(t *testing.T, sc scenario) {
	t.Helper()
	want, got := s.real.do(t, sc.method, sc.path, sc.body), s.oriel.do(t, sc.method, sc.path, sc.body)
	if sc.refusable && got.status == http.StatusBadRequest {
		return
	}
	found := diff(want, got)
	if sc.whole != "" {
		if len(found) == 0 {
			t.Errorf("%s: %s\n  does not differ, though it is said to: %s", sc.at, sc, sc.whole)
		}
		return
	}
	used := make([]bool, len(sc.differs))
	var left []string
	for _, d := range found {
		declared := false
		for i, e := range sc.differs {
			if fits(e.pattern, strings.Split(d.path, ".")) {
				declared, used[i] = true, true
			}
		}
		if !declared {
			left = append(left, d.what)
		}
	}
	for i, e := range sc.differs {
		if !used[i] {
			left = append(left, e.pattern+" does not differ, though it is said to: "+e.why)
		}
	}
	if len(left) == 0 {
		return
	}
	if len(left) > 8 {
		left = append(left[:8], fmt.Sprintf("... and %d more", len(left)-8))
	}
	text := fmt.Sprintf("%s: %s\n  %s", sc.at, sc, strings.Join(left, "\n  "))
	if want.status != got.status {
		text += fmt.Sprintf("\n  OpenSearch: %.600s\n  Oriel: %.600s", want.text, got.text)
	}
	t.Error(text)
}

// readScenarios reads one file of testdata.
func readScenarios(t *testing.T, file string) []scenario {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []scenario
	var next scenario // what was declared for the next one
	table := ""
	for i, line := range strings.Split(string(raw), "\n") {
		at := fmt.Sprintf("%s:%d", filepath.Base(file), i+1)
		line = strings.TrimRight(line, "\r")
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "# "):
			continue
		case strings.HasPrefix(line, ">>>"):
			table = strings.TrimSpace(line[3:])
			continue
		case strings.HasPrefix(line, "! "):
			next.whole = line[2:]
			continue
		case strings.HasPrefix(line, "? "):
			next.refusable = true
			continue
		case strings.HasPrefix(line, "~ "):
			pattern, why, ok := strings.Cut(line[2:], ": ")
			if !ok {
				t.Fatalf("%s: want ~ path: why", at)
			}
			next.differs = append(next.differs, exception{pattern, why})
			continue
		}
		if table != "" {
			quoted, err := json.Marshal(line)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(table, "$") {
				line = strings.ReplaceAll(table, "$", string(quoted))
			} else {
				line = strings.ReplaceAll(table, "%", line)
			}
		}
		next.at = at
		var ok bool
		if next.method, next.path, next.body, ok = request(line); !ok {
			t.Fatalf("%s: want METHOD /path [body], got %s", at, line)
		}
		out = append(out, next)
		next = scenario{}
	}
	return out
}

// request reads METHOD /path [LINES] [body].
func request(line string) (method, path, body string, ok bool) {
	method, rest, _ := strings.Cut(line, " ")
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodHead, http.MethodDelete:
	default:
		return "", "", "", false
	}
	path, body, _ = strings.Cut(rest, " ")
	if list, isLines := strings.CutPrefix(body, "LINES "); isLines {
		var lines []json.RawMessage
		if err := json.Unmarshal([]byte(list), &lines); err != nil {
			return "", "", "", false
		}
		body = ""
		for _, l := range lines {
			body += string(l) + "\n"
		}
	}
	return method, path, body, strings.HasPrefix(path, "/")
}
