package pods

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/oriel-project/oriel/logging"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func newPod(namespace, name, uid string, created time.Time, labels map[string]string) *corev1.Pod {
	yes := true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: types.UID(uid), CreationTimestamp: metav1.NewTime(created), Labels: labels,
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "web-5d", Controller: &yes}},
		},
		Spec:   corev1.PodSpec{NodeName: "n1"},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "main", ContainerID: "containerd://id-" + uid}}},
	}
}

// A pod that lived for two seconds is known for hours, by its name, its UID and
// its container's id; so is the one that had the name before it.
func TestRemembers(t *testing.T) {
	now := noon
	m, err := Open(Options{Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	at := func(d time.Duration) time.Time { return noon.Add(d) }
	m.seen(newPod("shop", "web-0", "a", at(0), map[string]string{"app": "web", "pod-template-hash": "5d", "v": "1"}))
	now = at(2 * time.Second)
	m.lost("a")
	m.seen(newPod("shop", "web-0", "b", at(time.Hour), map[string]string{"app": "web", "v": "2"}))

	for _, tc := range []struct {
		ref  logging.PodRef
		at   time.Time
		want string // UID and owner
	}{
		{logging.PodRef{Namespace: "shop", Name: "web-0"}, at(time.Second), "a deployment/web"},
		{logging.PodRef{Namespace: "shop", Name: "web-0"}, at(10 * time.Minute), "a deployment/web"}, // late
		{logging.PodRef{Namespace: "shop", Name: "web-0"}, at(-time.Hour), "a deployment/web"},       // clocks
		{logging.PodRef{Namespace: "shop", Name: "web-0"}, at(2 * time.Hour), "b replicaset/web-5d"},
		{logging.PodRef{Namespace: "shop", Name: "web-0", UID: "a"}, at(2 * time.Hour), "a deployment/web"},
		{logging.PodRef{ContainerID: "id-a"}, at(2 * time.Hour), "a deployment/web"},
		{logging.PodRef{Namespace: "pay", Name: "web-0"}, at(0), ""},
		{logging.PodRef{}, at(0), ""},
	} {
		p, ok := m.Pod(tc.ref, tc.at)
		got := ""
		if ok {
			got = fmt.Sprintf("%s %s/%s", p.UID, p.OwnerKind, p.OwnerName)
		}
		if got != tc.want {
			t.Errorf("%+v at %v: %q, want %q", tc.ref, tc.at, got, tc.want)
		}
	}
	// Restarted containers keep their old ids.
	again := newPod("shop", "web-0", "b", at(time.Hour), map[string]string{"app": "web", "v": "2"})
	again.Status.ContainerStatuses[0].ContainerID = "containerd://second"
	m.seen(again)
	for _, id := range []string{"id-b", "second"} {
		if p, ok := m.Pod(logging.PodRef{ContainerID: id}, now); !ok || p.UID != "b" || p.Container != "main" {
			t.Errorf("%s: %+v", id, p)
		}
	}

	now = at(keepDefault + 3*time.Second)
	m.save()
	if _, ok := m.Pod(logging.PodRef{UID: "a"}, now); ok {
		t.Error("still there after the time it is kept")
	}
	if living, gone := m.count(); living != 1 || gone != 0 || len(m.byContainer) != 2 {
		t.Errorf("%d living, %d gone, %d containers", living, gone, len(m.byContainer))
	}
}

// A namespace that was deleted and made again may be another team's: what is known
// of the pods of before is not for the records of now, whatever they name.
func TestNamespaceMadeAgain(t *testing.T) {
	made := noon
	m, err := Open(Options{Clock: func() time.Time { return noon }, Since: func(namespace string) time.Time {
		if namespace == "gone" {
			return time.Time{}
		}
		return made
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, namespace := range []string{"shop", "gone"} {
		m.seen(newPod(namespace, "db-0", "old-"+namespace, noon, nil))
		m.lost("old-" + namespace)
	}
	at := noon.Add(2 * time.Hour)
	known := func(ref logging.PodRef, at time.Time) bool {
		_, ok := m.Pod(ref, at)
		return ok
	}
	if !known(logging.PodRef{Namespace: "shop", Name: "db-0"}, at) {
		t.Error("a pod that is gone is not known while its namespace is there")
	}
	made = noon.Add(time.Hour)
	for _, ref := range []logging.PodRef{{Namespace: "shop", Name: "db-0"}, {Namespace: "shop", UID: "old-shop"}, {ContainerID: "id-old-shop"}} {
		if known(ref, at) {
			t.Errorf("%+v gives a pod of the namespace before", ref)
		}
		if !known(ref, noon.Add(time.Minute)) {
			t.Errorf("%+v: a late record of the pod does not find it", ref)
		}
	}
	if !known(logging.PodRef{Namespace: "gone", Name: "db-0"}, at) {
		t.Error("late records of a namespace that is gone do not find their pod")
	}
	m.seen(newPod("shop", "db-0", "new", made.Add(time.Minute), nil))
	if p, ok := m.Pod(logging.PodRef{Namespace: "shop", Name: "db-0"}, at); !ok || p.UID != "new" {
		t.Errorf("%+v", p)
	}
}

func TestBounded(t *testing.T) {
	m, err := Open(Options{GoneMax: 10})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		uid := fmt.Sprint(i)
		m.seen(newPod("shop", "job-"+uid, uid, noon, nil))
		m.lost(uid)
	}
	if living, gone := m.count(); living != 0 || gone != 10 || len(m.byName) != 10 || len(m.byContainer) != 10 {
		t.Errorf("%d living, %d gone, %d names", living, gone, len(m.byName))
	}
	if _, ok := m.Pod(logging.PodRef{Namespace: "shop", Name: "job-99"}, noon); !ok {
		t.Error("the newest is forgotten")
	}
}

// What was known outlives the process, however it ended; who went meanwhile is
// gone, and known.
func TestRestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kube", "pods.jsonl")
	labels := map[string]string{"app": "web"}
	first, err := Open(Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	first.seen(newPod("shop", "gone", "a", noon, labels))
	first.lost("a")
	first.seen(newPod("shop", "stays", "b", noon, labels))
	first.seen(newPod("shop", "goes", "c", noon, labels))
	first.save()
	// Killed, within a write.
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, `{"uid":"d","names`)
	f.Close()

	m, err := Open(Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	client := fake.NewClientset(newPod("shop", "stays", "b", noon, labels))
	factory := informers.NewSharedInformerFactory(client, 0)
	if err := m.Follow(factory.Core().V1().Pods().Informer()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := m.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	factory.Start(ctx.Done())
	for _, uid := range []string{"a", "b", "c"} {
		if p, ok := m.Pod(logging.PodRef{UID: uid}, noon); !ok || p.Labels != `{"app":"web"}` {
			t.Errorf("%s: %+v", uid, p)
		}
	}
	if _, ok := m.Pod(logging.PodRef{UID: "d"}, noon); ok {
		t.Error("half a line counts")
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		if living, gone := m.count(); living == 1 && gone == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the pod that went meanwhile counts as living")
		}
	}
	cancel()
	factory.Shutdown()
	wg.Wait()

	third, err := Open(Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	if living, gone := third.count(); living != 1 || gone != 2 {
		t.Errorf("%d living, %d gone", living, gone)
	}
	third.file.close()
	if err := os.WriteFile(file, []byte("{\"oriel_pods\":2}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{File: file}); err == nil {
		t.Error("a newer version was read")
	}
}

// The file does not grow without end.
func TestFileIsWrittenAnew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pods.jsonl")
	m, err := Open(Options{File: file, GoneMax: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { m.file.close() }()
	labels := map[string]string{}
	for i := range 60 {
		labels[fmt.Sprint("k", i)] = strings.Repeat("v", 60)
	}
	for i := range 3000 {
		uid := fmt.Sprint(i)
		m.seen(newPod("shop", "job-"+uid, uid, noon, labels))
		m.lost(uid)
		m.save()
	}
	info, err := os.Stat(file)
	if err != nil || info.Size() > longBytesMin+1<<20 {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
}

func FuzzFile(f *testing.F) {
	f.Add([]byte(fileHead + `{"uid":"a","name":"x","created":"2026-11-29T12:00:00Z"}` + "\n"))
	f.Add([]byte(fileHead + `{"uid":"a","deleted":"2026-11-29T12:00:00Z"}` + "\n" + `{"uid":"a"}` + "\n{"))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		file := filepath.Join(t.TempDir(), "pods.jsonl")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := Open(Options{File: file, Clock: func() time.Time { return noon }})
		if err != nil {
			return
		}
		before := len(m.byUID)
		m.file.close()
		again, err := Open(Options{File: file, Clock: func() time.Time { return noon }})
		if err != nil || len(again.byUID) != before {
			t.Fatalf("%v, %d pods and then %d", err, before, len(again.byUID))
		}
		again.file.close()
	})
}
