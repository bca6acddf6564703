package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// openSearch is one node of OpenSearch with Elasticsearch's defaults: an index of
// one shard, dynamic fields (text with a keyword beside it), the translog fsynced
// at every request, a refresh a second.
type openSearch struct {
	lib, node string // folder of the jars; source of the program that starts a node
	dir       string

	p      *proc
	url    string
	client *http.Client
}

// osHeap is half of what the machines that this runs on have to spare.
const osHeap = "-Xmx2g"

func (s *openSearch) name() string    { return "opensearch" }
func (s *openSearch) home() string    { return s.dir }
func (s *openSearch) dataDir() string { return filepath.Join(s.dir, "data") }
func (s *openSearch) process() *proc  { return s.p }

func (s *openSearch) version() string {
	jars, _ := filepath.Glob(filepath.Join(s.lib, "opensearch-[0-9]*.jar"))
	if len(jars) != 1 {
		return "release unknown"
	}
	return strings.TrimSuffix(strings.TrimPrefix(filepath.Base(jars[0]), "opensearch-"), ".jar") + ", Java with " + osHeap[1:]
}

// start starts a node and waits until it answers.
func (s *openSearch) start(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(s.dir, "config"), 0o700); err != nil {
		return err
	}
	log := filepath.Join(s.dir, "opensearch.log")
	if err := os.Remove(log); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var err error
	if s.p, err = startProcFed(log, "java", "-Xms1g", osHeap, "-XX:-UsePerfData", "-Djava.io.tmpdir="+s.dir, "-cp", filepath.Join(s.lib, "*"), s.node, s.dir); err != nil {
		return err
	}
	if s.client == nil {
		s.client = newClient()
	}
	s.client.CloseIdleConnections()
	for s.url = ""; s.url == "" && !s.p.exited() && ctx.Err() == nil; wait(ctx, 0) {
		s.url = listening(log)
	}
	if s.url == "" {
		return fmt.Errorf("opensearch did not start: %s", s.p.logTail())
	}
	// One shard and no copy, as the machine is one; all else is as it comes.
	template := `{"index_patterns":["k8s*"],"template":{"settings":{"number_of_shards":1,"number_of_replicas":0}}}`
	if _, err := s.request(ctx, http.MethodPut, "/_index_template/k8s", "application/json", []byte(template)); err != nil {
		return err
	}
	_, err = s.request(ctx, http.MethodGet, "/_cluster/health?wait_for_status=green&timeout=60s", "", nil)
	return err
}

// listening reads the address from the log; "" where it is not there yet.
func listening(log string) string {
	f, err := os.Open(log)
	if err != nil {
		return ""
	}
	defer f.Close()
	for l := bufio.NewScanner(f); l.Scan(); {
		if addr, ok := strings.CutPrefix(l.Text(), "listening on "); ok {
			return "http://" + strings.TrimSpace(addr)
		}
	}
	return ""
}

func (s *openSearch) request(ctx context.Context, method, path, contentType string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return do(s.client, req)
}

func (s *openSearch) bulk(ctx context.Context, body []byte) error {
	b, err := s.request(ctx, http.MethodPost, "/_bulk", "application/x-ndjson", body)
	if err == nil && !bytes.Contains(b[:min(len(b), 200)], []byte(`"errors":false`)) {
		return fmt.Errorf("_bulk: %.600s", b)
	}
	return err
}

func (s *openSearch) count(ctx context.Context) (int, error) {
	if _, err := s.request(ctx, http.MethodPost, "/k8s/_refresh", "", nil); err != nil {
		return 0, err
	}
	b, err := s.request(ctx, http.MethodGet, "/k8s/_count", "", nil)
	if err != nil {
		return 0, err
	}
	var r struct{ Count int }
	return r.Count, json.Unmarshal(b, &r)
}

// merge merges into one segment, which nobody does to an index that is written
// to: it is the engine at its best.
func (s *openSearch) merge(ctx context.Context) error {
	_, err := s.request(ctx, http.MethodPost, "/k8s/_forcemerge?max_num_segments=1", "", nil)
	return err
}

// search asks with the cache of whole answers off: it would be asked and not the
// engine, since the data do not change.
func (s *openSearch) search(ctx context.Context, body string) ([]byte, error) {
	return s.request(ctx, http.MethodPost, "/k8s/_search?request_cache=false", "application/json", []byte(body))
}

// msearch cannot say so for each search: the headers do.
func (s *openSearch) msearch(ctx context.Context, panels []string) ([]byte, error) {
	const header = `{"index":"k8s","request_cache":false}` + "\n"
	return s.request(ctx, http.MethodPost, "/_msearch", "application/x-ndjson", []byte(header+strings.Join(panels, "\n"+header)+"\n"))
}

func (s *openSearch) run(ctx context.Context, q *query, _ int) ([]byte, error) {
	return s.search(ctx, q.es)
}
func (s *openSearch) ways(*query) int                             { return 1 }
func (s *openSearch) parse(q *query, reply []byte) ([]row, error) { return q.parseES(reply) }
func (s *openSearch) tailTenant(context.Context) error            { return errors.ErrUnsupported }
func (s *openSearch) follow(context.Context, string, func(string)) error {
	return errors.ErrUnsupported
}
