package scrape

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// counts adds a series for each name behind the prefix.
func (b *stateBuilder) counts(prefix string, o metav1.Object, resource string, of map[string]int64) {
	id := []string{"namespace", o.GetNamespace(), resource, o.GetName()}
	b.created(prefix+"created", o, id)
	for name, v := range of {
		b.gauge(prefix+name, float64(v), id...)
	}
}

// wantedOf is what no number in a spec means.
func wantedOf(n *int32) int64 {
	if n == nil {
		return 1
	}
	return int64(*n)
}

func (b *stateBuilder) deployment(d *appsv1.Deployment) {
	s := &d.Status
	paused := int64(flag(d.Spec.Paused))
	b.counts("kube_deployment_", d, "deployment", map[string]int64{
		"spec_replicas": wantedOf(d.Spec.Replicas), "spec_paused": paused, "metadata_generation": d.Generation,
		"status_observed_generation": s.ObservedGeneration, "status_replicas": int64(s.Replicas), "status_replicas_ready": int64(s.ReadyReplicas),
		"status_replicas_available": int64(s.AvailableReplicas), "status_replicas_unavailable": int64(s.UnavailableReplicas), "status_replicas_updated": int64(s.UpdatedReplicas),
	})
}

func (b *stateBuilder) statefulSet(d *appsv1.StatefulSet) {
	s := &d.Status
	b.counts("kube_statefulset_", d, "statefulset", map[string]int64{
		"replicas": wantedOf(d.Spec.Replicas), "metadata_generation": d.Generation,
		"status_observed_generation": s.ObservedGeneration, "status_replicas": int64(s.Replicas), "status_replicas_ready": int64(s.ReadyReplicas),
		"status_replicas_available": int64(s.AvailableReplicas), "status_replicas_current": int64(s.CurrentReplicas), "status_replicas_updated": int64(s.UpdatedReplicas),
	})
}

func (b *stateBuilder) daemonSet(d *appsv1.DaemonSet) {
	s := &d.Status
	b.counts("kube_daemonset_", d, "daemonset", map[string]int64{
		"metadata_generation": d.Generation, "status_observed_generation": s.ObservedGeneration,
		"status_desired_number_scheduled": int64(s.DesiredNumberScheduled), "status_current_number_scheduled": int64(s.CurrentNumberScheduled),
		"status_number_ready": int64(s.NumberReady), "status_number_available": int64(s.NumberAvailable), "status_number_unavailable": int64(s.NumberUnavailable),
		"status_number_misscheduled": int64(s.NumberMisscheduled), "status_updated_number_scheduled": int64(s.UpdatedNumberScheduled),
	})
}

func (b *stateBuilder) replicaSet(d *appsv1.ReplicaSet) {
	b.counts("kube_replicaset_", d, "replicaset", map[string]int64{
		"spec_replicas": wantedOf(d.Spec.Replicas), "status_replicas": int64(d.Status.Replicas), "status_ready_replicas": int64(d.Status.ReadyReplicas),
	})
	b.owner("kube_replicaset_owner", d, "replicaset")
}

// owner says what a workload belongs to: how a pod leads to its Deployment.
func (b *stateBuilder) owner(name string, o metav1.Object, resource string) {
	kind, of := "<none>", "<none>"
	if c := metav1.GetControllerOfNoCopy(o); c != nil {
		kind, of = c.Kind, c.Name
	}
	b.gauge(name, 1, "namespace", o.GetNamespace(), resource, o.GetName(), "owner_kind", kind, "owner_name", of, "owner_is_controller", controllerText(o))
}

func (b *stateBuilder) job(j *batchv1.Job) {
	id := []string{"namespace", j.Namespace, "job_name", j.Name}
	b.counts("kube_job_", j, "job_name", map[string]int64{
		"status_active": int64(j.Status.Active), "status_succeeded": int64(j.Status.Succeeded), "status_failed": int64(j.Status.Failed),
		"spec_parallelism": wantedOf(j.Spec.Parallelism), "spec_completions": wantedOf(j.Spec.Completions),
	})
	b.owner("kube_job_owner", j, "job_name")
	if t := j.Status.StartTime; t != nil {
		b.gauge("kube_job_status_start_time", float64(t.Unix()), id...)
	}
	if t := j.Status.CompletionTime; t != nil {
		b.gauge("kube_job_status_completion_time", float64(t.Unix()), id...)
	}
	for _, c := range j.Status.Conditions {
		name := map[batchv1.JobConditionType]string{batchv1.JobComplete: "kube_job_complete", batchv1.JobFailed: "kube_job_failed"}[c.Type]
		if name == "" {
			continue
		}
		for _, v := range [...]corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionUnknown} {
			b.gauge(name, flag(c.Status == v), append(id[:len(id):len(id)], "condition", strings.ToLower(string(v)))...)
		}
	}
}

var claimPhases = [...]corev1.PersistentVolumeClaimPhase{corev1.ClaimBound, corev1.ClaimLost, corev1.ClaimPending}

func (b *stateBuilder) claim(c *corev1.PersistentVolumeClaim) {
	id := []string{"namespace", c.Namespace, "persistentvolumeclaim", c.Name}
	with := func(more ...string) []string { return append(id[:len(id):len(id)], more...) }
	class := ""
	if c.Spec.StorageClassName != nil {
		class = *c.Spec.StorageClassName
	}
	b.gauge("kube_persistentvolumeclaim_info", 1, with("storageclass", class, "volumename", c.Spec.VolumeName)...)
	b.created("kube_persistentvolumeclaim_created", c, id)
	for _, p := range claimPhases {
		b.gauge("kube_persistentvolumeclaim_status_phase", flag(c.Status.Phase == p), with("phase", string(p))...)
	}
	if q, ok := c.Spec.Resources.Requests[corev1.ResourceStorage]; ok {
		b.gauge("kube_persistentvolumeclaim_resource_requests_storage_bytes", quantity(q), id...)
	}
	for _, mode := range c.Spec.AccessModes {
		b.gauge("kube_persistentvolumeclaim_access_mode", 1, with("access_mode", string(mode))...)
	}
}

func (b *stateBuilder) quota(q *corev1.ResourceQuota) {
	id := []string{"namespace", q.Namespace, "resourcequota", q.Name}
	b.created("kube_resourcequota_created", q, id)
	for typ, list := range map[string]corev1.ResourceList{"hard": q.Status.Hard, "used": q.Status.Used} {
		for r, v := range list {
			b.gauge("kube_resourcequota", quantity(v), append(id[:len(id):len(id)], "resource", string(r), "type", typ)...)
		}
	}
}
