package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// errNoMerge says that a system has no way to force a merge.
var errNoMerge = errors.New("no forced merge")

// oriel is `oriel up` with a data directory of its own, one tenant that owns all
// namespaces, and a token of that tenant that writes and reads.
type oriel struct {
	bin, dir  string
	mergePath string // of the operator's API
	corpus    *corpus

	p             *proc
	http, forward string // addresses
	token         string
	tail          bool // the tail's tenant, not that of the corpus
	client        *http.Client
}

const orielConfig = `logs: {retention: 90d, retention_max: 90d}
limits: {logs: 1000000MB/s, logs_max: 1000000MB/s}
auth: {anonymous: none}
`

func (o *oriel) name() string { return "oriel" }

func (o *oriel) version() string {
	b, err := exec.Command(o.bin, "version").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}

func (o *oriel) home() string      { return o.dir }
func (o *oriel) process() *proc    { return o.p }
func (o *oriel) dataDir() string   { return filepath.Join(o.dir, "data", "logs") }
func (o *oriel) tokenFile() string { return filepath.Join(o.dir, o.tenant()+".token") }

func (o *oriel) tenant() string {
	if o.tail {
		return "tail"
	}
	return "bench"
}

// tailTenant goes on as another tenant, so that what it writes is not in the
// answers about the corpus.
func (o *oriel) tailTenant(ctx context.Context) error {
	o.tail = true
	return o.onboard(ctx)
}

// start starts it and waits until it answers searches.
func (o *oriel) start(ctx context.Context) error {
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return err
	}
	config, log := filepath.Join(o.dir, "oriel.yaml"), filepath.Join(o.dir, "oriel.log")
	if err := os.WriteFile(config, []byte(orielConfig), 0o600); err != nil {
		return err
	}
	if err := os.Remove(log); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	p, err := startProc(log, o.bin, "up", "--config", config, "--data-dir", filepath.Join(o.dir, "data"), "--log.format", "json",
		"--listen.http", "127.0.0.1:0", "--listen.es", "", "--listen.forward", "127.0.0.1:0", "--listen.journal", "")
	if err != nil {
		return err
	}
	o.p = p
	if o.client == nil {
		o.client = newClient()
	}
	o.client.CloseIdleConnections()
	o.http, o.forward = "", ""
	for !o.listeners(log) && !p.exited() && ctx.Err() == nil {
		wait(ctx, 2*time.Millisecond)
	}
	if err := o.onboard(ctx); err != nil {
		return fmt.Errorf("%w; its log ends with %s", err, p.logTail())
	}
	for !p.exited() && ctx.Err() == nil {
		if _, err := o.search(ctx, `{"size":0}`); err == nil {
			return nil
		}
		wait(ctx, 2*time.Millisecond)
	}
	return fmt.Errorf("oriel did not start: %s", p.logTail())
}

// listeners reads the addresses from the log, and whether it is up.
func (o *oriel) listeners(log string) (up bool) {
	f, err := os.Open(log)
	if err != nil {
		return false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var l struct{ Msg, Listener, Address string }
		if json.Unmarshal(s.Bytes(), &l) != nil {
			continue
		}
		switch {
		case l.Msg == "oriel is up":
			up = true
		case l.Msg == "listening" && l.Listener == "http":
			o.http = l.Address
		case l.Msg == "listening" && l.Listener == "forward":
			o.forward = l.Address
		}
	}
	return up
}

// onboard makes the tenant and its token, once in a data directory.
func (o *oriel) onboard(ctx context.Context) error {
	if b, err := os.ReadFile(o.tokenFile()); err == nil {
		o.token = string(b)
		return nil
	}
	args := []string{"tenants", "onboard", o.tenant()}
	if !o.tail {
		for _, ns := range o.corpus.Namespaces {
			args = append(args, "--namespace", "local/"+ns)
		}
	}
	if _, err := o.cli(ctx, args...); err != nil {
		return err
	}
	out, err := o.cli(ctx, "token", "create", "--tenant", o.tenant(), "--access", "write")
	if err != nil {
		return err
	}
	o.token = strings.TrimSpace(string(out))
	return os.WriteFile(o.tokenFile(), []byte(o.token), 0o600)
}

// cli runs a client command as the operator.
func (o *oriel) cli(ctx context.Context, args ...string) ([]byte, error) {
	args = append(args, "--url", "http://"+o.http, "--data-dir", filepath.Join(o.dir, "data"))
	cmd := exec.CommandContext(ctx, o.bin, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("oriel %s: %w: %s", strings.Join(args[:2], " "), err, stderr.String())
	}
	return out, nil
}

func (o *oriel) request(ctx context.Context, method, path, contentType string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+o.http+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+o.token)
	req.Header.Set("Content-Type", contentType)
	return do(o.client, req)
}

// newClient keeps all of its connections: those that send and those that ask.
func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true}}
}

// do gives the body of a 2xx answer.
func do(c *http.Client, req *http.Request) ([]byte, error) {
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		return nil, &statusError{res.StatusCode, fmt.Sprintf("%s %s: %s: %.400s", req.Method, req.URL.Path, res.Status, b)}
	}
	return b, nil
}

type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string { return e.text }

func (o *oriel) bulk(ctx context.Context, body []byte) error {
	b, err := o.request(ctx, http.MethodPost, "/es/_bulk", "application/x-ndjson", body)
	if err != nil {
		return err
	}
	if !bytes.Contains(b[:min(len(b), 200)], []byte(`"errors":false`)) {
		return fmt.Errorf("_bulk: %.600s", b)
	}
	return nil
}

func (o *oriel) search(ctx context.Context, body string) ([]byte, error) {
	return o.request(ctx, http.MethodPost, "/es/_search", "application/json", []byte(body))
}

func (o *oriel) run(ctx context.Context, q *query, _ int) ([]byte, error) { return o.search(ctx, q.es) }
func (o *oriel) ways(*query) int                                          { return 1 }
func (o *oriel) parse(q *query, reply []byte) ([]row, error)              { return q.parseES(reply) }

func (o *oriel) count(ctx context.Context) (int, error) {
	b, err := o.request(ctx, http.MethodPost, "/es/_count", "application/json", []byte(`{}`))
	if err != nil {
		return 0, err
	}
	var r struct{ Count int }
	return r.Count, json.Unmarshal(b, &r)
}

// merge forces a merge as the operator.
func (o *oriel) merge(ctx context.Context) error {
	admin, err := os.ReadFile(filepath.Join(o.dir, "data", "admin.token"))
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+o.http+o.mergePath, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(admin)))
	_, err = do(o.client, req)
	var se *statusError
	if errors.As(err, &se) && (se.code == http.StatusNotFound || se.code == http.StatusMethodNotAllowed || se.code == http.StatusBadRequest) {
		return errNoMerge
	}
	return err
}

// follow runs `oriel logs -f` and calls found for each line.
func (o *oriel) follow(ctx context.Context, lucene string, found func(line string)) error {
	cmd := exec.CommandContext(ctx, o.bin, "logs", "-f", "-o", "json", "-t", o.tenant(), "--since", "1s", "--url", "http://"+o.http, "--token-file", o.tokenFile(), lucene)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	for s := bufio.NewScanner(out); s.Scan(); {
		found(s.Text())
	}
	_ = cmd.Wait() // ended by ctx
	return nil
}
