//go:build real

package script

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"

	"github.com/oriel-project/oriel/test/kubetest"
)

// TestKubernetesLogs: what a real kube-apiserver has to say, by way of an agent
// with the rights of deploy/agent.yaml. Events and audit events of an owned
// namespace are its tenant's, the rest the operator's; a pod that lived for two
// seconds gives its labels to logs that come after it; and everything is there
// once, though the agent is killed in between.
func TestKubernetesLogs(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	central := newRole(t, "central")
	central.start()
	agent := newRole(t, "agent")
	// TLS by a proxy of the test: over plain HTTP the webhook sends no token.
	secure := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: agent.http}))
	t.Cleanup(secure.Close)
	token := write("token", central.oriel("token", "create", "--cluster", "eu-1", "--region", "eu", "--cloud", "private"))
	webhook, err := os.ReadFile("../../deploy/audit/webhook.yaml")
	if err != nil {
		t.Fatal(err)
	}
	policy, err := filepath.Abs("../../deploy/audit/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	k := kubetest.Start(t, kubetest.Options{APIServerArgs: []string{
		"--audit-policy-file=" + policy,
		"--audit-webhook-config-file=" + write("webhook.yaml", strings.NewReplacer(
			"https://oriel-agent.example:7481", secure.URL,
			"/etc/kubernetes/oriel/ca.crt", write("ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))),
			"/etc/kubernetes/oriel/token", token,
		).Replace(string(webhook))),
		"--audit-webhook-batch-max-wait=200ms", "--audit-webhook-truncate-enabled",
	}})
	k.MustKubectl(t, "apply", "-f", "../../deploy/agent.yaml")
	kubeconfig, err := k.ServiceAccountKubeconfig("oriel", "oriel-agent")
	if err != nil {
		t.Fatal(err)
	}
	agent.args = append(agent.args, "--kubeconfig="+kubeconfig, "--config="+write("agent.yaml", fmt.Sprintf(
		"cluster: {name: eu-1, region: eu, cloud: private}\nagent: {central: {url: 'http://%s', token_file: %s}}\n", central.http, token)))
	// Some happened before anybody looked, and before the namespace was anybody's.
	for _, ns := range []string{"shop", "other"} {
		k.MustKubectl(t, "create", "namespace", ns)
	}
	event(t, k, "shop", "Pod", "web-0", "Warning", "BackOff", "before there was an agent")
	agent.start()
	k.MustKubectl(t, "annotate", "namespace", "shop", "oriel/tenant=shop", "oriel/groups=shop")
	if err := poll(30*time.Second, func() error {
		if out := k.MustKubectl(t, "get", "namespace", "shop", "-o", "jsonpath={.metadata.annotations.oriel/status}"); out != "ready" {
			return fmt.Errorf("status %q", out)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	team := strings.TrimSpace(central.oriel("token", "create", "--tenant", "shop"))
	operator := strings.TrimSpace(readFile(t, filepath.Join(central.dir, "data", "admin.token")))
	find := func(token, query string) (docs []map[string]any, err error) {
		out, ok, err := request("GET", central.http+"/es/_search?size=100&q="+url.QueryEscape(query), "", "", []string{"token=" + token})
		if err != nil || !ok {
			return nil, fmt.Errorf("%w %s", err, out)
		}
		var r struct {
			Hits struct {
				Hits []struct {
					Source map[string]any `json:"_source"`
				}
			}
		}
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			return nil, err
		}
		for _, h := range r.Hits.Hits {
			docs = append(docs, h.Source)
		}
		return docs, nil
	}
	await := func(token, query string, n int) []map[string]any {
		t.Helper()
		began := time.Now()
		var docs []map[string]any
		if err := poll(30*time.Second, func() (err error) {
			if docs, err = find(token, query); err == nil && len(docs) != n {
				err = fmt.Errorf("%s: %d records, want %d: %v", query, len(docs), n, docs)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: after %.2f s", query, time.Since(began).Seconds())
		return docs
	}

	// Events.
	await(team, `stream:events AND message:"before there was an agent"`, 1)
	event(t, k, "shop", "Pod", "web-0", "Warning", "BackOff", "restarting failed container")
	event(t, k, "other", "Pod", "web-0", "Normal", "Pulled", "nobodys image")
	event(t, k, "default", "Node", "n1", "Normal", "NodeNotReady", "the node is not ready")
	doc := await(team, `reason:BackOff AND message:restarting`, 1)[0]
	if doc["level"] != "warn" || doc["pod"] != "web-0" || doc["namespace"] != "shop" || doc["cluster"] != "eu-1" || doc["region"] != "eu" || doc["type"] != "Warning" {
		t.Errorf("%v", doc)
	}
	await(operator, `stream:events AND message:"the node is not ready" AND node:n1`, 1)
	for token, query := range map[string]string{team: `message:"the node is not ready"`, operator: `message:"nobodys image"`} {
		if docs, err := find(token, query); err != nil || len(docs) > 0 {
			t.Errorf("%s: %v, %v", query, docs, err)
		}
	}

	// What docs/patterns/send-events.md tells teams to do.
	page := readFile(t, "../../docs/patterns/send-events.md")
	_, page, _ = strings.Cut(page, "```yaml\n")
	manifest, _, _ := strings.Cut(page, "```")
	if _, err := k.KubectlAs(k.AdminKubeconfig, manifest, "create", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	await(team, `stream:events AND reason:MigrationDone`, 1)

	// The audit log. What a Secret holds is nowhere.
	k.MustKubectl(t, "-n", "shop", "create", "configmap", "prices", "--from-literal=espresso=2")
	k.MustKubectl(t, "-n", "shop", "create", "secret", "generic", "password", "--from-literal=password=hushhush")
	k.MustKubectl(t, "-n", "other", "create", "secret", "generic", "elsewhere", "--from-literal=password=hushhush")
	doc = await(team, `stream:audit AND audit.verb:create AND audit.objectRef.name:password`, 1)[0]
	if doc["namespace"] != "shop" || !strings.Contains(fmt.Sprint(doc["message"]), "create secrets shop/password: 201") {
		t.Errorf("%v", doc)
	}
	await(team, `stream:audit AND audit.objectRef.name:prices`, 1)
	await(operator, `stream:audit AND audit.objectRef.name:elsewhere`, 1)
	if docs, err := find(operator, `hushhush OR aHVzaGh1c2g*`); err != nil || len(docs) > 0 {
		t.Errorf("a Secret is stored: %v, %v", docs, err)
	}
	if docs, err := find(team, `elsewhere`); err != nil || len(docs) > 0 {
		t.Errorf("the team sees another namespace's audit log: %v, %v", docs, err)
	}
	if out, _, _ := request("POST", agent.http+"/agent/v1/audit", "{}", "application/json", []string{"token=" + team}); !strings.Contains(out, "401") {
		t.Errorf("a tenant's token at the agent: %s", out)
	}

	// A pod of two seconds, whose logs come when it is gone and the agent was killed.
	_, err = k.KubectlAs(k.AdminKubeconfig, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"brief-5d9f-x2","namespace":"shop",
"labels":{"app":"brief","team.example/tier":"gold","pod-template-hash":"5d9f"}},
"spec":{"terminationGracePeriodSeconds":0,"containers":[{"name":"main","image":"example.invalid/none"}]}}`, "apply", "-f", "-")
	if err != nil {
		t.Fatal(err)
	}
	if err := poll(10*time.Second, func() error {
		if !strings.Contains(readFile(t, filepath.Join(agent.dir, "data", "kube", "pods.jsonl")), `"brief-5d9f-x2"`) {
			return fmt.Errorf("the agent has not seen the pod")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	k.MustKubectl(t, "-n", "shop", "delete", "pod", "brief-5d9f-x2", "--force", "--grace-period=0")
	agent.kill()
	event(t, k, "shop", "Pod", "web-1", "Normal", "Pulled", "while the agent was away")
	agent.start()
	if err := sendRecord(agent.forward, "kubernetes.var.log.containers.brief-5d9f-x2_shop_main-"+strings.Repeat("0123456789abcdef", 4)+".log", "the last words"); err != nil {
		t.Fatal(err)
	}
	doc = await(team, `message:"the last words"`, 1)[0]
	meta, _ := doc["kubernetes"].(map[string]any)
	labels, _ := meta["labels"].(map[string]any)
	if labels["app"] != "brief" || labels["team.example/tier"] != "gold" || doc["pod"] != "brief-5d9f-x2" || doc["container"] != "main" {
		t.Errorf("labels of a pod that is gone: %v", doc)
	}
	await(team, `kubernetes.labels.app:brief AND message:"the last words"`, 1)

	// Nothing was lost while the agent was away, and nothing came twice.
	await(team, `message:"while the agent was away"`, 1)
	for query, n := range map[string]int{`message:restarting AND stream:events`: 1, `message:"before there was an agent" AND stream:events`: 1} {
		if docs, err := find(team, query); err != nil || len(docs) != n {
			t.Errorf("%s: %d records, want %d: %v", query, len(docs), n, err)
		}
	}
	agent.term()
	central.term()
}

// event writes an Event as a controller does.
func event(t *testing.T, k *kubetest.Cluster, namespace, kind, name, eventType, reason, message string) {
	t.Helper()
	about := map[string]any{"apiVersion": "v1", "kind": kind, "name": name}
	if kind != "Node" {
		about["namespace"] = namespace
	}
	now := time.Now().UTC().Format(time.RFC3339)
	b, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Event", "metadata": map[string]any{"generateName": name + ".", "namespace": namespace},
		"involvedObject": about, "type": eventType, "reason": reason, "message": message, "count": 1,
		"firstTimestamp": now, "lastTimestamp": now, "source": map[string]any{"component": "kubelet", "host": "n1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.KubectlAs(k.AdminKubeconfig, string(b), "create", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}

// sendRecord sends one record and waits until it is acknowledged.
func sendRecord(address, tag, message string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	c, err := fluent.New(fluent.Config{FluentHost: host, FluentPort: n, RequestAck: true, SubSecondPrecision: true})
	if err != nil {
		return err
	}
	defer c.Close()
	return c.PostWithTime(tag, time.Now(), map[string]any{"log": message + "\n", "stream": "stdout"})
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
