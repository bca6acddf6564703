//go:build real

package script

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/oriel-project/oriel/test/kubetest"
	"github.com/oriel-project/oriel/test/peers"
)

// TestTruth cuts an agent off from a central in another network namespace, kills
// the agent while it replays what it kept and central while it takes it in, and
// compares every sample with a Prometheus that scraped the same targets and was
// never cut off.
func TestTruth(t *testing.T) { truth(t, 30*time.Second) }

// truthSeries is how many series the targets show to each of two tenants.
const truthSeries = 500

func truth(t *testing.T, cut time.Duration) {
	w := newWAN(t)
	k := kubetest.Start(t, kubetest.Options{})
	dir := t.TempDir()
	c := newRole(t, "central")
	c.wrap = []string{"ip", "netns", "exec", w.name}
	c.http = net.JoinHostPort(w.there, "7480")
	c.args = []string{"--listen.http=" + c.http, "--listen.es="}
	c.start()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	token := write("token", c.oriel("token", "create", "--cluster", "east", "--region", "eu", "--cloud", "private"))
	reader := strings.TrimSpace(c.oriel("token", "create", "--operator"))
	ask := func(base, path string, into any) error {
		out, ok, err := request("GET", base+path, "", "", []string{"token=" + reader})
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("GET %s: %.300s", path, out)
		}
		return json.Unmarshal([]byte(out), into)
	}

	load := newTicker(t)
	cfg := write("east.yaml", fmt.Sprintf(`cluster: {name: east, region: eu, cloud: private}
agent: {central: {url: "http://%s", token_file: %q}}
scrape:
  interval: 1s
  static: [{job: load, platform: true, targets: [%q]}]
`, c.http, token, load.agent))
	for _, team := range []string{"shop", "billing"} {
		k.Namespace(t, team, map[string]string{"oriel/tenant": team, "oriel/groups": team})
	}
	a := newRole(t, "agent", "--config="+cfg, "--kubeconfig="+k.AdminKubeconfig)
	a.start()
	reference := startReference(t, write("prometheus.yml", fmt.Sprintf(`global: {scrape_interval: 1s}
scrape_configs: [{job_name: load, honor_labels: true, static_configs: [{targets: [%q]}]}]
`, load.reference)))
	began := time.Now()
	load.go_()
	if err := poll(time.Minute, func() error {
		var r promReply
		if err := ask(c.http, "/t/shop/api/v1/query?query=count(truth)", &r); err != nil {
			return err
		}
		if len(r.Data.Result) != 1 {
			return fmt.Errorf("no sample yet")
		}
		return nil
	}); err != nil {
		t.Fatalf("%v\n%s", err, a.log())
	}

	killAgent := func() {
		load.hold() // what nobody scrapes is no gap of the way
		a.kill()
		a.start()
		load.go_()
	}
	pause := func(d time.Duration) { <-time.After(d) }
	w.cut(t, true)
	cutAt := time.Now()
	pause(cut / 2)
	killAgent()
	pause(cut/2 - time.Since(cutAt.Add(cut/2)))
	w.cut(t, false)
	pause(500 * time.Millisecond)
	killAgent() // while it replays
	c.kill()    // while it takes in
	c.start()
	pause(3 * time.Second)
	load.hold()
	ticks := load.ticks()
	last := fmt.Sprint(ticks[len(ticks)-1])
	t.Logf("cut for %.0f s; %d ticks of %d series each", time.Since(cutAt).Seconds(), len(ticks), 2*truthSeries)

	span := fmt.Sprintf("%ds", int(time.Since(began).Seconds())+60)
	values := func(base, prefix, namespace string) (map[string][]string, error) {
		var r promReply
		q := url.Values{"query": {fmt.Sprintf("truth{namespace=%q}[%s]", namespace, span)}}
		if err := ask(base, prefix+"/api/v1/query?"+q.Encode(), &r); err != nil {
			return nil, err
		}
		out := map[string][]string{}
		for _, s := range r.Data.Result {
			for _, v := range s.Values {
				out[s.Metric["i"]] = append(out[s.Metric["i"]], string(v[0])+" "+string(v[1]))
			}
		}
		return out, nil
	}
	for _, team := range []string{"shop", "billing"} {
		want, err := values(reference, "", team)
		if err != nil {
			t.Fatal(err)
		}
		if len(want) != truthSeries || len(want["0"]) != len(ticks) || !strings.Contains(want["0"][len(ticks)-1], `"`+last+`"`) {
			t.Fatalf("the reference has %d series, of the first %d samples; want %d and %d", len(want), len(want["0"]), truthSeries, len(ticks))
		}
		var got map[string][]string
		healed := time.Now()
		if err := poll(2*time.Minute, func() error {
			if got, err = values(c.http, "/t/"+team, team); err != nil {
				return err
			}
			if n := len(got["0"]); n < len(ticks) || !strings.Contains(got["0"][n-1], `"`+last+`"`) {
				return fmt.Errorf("%s has %d of %d samples of its first series", team, n, len(ticks))
			}
			return nil
		}); err != nil {
			t.Fatalf("%v\n%s", err, a.log())
		}
		different := 0
		for i, w := range want {
			if !slices.Equal(got[i], w) {
				if different++; different == 1 {
					t.Errorf("%s: series %s is not the reference's:\n%v\n%v", team, i, got[i], w)
				}
			}
		}
		t.Logf("%s: %d series, %d of them different, %.1f s after the last sample", team, len(want), different, time.Since(healed).Seconds())
	}
	// The team could see whose fault it was, and that it was being mended.
	for query, want := range map[string]string{
		"min_over_time(oriel_agent_up[" + span + "])": "0",
		"oriel_agent_up": "1",
		"max_over_time(oriel_agent_lag_seconds[" + span + "])>5": "",
		"oriel_agent_lag_seconds<5":                              "",
		"oriel_agent_gaps_total":                                 "0",
	} {
		if err := poll(time.Minute, func() error {
			var r promReply
			if err := ask(c.http, "/t/shop/api/v1/query?"+url.Values{"query": {query}}.Encode(), &r); err != nil {
				return err
			}
			if len(r.Data.Result) != 1 || want != "" && string(r.Data.Result[0].Value[1]) != `"`+want+`"` {
				return fmt.Errorf("%s: %v", query, r.Data.Result)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	a.term()
	c.term()
}

type promReply struct {
	Data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]json.RawMessage
			Values [][2]json.RawMessage
		}
	}
}

// wan is a network namespace, and the way there.
type wan struct{ name, link, there string }

func newWAN(t *testing.T) *wan {
	t.Helper()
	id := os.Getpid() % 10000
	w := &wan{name: fmt.Sprintf("oriel-truth-%d", id), link: fmt.Sprintf("otr%d", id), there: fmt.Sprintf("10.213.%d.2", id%250)}
	here := fmt.Sprintf("10.213.%d.1/30", id%250)
	t.Cleanup(func() {
		exec.Command("ip", "link", "del", w.link).Run()
		exec.Command("ip", "netns", "del", w.name).Run()
	})
	for _, cmd := range []string{
		"ip netns add " + w.name,
		"ip link add " + w.link + " type veth peer name " + w.link + "b netns " + w.name,
		"ip addr add " + here + " dev " + w.link,
		"ip link set " + w.link + " up",
		"ip netns exec " + w.name + " ip addr add " + w.there + "/30 dev " + w.link + "b",
		"ip netns exec " + w.name + " ip link set " + w.link + "b up",
		"ip netns exec " + w.name + " ip link set lo up",
	} {
		f := strings.Fields(cmd)
		if out, err := exec.Command(f[0], f[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no network namespaces here (they need root): %s: %s", cmd, out)
		}
	}
	return w
}

// cut has packets vanish: nobody is told.
func (w *wan) cut(t *testing.T, down bool) {
	t.Helper()
	state := "up"
	if down {
		state = "down"
	}
	if out, err := exec.Command("ip", "netns", "exec", w.name, "ip", "link", "set", w.link+"b", state).CombinedOutput(); err != nil {
		t.Fatalf("cut: %s", out)
	}
}

// ticker is two targets that show the same: series with a time of their own, which
// moves on once both were scraped, twice where it is held.
type ticker struct {
	agent, reference string // host:port

	mu      sync.Mutex // guards what follows
	held    bool
	tick    int
	at      time.Time
	done    []int
	scrapes [2]int // of this tick
	moved   *sync.Cond
}

func newTicker(t *testing.T) *ticker {
	t.Helper()
	k := &ticker{held: true, at: time.Now()}
	k.moved = sync.NewCond(&k.mu)
	for i, to := range []*string{&k.agent, &k.reference} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		*to = ln.Addr().String()
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { k.show(w, i) })}
		go srv.Serve(ln)
		t.Cleanup(func() { srv.Close() })
	}
	return k
}

func (k *ticker) show(w http.ResponseWriter, who int) {
	k.mu.Lock()
	if !k.held && time.Since(k.at) >= time.Second && k.scrapes[0] > 0 && k.scrapes[1] > 0 {
		k.tick++
		k.at, k.scrapes = time.Now(), [2]int{}
		k.done = append(k.done, k.tick)
	}
	k.scrapes[who]++
	k.moved.Broadcast()
	tick, at := k.tick, k.at.UnixMilli()
	k.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	var b bytes.Buffer
	b.WriteString("# TYPE truth counter\n")
	for _, ns := range []string{"shop", "billing"} {
		for i := range truthSeries {
			if tick > 0 {
				fmt.Fprintf(&b, "truth{namespace=%q,i=\"%d\"} %d %d\n", ns, i, tick, at)
			}
		}
	}
	w.Write(b.Bytes())
}

func (k *ticker) go_() {
	k.mu.Lock()
	k.held = false
	k.mu.Unlock()
}

// hold stops at a tick, and returns when both have scraped it, and come again:
// then the first time was stored.
func (k *ticker) hold() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held = true
	for k.scrapes[0] < 2 || k.scrapes[1] < 2 {
		k.moved.Wait()
	}
}

func (k *ticker) ticks() []int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.done)
}

func startReference(t *testing.T, config string) (address string) {
	t.Helper()
	bin, err := peers.Prometheus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	address = freeAddress(t)
	var log bytes.Buffer
	cmd := exec.Command(bin.Server, "--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+address)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("log of prometheus:\n%s", tail(log.String(), 3000))
		}
	})
	if err := poll(time.Minute, func() error {
		_, ok, err := request("GET", address+"/-/ready", "", "", nil)
		if err == nil && !ok {
			err = fmt.Errorf("prometheus is not ready")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return address
}
