//go:build real && soak

package script

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oriel-project/oriel/test/kubetest"
)

// TestSoakIdleAgent prints what an agent costs where nothing happens: 1,000 pods in
// five teams' namespaces, none of which is scraped or logs anything. What goes to
// central is heartbeats and the series of the pods' state, every 15 s.
func TestSoakIdleAgent(t *testing.T) {
	const namespaces, pods = 5, 200
	k := kubetest.Start(t, kubetest.Options{})
	watches := func() (n float64) {
		out, err := k.Do(http.MethodGet, "/metrics", "", "")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^apiserver_longrunning_requests\{.*verb="WATCH".*\} (\d+)`).FindAllStringSubmatch(string(out), -1) {
			v, _ := strconv.ParseFloat(m[1], 64)
			n += v
		}
		return n
	}
	c := newRole(t, "central")
	c.start()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(c.oriel("token", "create", "--cluster", "east")), 0o600); err != nil {
		t.Fatal(err)
	}
	var up, down atomic.Int64
	wan := countingWay(t, c.http, &up, &down)
	a := newRole(t, "agent", "--config="+configFile(t, fmt.Sprintf("cluster: {name: east}\nagent: {central: {url: \"http://%s\", token_file: %q}}\n", wan, token)), "--kubeconfig="+k.AdminKubeconfig)
	before := watches()
	a.start()
	time.Sleep(20 * time.Second)
	t.Logf("without pods: %d MiB, %.0f watches", a.rss(), watches()-before)
	for i := range namespaces {
		name := fmt.Sprint("team-", i)
		k.Namespace(t, name, map[string]string{"oriel/tenant": name, "oriel/groups": name})
		for j := range pods {
			body := fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"app-7d9f8b6c5-%05d","labels":{"app":"app","pod-template-hash":"7d9f8b6c5"}},"spec":{"containers":[{"name":"main","image":"example.invalid/none","resources":{"requests":{"cpu":"100m","memory":"128Mi"},"limits":{"memory":"256Mi"}}}]}}`, j)
			if _, err := k.Do(http.MethodPost, "/api/v1/namespaces/"+name+"/pods", "application/json", body); err != nil {
				t.Fatal(err)
			}
		}
	}
	reader := strings.TrimSpace(c.oriel("token", "create", "--operator"))
	series := ""
	if err := poll(time.Minute, func() error {
		out, _, err := request("GET", c.http+"/api/v1/query?query="+`count({cluster="east",namespace=~"team-.*"})`, "", "", []string{"token=" + reader})
		if m := regexp.MustCompile(`"(\d+)"\]`).FindStringSubmatch(out); m != nil {
			series = m[1]
		}
		if n, _ := strconv.Atoi(series); n < namespaces*pods {
			return fmt.Errorf("%s series: %.200s %w", series, out, err)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Second)
	cpu, err := processCPU(a.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	u, d, began := up.Load(), down.Load(), time.Now()
	time.Sleep(time.Minute)
	minutes := time.Since(began).Minutes()
	now, err := processCPU(a.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d pods of %d teams, %s series of their state every 15 s: %d MiB, %.0f watches, %.2f %% of a core, %.1f kB up and %.1f kB down a minute",
		namespaces*pods, namespaces, series, a.rss(), watches()-before, (now-cpu).Seconds()/minutes/60*100, float64(up.Load()-u)/minutes/1000, float64(down.Load()-d)/minutes/1000)
}

// countingWay is a way to address that counts the bytes that go over it.
func countingWay(t *testing.T, address string, up, down *atomic.Int64) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			from, err := ln.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", address)
			if err != nil {
				from.Close()
				continue
			}
			for _, way := range []struct {
				from, to net.Conn
				n        *atomic.Int64
			}{{from, to, up}, {to, from, down}} {
				go func() {
					_, _ = io.Copy(way.to, io.TeeReader(way.from, counting{way.n}))
					way.to.Close()
				}()
			}
		}
	}()
	return ln.Addr().String()
}

type counting struct{ n *atomic.Int64 }

func (c counting) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return len(b), nil
}
