//go:build real && soak

package script

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tinylib/msgp/msgp"

	"github.com/oriel-project/oriel/test/kubetest"
)

// TestSoakCut cuts an agent off from central for three minutes, with two
// restarts of the agent by SIGKILL meanwhile, and one of central. Everything
// that the agent took in is at central afterwards, once.
func TestSoakCut(t *testing.T) {
	const cut, perSecond, perChunk = 3 * time.Minute, 20, 50
	k := kubetest.Start(t, kubetest.Options{})
	dir := t.TempDir()
	c := newRole(t, "central")
	c.start()
	wan := newWire(t, c.http)
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte(c.oriel("token", "create", "--cluster", "east", "--region", "eu", "--cloud", "private")), 0o600); err != nil {
		t.Fatal(err)
	}
	requests := prometheus.NewCounter(prometheus.CounterOpts{Name: "soak_requests_total", Help: "Requests."})
	reg := prometheus.NewRegistry()
	reg.MustRegister(requests)
	app := &http.Server{Handler: promhttp.HandlerFor(reg, promhttp.HandlerOpts{})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go app.Serve(ln)
	defer app.Close()
	cfg := filepath.Join(dir, "east.yaml")
	text := fmt.Sprintf(`cluster: {name: east, region: eu, cloud: private}
agent: {central: {url: "http://%s", token_file: %q}}
scrape: {interval: 1s}
`, wan.addr, token)
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	k.Namespace(t, "shop", map[string]string{"oriel/tenant": "shop", "oriel/groups": "shop"})
	k.PodWithAddress(t, kubetest.Pod{Namespace: "shop", Name: "web-0", Address: "127.0.0.1", Annotations: map[string]string{
		"prometheus.io/scrape": "true", "prometheus.io/port": fmt.Sprint(ln.Addr().(*net.TCPAddr).Port),
	}})
	a := newRole(t, "agent", "--config="+cfg, "--kubeconfig="+k.AdminKubeconfig)
	a.start()
	reader := strings.TrimSpace(c.oriel("token", "create", "--operator"))
	ask := func(path string) string {
		out, ok, err := request("GET", c.http+path, "", "", []string{"token=" + reader})
		if err != nil || !ok {
			return fmt.Sprint(err, out)
		}
		return out
	}
	if err := poll(30*time.Second, func() error {
		if out := ask("/t/shop/api/v1/query?query=up{pod='web-0'}"); !strings.Contains(out, `"1"`) {
			return fmt.Errorf("no sample yet: %s", out)
		}
		return nil
	}); err != nil {
		t.Fatalf("%v\n%s", err, a.log())
	}

	// A sender that never rests, and sends again what was not acknowledged.
	var (
		mu   sync.Mutex
		sent int
		stop = make(chan struct{})
		done = make(chan struct{})
	)
	go func() {
		defer close(done)
		for n := 0; ; {
			select {
			case <-stop:
				return
			case <-time.After(time.Second / perSecond):
			}
			one := []bool{false}
			at := n
			if sendChunks(t, a.forward, one, func(int) []byte {
				return chunkOf(cutEntries(at, perChunk), chunkID(0), "")
			}, func(int) {}) == 1 {
				n++
				mu.Lock()
				sent = n
				mu.Unlock()
			}
		}
	}()
	began := time.Now()
	wan.cut(true)
	pause := func(d time.Duration) { <-time.After(d) }
	pause(cut / 3)
	a.kill()
	a.start()
	pause(cut / 6)
	c.kill()
	c.start()
	pause(cut / 6)
	a.kill()
	a.start()
	pause(cut - time.Since(began))
	t.Logf("after the cut of %.0f s: agent %d MiB, queue %s", time.Since(began).Seconds(), a.rss(), du(filepath.Join(a.dir, "data", "queue")))
	wan.cut(false)
	healed := time.Now()
	close(stop)
	<-done
	want := sent * perChunk
	if err := poll(2*time.Minute, func() error {
		out := ask("/t/shop/es/_search?size=0&track_total_hits=true&q=kind:cut-test")
		if !strings.Contains(out, fmt.Sprintf(`"total":{"value":%d,`, want)) {
			return fmt.Errorf("want %d records: %s", want, tail(out, 300))
		}
		return nil
	}); err != nil {
		t.Errorf("%v\n%s", err, a.log())
	}
	t.Logf("%d records of the cut are all there %.1f s after it", want, time.Since(healed).Seconds())
	if err := poll(time.Minute, func() error {
		// One sample a second; two restarts cost a few.
		out := ask(fmt.Sprintf("/t/shop/api/v1/query?query=count_over_time(up{pod='web-0'}[%ds])>=%d", int(time.Since(began).Seconds()), int(cut.Seconds())-30))
		if !strings.Contains(out, `"value"`) {
			return fmt.Errorf("samples of the cut are missing: %s, %s", out, ask(fmt.Sprintf("/t/shop/api/v1/query?query=count_over_time(up{pod='web-0'}[%ds])", int(time.Since(began).Seconds()))))
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	t.Logf("samples of the cut: %s", ask(fmt.Sprintf("/t/shop/api/v1/query?query=count_over_time(up{pod='web-0'}[%ds])", int(time.Since(began).Seconds()))))
	a.term()
	c.term()
}

func cutEntries(c, perChunk int) (entries []byte) {
	for i := range perChunk {
		entries = msgp.AppendArrayHeader(entries, 2)
		entries = msgp.AppendInt64(entries, killTime.Unix())
		entries = msgp.AppendMapHeader(entries, 3)
		entries = msgp.AppendString(msgp.AppendString(entries, "message"), fmt.Sprintf("record %d of the cut test", c*perChunk+i))
		entries = msgp.AppendString(msgp.AppendString(entries, "kind"), "cut-test")
		entries = msgp.AppendMapHeader(msgp.AppendString(entries, "kubernetes"), 1)
		entries = msgp.AppendString(msgp.AppendString(entries, "namespace_name"), "shop")
	}
	return entries
}

func du(dir string) string {
	var n int64
	_ = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error { // what is gone meanwhile does not count
		if err == nil && !info.IsDir() {
			n += info.Size()
		}
		return nil
	})
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// wire is a TCP proxy that can be cut: what is connected hangs up, and who comes
// is not answered.
type wire struct {
	addr string
	mu   sync.Mutex
	down bool
	open map[net.Conn]bool
}

func newWire(t *testing.T, to string) *wire {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	w := &wire{addr: ln.Addr().String(), open: map[net.Conn]bool{}}
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			w.mu.Lock()
			w.open[in] = true
			down := w.down
			w.mu.Unlock()
			if down {
				continue // it hears nothing
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				w.mu.Lock()
				w.open[out] = true
				w.mu.Unlock()
				defer out.Close()
				go func() { io.Copy(in, out); in.Close() }()
				io.Copy(out, in)
			}()
		}
	}()
	return w
}

func (w *wire) cut(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	for c := range w.open {
		c.Close()
	}
	clear(w.open)
}

// TestSoakTruth is TestTruth with a cut of ten minutes.
func TestSoakTruth(t *testing.T) { truth(t, 10*time.Minute) }
