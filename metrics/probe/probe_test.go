package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/metrics/tsdb"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// TestProbes: what answers, what does not, and what is not asked at all, as the
// team's own series, and as nobody else's.
func TestProbes(t *testing.T) {
	asked := make(chan string, 10)
	web := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Host + r.URL.Path
		switch r.URL.Path {
		case "/sick":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/elsewhere":
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
		}
	})
	plain, secure := httptest.NewServer(web), httptest.NewTLSServer(web)
	defer plain.Close()
	defer secure.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := silent.Addr().String()
	silent.Close()

	store, err := tsdb.Open(t.TempDir(), tsdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	east := tenant.Cluster{Name: "east"}
	scope := scopetest.WriteCluster(east, scopetest.Owners{Of: map[string]tenant.ID{"east/shop": "shop", "east/billing": "billing"}})
	now := time.Now().Truncate(time.Millisecond)
	p := New(Options{
		Targets: func() []Target {
			var out []Target
			for _, a := range []string{"http://web/health", "http://web/sick", "http://web/elsewhere", "https://safe/health", "tcp://db:5432", "tcp://gone:1", "http://169.254.169.254/"} {
				out = append(out, Target{"shop", a})
			}
			return append(out, Target{"billing", "tcp://db:5432"})
		},
		Resolve: func(_ context.Context, namespace, service, port string) (string, error) {
			switch service + ":" + port {
			case "web:80":
				return plain.Listener.Addr().String(), nil
			case "safe:443":
				return secure.Listener.Addr().String(), nil
			case "db:5432":
				return plain.Listener.Addr().String(), nil
			case "gone:1":
				return nobody, nil
			}
			return "", &Refused{"outside", "no service"}
		},
		Appendable: metrics.Scoped(store, scope),
		Clock:      func() time.Time { return now },
	})
	if err := p.round(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := func(id tenant.ID) (out []string) {
		hs, err := metrics.Histories(t.Context(), store.Queryable(scopetest.Read(id)), now, now, seriesSuccess, seriesStatus, seriesRefused)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hs {
			if h.Labels["namespace"] != string(id) || h.Labels["cluster"] != "east" {
				t.Errorf("%+v", h)
			}
			out = append(out, fmt.Sprintf("%s %s %g%s", h.Name, h.Labels["target"], h.Steps[0].Value, h.Labels["reason"]))
		}
		slices.Sort(out)
		return out
	}
	want := []string{
		"oriel_probe_refused http://169.254.169.254/ 1outside",
		"probe_http_status_code http://web/elsewhere 302", "probe_http_status_code http://web/health 200", "probe_http_status_code http://web/sick 503",
		"probe_http_status_code https://safe/health 0", // nobody trusts its certificate
		"probe_success http://web/elsewhere 1", "probe_success http://web/health 1", "probe_success http://web/sick 0",
		"probe_success https://safe/health 0", "probe_success tcp://db:5432 1", "probe_success tcp://gone:1 0",
	}
	if g := got("shop"); !slices.Equal(g, want) {
		t.Errorf("shop has\n%s\nwant\n%s", strings.Join(g, "\n"), strings.Join(want, "\n"))
	}
	if g := got("billing"); !slices.Equal(g, []string{"probe_success tcp://db:5432 1"}) {
		t.Errorf("billing has %q", g)
	}
	if hs, err := metrics.Histories(t.Context(), store.Queryable(scopetest.Read("shop")), now, now, seriesExpiry); err != nil || len(hs) != 0 {
		t.Errorf("%v, %v: a certificate that is not trusted is not looked at", hs, err)
	}
	if len(asked) != 3 || !strings.HasPrefix(<-asked, "web/") {
		t.Errorf("asked %d times", len(asked))
	}
}

// TestProbesOfOthers: a team that may have no more series costs the others none of
// their results.
func TestProbesOfOthers(t *testing.T) {
	store, err := tsdb.Open(t.TempDir(), tsdb.Options{SeriesMax: func(id tenant.ID) int {
		if id == "shop" {
			return 1
		}
		return 0
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	scope := scopetest.WriteCluster(tenant.Cluster{Name: "east"}, scopetest.Owners{Of: map[string]tenant.ID{"east/shop": "shop", "east/billing": "billing"}})
	now := time.Now().Truncate(time.Millisecond)
	p := New(Options{
		Targets: func() []Target {
			return []Target{{"billing", "http://a/"}, {"shop", "http://a/"}, {"shop", "http://b/"}, {"billing", "http://c/"}}
		},
		Resolve: func(context.Context, string, string, string) (string, error) {
			return "", &Refused{"no_service", "no service"}
		},
		Appendable: metrics.Scoped(store, scope),
		Clock:      func() time.Time { return now },
	})
	if err := p.round(t.Context()); err == nil || !strings.Contains(err.Error(), "shop") {
		t.Errorf("what was refused is not said, or not whose it is: %v", err)
	}
	for id, want := range map[tenant.ID]int{"billing": 2, "shop": 1} {
		hs, err := metrics.Histories(t.Context(), store.Queryable(scopetest.Read(id)), now, now, seriesRefused)
		if err != nil || len(hs) != want {
			t.Errorf("%s has %d results, want %d: %v", id, len(hs), want, err)
		}
	}
}

// TestProbesThatHang: a namespace with many addresses that do not answer holds up no
// other one.
func TestProbesThatHang(t *testing.T) {
	store, err := tsdb.Open(t.TempDir(), tsdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var targets []Target
	for i := range 64 {
		targets = append(targets, Target{"shop", fmt.Sprintf("http://hangs-%d/", i)})
	}
	targets = append(targets, Target{"billing", "http://web/"})
	served := make(chan struct{})
	p := New(Options{
		Targets: func() []Target { return targets },
		Resolve: func(ctx context.Context, namespace, _, _ string) (string, error) {
			if namespace == "billing" {
				close(served)
				return "", &Refused{"no_service", "no service"}
			}
			select {
			case <-served:
			case <-ctx.Done():
				t.Error("billing waits for what hangs in shop")
			}
			return "", errors.New("nothing is there")
		},
		Appendable: metrics.Scoped(store, scopetest.WriteCluster(tenant.Cluster{Name: "east"}, scopetest.Owners{})),
	})
	if err := p.round(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestPods: a service leads to the ready pods that it selects in its own
// namespace, whatever its address and its endpoints say.
func TestPods(t *testing.T) {
	meta := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": name}}
	}
	service := func(namespace, name string, spec corev1.ServiceSpec) *corev1.Service {
		return &corev1.Service{ObjectMeta: meta(namespace, name), Spec: spec}
	}
	ports := []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("web")}, {Port: 81, TargetPort: intstr.FromInt32(9000)}, {Port: 82}, {Port: 53, Protocol: corev1.ProtocolUDP}}
	pod := func(namespace, name, ip string, ready bool, hostNetwork bool) *corev1.Pod {
		status := corev1.ConditionFalse
		if ready {
			status = corev1.ConditionTrue
		}
		return &corev1.Pod{
			ObjectMeta: meta(namespace, name),
			Spec:       corev1.PodSpec{HostNetwork: hostNetwork, Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: 8080}}}}},
			Status:     corev1.PodStatus{PodIP: ip, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}},
		}
	}
	selects := func(app string) corev1.ServiceSpec {
		return corev1.ServiceSpec{Selector: map[string]string{"app": app}, Ports: ports, ClusterIP: "10.9.9.9"}
	}
	client := fake.NewSimpleClientset(
		service("shop", "web", selects("web")), service("shop", "starting", selects("starting")), service("shop", "node", selects("node")),
		service("shop", "link", selects("link")), service("shop", "bare", corev1.ServiceSpec{Ports: ports}),
		service("shop", "alias", corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "metadata.internal", Ports: ports}),
		service("billing", "api", selects("api")),
		pod("shop", "web", "10.0.0.1", true, false), pod("shop", "starting", "10.0.0.2", false, false), pod("shop", "node", "10.0.0.3", true, true),
		pod("shop", "link", "169.254.169.254", true, false), pod("billing", "api", "10.0.0.4", true, false), pod("billing", "web", "10.0.0.5", true, false),
	)
	factory := informers.NewSharedInformerFactory(client, 0)
	lister := factory.Core().V1().Pods().Lister()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	resolve := Pods(client, lister)
	for _, c := range []struct{ host, port, want string }{
		{"web", "80", "10.0.0.1:8080"},
		{"web", "81", "10.0.0.1:9000"},
		{"web", "82", "10.0.0.1:82"},
		{"web.shop", "81", "10.0.0.1:9000"},
		{"web.shop.svc", "81", "10.0.0.1:9000"},
		{"web.shop.svc.cluster.local.", "81", "10.0.0.1:9000"},
		{"web", "53", "refused no_port"},
		{"web", "8080", "refused no_port"},
		{"starting", "81", "nothing"},
		{"node", "81", "nothing"},
		{"link", "81", "nothing"},
		{"bare", "81", "refused no_selector"},
		{"alias", "81", "refused no_selector"},
		{"nobody", "81", "refused no_service"},
		{"api", "81", "refused no_service"},
		{"api.billing", "81", "refused outside"},
		{"api.billing.svc.cluster.local", "81", "refused outside"},
		{"web.shop.example.org", "81", "refused outside"},
		{"shop.example", "443", "refused outside"},
		{"169.254.169.254", "80", "refused outside"},
		{"10.0.0.5", "81", "refused outside"},
		{"::1", "80", "refused outside"},
		{"localhost", "80", "refused no_service"},
	} {
		got, err := resolve(ctx, "shop", c.host, c.port)
		if refused, ok := errors.AsType[*Refused](err); ok {
			got = "refused " + refused.Reason
		} else if err != nil {
			got = "nothing"
		}
		if got != c.want {
			t.Errorf("%s:%s leads to %s, want %s", c.host, c.port, got, c.want)
		}
	}
}
