//go:build real

package scrape

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/oriel-project/oriel/tenant/scopetest"
	"github.com/oriel-project/oriel/test/kubetest"
)

// crd is the least that defines a kind of monitor: the operator's own describes
// every field, which matters to who writes one.
const crd = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[2]s.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: %[1]s, plural: %[2]s}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`

// TestMonitorsInAKubernetes has the rights of deploy/agent.yaml and no others.
func TestMonitorsInAKubernetes(t *testing.T) {
	k := kubetest.Start(t, kubetest.Options{})
	apply := func(text string) {
		t.Helper()
		if out, err := k.KubectlAs(k.AdminKubeconfig, text, "apply", "-f", "-"); err != nil {
			t.Fatal(err, out)
		}
	}
	manifest, err := os.ReadFile("../../deploy/agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rights []string
	for _, doc := range strings.Split(string(manifest), "\n---\n") {
		if strings.Contains(doc, "kind: Namespace\n") || strings.Contains(doc, "\nkind: ServiceAccount") || strings.Contains(doc, "\nkind: ClusterRole") {
			rights = append(rights, doc)
		}
	}
	apply(strings.Join(rights, "\n---\n"))
	file, err := k.ServiceAccountKubeconfig("oriel", "oriel-agent")
	if err != nil {
		t.Fatal(err)
	}
	account, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		t.Fatal(err)
	}
	clients := func(c *rest.Config) (kubernetes.Interface, dynamic.Interface) {
		typed, err := kubernetes.NewForConfig(c)
		if err != nil {
			t.Fatal(err)
		}
		free, err := dynamic.NewForConfig(c)
		if err != nil {
			t.Fatal(err)
		}
		return typed, free
	}
	typed, free := clients(account)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); r.URL.Path == "/locked" && password != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = fmt.Fprintln(w, "m 1")
	}))
	// An EndpointSlice holds no address of the loopback.
	host := ownAddress(t)
	if srv.Listener, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
		t.Fatal(err)
	}
	srv.Start()
	defer srv.Close()
	port := srv.Listener.Addr().(*net.TCPAddr).Port
	k.Namespace(t, "shop-prod", nil)
	k.PodWithAddress(t, kubetest.Pod{Namespace: "shop-prod", Name: "web-0", Address: host, Labels: map[string]string{"app": "web"}, Ports: []int{port}})

	_, store := run(t, Options{Kube: typed, Dynamic: free, Owned: owned})
	until(t, "the state series of a pod", func() bool {
		return len(last(t, store, scopetest.Read("shop"), "__name__", "kube_pod_info", "pod", "web-0")) == 1
	})
	apply(fmt.Sprintf(crd, kindPodMonitor, "podmonitors") + "---\n" + fmt.Sprintf(crd, kindServiceMonitor, "servicemonitors"))
	k.MustKubectl(t, "wait", "--for=condition=Established", "crd/podmonitors.monitoring.coreos.com", "crd/servicemonitors.monitoring.coreos.com")
	monitor := func(kind, name, spec string) string {
		return fmt.Sprintf("---\napiVersion: monitoring.coreos.com/v1\nkind: %s\nmetadata: {namespace: shop-prod, name: %s}\nspec: {selector: {matchLabels: {app: web}}, %s}\n", kind, name, spec)
	}
	apply(monitor(kindPodMonitor, "pods", fmt.Sprintf(`podMetricsEndpoints: [{portNumber: %d}]`, port)) +
		monitor(kindPodMonitor, "broken", `podMetricsEndpoints: 7`) +
		monitor(kindPodMonitor, "locked", fmt.Sprintf(`podMetricsEndpoints: [{portNumber: %d, path: /locked, basicAuth: {username: {name: auth, key: user}, password: {name: auth, key: password}}}]`, port)) +
		monitor(kindServiceMonitor, "services", `endpoints: [{port: metrics}]`))
	uid := strings.TrimSpace(k.MustKubectl(t, "-n", "shop-prod", "get", "pod", "web-0", "-o", "jsonpath={.metadata.uid}"))
	apply(fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {namespace: shop-prod, name: web, labels: {app: web}}
spec: {clusterIP: None, ports: [{name: metrics, port: %[1]d}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: shop-prod, name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: metrics, port: %[1]d, protocol: TCP}]
endpoints: [{addresses: [%[3]s], targetRef: {kind: Pod, namespace: shop-prod, name: web-0, uid: %[2]s}}]
`, port, uid, host))
	until(t, "a PodMonitor, and kinds that came later", upIs(t, store, "shop-prod/pods", 1))
	until(t, "a ServiceMonitor", upIs(t, store, "web", 1))
	told := func(sentence string) func() bool {
		return func() bool {
			return strings.Contains(k.MustKubectl(t, "-n", "shop-prod", "get", "events", "-o", "jsonpath={range .items[*]}{.involvedObject.name}: {.message}{\"\\n\"}{end}"), sentence)
		}
	}
	until(t, "an Event on what is broken", told("broken: it cannot be read as a PodMonitor"))
	until(t, "an Event that asks for a Role", told("locked: endpoint 0: not scraped: the agent may not read Secret auth"))
	apply(`apiVersion: v1
kind: Secret
metadata: {namespace: shop-prod, name: auth}
stringData: {user: prom, password: s3cret}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: oriel-agent-credentials, namespace: shop-prod}
rules: [{apiGroups: [""], resources: [secrets], resourceNames: [auth], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: oriel-agent-credentials, namespace: shop-prod}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: oriel-agent-credentials}
subjects: [{kind: ServiceAccount, name: oriel-agent, namespace: oriel}]
`)
	until(t, "a Secret that may be read", upIs(t, store, "shop-prod/locked", 1))
}

// ownAddress is one of this machine's that is no loopback.
func ownAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no address but the loopback")
	return ""
}
