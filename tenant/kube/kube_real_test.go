//go:build real

package kube_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/kube"
	"github.com/oriel-project/oriel/test/kubetest"
)

const agentAccount = "system:serviceaccount:oriel:oriel-agent"

// TestReal takes a real API server, puts deploy/ on it with the real kubectl,
// and runs the Watcher as the agent's own service account. Central is a stand-in.
func TestReal(t *testing.T) {
	c := kubetest.Start(t, kubetest.Options{})
	// An account without a role is told what it needs.
	t.Run("forbidden", func(t *testing.T) { realForbidden(t, c) })
	t.Run("manifests", func(t *testing.T) { realManifests(t, c) })
	t.Run("permissions", func(t *testing.T) { realPermissions(t, c) })
	t.Run("watcher", func(t *testing.T) { realWatcher(t, c) })
}

func realForbidden(t *testing.T, c *kubetest.Cluster) {
	kubeconfig, err := c.Kubeconfig("nobody")
	if err != nil {
		t.Fatal(err)
	}
	client, _, err := kube.NewClient(kubeconfig, "", false)
	if err != nil {
		t.Fatal(err)
	}
	err = kube.New(kube.Options{Client: client, Cluster: tenant.Cluster{Name: "eu-1"}, Roster: newFakeRoster()}).Run(t.Context())
	for _, want := range []string{"to list namespaces", "to watch namespaces", "kubectl apply -f deploy/agent.yaml"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Run: %v, want %q", err, want)
		}
	}
	preflight := kube.Preflight(t.Context(), client)
	for _, want := range []string{"to patch namespaces", "to create events", "to patch events"} {
		if preflight == nil || !strings.Contains(preflight.Error(), want) {
			t.Errorf("Preflight: %v, want %q", preflight, want)
		}
	}
}

// realManifests applies both manifests twice, makes of each Deployment a pod, as
// its controller would, and reads the configuration that they bring.
func realManifests(t *testing.T, c *kubetest.Cluster) {
	for _, role := range []config.Role{config.RoleAgent, config.RoleCentral} {
		file, name := fmt.Sprintf("../../deploy/%s.yaml", role), "oriel-"+string(role)
		c.MustKubectl(t, "apply", "-f", file)
		if out := c.MustKubectl(t, "apply", "-f", file); strings.Contains(out, "configured") {
			t.Errorf("apply of %s changes something the second time:\n%s", file, out)
		}
		content := c.MustKubectl(t, "get", "configmap", "-n", "oriel", name, "-o", `jsonpath={.data.oriel\.yaml}`)
		if _, err := config.Parse(role, file, []byte(content)); err != nil {
			t.Errorf("configuration of %s:\n%v", file, err)
		}
		var deployment struct {
			Spec struct{ Template struct{ Spec map[string]any } }
		}
		if err := json.Unmarshal([]byte(c.MustKubectl(t, "get", "deployment", "-n", "oriel", name, "-o", "json")), &deployment); err != nil {
			t.Fatal(err)
		}
		pod, err := json.Marshal(map[string]any{
			"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": name + "-0"}, "spec": deployment.Spec.Template.Spec,
		})
		if err != nil {
			t.Fatal(err)
		}
		// The namespace enforces the restricted pod security standard.
		if _, err := c.Do(http.MethodPost, "/api/v1/namespaces/oriel/pods", "application/json", string(pod)); err != nil {
			t.Errorf("pod of %s: %v", file, err)
		}
	}
}

// realPermissions holds the agent's role to exactly what it needs.
func realPermissions(t *testing.T, c *kubetest.Cluster) {
	var role struct {
		Rules []struct{ Resources, Verbs []string }
	}
	if err := json.Unmarshal([]byte(c.MustKubectl(t, "get", "clusterrole", "oriel-agent", "-o", "json")), &role); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, rule := range role.Rules {
		for _, resource := range rule.Resources {
			got = append(got, resource+": "+strings.Join(rule.Verbs, " "))
		}
	}
	want := []string{
		"namespaces: get list watch patch", "events: create patch", "events: list watch", "pods: get list watch",
		"podmonitors: get list watch", "servicemonitors: get list watch", "services: get list watch", "endpointslices: get list watch",
		"persistentvolumeclaims: get list watch", "resourcequotas: get list watch", "deployments: get list watch",
		"statefulsets: get list watch", "daemonsets: get list watch", "replicasets: get list watch", "jobs: get list watch",
		"nodes: get list watch", "nodes/metrics: get",
	}
	if !slices.Equal(got, want) {
		t.Errorf("role %q, want %q", got, want)
	}
	for _, not := range [][]string{
		{"get", "secrets"}, {"delete", "namespaces"}, {"create", "pods"}, {"get", "nodes", "--subresource=proxy"},
		{"create", "rolebindings"}, {"update", "namespaces"}, {"patch", "namespaces", "--subresource=status"},
	} {
		out, err := c.Kubectl(append([]string{"auth", "can-i", "--as", agentAccount, "-A"}, not...)...)
		if err == nil || strings.TrimSpace(out) != "no" {
			t.Errorf("can-i %v: %q, %v", not, out, err)
		}
	}
}

func realWatcher(t *testing.T, c *kubetest.Cluster) {
	kubeconfig, err := c.ServiceAccountKubeconfig("oriel", "oriel-agent")
	if err != nil {
		t.Fatal(err)
	}
	client, _, err := kube.NewClient(kubeconfig, "", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := kube.Preflight(t.Context(), client); err != nil {
		t.Fatalf("the shipped role is not enough: %v", err)
	}
	c.Namespace(t, "early", map[string]string{"oriel/tenant": "early"})

	roster := newFakeRoster()
	roster.set(func(r *fakeRoster) {
		plain := r.decide
		r.decide = func(c tenant.Claim) tenant.Decision {
			if c.Tenant == "payments" {
				return tenant.Decision{Status: "refused: tenant payments has other groups: ask its owners"}
			}
			return plain(c)
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	w := kube.New(kube.Options{
		Client: client, Cluster: tenant.Cluster{Name: "eu-1"}, Roster: roster,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	go func() { done <- w.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}()

	admin, _, err := kube.NewClient(c.AdminKubeconfig, "", false)
	if err != nil {
		t.Fatal(err)
	}
	status := func(name string) string {
		ns, err := admin.CoreV1().Namespaces().Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return ns.Annotations["oriel/status"]
	}
	events := func(name string) []string {
		list, err := admin.CoreV1().Events(name).List(t.Context(), metav1.ListOptions{FieldSelector: "source=oriel,involvedObject.kind=Namespace"})
		if err != nil {
			t.Fatal(err)
		}
		reasons := map[string]bool{}
		for _, e := range list.Items {
			reasons[e.Type+" "+e.Reason+": "+e.Message] = true
		}
		return slices.Sorted(maps.Keys(reasons))
	}
	has := func(list []string, want string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, want) })
	}

	took := eventually(t, "status of a namespace that was there before", func() bool { return status("early") == "ready" })
	t.Logf("start to status: %v", took)

	// By the hands of its owner.
	c.Namespace(t, "shop", nil)
	c.MustKubectl(t, "annotate", "namespace", "shop", "oriel/tenant=shop", "oriel/groups=b;a", "oriel/retention=logs=7d,metrics=30d")
	took = eventually(t, "status of shop", func() bool { return status("shop") == "ready" })
	t.Logf("annotation to status: %v after kubectl was done", took)
	eventually(t, "Event of shop", func() bool { return has(events("shop"), "Normal OrielReady: ") })
	claim, _ := roster.claim("shop")
	if !slices.Equal(claim.Groups, []string{"a", "b"}) || claim.Retention.Logs != 7*24*time.Hour || claim.UID == "" || claim.Created.IsZero() {
		t.Errorf("claim %+v", claim)
	}

	// A status that is late, for an earlier life of the name, must not land.
	_, err = c.Do(http.MethodPatch, "/api/v1/namespaces/shop", "application/merge-patch+json",
		`{"metadata":{"uid":"00000000-0000-0000-0000-000000000000","annotations":{"oriel/status":"late"}}}`)
	if err == nil || !strings.Contains(err.Error(), `"field":"metadata.uid"`) || status("shop") != "ready" {
		t.Errorf("patch with another UID: %v, status %q", err, status("shop"))
	}

	// Refused, and misspelt.
	c.Namespace(t, "thief", map[string]string{"oriel/tenant": "payments"})
	c.Namespace(t, "typo", map[string]string{"oriel/tennant": "x"})
	c.Namespace(t, "broken", map[string]string{"oriel/tenant": "x", "oriel/limits": "lots"})
	eventually(t, "refusal", func() bool { return strings.HasPrefix(status("thief"), "refused: tenant payments has other groups") })
	eventually(t, "Events of refusals", func() bool {
		return has(events("thief"), "Warning OrielRefused: refused: tenant payments") &&
			has(events("typo"), "Warning OrielBadAnnotation: annotation oriel/tennant is unknown: did you mean oriel/tenant?") &&
			has(events("broken"), `Warning OrielBadAnnotation: annotation oriel/limits: "lots": want`)
	})
	c.MustKubectl(t, "annotate", "namespace", "broken", "--overwrite", "oriel/limits=series=1000")
	eventually(t, "mended", func() bool { return status("broken") == "ready" })

	// The annotation goes: the status goes with it.
	c.MustKubectl(t, "annotate", "namespace", "shop", "oriel/tenant-", "oriel/groups-", "oriel/retention-")
	eventually(t, "offboarding of shop", func() bool { _, ok := roster.claim("shop"); return !ok && status("shop") == "" })

	// Deleted: told when it is gone, not while its pods still say good-bye.
	early, _ := roster.claim("early")
	c.MustKubectl(t, "delete", "namespace", "early", "--wait=false")
	c.MustKubectl(t, "wait", "--for=delete", "namespace/early", "--timeout=60s")
	gone := time.Now()
	eventually(t, "the end of early", func() bool { _, ok := roster.endedAt(early.UID); return ok })
	at, _ := roster.endedAt(early.UID)
	t.Logf("the end was told %v after kubectl saw the namespace disappear", at.Sub(gone))

	// The same name again is another life.
	c.Namespace(t, "early", map[string]string{"oriel/tenant": "early"})
	eventually(t, "the second life", func() bool { return status("early") == "ready" })
	if again, _ := roster.claim("early"); again.UID == early.UID {
		t.Error("two lives with one UID")
	}
	if got, want := roster.names(), []string{"broken", "early", "thief"}; !slices.Equal(got, want) {
		t.Errorf("claims %q, want %q", got, want)
	}
}

func eventually(t *testing.T, what string, is func() bool) time.Duration {
	t.Helper()
	const limit = 30 * time.Second
	began := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		if time.Since(began) > limit {
			t.Fatalf("%s: not within %v", what, limit)
		}
		<-tick.C
	}
	return time.Since(began).Round(time.Millisecond)
}
