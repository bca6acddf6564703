package kube_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/kube"
)

// house is a Watcher between client-go's fake API and a stand-in for central,
// in a bubble of its own time.
type house struct {
	*testing.T
	client *fake.Clientset
	roster *fakeRoster
	stop   func()
}

func namespace(name string, annotations ...string) *corev1.Namespace {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name), Annotations: map[string]string{}}}
	for i := 0; i < len(annotations); i += 2 {
		ns.Annotations[annotations[i]] = annotations[i+1]
	}
	return ns
}

// inHouse runs f in a bubble with a Watcher that has settled.
func inHouse(t *testing.T, objects []runtime.Object, f func(h *house)) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{T: t, client: fake.NewClientset(objects...), roster: newFakeRoster()}
		h.start()
		f(h)
		h.stop()
	})
}

func (h *house) start() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	w := kube.New(kube.Options{Client: h.client, Cluster: tenant.Cluster{Name: "eu-1"}, Roster: h.roster})
	go func() { done <- w.Run(ctx) }()
	h.stop = func() {
		cancel()
		if err := <-done; err != nil {
			h.Errorf("Run: %v", err)
		}
	}
	h.wait(time.Second)
}

// wait lets d pass and everything that it sets off.
func (h *house) wait(d time.Duration) {
	time.Sleep(d) // of the bubble's time
	synctest.Wait()
}

func (h *house) annotate(name, key string, value any) {
	h.Helper()
	v := "null"
	if s, ok := value.(string); ok {
		v = `"` + s + `"`
	}
	patch := []byte(`{"metadata":{"annotations":{"` + key + `":` + v + `}}}`)
	if _, err := h.client.CoreV1().Namespaces().Patch(h.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		h.Fatal(err)
	}
}

func (h *house) create(ns *corev1.Namespace) {
	h.Helper()
	if _, err := h.client.CoreV1().Namespaces().Create(h.Context(), ns, metav1.CreateOptions{}); err != nil {
		h.Fatal(err)
	}
}

func (h *house) wantStatus(name, want string) {
	h.Helper()
	ns, err := h.client.CoreV1().Namespaces().Get(h.Context(), name, metav1.GetOptions{})
	if err != nil {
		h.Fatal(err)
	}
	if got := ns.Annotations["oriel/status"]; got != want {
		h.Errorf("%s: status %q, want %q", name, got, want)
	}
}

func (h *house) wantCalls(want ...string) (times []time.Time) {
	h.Helper()
	got, times := h.roster.takeCalls()
	if !slices.Equal(got, want) {
		h.Errorf("calls %q, want %q", got, want)
	}
	return times
}

// wantEvents compares "reason: message" of the namespace's Events, sorted.
func (h *house) wantEvents(name string, want ...string) {
	h.Helper()
	list, err := h.client.CoreV1().Events(name).List(h.Context(), metav1.ListOptions{})
	if err != nil {
		h.Fatal(err)
	}
	var got []string
	for _, e := range list.Items {
		got = append(got, e.Reason+": "+e.Message)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		h.Errorf("events of %s (-want +got):\n%s", name, diff)
	}
}

// namespaceWrites counts what was written on namespaces up to now.
func (h *house) namespaceWrites() (n int) {
	for _, a := range h.client.Actions() {
		if a.Matches("patch", "namespaces") && a.(clienttesting.PatchAction).GetName() != "oriel-preflight" {
			n++
		}
	}
	return n
}

func TestOnboarding(t *testing.T) {
	inHouse(t, []runtime.Object{
		namespace("kube-system"),
		namespace("shop", "oriel/tenant", "shop", "oriel/groups", "b;a", "example.com/other", "x"),
	}, func(h *house) {
		h.wantCalls("snapshot 1")
		want := tenant.Claim{Namespace: "shop", UID: "uid-shop", Tenant: "shop", Groups: []string{"a", "b"}}
		if got, _ := h.roster.claim("shop"); cmp.Diff(want, got) != "" {
			t.Error(cmp.Diff(want, got))
		}
		h.wantStatus("shop", "ready")
		h.wantStatus("kube-system", "")
		h.wantEvents("shop", "OrielReady: the namespace belongs to tenant shop: its window stands")

		// A new one is told of at once, and several of one moment in one call.
		began := time.Now()
		h.create(namespace("pay-1", "oriel/tenant", "pay"))
		h.create(namespace("pay-2", "oriel/tenant", "pay"))
		h.create(namespace("quiet"))
		h.wait(time.Second)
		if times := h.wantCalls("changes +2 -0"); len(times) == 1 && times[0].Sub(began) > 100*time.Millisecond {
			t.Errorf("central was told after %v", times[0].Sub(began))
		}
		h.wantStatus("pay-2", "ready")

		// Later, by an annotation; and what is not ours is not told.
		h.annotate("quiet", "oriel/tenant", "quiet")
		h.wait(time.Second)
		h.annotate("quiet", "example.com/other", "y")
		h.wait(time.Second)
		h.wantCalls("changes +1 -0")
	})
}

func TestOffboarding(t *testing.T) {
	inHouse(t, []runtime.Object{namespace("a", "oriel/tenant", "a"), namespace("b", "oriel/tenant", "b")}, func(h *house) {
		h.wantCalls("snapshot 2")
		h.annotate("a", "oriel/tenant", nil)
		h.wait(time.Second)
		h.wantCalls("changes +0 -1")
		h.wantStatus("a", "")

		// Terminating is not gone: its last words are still worth something.
		ns, err := h.client.CoreV1().Namespaces().Get(t.Context(), "b", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ns.DeletionTimestamp = &metav1.Time{Time: time.Now()}
		ns.Annotations["oriel/groups"] = "g"
		if _, err := h.client.CoreV1().Namespaces().Update(t.Context(), ns, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Second)
		h.wantCalls("changes +1 -0")
		if err := h.client.CoreV1().Namespaces().Delete(t.Context(), "b", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Second)
		h.wantCalls("changes +0 -1")

		// The same name is another life.
		again := namespace("b", "oriel/tenant", "b")
		again.UID = "uid-b-2"
		h.create(again)
		h.wait(time.Second)
		h.wantCalls("changes +1 -0")
		h.wantStatus("b", "ready")
	})
}

// TestRecreatedWithinOneMoment: one call ends the old life and begins the new one.
func TestRecreatedWithinOneMoment(t *testing.T) {
	inHouse(t, []runtime.Object{namespace("a", "oriel/tenant", "a")}, func(h *house) {
		h.wantCalls("snapshot 1")
		if err := h.client.CoreV1().Namespaces().Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		again := namespace("a", "oriel/tenant", "a")
		again.UID = "uid-a-2"
		h.create(again)
		h.wait(time.Second)
		h.wantCalls("changes +1 -1")
		h.wantStatus("a", "ready")
	})
}

func TestCentralAway(t *testing.T) {
	inHouse(t, []runtime.Object{namespace("a", "oriel/tenant", "a")}, func(h *house) {
		h.wantCalls("snapshot 1")
		h.roster.set(func(r *fakeRoster) { r.away = errors.New("connection refused") })
		h.annotate("a", "oriel/tenant", "b")
		h.wait(30 * time.Second)
		calls, times := h.roster.takeCalls()
		if n := len(calls); n < 6 || n > 12 {
			t.Errorf("%d calls in 30 s: %q", n, calls)
		}
		for i := 1; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap > 6*time.Second {
				t.Errorf("a pause of %v", gap)
			}
		}
		// Meanwhile the world moves; the newest state wins.
		h.annotate("a", "oriel/tenant", "c")
		h.create(namespace("new", "oriel/tenant", "new"))
		h.create(namespace("typo", "oriel/tennant", "x"))
		h.wait(10 * time.Second)
		h.wantEvents("typo", "OrielBadAnnotation: annotation oriel/tennant is unknown: did you mean oriel/tenant?")
		h.roster.takeCalls()
		h.roster.set(func(r *fakeRoster) { r.away = nil })
		h.wait(6 * time.Second)
		h.wantCalls("snapshot 2")
		if c, _ := h.roster.claim("a"); c.Tenant != "c" {
			t.Errorf("tenant %q", c.Tenant)
		}
		h.wantStatus("new", "ready")
	})
}

func TestStaleRosterGetsSnapshot(t *testing.T) {
	inHouse(t, []runtime.Object{namespace("a", "oriel/tenant", "a")}, func(h *house) {
		h.roster.takeCalls()
		h.roster.set(func(r *fakeRoster) { // central began anew
			r.seen = false
			r.claims = map[string]tenant.Claim{}
		})
		h.create(namespace("b", "oriel/tenant", "b"))
		h.wait(time.Second)
		h.wantCalls("changes +1 -0", "snapshot 2")
	})
}

func TestPendingIsAskedEverySecond(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.roster.set(func(r *fakeRoster) {
			r.decide = func(c tenant.Claim) tenant.Decision {
				return tenant.Decision{Tenant: tenant.ID(c.Tenant), Status: "pending: dashboards"}
			}
		})
		h.create(namespace("a", "oriel/tenant", "a"))
		h.wait(500 * time.Millisecond)
		h.wantStatus("a", "pending: dashboards")
		h.roster.takeCalls()
		h.wait(3 * time.Second)
		h.wantCalls("changes +0 -0", "changes +0 -0", "changes +0 -0")

		ready := newFakeRoster().decide
		h.roster.set(func(r *fakeRoster) { r.decide = ready })
		h.wait(time.Second)
		h.wantStatus("a", "ready")
		h.roster.takeCalls()
		h.wait(31 * time.Second)
		h.wantCalls("changes +0 -0", "changes +0 -0")
		h.wantEvents("a", "OrielReady: the namespace belongs to tenant a: its window stands")
	})
}

func TestRefusals(t *testing.T) {
	inHouse(t, []runtime.Object{
		namespace("foreign", "oriel/tenant", "payments"),
		namespace("broken", "oriel/tenant", "shop", "oriel/on-delete", "keep"),
		namespace("typo", "oriel/tennant", "shop"),
	}, func(h *house) {
		const bad = `annotation oriel/on-delete: "keep": want archive or purge`
		h.roster.set(func(r *fakeRoster) {
			plain := r.decide
			r.decide = func(c tenant.Claim) tenant.Decision {
				if c.Tenant == "payments" {
					return tenant.Decision{Status: "refused: tenant payments has other groups: ask its owners"}
				}
				return plain(c)
			}
		})
		h.wait(20 * time.Second)
		h.wantStatus("foreign", "refused: tenant payments has other groups: ask its owners")
		h.wantStatus("broken", "refused: "+bad)
		h.wantStatus("typo", "")
		// foreign was accepted first: both are news.
		h.wantEvents("foreign",
			"OrielReady: the namespace belongs to tenant payments: its window stands",
			"OrielRefused: refused: tenant payments has other groups: ask its owners")
		h.wantEvents("broken", "OrielBadAnnotation: "+bad)
		h.wantEvents("typo", "OrielBadAnnotation: annotation oriel/tennant is unknown: did you mean oriel/tenant?")

		// The same words are one Event, and no write, after a restart too.
		h.stop()
		writes := h.namespaceWrites()
		h.start()
		h.wait(time.Minute)
		h.wantEvents("broken", "OrielBadAnnotation: "+bad)
		if n := h.namespaceWrites() - writes; n != 0 {
			t.Errorf("%d statuses written again", n)
		}

		// Mended.
		h.annotate("broken", "oriel/on-delete", "purge")
		h.wait(time.Second)
		h.wantStatus("broken", "ready")
	})
}

// TestNeverFights: another controller that owns all annotations may take ours
// away as often as it likes.
func TestNeverFights(t *testing.T) {
	inHouse(t, []runtime.Object{namespace("a", "oriel/tenant", "a")}, func(h *house) {
		h.wantStatus("a", "ready")
		writes := h.namespaceWrites()
		h.annotate("a", "oriel/status", nil)
		h.wait(time.Minute)
		h.wantStatus("a", "")
		h.annotate("a", "oriel/status", "whatever")
		h.wait(time.Minute)
		h.wantStatus("a", "whatever")
		if n := h.namespaceWrites() - writes; n != 2 { // the two of this test
			t.Errorf("%d writes", n)
		}
		// But news are news.
		h.roster.set(func(r *fakeRoster) {
			r.decide = func(tenant.Claim) tenant.Decision { return tenant.Decision{Status: "refused: no"} }
		})
		h.wait(20 * time.Second)
		h.wantStatus("a", "refused: no")
	})
}

func TestWritesAreTriedAgain(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		broken := true
		h.client.PrependReactor("patch", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) {
			return broken, nil, apierrors.NewServiceUnavailable("etcd is electing")
		})
		h.create(namespace("a", "oriel/tenant", "a"))
		h.wait(5 * time.Second)
		h.wantStatus("a", "")
		broken = false
		h.wait(10 * time.Second)
		h.wantStatus("a", "ready")
		h.wantEvents("a", "OrielReady: the namespace belongs to tenant a: its window stands")
	})
}

// TestLateStatusIsDropped: what was meant for an earlier life of the name is
// refused by the API server, as here, and not tried again.
func TestLateStatusIsDropped(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		tries := 0
		h.client.PrependReactor("patch", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) {
			tries++
			return true, nil, apierrors.NewInvalid(schema.GroupKind{Kind: "Namespace"}, "a", field.ErrorList{
				field.Invalid(field.NewPath("metadata", "uid"), "uid-a", "field is immutable"),
			})
		})
		h.create(namespace("a", "oriel/tenant", "a"))
		h.wait(time.Minute)
		if tries != 1 {
			t.Errorf("%d tries", tries)
		}
	})
}

// TestNoSnapshotBeforeTheCacheIsFull: an empty one would end every namespace.
func TestNoSnapshotBeforeTheCacheIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{T: t, client: fake.NewClientset(namespace("a", "oriel/tenant", "a")), roster: newFakeRoster()}
		broken := true
		away := func(clienttesting.Action) (bool, runtime.Object, error) {
			return broken, nil, apierrors.NewServiceUnavailable("starting")
		}
		h.client.PrependReactor("list", "namespaces", away)
		h.start()
		h.wait(20 * time.Second)
		h.wantCalls()
		broken = false
		h.wait(time.Minute)
		if calls, _ := h.roster.takeCalls(); len(calls) == 0 || calls[0] != "snapshot 1" {
			t.Errorf("calls %q", calls)
		}
		h.stop()
	})
}

func TestForbidden(t *testing.T) {
	forbid := func(client *fake.Clientset, verb, resource string) {
		client.PrependReactor(verb, resource, func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", errors.New("no role"))
		})
	}
	t.Run("list", func(t *testing.T) {
		client := fake.NewClientset()
		forbid(client, "list", "namespaces")
		w := kube.New(kube.Options{Client: client, Cluster: tenant.Cluster{Name: "eu-1"}, Roster: newFakeRoster()})
		err := w.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "does not allow this account to list namespaces") ||
			!strings.Contains(err.Error(), "kubectl apply -f deploy/agent.yaml") {
			t.Errorf("Run: %v", err)
		}
	})
	t.Run("all are named", func(t *testing.T) {
		client := fake.NewClientset()
		forbid(client, "patch", "namespaces")
		forbid(client, "create", "events")
		err := kube.Preflight(t.Context(), client)
		for _, want := range []string{"to patch namespaces", "to create events"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
		if f, ok := errors.AsType[*kube.Forbidden](err); !ok || f.Essential {
			t.Errorf("%#v", f)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		if err := kube.Preflight(t.Context(), fake.NewClientset()); err != nil {
			t.Error(err)
		}
	})
}
