//go:build real

package script

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oriel-project/oriel/test/debian"
)

// TestPrometheus has a Prometheus of another version (Debian's) write to Oriel
// under a cluster's token, and scrape Oriel's federation, and asks by promtool.
func TestPrometheus(t *testing.T) {
	prometheus := debian.Program(t, "prometheus", "prometheus")
	promtool := debian.Program(t, "promtool", "prometheus")
	p := newProgram(t)
	p.start()
	p.oriel("tenants", "onboard", "payments", "--namespace", "eu-1/payments")
	cluster := strings.TrimSpace(p.oriel("token", "create", "--cluster", "eu-1"))
	team := strings.TrimSpace(p.oriel("token", "create", "--tenant", "payments"))

	dir, listen := t.TempDir(), freeAddress(t)
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf(`
global: {scrape_interval: 1s, external_labels: {cluster: another, replica: a}}
remote_write:
- {url: "http://%[1]s/api/v1/write", authorization: {credentials: %[2]s}}
scrape_configs:
- job_name: itself
  static_configs: [{targets: ["%[3]s"], labels: {namespace: payments}}]
- job_name: federated
  honor_labels: true
  metrics_path: /federate
  params: {"match[]": ['{__name__=~"up|prometheus_.*"}']}
  authorization: {credentials: %[4]s}
  static_configs: [{targets: ["%[1]s"]}]
`, p.http, cluster, listen, team)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(prometheus, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+listen)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
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

	finds := func(base, query string, want ...string) {
		t.Helper()
		if err := poll(30*time.Second, func() error {
			out, _, err := request("GET", base+"/api/v1/query?query="+url.QueryEscape(query), "", "", nil)
			for _, w := range want {
				if err == nil && !strings.Contains(out, w) {
					err = fmt.Errorf("got %s, want %s", out, w)
				}
			}
			return err
		}); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
	// The cluster is the credential's, whatever the writer says of itself.
	finds(p.http+"/t/payments", `prometheus_build_info`, `"cluster":"eu-1"`, `"namespace":"payments"`, `"replica":"a"`)
	finds(p.http+"/t/payments", `count({__name__=~".+",cluster!="eu-1"}) or vector(0)`, `"0"]`)
	finds(p.http+"/t/payments", `histogram_quantile(0.9, sum by (le) (rate(prometheus_http_request_duration_seconds_bucket[1m]))) >= 0`, `"value"`)
	// What it sent comes back by federation, as it was sent.
	finds(listen, `up{job="federated"}`, `"1"]`)
	finds(listen, `prometheus_build_info{cluster="eu-1"}`, `"namespace":"payments"`)

	out, err := exec.Command(promtool, "query", "instant", "http://"+p.http+"/t/payments", `count(up{job="itself"})`).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "{} => 1 ") {
		t.Errorf("promtool query instant: %v %s", err, out)
	}
	out, err = exec.Command(promtool, "query", "series", "--match=prometheus_build_info", "http://"+p.http+"/t/payments").CombinedOutput()
	if err != nil || !strings.Contains(string(out), `cluster="eu-1"`) {
		t.Errorf("promtool query series: %v %s", err, out)
	}
}
