package main

import (
	"bufio"
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// victoria is VictoriaLogs, single node.
type victoria struct {
	bin, dir, release string
	tail              bool // the tail's tenant, not that of the corpus

	p      *proc
	http   string
	client *http.Client
}

const victoriaInsert = "/insert/elasticsearch/_bulk?_msg_field=message&_time_field=@timestamp" +
	"&_stream_fields=kubernetes.namespace_name,kubernetes.pod_name,kubernetes.container_name,stream"

func (v *victoria) name() string { return "victorialogs" }

// version tells which module it was built from, and whether its zstd is the one
// in C: the pure Go one is slower.
func (v *victoria) version() string {
	info, err := buildinfo.ReadFile(v.bin)
	if err != nil {
		return v.release + ", " + err.Error()
	}
	zstd := "zstd in Go"
	for _, d := range info.Deps {
		if d.Path == "github.com/valyala/gozstd" {
			zstd = "zstd in C (gozstd " + d.Version + ")"
		}
	}
	return fmt.Sprintf("%s, module %s %s, %s, %s", v.release, info.Main.Path, info.Main.Version, info.GoVersion, zstd)
}

func (v *victoria) home() string    { return v.dir }
func (v *victoria) process() *proc  { return v.p }
func (v *victoria) dataDir() string { return filepath.Join(v.dir, "data") }

func (v *victoria) start(ctx context.Context) error {
	if err := os.MkdirAll(v.dir, 0o700); err != nil {
		return err
	}
	// It cannot tell which port it chose: find a free one for it.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	v.http = l.Addr().String()
	l.Close()
	v.p, err = startProc(filepath.Join(v.dir, "victorialogs.log"), v.bin, "-httpListenAddr="+v.http, "-storageDataPath="+v.dataDir(),
		"-retentionPeriod=100y", "-memory.allowedBytes=6GB", "-search.maxQueryDuration=10m", "-loggerLevel=INFO")
	if err != nil {
		return err
	}
	if v.client == nil {
		v.client = newClient()
	}
	v.client.CloseIdleConnections()
	for !v.p.exited() && ctx.Err() == nil {
		if _, err := v.get(ctx, "/health", nil); err == nil {
			return nil
		}
		wait(ctx, 2*time.Millisecond)
	}
	return fmt.Errorf("VictoriaLogs did not start: %s", v.p.logTail())
}

// tailTenant goes on as another tenant, as Oriel's does.
func (v *victoria) tailTenant(context.Context) error {
	v.tail = true
	return nil
}

func (v *victoria) do(req *http.Request) ([]byte, error) {
	if v.tail {
		req.Header.Set("AccountID", "7")
	}
	return do(v.client, req)
}

func (v *victoria) get(ctx context.Context, path string, form url.Values) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+v.http+path, bytes.NewReader([]byte(form.Encode())))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(req)
}

func (v *victoria) bulk(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+v.http+victoriaInsert, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	b, err := v.do(req)
	if err == nil && !bytes.Contains(b[:min(len(b), 200)], []byte(`"errors":false`)) {
		return fmt.Errorf("_bulk: %.600s", b)
	}
	return err
}

// ways is in how many ways it can be asked; the cheapest counts.
func (v *victoria) ways(q *query) int { return len(q.vl) }

func (v *victoria) run(ctx context.Context, q *query, way int) ([]byte, error) {
	a := q.vl[way]
	form := url.Values{"query": {a.query}}
	for _, p := range a.params {
		form.Add(p[0], p[1])
	}
	return v.get(ctx, "/select/logsql/"+a.endpoint, form)
}

func (v *victoria) parse(q *query, reply []byte) ([]row, error) { return q.parseVL(reply) }

func (v *victoria) count(ctx context.Context) (int, error) {
	b, err := v.get(ctx, "/select/logsql/query", url.Values{"query": {"* | count() n"}})
	if err != nil {
		return 0, err
	}
	var r struct{ N string }
	if err := json.Unmarshal(b, &r); err != nil {
		return 0, fmt.Errorf("%w: %q", err, b)
	}
	return strconv.Atoi(r.N)
}

// merge starts a merge; it goes on in the background.
func (v *victoria) merge(ctx context.Context) error {
	_, err := v.get(ctx, "/internal/force_merge", nil)
	return err
}

// follow reads its live tail.
func (v *victoria) follow(ctx context.Context, logsql string, found func(line string)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+v.http+"/select/logsql/tail?query="+url.QueryEscape(logsql), http.NoBody)
	if err != nil {
		return err
	}
	if v.tail {
		req.Header.Set("AccountID", "7")
	}
	res, err := v.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	for s := bufio.NewScanner(res.Body); s.Scan(); {
		found(s.Text())
	}
	return nil
}
