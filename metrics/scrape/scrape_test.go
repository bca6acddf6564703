package scrape

import (
	"context"
	"encoding/pem"
	"fmt"
	"maps"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/metrics/tsdb"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var eu1 = tenant.Cluster{Name: "eu-1", Region: "eu", Cloud: "private"}

// owners of the test cluster's namespaces.
var owners = map[string]tenant.ID{"eu-1/shop-prod": "shop", "eu-1/billing": "billing"}

func owned(namespace string) (tenant.ID, bool) {
	id, ok := owners["eu-1/"+namespace]
	return id, ok
}

// run starts a Manager that writes to a store, and stops it with the test.
func run(t *testing.T, o Options) (*Manager, *tsdb.Store) {
	t.Helper()
	store, err := tsdb.Open(t.TempDir(), tsdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	o.Appendable = metrics.Scoped(store, scopetest.WriteCluster(eu1, scopetest.Owners{Of: owners}))
	o.Cluster = eu1
	if o.Interval == 0 {
		o.Interval = time.Second
	}
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	m.kindsEvery = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return m, store
}

// last gives the newest value of each series that the scope sees and the
// selector matches; stale is NaN.
func last(t *testing.T, s *tsdb.Store, r tenant.Read, ms ...string) map[string]float64 {
	t.Helper()
	q, err := s.Queryable(r).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	matchers := []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+")}
	for i := 0; i < len(ms); i += 2 {
		matchers = append(matchers, labels.MustNewMatcher(labels.MatchEqual, ms[i], ms[i+1]))
	}
	out := map[string]float64{}
	set := q.Select(context.Background(), true, nil, matchers...)
	for set.Next() {
		it := set.At().Iterator(nil)
		v := math.Inf(1)
		for typ := it.Next(); typ != chunkenc.ValNone; typ = it.Next() {
			if typ == chunkenc.ValFloat {
				_, v = it.At()
			}
		}
		out[strings.Clone(set.At().Labels().String())] = v
	}
	if set.Err() != nil {
		t.Fatal(set.Err())
	}
	return out
}

// until polls for a minute at most and tells how long it took.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	begin := time.Now()
	for !ok() {
		if time.Since(begin) > time.Minute {
			t.Fatalf("%s: not within a minute", what)
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Logf("%s: %s", what, time.Since(begin).Round(time.Millisecond))
}

func upIs(t *testing.T, s *tsdb.Store, job string, want float64) func() bool {
	return func() bool {
		for _, v := range last(t, s, scopetest.Operator(), model.MetricNameLabel, "up", "job", job) {
			if v == want || (math.IsNaN(want) && value.IsStaleNaN(v)) {
				return true
			}
		}
		return false
	}
}

func page(t *testing.T, text string) *httptest.Server {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = fmt.Fprint(w, text)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func addr(s *httptest.Server) string { return s.Listener.Addr().String() }

func TestTenantTargetsCannotForge(t *testing.T) {
	old := time.Now().Add(-5 * time.Minute).UnixMilli()
	srv := page(t, fmt.Sprintf("# HELP m how it is\n# TYPE m gauge\n"+
		`m{namespace="billing",cluster="c",region="r",cloud="x",pod="p",container="k",node="n",job="j",instance="i",tenant="billing",exported_job="e"} 1 %d`+"\n", old))
	_, store := run(t, Options{Static: []Static{{Job: "web", Namespace: "shop-prod", Address: addr(srv), Pod: "web-0", Container: "web", Node: "n1"}}})
	until(t, "first scrape", upIs(t, store, "web", 1))
	got := last(t, store, scopetest.Read("shop"), model.MetricNameLabel, "m")
	want := fmt.Sprintf(`{__name__="m", cloud="private", cluster="eu-1", container="web", exported_cloud="x", exported_cluster="c", exported_container="k", exported_exported_job="j", exported_instance="i", exported_job="e", exported_namespace="billing", exported_node="n", exported_pod="p", exported_region="r", instance="%s", job="web", namespace="shop-prod", node="n1", pod="web-0", region="eu", tenant="billing"}`, addr(srv))
	if _, ok := got[want]; !ok || len(got) != 1 {
		t.Errorf("got %v, want %s", got, want)
	}
	if got := last(t, store, scopetest.Read("billing")); len(got) != 0 {
		t.Errorf("billing got %v", got)
	}
	if got := store.Metadata(scopetest.Read("shop"))["m"]; len(got) != 1 || got[0].Help != "how it is" {
		t.Errorf("metadata %v", got)
	}
	// A time of its own would decide whose the sample is.
	q, err := store.Queryable(scopetest.Read("shop")).Querier(old-1, old+1)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if q.Select(t.Context(), false, nil, labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, "m")).Next() {
		t.Error("the target's own timestamp was believed")
	}
}

func TestStaticTargetsComeAndGo(t *testing.T) {
	reg := prometheus.NewRegistry()
	m, store := run(t, Options{Interval: time.Minute, Registerer: reg})
	srv := page(t, "m 1\n")
	s := Static{Job: "late", Namespace: "shop-prod", Address: addr(srv), Interval: time.Second}
	if err := m.AddStatic(s); err != nil {
		t.Fatal(err)
	}
	until(t, "first scrape of a new target", upIs(t, store, "late", 1))
	if err := m.AddStatic(Static{Job: "gone", Namespace: "shop-prod", Address: "127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	until(t, "up of a target that does not answer", upIs(t, store, "gone", 0))
	if n := testutil.ToFloat64(m.m.targets.WithLabelValues(poolTenant)); n != 2 {
		t.Errorf("%g targets are counted", n)
	}
	m.RemoveStatic("late", "shop-prod", "", addr(srv))
	until(t, "staleness of a removed target", upIs(t, store, "late", math.NaN()))
}

func TestBadStaticTargets(t *testing.T) {
	good := Static{Job: "j", Namespace: "n", Address: "a:1"}
	for _, change := range []func(*Static){
		func(s *Static) { s.Job = "" }, func(s *Static) { s.Namespace = "" }, func(s *Static) { s.Address = "a" },
		func(s *Static) { s.Address = "http://a:1" }, func(s *Static) { s.Address = "a:0" }, func(s *Static) { s.Address = ":80" },
		func(s *Static) { s.Scheme = "ftp" }, func(s *Static) { s.Path = "metrics" }, func(s *Static) { s.Interval = time.Millisecond },
	} {
		s := good
		change(&s)
		if s.validate() == nil {
			t.Errorf("took %+v", s)
		}
	}
	if err := good.validate(); err != nil {
		t.Error(err)
	}
}

func TestOneTargetFailsAlone(t *testing.T) {
	var elsewhere atomic.Int64
	secret := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(secret.Close)
	redirect := httptest.NewServer(http.RedirectHandler(secret.URL, http.StatusFound))
	t.Cleanup(redirect.Close)
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil // none at all: read as text
		_, _ = fmt.Fprint(w, "m 1\n")
	}))
	t.Cleanup(plain.Close)
	var many strings.Builder
	for i := range 200 {
		fmt.Fprintf(&many, "m{i=\"%d\"} 1\n", i)
	}
	var static []Static
	for job, a := range map[string]string{
		"good": addr(page(t, "m 1\n")), "plain": addr(plain),
		"large": addr(page(t, strings.Repeat("# filler\n", 2000)+"m 1\n")), "many": addr(page(t, many.String())),
		"long": addr(page(t, `m{l="`+strings.Repeat("x", 300)+"\"} 1\n")), "torn": addr(page(t, "m{l=\"")), "redirect": addr(redirect),
	} {
		static = append(static, Static{Job: job, Namespace: "shop-prod", Address: a})
	}
	_, store := run(t, Options{Static: static, Limits: Limits{BodyBytesMax: 10_000, SamplesMax: 100, LabelValueBytesMax: 200}})
	for _, job := range []string{"large", "many", "long", "torn", "redirect"} {
		until(t, job, upIs(t, store, job, 0))
		if got := last(t, store, scopetest.Operator(), model.MetricNameLabel, "m", "job", job); len(got) != 0 {
			t.Errorf("%s: %d series were stored", job, len(got))
		}
	}
	until(t, "good", upIs(t, store, "good", 1))
	until(t, "plain", upIs(t, store, "plain", 1))
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("a target sent the scraper elsewhere %d times", n)
	}
}

// newPod gives a running pod whose metrics are at srv.
func newPod(namespace, name string, srv *httptest.Server, annotations map[string]string) *corev1.Pod {
	a := map[string]string{annotationScrape: "true", annotationPort: fmt.Sprint(srv.Listener.Addr().(*net.TCPAddr).Port)}
	maps.Copy(a, annotations)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: a, Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "main"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "127.0.0.1"},
	}
}

func TestPods(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "m{path=%q} 1\n", r.URL.Path)
	}))
	t.Cleanup(srv.Close)
	hostNetwork := newPod("shop-prod", "host", srv, nil)
	hostNetwork.Spec.HostNetwork = true
	pending := newPod("shop-prod", "pending", srv, nil)
	pending.Status.Phase = corev1.PodPending
	client := fake.NewClientset(
		newPod("shop-prod", "web-1", srv, map[string]string{annotationPath: "/m"}), hostNetwork, pending,
		newPod("shop-prod", "silent", srv, map[string]string{annotationScrape: "false"}),
		newPod("shop-prod", "bad", srv, map[string]string{annotationPort: "99999"}),
		newPod("free", "other", srv, nil),
	)
	var joined atomic.Bool
	m, store := run(t, Options{
		Kube: client, Interval: time.Second,
		Owned: func(ns string) (tenant.ID, bool) {
			if ns == "free" && joined.Load() {
				return "free", true
			}
			return owned(ns)
		},
	})
	pods := func() []string {
		var out []string
		for series, v := range last(t, store, scopetest.Operator(), model.MetricNameLabel, "up") {
			_, rest, _ := strings.Cut(series, `pod="`)
			name, _, _ := strings.Cut(rest, `"`)
			if value.IsStaleNaN(v) {
				name += " stale"
			}
			out = append(out, name)
		}
		slices.Sort(out)
		return out
	}
	until(t, "the annotated pod of an owned namespace", func() bool { return slices.Equal(pods(), []string{"web-1"}) })
	want := fmt.Sprintf(`{__name__="m", cloud="private", cluster="eu-1", container="main", instance="%s", job="shop-prod/web", namespace="shop-prod", node="n1", path="/m", pod="web-1", region="eu"}`, addr(srv))
	if got := last(t, store, scopetest.Read("shop"), model.MetricNameLabel, "m"); got[want] != 1 {
		t.Errorf("got %v\nwant %s", got, want)
	}
	// Their owners read why, on the pod.
	until(t, "Events on the pods that cannot be scraped", func() bool {
		events, err := client.CoreV1().Events("shop-prod").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var on []string
		for _, e := range events.Items {
			on = append(on, e.InvolvedObject.Kind+"/"+e.InvolvedObject.Name)
		}
		slices.Sort(on)
		return slices.Equal(on, []string{"Pod/bad", "Pod/host"})
	})

	ctx := t.Context()
	if _, err := client.CoreV1().Pods("billing").Create(ctx, newPod("billing", "worker-0", srv, nil), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "a new pod", func() bool { return slices.Equal(pods(), []string{"web-1", "worker-0"}) })
	joined.Store(true)
	m.Reload()
	until(t, "a namespace that joined", func() bool { return slices.Equal(pods(), []string{"other", "web-1", "worker-0"}) })
	if err := client.CoreV1().Pods("shop-prod").Delete(ctx, "web-1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "a pod that went away", func() bool { return slices.Equal(pods(), []string{"other", "web-1 stale", "worker-0"}) })
}

func TestPodOf(t *testing.T) {
	base := func() *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", Annotations: map[string]string{annotationScrape: "true"}},
			Spec: corev1.PodSpec{NodeName: "n", Containers: []corev1.Container{
				{Name: "a", Ports: []corev1.ContainerPort{{ContainerPort: 53, Protocol: corev1.ProtocolUDP}, {Name: "http", ContainerPort: 80}}},
				{Name: "b", Ports: []corev1.ContainerPort{{Name: "http-metrics", ContainerPort: 9100}}},
			}},
			Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.7"},
		}
	}
	yes := true
	for _, c := range []struct {
		name   string
		change func(*corev1.Pod)
		want   string // address path scheme container job, or the refusal's label, or "" where it does not ask
	}{
		{"the port named for metrics", func(*corev1.Pod) {}, "10.0.0.7:9100 /metrics http b ns/p"},
		{"the first TCP port", func(p *corev1.Pod) { p.Spec.Containers = p.Spec.Containers[:1] }, "10.0.0.7:80 /metrics http a ns/p"},
		{"annotated port of a container", func(p *corev1.Pod) { p.Annotations[annotationPort] = "80" }, "10.0.0.7:80 /metrics http a ns/p"},
		{"annotated port that none declares", func(p *corev1.Pod) { p.Annotations[annotationPort] = "81" }, "10.0.0.7:81 /metrics http a ns/p"},
		{"IPv6", func(p *corev1.Pod) { p.Status.PodIP = "fd00::7" }, "[fd00::7]:9100 /metrics http b ns/p"},
		{"path and scheme", func(p *corev1.Pod) {
			p.Annotations[annotationPath], p.Annotations[annotationScheme] = "/m?x=1", "https"
		}, "10.0.0.7:9100 /m?x=1 https b ns/p"},
		{"job of a Deployment", func(p *corev1.Pod) {
			p.Labels = map[string]string{"pod-template-hash": "6d5f9"}
			p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "web-6d5f9", Controller: &yes}}
		}, "10.0.0.7:9100 /metrics http b ns/web"},
		{"does not ask", func(p *corev1.Pod) { p.Annotations = nil }, ""},
		{"has no address", func(p *corev1.Pod) { p.Status.PodIP = "" }, ""},
		{"has a name for an address", func(p *corev1.Pod) { p.Status.PodIP = "metadata" }, ""},
		{"is done", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }, ""},
		{"host network", func(p *corev1.Pod) { p.Spec.HostNetwork = true }, "host_network"},
		{"port of another host", func(p *corev1.Pod) { p.Annotations[annotationPort] = "80@10.0.0.1:80" }, "port"},
		{"no port", func(p *corev1.Pod) { p.Spec.Containers = nil }, "no_port"},
		{"path without a slash", func(p *corev1.Pod) { p.Annotations[annotationPath] = "@evil/" }, "path"},
		{"scheme", func(p *corev1.Pod) { p.Annotations[annotationScheme] = "file" }, "scheme"},
	} {
		p := base()
		c.change(p)
		stripped, err := stripPod(p)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if out, why, asks := podOf(stripped.(*corev1.Pod), false); asks {
			if got = why.label; got == "" {
				got = strings.Join([]string{out.address, out.path, out.scheme, out.container, out.job}, " ")
			}
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestKubelet(t *testing.T) {
	cadvisor, err := os.ReadFile("testdata/cadvisor.txt")
	if err != nil {
		t.Fatal(err)
	}
	var refused atomic.Int64
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer node-reader" {
			refused.Add(1)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		switch r.URL.Path {
		case "/metrics/cadvisor":
			_, _ = fmt.Fprint(w, strings.ReplaceAll(string(cadvisor), "TIME", fmt.Sprint(time.Now().UnixMilli())))
		case "/metrics":
			_, _ = fmt.Fprint(w, "kubelet_running_pods 3\n")
		}
	}))
	t.Cleanup(srv.Close)
	dir := t.TempDir()
	token, ca := filepath.Join(dir, "token"), filepath.Join(dir, "ca.crt")
	for file, text := range map[string][]byte{
		token: []byte("node-reader\n"),
		ca:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}),
	} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port := srv.Listener.Addr().(*net.TCPAddr).Port
	client := fake.NewClientset(
		&corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: "n1"},
			Status: corev1.NodeStatus{
				Addresses:       []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: "elsewhere"}, {Type: corev1.NodeInternalIP, Address: "127.0.0.1"}},
				DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(port)}},
			},
		},
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "no-address"}},
	)
	_, store := run(t, Options{Kube: client, Kubelet: &Kubelet{TokenFile: token, CAFile: ca}})
	until(t, "cadvisor", upIs(t, store, "cadvisor", 1))
	until(t, "kubelet", upIs(t, store, "kubelet", 1))
	// One owner's database after the other takes what one scrape brings.
	until(t, "what nobody owns", func() bool { return len(last(t, store, scopetest.Read(tenant.Unassigned))) > 0 })
	until(t, "what billing owns", func() bool { return len(last(t, store, scopetest.Read("billing"))) > 0 })
	for id, want := range map[tenant.ID][]string{
		"shop":            {"container_cpu_usage_seconds_total", "container_memory_working_set_bytes"},
		"billing":         {"container_cpu_usage_seconds_total", "container_memory_working_set_bytes"},
		tenant.Unassigned: {"container_cpu_usage_seconds_total"},
	} {
		var got []string
		for series := range last(t, store, scopetest.Read(id)) {
			_, rest, _ := strings.Cut(series, `__name__="`)
			name, _, _ := strings.Cut(rest, `"`)
			got = append(got, name)
			if !strings.Contains(series, `cluster="eu-1"`) || !strings.Contains(series, `node="n1"`) || !strings.Contains(series, `job="cadvisor"`) {
				t.Errorf("%s: %s", id, series)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", id, got, want)
		}
	}
	const web = `{__name__="container_cpu_usage_seconds_total", cloud="private", cluster="eu-1", container="web", cpu="total", id="/kubepods.slice/kubepods-burstable.slice/pod1/c1", image="registry.example/shop/web:1.2", instance="n1", job="cadvisor", name="c1", namespace="shop-prod", node="n1", pod="web-6d5f9-abcde", region="eu"}`
	if v := last(t, store, scopetest.Read("shop"))[web]; v != 12.5 {
		t.Errorf("%s is %g", web, v)
	}
	if got := last(t, store, scopetest.Read(tenant.System), model.MetricNameLabel, "container_cpu_usage_seconds_total"); len(got) != 2 {
		t.Errorf("the system has %v", got)
	}
	// Outside a pod both come with the kubeconfig instead of in files.
	certificate, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	_, store = run(t, Options{Kube: client, Kubelet: &Kubelet{Token: "node-reader", CA: string(certificate)}})
	until(t, "kubelet, asked without files", upIs(t, store, "kubelet", 1))
	if n := refused.Load(); n != 0 {
		t.Errorf("%d requests without the token", n)
	}
}

func TestKubeletNeedsItsFiles(t *testing.T) {
	_, err := New(Options{Appendable: metrics.Scoped(nil, tenant.Write{}), Kube: fake.NewClientset(), Kubelet: &Kubelet{TokenFile: "/nowhere/token"}})
	if err == nil || !strings.Contains(err.Error(), "/nowhere/token") || !strings.Contains(err.Error(), "scrape.kubelet.token_file") {
		t.Error(err)
	}
}

func TestPacer(t *testing.T) {
	p := pacer{due: map[string]time.Time{}}
	now := time.Unix(0, 0)
	targets := func(n int) (ts []target) {
		for i := range n {
			ts = append(ts, target{poolTenant, model.LabelSet{"i": model.LabelValue(fmt.Sprintf("%05d", i))}})
		}
		return ts
	}
	in := func(n int, interval time.Duration) int {
		t.Helper()
		groups, next := p.groups(targets(n), interval, now, pools[:])
		got := len(groups[poolTenant][0].Targets)
		if (got == n) != next.IsZero() {
			t.Errorf("%d of %d are in, next at %s", got, n, next)
		}
		return got
	}
	if got := in(1, time.Second); got != 1 {
		t.Errorf("one new target: %d in", got)
	}
	if got := in(101, time.Minute); got != 2 {
		t.Errorf("a hundred more: %d in", got)
	}
	now = now.Add(250 * time.Millisecond)
	if got := in(101, time.Minute); got != 52 {
		t.Errorf("after 250 ms: %d in", got)
	}
	now = now.Add(time.Second)
	if got := in(101, time.Minute); got != 101 {
		t.Errorf("after a second: %d in", got)
	}
	in(10_000, time.Second)
	now = now.Add(time.Second)
	if got := in(10_000, time.Second); got != 10_000 {
		t.Errorf("ten thousand are not in after an interval: %d", got)
	}
	if in(3, time.Second); len(p.due) != 3 {
		t.Errorf("%d targets are remembered", len(p.due))
	}
}
