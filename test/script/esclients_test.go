//go:build real

package script

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
)

// esProgram starts an Oriel with a team, and gives a token of the team that may write.
func esProgram(t *testing.T) (p *program, token string) {
	t.Helper()
	p = newProgram(t)
	p.start()
	p.oriel("tenants", "onboard", "payments", "--namespace", "local/payments")
	return p, strings.TrimSpace(p.oriel("token", "create", "--tenant", "payments", "--access", "write"))
}

// TestPythonClients uses the Elasticsearch listener by elasticsearch-py, of each
// major version that is about: they differ in what they ask at the start and in
// their media types.
func TestPythonClients(t *testing.T) {
	p, token := esProgram(t)
	for _, version := range []string{"7.17.12", "8.19.3", "9.5.1"} {
		library := fromPyPI(t, "elasticsearch=="+version)
		run(t, "", []string{"PYTHONPATH=" + library}, "/usr/bin/python3", "-Wignore", "testdata/pyclient.py", "http://"+p.es, token)
	}
}

// TestJavaScriptClients does the same by @elastic/elasticsearch with its helpers.
func TestJavaScriptClients(t *testing.T) {
	library := fromNPM(t, "es7@npm:@elastic/elasticsearch@7.17.14", "es8@npm:@elastic/elasticsearch@8.19.2", "es9@npm:@elastic/elasticsearch@9.4.3")
	p, token := esProgram(t)
	for _, major := range []string{"7", "8", "9"} {
		run(t, "", []string{"NODE_PATH=" + library}, "node", "testdata/jsclient.cjs", major, "http://"+p.es, token)
	}
}

// TestGoClients does the same by go-elasticsearch 7, 8 and 9, in a module of
// their own. Building it takes some minutes the first time.
func TestGoClients(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "clients")
	run(t, "../clients", nil, "go", "build", "-o", bin, ".")
	p, token := esProgram(t)
	run(t, "", nil, bin, "http://"+p.es, token)
}

// TestElasticdump takes records out of Oriel and puts them in again, by scroll
// and by point in time: they come back equal as JSON, and doing it twice changes
// nothing.
func TestElasticdump(t *testing.T) {
	dump := filepath.Join(fromNPM(t, "elasticdump@6.125.1"), "elasticdump", "bin", "elasticdump")
	p, token := esProgram(t)
	base := "http://any:" + token + "@" + p.es
	var body strings.Builder
	const rows = 500
	for i := range rows {
		doc := fmt.Sprintf(`{"@timestamp":%q,"message":"row %d","n":%d,"f":%d.25,"deep":{"list":[1,"é",null,{"x":[]}],"yes":true},"kubernetes":{"namespace_name":"payments"},"dot.ted":"\"\\\u0001"}`,
			time.Now().Add(time.Duration(-i)*time.Second).Format(time.RFC3339Nano), i, i, i)
		if i%7 == 0 {
			doc = fmt.Sprintf(`{"other":"shape","n":%d}`, i)
		}
		fmt.Fprintf(&body, "{\"create\":{\"_id\":\"id/%d\"}}\n%s\n", i, doc)
	}
	p.es200(t, "POST", "/dumped/_bulk", body.String(), token)
	file := filepath.Join(t.TempDir(), "data.json")
	for _, kind := range []string{"mapping", "settings", "alias", "data"} {
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
		run(t, "", nil, "node", dump, "--quiet", "--input="+base+"/dumped", "--output="+file, "--type="+kind, "--limit=90")
		run(t, "", nil, "node", dump, "--quiet", "--input="+file, "--output="+base+"/by-file", "--type="+kind, "--limit=90")
	}
	for range 2 {
		run(t, "", nil, "node", dump, "--quiet", "--input="+base+"/dumped", "--output="+base+"/by-pit", "--pit", "--searchAfter", "--limit=90")
	}
	want := p.sources(t, "dumped", token)
	if len(want) != rows {
		t.Fatalf("%d records", len(want))
	}
	for _, index := range []string{"by-file", "by-pit"} {
		got := p.sources(t, index, token)
		if len(got) != rows {
			t.Errorf("%s: %d records", index, len(got))
		}
		for id, source := range want {
			if !logging.EqualSources(got[id], source) {
				t.Fatalf("%s/%s: %s, want %s", index, id, got[id], source)
			}
		}
	}
}

// sources gives the documents of an index, of at most 10,000, by id.
func (p *program) sources(t *testing.T, index, token string) map[string][]byte {
	t.Helper()
	var found struct {
		Hits struct {
			Hits []struct {
				ID     string          `json:"_id"`
				Source json.RawMessage `json:"_source"`
			}
		}
	}
	if err := json.Unmarshal([]byte(p.es200(t, "GET", "/"+index+"/_search?size=10000", "", token)), &found); err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, h := range found.Hits.Hits {
		out[h.ID] = h.Source
	}
	return out
}

// es200 asks the Elasticsearch listener for what must succeed.
func (p *program) es200(t *testing.T, method, path, body, token string) string {
	t.Helper()
	out, ok, err := request(method, p.es+path, body, "application/x-ndjson", []string{"token=" + token})
	if err != nil || !ok || strings.Contains(out, `"errors":true`) {
		t.Fatalf("%s %s: %v %s", method, path, err, tail(out, 1000))
	}
	return out
}

// TestCurator lets curator pick indices by name, age, size and state: it finds
// them, and is refused by name where it would delete them.
func TestCurator(t *testing.T) {
	library := fromPyPI(t, "elasticsearch-curator==8.0.21")
	p, token := esProgram(t)
	for _, index := range []string{"app-1", "app-2", "other"} {
		p.es200(t, "POST", "/"+index+"/_doc", `{"message":"one"}`, token)
	}
	dir := t.TempDir()
	config, actions := filepath.Join(dir, "curator.yml"), filepath.Join(dir, "actions.yml")
	for file, text := range map[string]string{
		config: `elasticsearch:
  client: {hosts: "http://` + p.es + `"}
  other_settings: {username: any, password: ` + token + `}
logging: {loglevel: INFO}
`,
		actions: `actions:
  1:
    action: delete_indices
    description: by their records
    options: {ignore_empty_list: true}
    filters:
    - {filtertype: pattern, kind: prefix, value: app}
    - {filtertype: age, source: field_stats, field: "@timestamp", stats_result: max_value, direction: older, unit: days, unit_count: 30}
  2:
    action: delete_indices
    description: by their size and age
    filters:
    - {filtertype: pattern, kind: prefix, value: app}
    - {filtertype: age, source: creation_date, direction: younger, unit: days, unit_count: 1}
    - {filtertype: space, disk_space: 0.000000001, use_age: true, source: creation_date}
    - {filtertype: opened, exclude: false}
    - {filtertype: empty, exclude: true}
`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"PYTHONPATH=" + library}
	const curator = "from curator.cli import cli; cli()"
	out := run(t, "", env, "/usr/bin/python3", "-c", curator, "--config", config, "--dry-run", actions)
	for _, index := range []string{"app-1", "app-2"} {
		if !strings.Contains(out, "DRY-RUN: delete_indices: "+index+" ") {
			t.Errorf("%s is not found:\n%s", index, out)
		}
	}
	if strings.Contains(out, "delete_indices: other") {
		t.Errorf("too much is found:\n%s", out)
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", curator, "--config", config, actions)
	cmd.Env = append(os.Environ(), env...)
	refused, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(refused), "[delete index] is not supported") {
		t.Errorf("%v\n%s", err, refused)
	}
}
