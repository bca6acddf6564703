//go:build real && soak

package kube_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/kube"
	"github.com/oriel-project/oriel/test/kubetest"
)

// TestSoakNamespaces measures the cluster's side of onboarding at 2,000
// tenants: a storm of all of them at once, and then one after the other, from
// the annotation to the status. Central is a stand-in that decides at once.
func TestSoakNamespaces(t *testing.T) {
	const tenants, samples = 2000, 100
	c := kubetest.Start(t, kubetest.Options{})
	admin, _, err := kube.NewClient(c.AdminKubeconfig, "", false)
	if err != nil {
		t.Fatal(err)
	}
	c.MustKubectl(t, "apply", "-f", "../../deploy/agent.yaml")
	kubeconfig, err := c.ServiceAccountKubeconfig("oriel", "oriel-agent")
	if err != nil {
		t.Fatal(err)
	}
	client, _, err := kube.NewClient(kubeconfig, "", false)
	if err != nil {
		t.Fatal(err)
	}
	roster := newFakeRoster()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- kube.New(kube.Options{Client: client, Cluster: tenant.Cluster{Name: "eu-1"}, Roster: roster}).Run(ctx)
	}()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	began := time.Now()
	var group errgroup.Group
	group.SetLimit(32)
	for i := range tenants {
		group.Go(func() error {
			_, err := admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
				Name: fmt.Sprintf("team-%d", i), Annotations: map[string]string{"oriel/tenant": fmt.Sprintf("team-%d", i)},
			}}, metav1.CreateOptions{})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	created := time.Since(began)
	ready := func() int {
		list, err := admin.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, ns := range list.Items {
			if ns.Annotations["oriel/status"] == "ready" {
				n++
			}
		}
		return n
	}
	deadline := time.Now().Add(5 * time.Minute)
	for ready() < tenants {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d ready after %v", ready(), tenants, time.Since(began))
		}
	}
	calls, _ := roster.takeCalls()
	t.Logf("%d namespaces created in %v, all ready after %v, in %d calls to central", tenants, created, time.Since(began), len(calls))

	var took []time.Duration
	for i := range samples {
		name := fmt.Sprintf("late-%d", i)
		if _, err := admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := admin.CoreV1().Namespaces().Patch(t.Context(), name, types.MergePatchType,
			[]byte(`{"metadata":{"annotations":{"oriel/tenant":"late"}}}`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		took = append(took, eventually(t, name, func() bool {
			ns, err := admin.CoreV1().Namespaces().Get(t.Context(), name, metav1.GetOptions{})
			return err == nil && ns.Annotations["oriel/status"] == "ready"
		}))
	}
	slices.Sort(took)
	t.Logf("annotation to status at %d tenants: p50 %v, p99 %v, max %v", tenants, took[samples/2], took[samples*99/100-1], took[samples-1])
}
