package scrape

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	discoveryfake "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/dynamic"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/oriel-project/oriel/metrics/tsdb"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// object reads a manifest.
func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(text, "\t", "  ")), &u.Object); err != nil {
		t.Fatal(err)
	}
	u.SetAPIVersion(monitorGroup + "/" + monitorVersion)
	return u
}

func TestWhatMonitorsMayNotAsk(t *testing.T) {
	const head = "kind: %s\nmetadata: {namespace: shop-prod, name: web}\nspec: {selector: {}, %s}"
	for _, c := range []struct{ name, kind, spec, want string }{
		{"a file of the agent's", kindServiceMonitor, `endpoints: [{port: http, bearerTokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token}]`, "bearerTokenFile is refused"},
		{"authorities from a file", kindServiceMonitor, `endpoints: [{port: http, tlsConfig: {caFile: /etc/passwd}}]`, "tlsConfig.caFile is refused"},
		{"a certificate from files", kindServiceMonitor, `endpoints: [{port: http, tlsConfig: {certFile: /a, keyFile: /b}}]`, "tlsConfig.keyFile is refused"},
		{"a proxy", kindPodMonitor, `podMetricsEndpoints: [{port: http, proxyUrl: "http://evil:1"}]`, "proxyUrl is refused"},
		{"the agent's proxy", kindPodMonitor, `podMetricsEndpoints: [{port: http, proxyFromEnvironment: true}]`, "proxyFromEnvironment is refused"},
		{"another server for tokens", kindPodMonitor, `podMetricsEndpoints: [{port: http, oauth2: {clientId: {secret: {name: a, key: b}}, clientSecret: {name: a, key: c}, tokenUrl: "http://169.254.169.254/"}}]`, "oauth2 is refused"},
		{"every namespace", kindPodMonitor, `namespaceSelector: {any: true}, podMetricsEndpoints: []`, "namespaceSelector names every namespace"},
		{"another namespace", kindServiceMonitor, `namespaceSelector: {matchNames: [billing, shop-prod]}, endpoints: []`, "namespaceSelector names billing:"},
		{"its own labels believed", kindPodMonitor, `podMetricsEndpoints: [{port: http, honorLabels: true}]`, "honorLabels is not followed"},
		{"too often", kindPodMonitor, `podMetricsEndpoints: [{port: http, interval: 10ms}]`, "interval 10ms: want 1s or more"},
		{"longer than its interval", kindPodMonitor, `podMetricsEndpoints: [{port: http, interval: 10s, scrapeTimeout: 1m}]`, "scrapeTimeout 1m0s is longer"},
		{"no duration", kindPodMonitor, `podMetricsEndpoints: [{port: http, interval: soon}]`, `interval "soon"`},
		{"no regular expression", kindPodMonitor, `podMetricsEndpoints: [{port: http, relabelings: [{regex: "("}]}]`, "relabelings[0].regex"},
		{"no action", kindPodMonitor, `podMetricsEndpoints: [{port: http, metricRelabelings: [{action: explode}]}]`, `action "explode" is not known`},
		{"no label", kindPodMonitor, `podMetricsEndpoints: [{port: http, metricRelabelings: [{action: replace}]}]`, "requires 'target_label'"},
		{"no path", kindPodMonitor, `podMetricsEndpoints: [{port: http, path: "@evil/"}]`, `path "@evil/"`},
		{"no scheme", kindPodMonitor, `podMetricsEndpoints: [{port: http, scheme: file}]`, `scheme "file"`},
		{"two ways to sign in", kindPodMonitor, `podMetricsEndpoints: [{port: http, basicAuth: {username: {name: a, key: u}}, bearerTokenSecret: {name: a, key: b}}]`, "cannot be configured at the same time"},
		{"a class of the operator's", kindPodMonitor, `scrapeClass: x, podMetricsEndpoints: []`, "no scrape classes"},
		{"another shape", kindPodMonitor, `podMetricsEndpoints: {port: http}`, "it cannot be read as a PodMonitor"},
		{"a selector that is none", kindPodMonitor, `podMetricsEndpoints: []`, ""},
	} {
		m := readMonitor(object(t, fmt.Sprintf(head, c.kind, c.spec)))
		got := strings.Join(m.problems, "\n")
		if !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// monitored is a cluster with monitor objects.
type monitored struct {
	kube    *fake.Clientset
	dynamic *dynamicfake.FakeDynamicClient
}

func newMonitored(t *testing.T, kinds bool, objects ...runtime.Object) monitored {
	var typed, monitors []runtime.Object
	for _, o := range objects {
		if u, ok := o.(*unstructured.Unstructured); ok {
			monitors = append(monitors, u)
		} else {
			typed = append(typed, o)
		}
	}
	c := monitored{kube: fake.NewClientset(typed...)}
	gvr := func(r string) schema.GroupVersionResource {
		return schema.GroupVersionResource{Group: monitorGroup, Version: monitorVersion, Resource: r}
	}
	c.dynamic = dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		gvr("podmonitors"): "PodMonitorList", gvr("servicemonitors"): "ServiceMonitorList",
	}, monitors...)
	if kinds {
		c.define(t)
	}
	return c
}

// define makes the cluster know the kinds, as the operator's CRDs do.
func (c monitored) define(t *testing.T) {
	d, ok := c.kube.Discovery().(*discoveryfake.FakeDiscovery)
	if !ok {
		t.Fatal("the stand-in has no discovery")
	}
	d.Resources = []*metav1.APIResourceList{{GroupVersion: monitorGroup + "/" + monitorVersion, APIResources: []metav1.APIResource{{Name: "podmonitors"}, {Name: "servicemonitors"}}}}
}

// events gives what owners are told, as kind/name: sentence.
func (c monitored) events(t *testing.T, namespace string) []string {
	t.Helper()
	list, err := c.kube.CoreV1().Events(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list.Items {
		out = append(out, e.InvolvedObject.Kind+"/"+e.InvolvedObject.Name+": "+e.Message)
	}
	slices.Sort(out)
	return out
}

func (c monitored) told(t *testing.T, namespace, want string) func() bool {
	return func() bool {
		return slices.ContainsFunc(c.events(t, namespace), func(e string) bool { return strings.Contains(e, want) })
	}
}

var _ dynamic.Interface = (*dynamicfake.FakeDynamicClient)(nil)

// podAt is a pod whose port "web" is the server's.
func podAt(namespace, name string, srv *httptest.Server, change func(*corev1.Pod)) *corev1.Pod {
	p := newPod(namespace, name, srv, map[string]string{annotationScrape: "false"})
	p.Labels = map[string]string{"app": "web"}
	p.Spec.Containers[0].Ports = []corev1.ContainerPort{{Name: "web", ContainerPort: int32(srv.Listener.Addr().(*net.TCPAddr).Port)}}
	if change != nil {
		change(p)
	}
	return p
}

func sliceOf(name string, p *corev1.Pod, change func(*discoveryv1.EndpointSlice)) *discoveryv1.EndpointSlice {
	port, portName, tcp := p.Spec.Containers[0].Ports[0].ContainerPort, "metrics", corev1.ProtocolTCP
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: p.Namespace, Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &portName, Port: &port, Protocol: &tcp}},
		Endpoints: []discoveryv1.Endpoint{{
			Addresses: []string{p.Status.PodIP},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: p.Namespace, Name: p.Name, UID: p.UID},
		}},
	}
	if change != nil {
		change(s)
	}
	return s
}

func ups(t *testing.T, s *tsdb.Store, id tenant.ID) []string {
	t.Helper()
	var out []string
	for series, v := range last(t, s, scopetest.Read(id), model.MetricNameLabel, "up") {
		_, rest, _ := strings.Cut(series, `pod="`)
		name, _, _ := strings.Cut(rest, `"`)
		out = append(out, fmt.Sprintf("%s %g", name, v))
	}
	slices.Sort(out)
	return out
}

func TestMonitors(t *testing.T) {
	srv := page(t, "m{namespace=\"billing\"} 1\n")
	uid := func(p *corev1.Pod) { p.UID = "uid-of-" + "1" }
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop-prod", Name: "web", Labels: map[string]string{"app": "web", "team": "red"}}}
	behind := podAt("shop-prod", "behind", srv, func(p *corev1.Pod) { uid(p); p.Labels = nil })
	foreign := podAt("billing", "foreign", srv, uid)
	c := newMonitored(t, false,
		podAt("shop-prod", "web-0", srv, nil), behind, foreign,
		podAt("shop-prod", "host", srv, func(p *corev1.Pod) { p.Spec.HostNetwork = true }),
		podAt("shop-prod", "other", srv, func(p *corev1.Pod) { p.Labels = map[string]string{"app": "other"} }),
		podAt("unowned", "nobodys", srv, nil), service,
		sliceOf("good", behind, nil),
		sliceOf("old-life", behind, func(s *discoveryv1.EndpointSlice) {
			s.Endpoints[0].TargetRef.UID, *s.Ports[0].Name = "uid-of-2", "metrics"
		}),
		sliceOf("elsewhere", behind, func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Addresses = []string{"169.254.169.254"} }),
		sliceOf("hand-made", behind, func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].TargetRef = nil }),
		sliceOf("foreign", foreign, func(s *discoveryv1.EndpointSlice) { s.Namespace = "shop-prod" }),
		object(t, "kind: PodMonitor\nmetadata: {namespace: shop-prod, name: pods}\nspec: {selector: {matchLabels: {app: web}}, podMetricsEndpoints: [{port: web, metricRelabelings: [{targetLabel: namespace, replacement: billing}, {targetLabel: cluster, replacement: us-1}, {regex: node, action: labeldrop}, {targetLabel: own, replacement: v}]}]}"),
		object(t, "kind: ServiceMonitor\nmetadata: {namespace: shop-prod, name: services}\nspec: {jobLabel: team, targetLabels: [team], selector: {matchLabels: {app: web}}, endpoints: [{port: metrics}]}"),
		object(t, "kind: PodMonitor\nmetadata: {namespace: shop-prod, name: broken}\nspec: {selector: {}, podMetricsEndpoints: x}"),
		object(t, "kind: PodMonitor\nmetadata: {namespace: shop-prod, name: away}\nspec: {selector: {matchLabels: {app: other}}, podMetricsEndpoints: [{port: web, relabelings: [{targetLabel: __address__, replacement: \"127.0.0.2:80\"}]}]}"),
		object(t, "kind: PodMonitor\nmetadata: {namespace: unowned, name: pods}\nspec: {selector: {}, podMetricsEndpoints: [{port: web}]}"),
	)
	_, store := run(t, Options{Kube: c.kube, Dynamic: c.dynamic, Owned: owned})
	c.define(t) // after the start
	until(t, "what the good monitors lead to", func() bool { return slices.Equal(ups(t, store, "shop"), []string{"behind 1", "web-0 1"}) })

	got := last(t, store, scopetest.Read("shop"), model.MetricNameLabel, "m")
	address := addr(srv)
	for _, want := range []string{
		fmt.Sprintf(`{__name__="m", cloud="private", cluster="eu-1", container="main", endpoint="web", exported_namespace="billing", instance="%s", job="shop-prod/pods", namespace="shop-prod", node="n1", own="v", pod="web-0", region="eu"}`, address),
		fmt.Sprintf(`{__name__="m", cloud="private", cluster="eu-1", container="main", endpoint="metrics", exported_namespace="billing", instance="%s", job="red", namespace="shop-prod", node="n1", pod="behind", region="eu", service="web", team="red"}`, address),
	} {
		if got[want] != 1 {
			t.Errorf("no %s\nin %v", want, got)
		}
	}
	if got := last(t, store, scopetest.Read("billing"), model.MetricNameLabel, "m"); len(got) != 0 {
		t.Errorf("billing got %v", got)
	}
	for _, want := range []string{
		"PodMonitor/pods: pod host: the pod uses its node's network",
		"PodMonitor/broken: it cannot be read as a PodMonitor",
		`PodMonitor/away: pod other: relabelings of endpoint 0 change the address to "127.0.0.2:80"`,
		"ServiceMonitor/services: EndpointSlice elsewhere: it gives pod behind an address that is not the pod's",
		"ServiceMonitor/services: EndpointSlice hand-made: an endpoint that is no pod's is not scraped",
		"ServiceMonitor/services: EndpointSlice foreign: an endpoint names a pod of another namespace",
	} {
		until(t, want, c.told(t, "shop-prod", want))
	}
	if got := c.events(t, "unowned"); len(got) != 0 {
		t.Errorf("nobody's namespace is told %v", got)
	}
	until(t, "the series of what is refused", func() bool {
		_, ok := last(t, store, scopetest.Read("shop"), model.MetricNameLabel, seriesRefused)[`{__name__="oriel_scrape_refused", cloud="private", cluster="eu-1", job="oriel", kind="PodMonitor", name="broken", namespace="shop-prod", reason="see_event", region="eu"}`]
		return ok
	})
}

func TestMonitorCredentials(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "prom" || password != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = fmt.Fprintln(w, "m 1")
	}))
	t.Cleanup(srv.Close)
	monitor := func(name, secret, key string) *unstructured.Unstructured {
		return object(t, fmt.Sprintf("kind: PodMonitor\nmetadata: {namespace: shop-prod, name: %s}\nspec: {selector: {}, podMetricsEndpoints: [{port: web, basicAuth: {username: {name: %s, key: user}, password: {name: %s, key: %s}}}]}", name, secret, secret, key))
	}
	c := newMonitored(t, true, podAt("shop-prod", "web-0", srv, nil),
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop-prod", Name: "auth"}, Data: map[string][]byte{"user": []byte("prom"), "password": []byte("s3cret")}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "billing", Name: "theirs"}, Data: map[string][]byte{"user": []byte("x"), "password": []byte("x")}},
		monitor("good", "auth", "password"), monitor("no-key", "auth", "passwort"), monitor("missing", "theirs", "password"), monitor("forbidden", "locked", "password"),
		object(t, "kind: PodMonitor\nmetadata: {namespace: shop-prod, name: no-pem}\nspec: {selector: {}, podMetricsEndpoints: [{port: web, scheme: https, tlsConfig: {ca: {secret: {name: auth, key: password}}}}]}"),
	)
	c.kube.PrependReactor("get", "secrets", func(a ktesting.Action) (bool, runtime.Object, error) {
		g, ok := a.(ktesting.GetAction)
		if ok && g.GetName() == "locked" {
			return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "locked", nil)
		}
		if ok && g.GetNamespace() != "shop-prod" {
			t.Errorf("a Secret of %s was asked for", g.GetNamespace())
		}
		return false, nil, nil
	})
	_, store := run(t, Options{Kube: c.kube, Dynamic: c.dynamic, Owned: owned})
	until(t, "the scrape with a Secret", func() bool { return slices.Equal(ups(t, store, "shop"), []string{"web-0 1"}) })
	for _, want := range []string{
		`PodMonitor/no-key: endpoint 0: not scraped: Secret auth has no key "passwort"`,
		"PodMonitor/missing: endpoint 0: not scraped: Secret theirs is not there",
		"PodMonitor/forbidden: endpoint 0: not scraped: the agent may not read Secret locked: give its service account a Role in this namespace with get on secrets, resourceNames [locked]",
		"PodMonitor/no-pem: endpoint 0: not scraped: its credentials cannot be used",
	} {
		until(t, want, c.told(t, "shop-prod", want))
	}
}

func TestLimitsFailOneTargetAndSayWhy(t *testing.T) {
	good, many := page(t, "m 1\n"), page(t, strings.Repeat("x", 10)+" 1\n"+"a 1\nb 1\nc 1\n")
	long := page(t, "m{l=\""+strings.Repeat("v", 100)+"\"} 1\n")
	away := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(away.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	static := func(job string, srv *httptest.Server) Static {
		return Static{Job: job, Namespace: "shop-prod", Address: addr(srv)}
	}
	_, store := run(t, Options{
		Limits: Limits{SamplesMax: 3, LabelValueBytesMax: 64},
		Static: []Static{static("a-good", good), static("b-many", many), static("c-long", long), static("d-away", away), static("e-gone", gone)},
	})
	reasons := func() string {
		var out []string
		for series, v := range last(t, store, scopetest.Read("shop"), model.MetricNameLabel, seriesFailing) {
			job, reason := "", ""
			for _, l := range []struct {
				name string
				to   *string
			}{{"job", &job}, {"reason", &reason}} {
				_, rest, _ := strings.Cut(series, " "+l.name+`="`)
				*l.to, _, _ = strings.Cut(rest, `"`)
			}
			if v == 1 {
				out = append(out, job+" "+reason)
			}
		}
		slices.Sort(out)
		return strings.Join(out, ", ")
	}
	want := "b-many sample_limit, c-long label_limit, d-away status, e-gone refused"
	until(t, want, func() bool { return reasons() == want })
	until(t, "up of the good one", upIs(t, store, "a-good", 1))
	until(t, "up of the one with too many samples", upIs(t, store, "b-many", 0))

	_, store = run(t, Options{Limits: Limits{TargetsMax: 1}, Static: []Static{static("one", good), static("two", many)}})
	until(t, "one target beyond the limit", func() bool { return strings.HasSuffix(reasons(), " target_limit") })
	until(t, "its up", func() bool {
		sum := 0.0
		for _, v := range last(t, store, scopetest.Read("shop"), model.MetricNameLabel, "up") {
			sum += v
		}
		return sum == 1
	})
}

func TestFailureOf(t *testing.T) {
	for text, want := range map[string]string{
		"body size limit exceeded": "body_size_limit", "target_limit exceeded (number of targets: 3, limit: 2)": "target_limit",
		"label_name_length_limit exceeded": "label_limit", "server returned HTTP status 503 Service Unavailable": "status",
		"tls: failed to verify certificate: x509: certificate signed by unknown authority": "tls",
		`received unsupported Content-Type "text/html" and no fallback_scrape_protocol`:    "format", "something": "other",
	} {
		if got := failureOf(fmt.Errorf("%s", text)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
