//go:build real

package kubetest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/test/kubetest"
)

// TestCluster walks over everything that other packages' tests lean on.
func TestCluster(t *testing.T) {
	c := kubetest.Start(t, kubetest.Options{})

	if out := c.MustKubectl(t, "version"); strings.Count(out, "v1.") < 2 || strings.Contains(out, "v0.0.0") {
		t.Errorf("kubectl version: %s", out)
	}

	c.Namespace(t, "shop", map[string]string{"oriel/tenant": "shop"})
	c.PodWithAddress(t, kubetest.Pod{Namespace: "shop", Name: "web", Address: "127.0.0.2", Node: "node-1", Ports: []int{8080}})
	if out := c.MustKubectl(t, "get", "pod", "-n", "shop", "web", "-o", "jsonpath={.status.podIP} {.status.phase} {.spec.nodeName}"); out != "127.0.0.2 Running node-1" {
		t.Errorf("pod: %s", out)
	}

	// A user may do nothing until RBAC says so.
	alice, err := c.Kubeconfig("alice", "developers")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.KubectlAs(alice, "", "get", "pods", "-n", "shop"); err == nil || !strings.Contains(err.Error(), "Forbidden") {
		t.Errorf("alice without a role: %v", err)
	}
	c.MustKubectl(t, "create", "rolebinding", "-n", "shop", "view", "--clusterrole=view", "--group=developers")
	deadline := time.Now().Add(10 * time.Second) // the authorizer follows by a watch
	for {
		_, err := c.KubectlAs(alice, "", "get", "pods", "-n", "shop")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("alice with a role: %v", err)
		}
	}

	account, err := c.ServiceAccountKubeconfig("shop", "default")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := c.KubectlAs(account, "", "auth", "whoami"); err != nil || !strings.Contains(out, "system:serviceaccount:shop:default") {
		t.Errorf("whoami: %v\n%s", err, out)
	}

	// A namespace really goes away, with the pod that has a node.
	began := time.Now()
	c.MustKubectl(t, "delete", "namespace", "shop", "--timeout=60s")
	t.Logf("the namespace was gone after %v", time.Since(began).Round(time.Millisecond))
	if _, err := c.Kubectl("get", "namespace", "shop"); err == nil {
		t.Error("the namespace is still there")
	}
}
