package events

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/oriel-project/oriel/internal/golden"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var noon = metav1.NewTime(time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC))

// apiServer is a stand-in for the events of a kube-apiserver: list by namespace,
// watch from a version, 410 for a version that is forgotten.
type apiServer struct {
	mu        sync.Mutex
	version   int
	events    map[string]*eventsv1.Event // by UID
	history   []metav1.WatchEvent
	versions  []int // of history
	forgotten int
	changed   chan struct{}
	lists     int
}

func newAPIServer(t *testing.T) (*apiServer, kubernetes.Interface) {
	s := &apiServer{events: map[string]*eventsv1.Event{}, changed: make(chan struct{})}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	client, err := kubernetes.NewForConfig(&rest.Config{Host: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	return s, client
}

// put makes or changes an Event.
func (s *apiServer) put(namespace, about, uid, note string, count int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	e := &eventsv1.Event{
		TypeMeta:   metav1.TypeMeta{Kind: "Event", APIVersion: "events.k8s.io/v1"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "e-" + uid, UID: types.UID(uid), ResourceVersion: strconv.Itoa(s.version)},
		Note:       note, Reason: "Test", Type: "Normal", DeprecatedCount: count,
		Regarding: corev1.ObjectReference{Kind: "Pod", Namespace: about, Name: "p"},
	}
	s.events[uid] = e
	b, _ := json.Marshal(e)
	we := metav1.WatchEvent{Type: "MODIFIED"}
	we.Object.Raw = b
	s.history, s.versions = append(s.history, we), append(s.versions, s.version)
	close(s.changed)
	s.changed = make(chan struct{})
}

// forget is what compaction and the hour of Events do.
func (s *apiServer) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history, s.versions, s.forgotten = nil, nil, s.version
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	namespace := ""
	if parts := strings.Split(r.URL.Path, "/"); len(parts) > 5 {
		namespace = parts[5]
	}
	w.Header().Set("Content-Type", "application/json")
	q := r.URL.Query()
	if q.Get("watch") == "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lists++
		list := eventsv1.EventList{TypeMeta: metav1.TypeMeta{Kind: "EventList", APIVersion: "events.k8s.io/v1"}}
		list.ResourceVersion = strconv.Itoa(s.version)
		for _, e := range s.events {
			if namespace == "" || e.Namespace == namespace {
				list.Items = append(list.Items, *e)
			}
		}
		_ = json.NewEncoder(w).Encode(list)
		return
	}
	from, _ := strconv.Atoi(q.Get("resourceVersion"))
	s.mu.Lock()
	if from < s.forgotten {
		s.mu.Unlock()
		w.WriteHeader(http.StatusGone)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}`)
		return
	}
	s.mu.Unlock()
	w.(http.Flusher).Flush()
	for {
		s.mu.Lock()
		changed := s.changed
		for i, v := range s.versions {
			if v > from {
				_ = json.NewEncoder(w).Encode(s.history[i])
				from = v
			}
		}
		s.mu.Unlock()
		w.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

var (
	cluster = tenant.Cluster{Name: "eu-1"}
	owners  = map[string]tenant.ID{"eu-1/shop": "team-shop", "eu-1/pay": "team-pay"}
	scope   = scopetest.WriteCluster(cluster, scopetest.Owners{Of: owners})
)

// world is a store and the options of recorders that write to it.
type world struct {
	t     *testing.T
	store *mem.Store
	o     Options

	mu    sync.Mutex
	owned map[string]bool
}

func newWorld(t *testing.T, client kubernetes.Interface) *world {
	w := &world{t: t, store: mem.New(mem.Options{}), owned: map[string]bool{"shop": true}}
	w.o = Options{
		Client: client, Scope: scope, Appender: w.store, Stamper: &logging.Stamper{}, File: filepath.Join(t.TempDir(), "kube", "events.json"),
		Owned: func(ns string) bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.owned[ns]
		},
	}
	return w
}

// run sets a recorder going; stop ends it.
func (w *world) run() (r *Recorder, stop func()) {
	r = New(w.o)
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(stop)
	return r, stop
}

func (w *world) records() (out []string) {
	v, err := w.store.Snapshot(w.t.Context(), scopetest.Operator())
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	res, err := v.Search(w.t.Context(), logging.Query{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, h := range res.Hits {
		out = append(out, string(h.Record.Tenant)+": "+h.Record.Message)
	}
	slices.Sort(out)
	return out
}

func (w *world) await(want ...string) {
	w.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var got []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		if got = w.records(); slices.Equal(got, want) {
			return
		}
	}
	w.t.Fatalf("records\n got %q\nwant %q", got, want)
}

// What changes is there once each time it changed, over restarts with and without
// the mark, and over a version that the API server knows no more.
func TestOnceEach(t *testing.T) {
	api, client := newAPIServer(t)
	w := newWorld(t, client)
	api.put("shop", "shop", "a", "pulled", 1)
	api.put("default", "", "n", "node is ready", 1)
	api.put("kube-system", "kube-system", "k", "nobody's", 1)
	r, stop := w.run()
	w.await("_system: node is ready", "team-shop: pulled")
	api.put("shop", "shop", "a", "pulled again", 2)
	w.await("_system: node is ready", "team-shop: pulled", "team-shop: pulled again")
	if got := testutil.ToFloat64(r.m.passed); got != 1 {
		t.Errorf("%v Events of nobody's namespaces", got)
	}
	stop()

	// What happens while nobody looks is read when somebody does, by the mark.
	api.put("shop", "shop", "b", "meanwhile", 1)
	api.mu.Lock()
	delete(api.events, "b") // and is gone by then
	lists := api.lists
	api.mu.Unlock()
	r, stop = w.run()
	want := []string{"_system: node is ready", "team-shop: meanwhile", "team-shop: pulled", "team-shop: pulled again"}
	w.await(want...)
	if api.mu.Lock(); api.lists != lists {
		t.Errorf("listed, though the version was known")
	}
	api.mu.Unlock()
	if got := testutil.ToFloat64(r.m.stored); got != 1 {
		t.Errorf("%v stored", got)
	}
	stop()

	api.put("shop", "shop", "c", "after compaction", 1)
	api.forget()
	r, stop = w.run()
	want = append(want, "team-shop: after compaction")
	slices.Sort(want)
	w.await(want...)
	stop()
	sum := testutil.ToFloat64(r.m.stored) + testutil.ToFloat64(r.m.duplicate) + testutil.ToFloat64(r.m.passed)
	if got := testutil.ToFloat64(r.m.received); got != sum || got != 4 {
		t.Errorf("received %v, accounted for %v", got, sum)
	}
	w.o.File = "" // the mark is lost: all there is is listed, and nothing is stored twice
	_, _ = w.run()
	api.put("shop", "shop", "d", "the end", 1)
	want = append(want, "team-shop: the end")
	slices.Sort(want)
	w.await(want...)
}

// A namespace that comes to a tenant brings what it had to say before.
func TestNamespaceComesToATenant(t *testing.T) {
	api, client := newAPIServer(t)
	w := newWorld(t, client)
	api.put("pay", "pay", "p", "before", 1)
	api.put("shop", "shop", "a", "first", 1)
	r, _ := w.run()
	w.await("team-shop: first")
	w.mu.Lock()
	w.owned["pay"] = true
	w.mu.Unlock()
	r.Decided([]tenant.Decision{{Namespace: "shop", Tenant: "team-shop"}, {Namespace: "pay", Tenant: "team-pay"}, {Namespace: "refused"}})
	w.await("team-pay: before", "team-shop: first")
}

// limited refuses a tenant's records for a while.
type limited struct {
	*mem.Store
	mu   sync.Mutex
	over tenant.ID
	down bool
}

func (l *limited) Append(ctx context.Context, w tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	l.mu.Lock()
	over, down := l.over, l.down
	l.mu.Unlock()
	switch {
	case down:
		return nil, logging.ErrUnavailable
	case b.Records[0].Tenant == over:
		return nil, logging.ErrTooMuch
	}
	return l.Store.Append(ctx, w, b)
}

// A tenant over its quota holds nobody up. What waits for it is kept with the mark: it
// is stored after a restart, too, when the API server knows it no more.
func TestQuotaAndOutage(t *testing.T) {
	api, client := newAPIServer(t)
	w := newWorld(t, client)
	w.owned["pay"] = true
	l := &limited{Store: w.store, over: "team-pay"}
	w.o.Appender = l
	api.put("pay", "pay", "p", "over", 1)
	api.put("shop", "shop", "a", "one", 1)
	_, stop := w.run()
	w.await("team-shop: one")
	stop() // and nothing of pay's was stored
	api.mu.Lock()
	delete(api.events, "p")
	api.mu.Unlock()
	api.forget()
	_, stop = w.run()
	l.mu.Lock()
	l.over, l.down = "", true
	l.mu.Unlock()
	api.put("shop", "shop", "b", "two", 1)
	l.mu.Lock()
	l.down = false
	l.mu.Unlock()
	w.await("team-pay: over", "team-shop: one", "team-shop: two")
	stop()
}

// The documents of Events as Kubernetes writes them.
func TestDocument(t *testing.T) {
	kubelet := eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-0.17", UID: "u1", ResourceVersion: "7", CreationTimestamp: noon},
		Note:       "Back-off restarting failed container", Reason: "BackOff", Type: "Warning", DeprecatedCount: 12,
		Regarding:           corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: "shop", Name: "web-0", UID: "pod-uid", FieldPath: "spec.containers{main}"},
		ReportingController: "kubelet", ReportingInstance: "n1",
		DeprecatedSource:         corev1.EventSource{Component: "kubelet", Host: "n1"},
		DeprecatedFirstTimestamp: noon, DeprecatedLastTimestamp: metav1.NewTime(noon.Add(time.Minute)),
	}
	scheduler := eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1.18", UID: "u2", ResourceVersion: "8", CreationTimestamp: noon},
		EventTime:  metav1.NewMicroTime(noon.Time), Action: "Binding", Reason: "Scheduled", Type: "Normal", Note: "assigned shop/web-1 to n2",
		Regarding: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: "shop", Name: "web-1"},
		Related:   &corev1.ObjectReference{Kind: "Node", Name: "n2"},
		Series:    &eventsv1.EventSeries{Count: 3, LastObservedTime: metav1.NewMicroTime(noon.Add(time.Second))},

		ReportingController: "default-scheduler", ReportingInstance: "default-scheduler-cp-1",
	}
	node := eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "n1.19", UID: "u3", ResourceVersion: "9", CreationTimestamp: noon},
		Note:       "Node n1 status is now: NodeNotReady", Reason: "NodeNotReady", Type: "Normal",
		Regarding: corev1.ObjectReference{Kind: "Node", Name: "n1", UID: "n1"}, ReportingController: "node-controller",
	}
	var out strings.Builder
	for _, e := range []*eventsv1.Event{&kubelet, &scheduler, &node} {
		raw := rawOf(e, "cluster:eu-1")
		rec, err := (&logging.Stamper{}).Stamp(scope, raw)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "tenant %s index %s pod %q node %q level %s time %s id %s\n", rec.Tenant, rec.Index, rec.Pod, rec.Node, rec.Level, rec.Time.Format(time.RFC3339), rec.ID)
		var doc any
		if err := json.Unmarshal(rec.Source, &doc); err != nil {
			t.Fatal(err)
		}
		b, _ := json.MarshalIndent(doc, "", "  ")
		fmt.Fprintf(&out, "%s\n", b)
	}
	golden.Check(t, "documents.golden", []byte(out.String()))
}
