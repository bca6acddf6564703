//go:build real

// Package script drives the whole program as a user would: every file of
// testdata is a txtar script of commands and what they must answer.
//
// Besides testscript's own commands there are
//
//	start NAME ARG...     start oriel with ARG..., all listeners on free ports;
//	                      sets $NAME_http, $NAME_es, $NAME_forward, $NAME_journal
//	                      (HOST:PORT) and waits until it is ready
//	kill9 NAME            kill -9
//	term NAME             SIGTERM; the process must exit 0 within 30 s
//	logged NAME REGEXP    the process' log has a line that matches
//	get URL [token=T] [HEADER...]   HTTP GET; the body goes to stdout; 2xx expected, or
//	                      with ! another status, which is then the first line
//	post URL FILE TYPE [HEADER...]
//	eventually LIMIT CMD ARG...   repeat one of the above, grep-like with
//	                      "-- REGEXP" behind it, until it succeeds; prints the time
//	forward ADDR TAG JSON [N]     send N records by fluent-logger-golang and wait
//	                      for the acknowledgements; {i} in JSON is the number
//	cluster NAME          start a real kube-apiserver; sets $NAME_kubeconfig
//	kubectl NAME ARG...   kubectl against it; the output goes to stdout
//	pod NAME NAMESPACE POD ADDRESS   make a pod that is annotated for scraping
//	                      and whose address is that of a local server
//	app NAME              an HTTP server with metrics; sets $NAME_host, $NAME_port
//	expand FILE...        replace $VARIABLES in files
//	tokenenv FILE VAR     set $VAR to the last line of FILE, without its end
//	stopwatch start|MSG   print MSG with the seconds since start
package script

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestScripts(t *testing.T) {
	bin := orielBinary(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("ORIEL", bin)
			w := &world{procs: map[string]*proc{}, env: e}
			e.Values[worldKey{}] = w
			e.Defer(w.stop)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": start, "kill9": kill, "term": term, "logged": logged,
			"get": get, "post": post, "eventually": eventually, "forward": forward,
			"cluster": startCluster, "kubectl": kubectl, "pod": pod, "app": app,
			"stopwatch": stopwatch, "tokenenv": tokenenv, "expand": expand,
		},
	})
}

// orielBinary gives the program under test: $ORIEL_BIN, else a fresh build.
func orielBinary(t *testing.T) string {
	if b := os.Getenv("ORIEL_BIN"); b != "" {
		return b
	}
	b := filepath.Join(t.TempDir(), "oriel")
	if out, err := exec.Command("go", "build", "-o", b, "github.com/oriel-project/oriel/cmd/oriel").CombinedOutput(); err != nil {
		t.Fatalf("build oriel: %v\n%s", err, out)
	}
	return b
}

type worldKey struct{}

// world is what one script has started.
type world struct {
	env      *testscript.Env
	procs    map[string]*proc
	clusters clusters
	closers  []func()
	since    time.Time
}

func (w *world) stop() {
	for _, p := range w.procs {
		p.cmd.Process.Kill()
		<-p.done
	}
	for _, c := range slices.Backward(w.closers) {
		c()
	}
}

func worldOf(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

// proc is a running oriel.
type proc struct {
	cmd  *exec.Cmd
	done chan struct{} // closed after the end
	err  error         // of Wait, after done

	mu  sync.Mutex // guards log
	log bytes.Buffer
}

func (p *proc) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *proc) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (p *proc) address(listener string) (string, bool) {
	for line := range strings.Lines(p.text()) {
		var m struct{ Msg, Listener, Address string }
		if json.Unmarshal([]byte(line), &m) == nil && m.Msg == "listening" && m.Listener == listener {
			return m.Address, true
		}
	}
	return "", false
}

var listeners = map[string][]string{
	"up":      {"http", "es", "forward", "journal"},
	"central": {"http", "es"},
	"agent":   {"http", "forward", "journal"},
}

func start(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: start NAME up|central|agent ARG...")
	}
	w := worldOf(ts)
	name, sub := args[0], args[1]
	full := []string{sub, "--log.format=json"}
	if !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--data-dir") }) {
		full = append(full, "--data-dir="+ts.MkAbs(name+".data"))
	}
	for _, l := range listeners[sub] {
		if !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--listen."+l) }) {
			full = append(full, "--listen."+l+"=127.0.0.1:0")
		}
	}
	p := &proc{done: make(chan struct{})}
	p.cmd = exec.Command(ts.Getenv("ORIEL"), append(full, args[2:]...)...)
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	ts.Check(p.cmd.Start())
	go func() { p.err = p.cmd.Wait(); close(p.done) }()
	w.procs[name] = p
	err := poll(30*time.Second, func() error {
		select {
		case <-p.done:
			return stopPolling{fmt.Errorf("%s ended: %w", name, p.err)}
		default:
		}
		for _, l := range listeners[sub] {
			if slices.Contains(args, "--listen."+l+"=") {
				continue
			}
			a, ok := p.address(l)
			if !ok {
				return fmt.Errorf("%s has not said where %s listens", name, l)
			}
			ts.Setenv(name+"_"+l, a)
		}
		a, _ := p.address("http")
		resp, err := http.Get("http://" + a + "/-/ready")
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			return fmt.Errorf("%s is not ready: %s", name, resp.Status)
		}
		return nil
	})
	if neg {
		if err == nil {
			ts.Fatalf("%s started, and should not have", name)
		}
		delete(w.procs, name)
		p.cmd.Process.Kill()
		<-p.done
		fmt.Fprint(ts.Stderr(), p.text())
		return
	}
	if err != nil {
		ts.Fatalf("%v\n%s", err, p.text())
	}
	ts.Logf("%s ready after %.2f s", name, time.Since(began).Seconds())
}

func (w *world) take(ts *testscript.TestScript, name string) *proc {
	p, ok := w.procs[name]
	if !ok {
		ts.Fatalf("nothing called %s is running", name)
	}
	delete(w.procs, name)
	return p
}

func kill(ts *testscript.TestScript, _ bool, args []string) {
	p := worldOf(ts).take(ts, args[0])
	ts.Check(p.cmd.Process.Kill())
	<-p.done
}

func term(ts *testscript.TestScript, _ bool, args []string) {
	p := worldOf(ts).take(ts, args[0])
	began := time.Now()
	ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.done:
	case <-time.After(35 * time.Second):
		p.cmd.Process.Kill()
		ts.Fatalf("%s was still there 35 s after SIGTERM\n%s", args[0], p.text())
	}
	if p.err != nil {
		ts.Fatalf("%s after SIGTERM: %v\n%s", args[0], p.err, p.text())
	}
	ts.Logf("%s drained in %.2f s", args[0], time.Since(began).Seconds())
}

func logged(ts *testscript.TestScript, neg bool, args []string) {
	p, ok := worldOf(ts).procs[args[0]]
	if !ok {
		ts.Fatalf("nothing called %s is running", args[0])
	}
	if regexp.MustCompile(args[1]).MatchString(p.text()) == neg {
		ts.Fatalf("log of %s and %q: neg=%v\n%s", args[0], args[1], neg, p.text())
	}
}

func get(ts *testscript.TestScript, neg bool, args []string) {
	fmt.Fprint(ts.Stdout(), must(ts, neg, func() (string, bool, error) { return request("GET", args[0], "", "", args[1:]) }))
}

func post(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: post URL FILE TYPE [HEADER...]")
	}
	body := ts.ReadFile(args[1])
	fmt.Fprint(ts.Stdout(), must(ts, neg, func() (string, bool, error) { return request("POST", args[0], body, args[2], args[3:]) }))
}

func must(ts *testscript.TestScript, neg bool, do func() (string, bool, error)) string {
	out, ok, err := do()
	ts.Check(err)
	if ok == neg {
		ts.Fatalf("unexpected answer: %s", out)
	}
	return out
}

// request gives the body; where the status is not 2xx, the status line before it.
func request(method, target, body, contentType string, headers []string) (out string, ok bool, err error) {
	if !strings.Contains(target, "://") {
		target = "http://" + target
	}
	req, err := http.NewRequest(method, encodeQuery(target), strings.NewReader(body))
	if err != nil {
		return "", false, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for _, h := range headers {
		if token, ok := strings.CutPrefix(h, "token="); ok {
			req.Header.Set("Authorization", "Bearer "+token)
			continue
		}
		k, v, _ := strings.Cut(h, ":")
		if k == "Host" {
			req.Host = strings.TrimSpace(v)
			continue
		}
		req.Header.Add(k, strings.TrimSpace(v))
	}
	c := &http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(req)
	if err != nil {
		return "", false, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", false, err
	}
	if resp.StatusCode/100 != 2 {
		return resp.Status + "\n" + string(b) + "\n", false, nil
	}
	return string(b) + "\n", true, nil
}

// encodeQuery lets scripts write PromQL as it is read.
func encodeQuery(u string) string {
	base, query, ok := strings.Cut(u, "?")
	if !ok || strings.Contains(query, "%") {
		return u
	}
	var parts []string
	for p := range strings.SplitSeq(query, "&") {
		k, v, ok := strings.Cut(p, "=")
		if !ok {
			parts = append(parts, p)
			continue
		}
		parts = append(parts, k+"="+url.QueryEscape(v))
	}
	return base + "?" + strings.Join(parts, "&")
}

// eventually LIMIT [!] get|post|kubectl|logged ARG... [-- REGEXP]
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	args = args[1:]
	neg := args[0] == "!"
	if neg {
		args = args[1:]
	}
	var want *regexp.Regexp
	if i := slices.Index(args, "--"); i >= 0 {
		want = regexp.MustCompile(strings.Join(args[i+1:], " "))
		args = args[:i]
	}
	try := func() (string, bool, error) {
		switch args[0] {
		case "get":
			return request("GET", args[1], "", "", args[2:])
		case "post":
			return request("POST", args[1], ts.ReadFile(args[2]), args[3], args[4:])
		case "kubectl":
			out, err := worldOf(ts).clusters.kubectl(args[1], args[2:]...)
			return out, err == nil, nil
		case "logged":
			p := worldOf(ts).procs[args[1]]
			return p.text(), regexp.MustCompile(args[2]).MatchString(p.text()), nil
		}
		return "", false, stopPolling{fmt.Errorf("eventually: unknown command %q", args[0])}
	}
	began := time.Now()
	var last string
	err = poll(limit, func() error {
		out, ok, err := try()
		if err != nil {
			return err
		}
		last = out
		switch {
		case want == nil && ok == neg:
			return errors.New("not yet")
		case want != nil && want.MatchString(out) == neg:
			return fmt.Errorf("does not match %s", want)
		}
		return nil
	})
	if err != nil {
		var logs strings.Builder
		for n, p := range worldOf(ts).procs {
			fmt.Fprintf(&logs, "\n--- log of %s\n%s", n, tail(p.text(), 6000))
		}
		ts.Fatalf("not within %v: %s: %v\nlast answer: %s%s", limit, strings.Join(args, " "), err, tail(last, 4000), logs.String())
	}
	ts.Logf("after %.2f s: %s", time.Since(began).Seconds(), strings.Join(args, " "))
	fmt.Fprint(ts.Stdout(), last)
}

func tail(s string, n int) string {
	if len(s) > n {
		return "..." + s[len(s)-n:]
	}
	return s
}

type stopPolling struct{ error }

// poll calls f until it returns nil or the limit is over.
func poll(limit time.Duration, f func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		if s, ok := errors.AsType[stopPolling](err); ok {
			return s.error
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

func forward(ts *testscript.TestScript, neg bool, args []string) {
	host, port, err := net.SplitHostPort(args[0])
	ts.Check(err)
	n, err := strconv.Atoi(port)
	ts.Check(err)
	count := 1
	if len(args) > 3 {
		count, err = strconv.Atoi(args[3])
		ts.Check(err)
	}
	c, err := fluent.New(fluent.Config{FluentHost: host, FluentPort: n, RequestAck: true, SubSecondPrecision: true,
		Timeout: 5 * time.Second, WriteTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, MaxRetry: 3})
	ts.Check(err)
	defer c.Close()
	for i := range count {
		var rec map[string]any
		ts.Check(json.Unmarshal([]byte(strings.ReplaceAll(args[2], "{i}", strconv.Itoa(i))), &rec))
		if err := c.PostWithTime(args[1], time.Now(), rec); (err != nil) != neg {
			ts.Fatalf("forward to %s: error %v", args[0], err)
		}
	}
}

// app starts an HTTP server with metrics, as a team would have one.
func app(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	reg := prometheus.NewRegistry()
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "http_requests_total", Help: "Requests served."}, []string{"code"})
	requests.WithLabelValues("200").Add(42)
	reg.MustRegister(requests)
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	host := "127.0.0.1"
	if len(args) > 1 {
		host = args[1] // another loopback address, so that pods differ
	}
	ln, err := net.Listen("tcp", host+":0")
	ts.Check(err)
	srv := &http.Server{Handler: mux}
	go srv.Serve(ln)
	w.closers = append(w.closers, func() { srv.Close() })
	ts.Setenv(args[0]+"_host", host)
	ts.Setenv(args[0]+"_port", strconv.Itoa(ln.Addr().(*net.TCPAddr).Port))
}

func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(os.Expand(ts.ReadFile(name), ts.Getenv)), 0o600))
	}
}

func tokenenv(ts *testscript.TestScript, _ bool, args []string) {
	lines := strings.Split(strings.TrimSpace(ts.ReadFile(args[0])), "\n")
	ts.Setenv(args[1], strings.TrimSpace(lines[len(lines)-1]))
}

func stopwatch(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	if args[0] == "start" {
		w.since = time.Now()
		return
	}
	ts.Logf("STOPWATCH %s: %.2f s", strings.Join(args, " "), time.Since(w.since).Seconds())
}
