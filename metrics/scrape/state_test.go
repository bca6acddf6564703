package scrape

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/oriel-project/oriel/internal/golden"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// TestStateSeries holds the series against a golden file, and has them give way
// to a kube-state-metrics.
func TestStateSeries(t *testing.T) {
	at := metav1.NewTime(time.Unix(1_700_000_000, 0))
	meta := func(namespace, name string) metav1.ObjectMeta {
		yes := true
		return metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: "u-1", CreationTimestamp: at, Generation: 3,
			OwnerReferences: []metav1.OwnerReference{{Kind: "Owner", Name: "above", Controller: &yes}},
		}
	}
	three, class := int32(3), "fast"
	pod := &corev1.Pod{
		ObjectMeta: meta("shop-prod", "web-0"),
		Spec: corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "web", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{"cpu": resource.MustParse("250m"), "memory": resource.MustParse("64Mi"), "nvidia.com/gpu": resource.MustParse("1")},
			Limits:   corev1.ResourceList{"memory": resource.MustParse("128Mi")},
		}}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: "10.0.0.7", HostIP: "192.0.2.1", StartTime: &at,
			Conditions:            []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}},
			InitContainerStatuses: []corev1.ContainerStatus{{Name: "first", ContainerID: "containerd://a", RestartCount: 9}},
			ContainerStatuses: []corev1.ContainerStatus{{
				Name: "web", Image: "web:1", RestartCount: 4,
				State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
				LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137}},
			}},
		},
	}
	foreign := pod.DeepCopy()
	foreign.Namespace = "nobodys"
	client := fake.NewClientset(pod, foreign,
		&appsv1.Deployment{ObjectMeta: meta("shop-prod", "web"), Spec: appsv1.DeploymentSpec{Replicas: &three}, Status: appsv1.DeploymentStatus{ObservedGeneration: 3, Replicas: 3, ReadyReplicas: 2, AvailableReplicas: 1, UnavailableReplicas: 2, UpdatedReplicas: 3}},
		&appsv1.ReplicaSet{ObjectMeta: meta("shop-prod", "web-6d5f9"), Spec: appsv1.ReplicaSetSpec{Replicas: &three}, Status: appsv1.ReplicaSetStatus{Replicas: 3, ReadyReplicas: 2}},
		&appsv1.StatefulSet{ObjectMeta: meta("shop-prod", "db"), Spec: appsv1.StatefulSetSpec{Replicas: &three}, Status: appsv1.StatefulSetStatus{Replicas: 3, ReadyReplicas: 2, CurrentReplicas: 3, UpdatedReplicas: 3, AvailableReplicas: 2}},
		&appsv1.DaemonSet{ObjectMeta: meta("shop-prod", "edge"), Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 5, NumberReady: 4, NumberUnavailable: 1}},
		&batchv1.Job{ObjectMeta: meta("shop-prod", "import"), Status: batchv1.JobStatus{Failed: 2, Conditions: []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue}}}},
		&corev1.PersistentVolumeClaim{ObjectMeta: meta("shop-prod", "data"), Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class, VolumeName: "pv-1", AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{"storage": resource.MustParse("10Gi")}},
		}, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound}},
		&corev1.ResourceQuota{ObjectMeta: meta("shop-prod", "team"), Status: corev1.ResourceQuotaStatus{
			Hard: corev1.ResourceList{"limits.cpu": resource.MustParse("10")}, Used: corev1.ResourceList{"limits.cpu": resource.MustParse("2500m")},
		}},
	)
	_, store := run(t, Options{Kube: client, Owned: owned})
	text := func() string {
		var out []string
		for series, v := range last(t, store, scopetest.Read("shop"), "job", stateJob) {
			_, series, _ = strings.Cut(series, `__name__="`)
			for _, same := range []string{`, cloud="private", cluster="eu-1"`, `, region="eu"`, `, job="kube-state-metrics", namespace="shop-prod"`} {
				series = strings.Replace(series, same, "", 1)
			}
			_, host, _ := strings.Cut(series, `, instance="`)
			host, _, _ = strings.Cut(host, `"`)
			out = append(out, fmt.Sprintf("%s %v", strings.Replace(series, fmt.Sprintf(`, instance="%s"`, host), "", 1), v))
		}
		slices.Sort(out)
		return strings.Join(out, "\n") + "\n"
	}
	until(t, "the state series", func() bool { return strings.Contains(text(), "kube_resourcequota") })
	golden.Check(t, "state.golden", []byte(text()))
	if got := last(t, store, scopetest.Read("_unassigned")); len(got) != 0 {
		t.Errorf("a namespace that nobody owns is told of: %v", got)
	}

	srv := page(t, "kube_pod_info{namespace=\"shop-prod\",pod=\"real\"} 1\n")
	real := podAt("kube-system", "ksm", srv, func(p *corev1.Pod) {
		p.Labels = map[string]string{stateName: stateJob}
		p.Spec.Containers[0].Ports[0].Name = "http-metrics"
	})
	if _, err := client.CoreV1().Pods("kube-system").Create(t.Context(), real, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "kube-state-metrics instead", func() bool {
		infos := last(t, store, scopetest.Read("shop"), model.MetricNameLabel, "kube_pod_info")
		theirs, ours := 0, 0
		for series, v := range infos {
			if v == 1 && strings.Contains(series, `pod="real"`) {
				theirs++
			} else if v == 1 {
				ours++
			}
		}
		return theirs == 1 && ours == 0
	})
}
