//go:build real

package script

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/oriel-project/oriel/test/kubetest"
)

// TestDeploy applies deploy/ to a real API server and runs both programs with
// the arguments, environment and ConfigMaps of the manifests, the agent as the
// manifest's service account. Only paths, ports and central's host name differ.
func TestDeploy(t *testing.T) {
	d := newDeployment(t)
	central, agent := d.role("central"), d.role("agent")

	// Central first, as deploy/README.md says: the agent's token comes from it.
	d.start(central)
	d.await("central is ready", func() error { return d.get(central, "/-/ready", "", nil) })
	token := exec.Command(d.bin, "token", "create", "--cluster", "cluster-1", "--region", "region-1", "--cloud", "private", "--url", d.url(central), "--data-dir", central.data)
	token.Env = central.env // where the manifest says which certificates are trusted
	secret, err := token.Output()
	if err != nil {
		t.Fatalf("oriel token create: %v", err)
	}
	d.write("secrets/token", secret)
	if err := d.get(central, "/", "", nil); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("the page without a credential: %v", err)
	}

	// Without central the agent lives, and says that it is not ready.
	d.stop(central)
	kubeconfig, err := d.kube.ServiceAccountKubeconfig("oriel", "oriel-agent")
	if err != nil {
		t.Fatal(err)
	}
	agent.args = append(agent.args, "--kubeconfig="+kubeconfig)
	d.start(agent)
	d.await("agent lives", func() error { return d.get(agent, "/-/healthy", "", nil) })
	if err := d.get(agent, "/-/ready", "", nil); err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "central has not answered") {
		t.Errorf("readiness of an agent without central: %v", err)
	}
	d.start(central)
	d.await("agent is ready", func() error { return d.get(agent, "/-/ready", "", nil) })

	// A namespace, its pod, and a node with a kubelet that asks who is asking.
	d.kube.MustKubectl(t, "create", "namespace", "payments")
	pod := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "# TYPE payments_total counter\npayments_total 7")
	}))
	t.Cleanup(pod.Close)
	d.kube.PodWithAddress(t, kubetest.Pod{Namespace: "payments", Name: "api-0", Address: "127.0.0.1", Annotations: map[string]string{
		"prometheus.io/scrape": "true", "prometheus.io/port": portOf(pod.Listener.Addr()),
	}})
	d.kubelet("node-1")
	d.kube.MustKubectl(t, "annotate", "namespace", "payments", "oriel/tenant=payments", "oriel/groups=payments")
	d.await("the namespace says that it is ready", func() error {
		out := d.kube.MustKubectl(t, "get", "namespace", "payments", "-o", "jsonpath={.metadata.annotations.oriel/status}")
		if out != "ready" {
			return fmt.Errorf("status %q", out)
		}
		return nil
	})
	team := d.oriel(central, "token", "create", "--tenant", "payments")
	operator := d.read(filepath.Join(central.data, "admin.token"))

	d.await("the pod's metrics", d.series(central, team, `payments_total{pod="api-0",cluster="cluster-1",region="region-1"}`, 1))
	d.await("the team's containers", d.series(central, team, `container_cpu_usage_seconds_total{pod="api-0",job="cadvisor",node="node-1"}`, 1))
	for query, want := range map[string]int{
		`container_cpu_usage_seconds_total{namespace="kube-system"}`: 1, // nobody's
		`container_cpu_usage_seconds_total{namespace=""}`:            1, // the node's
		`up{job="kubelet",node="node-1"} == 1`:                       1,
	} {
		d.await(query+" for the operator", d.series(central, operator, query, want))
		if err := d.series(central, team, query, 0)(); err != nil {
			t.Errorf("the team sees what is not its own: %v", err)
		}
	}
	for _, reserved := range []string{"_system", "_unassigned"} {
		if _, err := os.Stat(filepath.Join(central.data, "metrics", reserved)); err != nil {
			t.Errorf("no database of %s: %v", reserved, err)
		}
	}

	// A record under the shared key, as Fluentd and Fluent Bit send it.
	if err := sendForward(agent.ports["forward"], "not the key", "refused"); err == nil {
		t.Error("a sender without the shared key was let in")
	}
	if err := sendForward(agent.ports["forward"], d.read(d.path("secrets/forward_shared_key")), "card accepted"); err != nil {
		t.Fatal(err)
	}
	d.await("the record in central", func() error {
		var r struct {
			Hits struct {
				Hits []struct {
					Index string `json:"_index"`
				}
			}
		}
		if err := d.json(central, "es", "/_search?q=message:accepted", team, &r); err != nil {
			return err
		}
		if len(r.Hits.Hits) != 1 || r.Hits.Hits[0].Index != "logs-cluster-1-payments" {
			return fmt.Errorf("hits %+v", r.Hits.Hits)
		}
		return nil
	})
	d.stop(agent)
	d.stop(central)
}

// deployment is both manifests on a real API server, and a folder in place of
// the pods' file systems.
type deployment struct {
	t    *testing.T
	bin  string
	dir  string
	kube *kubetest.Cluster
	http *http.Client // trusts central's certificate
}

// role is one of the two programs.
type role struct {
	name, data, scheme string
	args, env          []string
	ports              map[string]string // listener -> 127.0.0.1:port
	proc               *proc
}

func newDeployment(t *testing.T) *deployment {
	d := &deployment{t: t, bin: orielBinary(t), dir: t.TempDir(), kube: kubetest.Start(t, kubetest.Options{})}
	for _, file := range []string{"central.yaml", "agent.yaml"} {
		d.kube.MustKubectl(t, "apply", "-f", "../../deploy/"+file)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(d.certificate())
	d.http = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	d.write("secrets/forward_shared_key", []byte("a key of the test's own"))
	return d
}

// certificate makes what deploy/README.md makes with openssl.
func (d *deployment) certificate() []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		d.t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "oriel-central"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"oriel-central.oriel.svc", "localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		d.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		d.t.Fatal(err)
	}
	crt := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	d.write("tls/tls.crt", crt)
	d.write("tls/tls.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	d.write("secrets/ca.crt", crt)
	return crt
}

func (d *deployment) path(name string) string { return filepath.Join(d.dir, name) }

func (d *deployment) write(name string, content []byte) {
	d.t.Helper()
	if err := os.MkdirAll(filepath.Dir(d.path(name)), 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(d.path(name), content, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *deployment) read(file string) string {
	d.t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// role reads back what the API server took.
func (d *deployment) role(name string) *role {
	d.t.Helper()
	r := &role{name: name, data: d.path(name + ".data"), scheme: "http", ports: map[string]string{}}
	// Paths of the pod to the folder's; ports to free ones; central's name to
	// the one of the certificate that is found here.
	replace := []string{
		"/etc/oriel/oriel.yaml", d.path(name + ".yaml"), "/etc/oriel/", d.dir + "/", "/var/lib/oriel", r.data,
	}
	for listener, port := range map[string]map[string]string{
		"central": {"http": "7480", "es": "9200"}, "agent": {"http": "7481", "forward": "24224"},
	}[name] {
		r.ports[listener] = freeAddress(d.t)
		replace = append(replace, "0.0.0.0:"+port, "0.0.0.0:"+r.ports[listener][len("127.0.0.1:"):])
	}
	if name == "central" {
		r.scheme = "https"
		d.write("central.host", []byte("localhost:"+r.ports["http"][len("127.0.0.1:"):]))
	} else {
		replace = append(replace, "oriel-central.oriel.svc:7480", d.read(d.path("central.host")))
	}
	rewrite := strings.NewReplacer(replace...).Replace

	d.write(name+".yaml", []byte(rewrite(d.kube.MustKubectl(d.t, "get", "configmap", "-n", "oriel", "oriel-"+name, "-o", `jsonpath={.data.oriel\.yaml}`))))
	var deployment struct {
		Spec struct {
			Template struct {
				Spec struct {
					Containers []struct {
						Args []string
						Env  []struct{ Name, Value string }
					}
				}
			}
		}
	}
	out := d.kube.MustKubectl(d.t, "get", "deployment", "-n", "oriel", "oriel-"+name, "-o", "json")
	if err := json.Unmarshal([]byte(out), &deployment); err != nil {
		d.t.Fatal(err)
	}
	container := deployment.Spec.Template.Spec.Containers[0]
	for _, a := range container.Args {
		r.args = append(r.args, rewrite(a))
	}
	r.env = []string{"HOME=" + d.dir}
	for _, e := range container.Env {
		r.env = append(r.env, e.Name+"="+rewrite(e.Value))
	}
	d.t.Logf("%s: %s", name, strings.Join(r.args, " "))
	return r
}

func (d *deployment) start(r *role) {
	d.t.Helper()
	p := &proc{done: make(chan struct{})}
	p.cmd = exec.Command(d.bin, r.args...)
	p.cmd.Env, p.cmd.Dir = r.env, d.dir
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.done) }()
	r.proc = p
	d.t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if d.t.Failed() {
			d.t.Logf("log of %s:\n%s", r.name, tail(p.text(), 5000))
		}
	})
}

// stop is what Kubernetes does first.
func (d *deployment) stop(r *role) {
	d.t.Helper()
	if err := r.proc.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Fatal(err)
	}
	select {
	case <-r.proc.done:
		if r.proc.err != nil {
			d.t.Errorf("%s after SIGTERM: %v", r.name, r.proc.err)
		}
	case <-time.After(35 * time.Second):
		d.t.Fatalf("%s was still there 35 s after SIGTERM", r.name)
	}
}

func (d *deployment) await(what string, f func() error) {
	d.t.Helper()
	began := time.Now()
	if err := poll(60*time.Second, f); err != nil {
		d.t.Fatalf("%s: %v", what, err)
	}
	d.t.Logf("%s: after %.2f s", what, time.Since(began).Seconds())
}

func (d *deployment) url(r *role) string {
	return r.scheme + "://localhost:" + r.ports["http"][len("127.0.0.1:"):]
}

func (d *deployment) oriel(r *role, args ...string) string {
	d.t.Helper()
	cmd := exec.Command(d.bin, append(args, "--url", d.url(r), "--data-dir", r.data)...)
	cmd.Env = r.env
	out, err := cmd.Output()
	if err != nil {
		d.t.Fatalf("oriel %v: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}

func (d *deployment) get(r *role, path, token string, into any) error {
	return d.json(r, "http", path, token, into)
}

// json asks one of the role's listeners; into may be nil.
func (d *deployment) json(r *role, listener, path, token string, into any) error {
	_, port, _ := net.SplitHostPort(r.ports[listener])
	req, err := http.NewRequest(http.MethodGet, r.scheme+"://localhost:"+port+path, nil)
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(body, into)
}

// series asks how many series a query gives.
func (d *deployment) series(r *role, token, query string, want int) func() error {
	return func() error {
		var reply struct {
			Data struct{ Result []json.RawMessage }
		}
		if err := d.get(r, "/api/v1/query?query="+url.QueryEscape(query), token, &reply); err != nil {
			return err
		}
		if len(reply.Data.Result) != want {
			return fmt.Errorf("%s: %d series, want %d: %s", query, len(reply.Data.Result), want, reply.Data.Result)
		}
		return nil
	}
}

// kubelet makes a node and a server that stands in for its kubelet: there is
// none here. As the real one it lets the API server say who is asking and
// whether they may get nodes/metrics. The page is written after cAdvisor's.
func (d *deployment) kubelet(node string) {
	d.t.Helper()
	cert, err := d.kube.ServerCertificate(node)
	if err != nil {
		d.t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := d.mayScrape(node, r.Header.Get("Authorization")); status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
		switch r.URL.Path {
		case "/metrics":
			fmt.Fprintln(w, "kubelet_running_pods 2")
		case "/metrics/cadvisor":
			for _, c := range [][3]string{{"", "", ""}, {"payments", "api-0", "main"}, {"kube-system", "dns-0", "dns"}} {
				fmt.Fprintf(w, "container_cpu_usage_seconds_total{container=%q,id=\"/%s\",namespace=%q,pod=%q} 12.5 %d\n", c[2], c[1], c[0], c[1], time.Now().UnixMilli())
			}
		default:
			http.NotFound(w, r)
		}
	}))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	srv.StartTLS()
	d.t.Cleanup(srv.Close)
	for _, q := range []struct{ method, path, contentType, body string }{
		{http.MethodPost, "/api/v1/nodes", "application/json", fmt.Sprintf(`{"apiVersion":"v1","kind":"Node","metadata":{"name":%q}}`, node)},
		{http.MethodPatch, "/api/v1/nodes/" + node + "/status", "application/merge-patch+json", fmt.Sprintf(
			`{"status":{"addresses":[{"type":"InternalIP","address":"127.0.0.1"}],"daemonEndpoints":{"kubeletEndpoint":{"Port":%s}}}}`, portOf(srv.Listener.Addr()))},
	} {
		if _, err := d.kube.Do(q.method, q.path, q.contentType, q.body); err != nil {
			d.t.Fatal(err)
		}
	}
}

// mayScrape gives the status for a bearer's request.
func (d *deployment) mayScrape(node, authorization string) int {
	review := func(path, spec string, into any) bool {
		reply, err := d.kube.Do(http.MethodPost, path, "application/json", spec)
		return err == nil && json.Unmarshal(reply, into) == nil
	}
	var who struct {
		Status struct {
			Authenticated bool
			User          struct {
				Username string
				Groups   []string
			}
		}
	}
	bearer := strings.TrimPrefix(authorization, "Bearer ")
	if !review("/apis/authentication.k8s.io/v1/tokenreviews", fmt.Sprintf(
		`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":%q}}`, bearer), &who) || !who.Status.Authenticated {
		return http.StatusUnauthorized
	}
	groups, err := json.Marshal(who.Status.User.Groups)
	if err != nil {
		return http.StatusInternalServerError
	}
	var may struct{ Status struct{ Allowed bool } }
	if !review("/apis/authorization.k8s.io/v1/subjectaccessreviews", fmt.Sprintf(
		`{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":%q,"groups":%s,"resourceAttributes":{"verb":"get","resource":"nodes","subresource":"metrics","name":%q}}}`,
		who.Status.User.Username, groups, node), &may) || !may.Status.Allowed {
		return http.StatusForbidden
	}
	return http.StatusOK
}

func portOf(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

// sendForward sends one record of the namespace payments behind the handshake, and
// waits for the acknowledgement.
func sendForward(address, key, message string) error {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	in, err := shakeHands(conn, key)
	if err != nil {
		return err
	}
	record := map[string]any{"log": message, "message": message, "kubernetes": map[string]any{"namespace_name": "payments", "pod_name": "api-0"}}
	frame, err := msgp.AppendIntf(nil, []any{"kube.payments", time.Now().Unix(), record, map[string]any{"chunk": "chunk-1"}})
	if err != nil {
		return err
	}
	if _, err := conn.Write(frame); err != nil {
		return err
	}
	v, err := in.ReadIntf()
	if err != nil {
		return fmt.Errorf("wait for the acknowledgement: %w", err)
	}
	if ack, ok := v.(map[string]any); !ok || ack["ack"] != "chunk-1" {
		return fmt.Errorf("acknowledgement: %v", v)
	}
	return nil
}

// shakeHands is the client's side of Forward v1, "Handshake messages":
// fluent-logger-golang does not know shared keys.
func shakeHands(conn net.Conn, key string) (*msgp.Reader, error) {
	in := msgp.NewReader(conn)
	v, err := in.ReadIntf()
	if err != nil {
		return nil, fmt.Errorf("wait for HELO: %w", err)
	}
	helo, ok := v.([]any)
	if !ok || len(helo) != 2 {
		return nil, fmt.Errorf("HELO: %v", v)
	}
	options, _ := helo[1].(map[string]any)
	nonce, _ := options["nonce"].([]byte)
	const host, salt = "test-node", "salt of the test"
	sum := sha512.Sum512([]byte(salt + host + string(nonce) + key))
	ping, err := msgp.AppendIntf(nil, []any{"PING", host, salt, hex.EncodeToString(sum[:]), "", ""})
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(ping); err != nil {
		return nil, err
	}
	if v, err = in.ReadIntf(); err != nil {
		return nil, fmt.Errorf("wait for PONG: %w", err)
	}
	if pong, ok := v.([]any); !ok || len(pong) != 5 || pong[1] != true {
		return nil, fmt.Errorf("PONG: %v", v)
	}
	return in, nil
}
