package kubetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// replyBytesMax bounds what Do reads of one reply.
const replyBytesMax = 64 << 20

// Kubeconfig writes one for a user with a client certificate, in the given
// groups, and returns its path. The user may do what RBAC allows it: nothing,
// at first.
func (c *Cluster) Kubeconfig(user string, groups ...string) (string, error) {
	crt, key, err := c.ca.issue(user, groups, false)
	if err != nil {
		return "", err
	}
	name := fileName(user)
	crtFile, err := c.write(name+".crt", crt)
	if err != nil {
		return "", err
	}
	keyFile, err := c.write(name+".key", key)
	if err != nil {
		return "", err
	}
	return c.writeKubeconfig(name, fmt.Sprintf("client-certificate: %q, client-key: %q", crtFile, keyFile))
}

// ServiceAccountKubeconfig writes one that carries a fresh token of the service
// account, as a pod of that account would have.
func (c *Cluster) ServiceAccountKubeconfig(namespace, name string) (string, error) {
	token, err := c.Token(namespace, name)
	if err != nil {
		return "", err
	}
	return c.writeKubeconfig(fileName(namespace+"-"+name), fmt.Sprintf("token: %q", token))
}

// Token asks the API server for a token of the service account, good for an hour.
func (c *Cluster) Token(namespace, name string) (string, error) {
	body := `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":3600}}`
	reply, err := c.Do(http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+name+"/token", "application/json", body)
	if err != nil {
		return "", err
	}
	var r struct{ Status struct{ Token string } }
	if err := json.Unmarshal(reply, &r); err != nil {
		return "", err
	}
	return r.Status.Token, nil
}

func (c *Cluster) writeKubeconfig(name, user string) (string, error) {
	return c.write(name+".kubeconfig", fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: kubetest
clusters: [{name: kubetest, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: kubetest, user: {%s}}]
contexts: [{name: kubetest, context: {cluster: kubetest, user: kubetest}}]
`, c.URL, c.CAFile, user))
}

func fileName(user string) string {
	return strings.NewReplacer("/", "_", ":", "_").Replace(user)
}

// Do sends one request to the API server as the administrator. A status of 300
// or more is an error that carries the server's reply.
func (c *Cluster) Do(method, path, contentType, body string) ([]byte, error) {
	req, err := http.NewRequest(method, c.URL+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	r, err := c.admin.Do(req)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(r.Body, replyBytesMax))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if r.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, r.Status, bytes.TrimSpace(reply))
	}
	return reply, nil
}

// Kubectl runs the real kubectl as the administrator and returns what it wrote
// to its output; the error carries what it wrote to its error output.
func (c *Cluster) Kubectl(args ...string) (string, error) {
	return c.KubectlAs(c.AdminKubeconfig, "", args...)
}

// KubectlAs is Kubectl with another kubeconfig and something to read, as in
// apply -f -.
func (c *Cluster) KubectlAs(kubeconfig, input string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.kubectl, append([]string{"--kubeconfig", kubeconfig}, args...)...)
	cmd.Env = []string{"HOME=" + c.Dir, "KUBECACHEDIR=" + filepath.Join(c.Dir, "kubectl-cache"), "PATH=" + os.Getenv("PATH")}
	cmd.Stdin = strings.NewReader(input)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(problem.Bytes()))
	}
	return out.String(), nil
}

// MustKubectl is Kubectl that fails the test.
func (c *Cluster) MustKubectl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := c.Kubectl(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Namespace creates one with the annotations and waits until pods may be made
// in it.
func (c *Cluster) Namespace(t testing.TB, name string, annotations map[string]string) {
	t.Helper()
	c.create(t, "/api/v1/namespaces", map[string]any{
		"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": name, "annotations": annotations},
	})
	deadline := time.Now().Add(30 * time.Second)
	for !answers(c.admin, c.URL+"/api/v1/namespaces/"+name+"/serviceaccounts/default") {
		if time.Now().After(deadline) {
			t.Fatalf("namespace %s has no service account after 30 s: is the controllers process alive?", name)
		}
		time.Sleep(20 * time.Millisecond) // between two questions, not instead of one
	}
}

// Pod is a pod that runs nowhere but has an address, such as that of a server
// of the test on 127.0.0.2.
type Pod struct {
	Namespace, Name     string
	Address             string // IP; set through the status, with phase Running
	Node                string // may be empty
	Labels, Annotations map[string]string
	Container           string // "" means "main"
	Ports               []int  // of the container
}

// PodWithAddress makes the pod and returns when it has its address. Deleting it
// takes effect at once.
func (c *Cluster) PodWithAddress(t testing.TB, p Pod) {
	t.Helper()
	container := p.Container
	if container == "" {
		container = "main"
	}
	ports := []map[string]any{}
	for _, port := range p.Ports {
		ports = append(ports, map[string]any{"containerPort": port})
	}
	spec := map[string]any{
		// No kubelet would ever end the grace period.
		"terminationGracePeriodSeconds": 0,
		"containers":                    []any{map[string]any{"name": container, "image": "example.invalid/none", "ports": ports}},
	}
	if p.Node != "" {
		spec["nodeName"] = p.Node
	}
	pods := "/api/v1/namespaces/" + p.Namespace + "/pods"
	c.create(t, pods, map[string]any{
		"apiVersion": "v1", "kind": "Pod", "spec": spec,
		"metadata": map[string]any{"name": p.Name, "labels": p.Labels, "annotations": p.Annotations},
	})
	status, err := json.Marshal(map[string]any{"status": map[string]any{
		"phase": "Running", "podIP": p.Address, "podIPs": []any{map[string]any{"ip": p.Address}},
		"conditions": []any{
			map[string]any{"type": "Ready", "status": "True"},
			map[string]any{"type": "ContainersReady", "status": "True"},
		},
		"containerStatuses": []any{map[string]any{
			"name": container, "image": "example.invalid/none", "imageID": "", "ready": true, "started": true, "restartCount": 0,
			"state": map[string]any{"running": map[string]any{"startedAt": time.Now().UTC().Format(time.RFC3339)}},
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(http.MethodPatch, pods+"/"+p.Name+"/status", "application/merge-patch+json", string(status)); err != nil {
		t.Fatal(err)
	}
}

func (c *Cluster) create(t testing.TB, path string, object map[string]any) {
	t.Helper()
	body, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(http.MethodPost, path, "application/json", string(body)); err != nil {
		t.Fatal(err)
	}
}
