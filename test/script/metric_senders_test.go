//go:build real

package script

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/oriel-project/oriel/test/peers"
)

// TestMetricSenders has a real Prometheus write by remote write 1.0 and 2.0, and
// VictoriaMetrics' agent by what it and Oriel agree on, under a cluster's token: what is of an owned namespace is its owner's and nobody
// else's, whatever the sender says of its cluster.
func TestMetricSenders(t *testing.T) {
	prom, err := peers.Prometheus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	victoria, err := peers.VictoriaMetrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := newRole(t, "central")
	p.start()
	p.oriel("tenants", "onboard", "payments", "--namespace", "eu-1/payments")
	p.oriel("tenants", "onboard", "other", "--namespace", "eu-1/other")
	cluster := strings.TrimSpace(p.oriel("token", "create", "--cluster", "eu-1"))
	tokens := map[string]string{}
	for _, team := range []string{"payments", "other"} {
		tokens[team] = strings.TrimSpace(p.oriel("token", "create", "--tenant", team))
	}

	var n atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept"), "openmetrics") { // VictoriaMetrics' agent knows no exemplars
			fmt.Fprintf(w, "# TYPE sent_total counter\nsent_total %d\n", n.Add(1))
			return
		}
		w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0")
		fmt.Fprintf(w, "# TYPE sent counter\n# HELP sent What was sent.\nsent_total %d # {trace_id=\"abc\"} 1\n# EOF\n", n.Add(1))
	}))
	defer target.Close()
	dir := t.TempDir()
	tokenFile := filepath.Join(dir, "token")
	if err := os.WriteFile(tokenFile, []byte(cluster), 0o600); err != nil {
		t.Fatal(err)
	}
	scrape := func(sender string) string {
		return fmt.Sprintf("scrape_configs:\n- job_name: %s\n  static_configs:\n  - {targets: [%q], labels: {namespace: payments, cluster: forged}}\n  - {targets: [\"127.0.0.1:1\"], labels: {namespace: other}}\n", sender, strings.TrimPrefix(target.URL, "http://"))
	}
	write := "http://" + p.http + "/api/v1/write"
	run := func(sender, config, bin string, args ...string) {
		file := filepath.Join(dir, sender+".yml")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		for i := range args {
			args[i] = strings.NewReplacer("CONFIG", file, "DIR", filepath.Join(dir, sender), "LISTEN", freeAddress(t)).Replace(args[i])
		}
		cmd := exec.Command(bin, args...)
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
				t.Logf("log of %s:\n%s", sender, tail(log.String(), 3000))
			}
		})
	}
	for sender, message := range map[string]string{"prometheus-1": "prometheus.WriteRequest", "prometheus-2": "io.prometheus.write.v2.Request"} {
		run(sender, fmt.Sprintf("global: {scrape_interval: 1s}\nremote_write:\n- {url: %q, protobuf_message: %s, send_exemplars: true, authorization: {credentials_file: %s}}\n", write, message, tokenFile)+scrape(sender),
			prom.Server, "--config.file=CONFIG", "--storage.tsdb.path=DIR", "--web.listen-address=LISTEN", "--enable-feature=exemplar-storage,metadata-wal-records")
	}
	run("vmagent", "global: {scrape_interval: 1s}\n"+scrape("vmagent"), victoria.Agent, "-promscrape.config=CONFIG", "-remoteWrite.tmpDataPath=DIR", "-httpListenAddr=LISTEN",
		"-remoteWrite.url="+write, "-remoteWrite.bearerTokenFile="+tokenFile, "-remoteWrite.flushInterval=1s")

	ask := func(team, path string) string {
		out, _, err := request("GET", p.http+path, "", "", []string{"token=" + tokens[team]})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	query := func(q string) string { return "/api/v1/query?query=" + url.QueryEscape(q) }
	for _, sender := range []string{"prometheus-1", "prometheus-2", "vmagent"} {
		if err := poll(60*time.Second, func() error {
			out := ask("payments", query(fmt.Sprintf(`rate(sent_total{job=%q,cluster="eu-1",namespace="payments"}[30s]) > 0`, sender)))
			if !strings.Contains(out, `"value"`) {
				return fmt.Errorf("%s: no rate yet: %s", sender, out)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		if out := ask("other", query(fmt.Sprintf(`{job=%q,namespace="payments"}`, sender))); !strings.Contains(out, `"result":[]`) {
			t.Errorf("%s: the other team sees %s", sender, out)
		}
		if out := ask("other", query(fmt.Sprintf(`up{job=%q} == 0`, sender))); !strings.Contains(out, `"namespace":"other"`) {
			t.Errorf("%s: the other team does not see its own: %s", sender, out)
		}
	}
	if out := ask("payments", query(`count({cluster="forged"}) or vector(0)`)); !strings.Contains(out, `"0"]`) {
		t.Errorf("a sender named its cluster: %s", out)
	}
	if out := ask("payments", "/api/v1/metadata?metric=sent_total"); !strings.Contains(out, "What was sent.") {
		t.Errorf("metadata of 2.0: %s", out)
	}
	if out := ask("payments", "/api/v1/query_exemplars?query=sent_total&start=0&end=99999999999"); !strings.Contains(out, `"trace_id":"abc"`) {
		t.Errorf("exemplars: %s", out)
	}
}

// TestCollector has a real OpenTelemetry Collector send what it gets by OTLP and by
// remote write, under a cluster's token.
func TestCollector(t *testing.T) {
	bin, err := peers.Collector(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := newRole(t, "central")
	p.start()
	p.oriel("tenants", "onboard", "payments", "--namespace", "eu-1/payments")
	p.oriel("tenants", "onboard", "other", "--namespace", "eu-1/other")
	cluster := strings.TrimSpace(p.oriel("token", "create", "--cluster", "eu-1"))
	listen := freeAddress(t)
	file := filepath.Join(t.TempDir(), "collector.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
receivers: {otlp: {protocols: {http: {endpoint: %[1]q}}}}
exporters:
  otlphttp: {endpoint: "http://%[2]s", headers: {Authorization: "Bearer %[3]s"}}
  prometheusremotewrite:
    endpoint: "http://%[2]s/api/v1/write"
    headers: {Authorization: "Bearer %[3]s"}
    external_labels: {via: remote-write, cluster: forged}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {metrics: {receivers: [otlp], exporters: [otlphttp, prometheusremotewrite]}}
`, listen, p.http, cluster), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "--config", file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("log of the collector:\n%s", tail(log.String(), 3000))
		}
	})

	send := func() error {
		at := time.Now().UnixNano()
		body := fmt.Sprintf(`{"resourceMetrics":[{"resource":{"attributes":[
			{"key":"service.name","value":{"stringValue":"till"}},{"key":"k8s.namespace.name","value":{"stringValue":"payments"}}]},
			"scopeMetrics":[{"metrics":[{"name":"takings","unit":"EUR","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
			{"asDouble":7.5,"startTimeUnixNano":"%d","timeUnixNano":"%d","attributes":[{"key":"namespace","value":{"stringValue":"payments"}}]}]}}]}]}]}`, at-1e9, at)
		_, ok, err := request("POST", "http://"+listen+"/v1/metrics", body, "application/json", nil)
		if err == nil && !ok {
			err = fmt.Errorf("the collector refuses")
		}
		return err
	}
	count := func(team, query string) error {
		token := strings.TrimSpace(p.oriel("token", "create", "--tenant", team))
		return poll(30*time.Second, func() error {
			if err := send(); err != nil {
				return err
			}
			out, _, err := request("GET", p.http+"/api/v1/query?query="+url.QueryEscape(query), "", "", []string{"token=" + token})
			if err == nil && !strings.Contains(out, `"7.5"]`) {
				err = fmt.Errorf("%s of %s: %s", query, team, out)
			}
			return err
		})
	}
	for _, query := range []string{
		`takings_EUR_total{cluster="eu-1",namespace="payments",job="till",via="remote-write"}`,
		`takings_EUR_total{cluster="eu-1",namespace="payments",job="till",via=""}`,
		`7.5 - on() (count({cluster="forged"}) or vector(0))`,
	} {
		if err := count("payments", query); err != nil {
			t.Error(err)
		}
	}
	if err := count("other", `7.5 + on() (count({namespace="payments"}) or vector(0))`); err != nil {
		t.Error(err)
	}
}
