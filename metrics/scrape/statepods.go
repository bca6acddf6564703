package scrape

import (
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/util/strutil"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var podPhases = [...]corev1.PodPhase{corev1.PodPending, corev1.PodRunning, corev1.PodSucceeded, corev1.PodFailed, corev1.PodUnknown}

func (b *stateBuilder) pod(p *corev1.Pod) {
	id := []string{"namespace", p.Namespace, "pod", p.Name, "uid", string(p.UID)}
	with := func(more ...string) []string { return append(id[:len(id):len(id)], more...) }
	kind, owner := "<none>", "<none>" // as kube-state-metrics spells none
	if o := metav1.GetControllerOfNoCopy(p); o != nil {
		kind, owner = o.Kind, o.Name
	}
	b.gauge("kube_pod_info", 1, with("host_ip", p.Status.HostIP, "pod_ip", p.Status.PodIP, "node", p.Spec.NodeName,
		"created_by_kind", kind, "created_by_name", owner, "priority_class", p.Spec.PriorityClassName, "host_network", strconv.FormatBool(p.Spec.HostNetwork))...)
	b.gauge("kube_pod_owner", 1, with("owner_kind", kind, "owner_name", owner, "owner_is_controller", controllerText(p))...)
	b.created("kube_pod_created", p, id)
	if t := p.Status.StartTime; t != nil {
		b.gauge("kube_pod_start_time", float64(t.Unix()), id...)
	}
	for _, phase := range podPhases {
		b.gauge("kube_pod_status_phase", flag(p.Status.Phase == phase), with("phase", string(phase))...)
	}
	for _, c := range p.Status.Conditions {
		name := map[corev1.PodConditionType]string{corev1.PodReady: "kube_pod_status_ready", corev1.PodScheduled: "kube_pod_status_scheduled"}[c.Type]
		for _, v := range [...]corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionUnknown} {
			b.gauge(name, flag(c.Status == v), with("condition", strings.ToLower(string(v)))...)
		}
	}
	if p.Status.Reason != "" {
		b.gauge("kube_pod_status_reason", 1, with("reason", p.Status.Reason)...)
	}
	for i := range p.Status.ContainerStatuses {
		c := &p.Status.ContainerStatuses[i]
		if slices.ContainsFunc(p.Spec.Containers, func(o corev1.Container) bool { return o.Name == c.Name }) { // not those that run first
			b.container(c, with("container", c.Name))
		}
	}
	for _, c := range p.Spec.Containers {
		own := with("container", c.Name, "node", p.Spec.NodeName)
		b.resources("kube_pod_container_resource_requests", c.Resources.Requests, own)
		b.resources("kube_pod_container_resource_limits", c.Resources.Limits, own)
	}
}

// created is left out for what has no such time.
func (b *stateBuilder) created(name string, o metav1.Object, id []string) {
	if t := o.GetCreationTimestamp(); !t.IsZero() {
		b.gauge(name, float64(t.Unix()), id...)
	}
}

func controllerText(o metav1.Object) string {
	if metav1.GetControllerOfNoCopy(o) != nil {
		return "true"
	}
	return "<none>"
}

func (b *stateBuilder) container(c *corev1.ContainerStatus, id []string) {
	with := func(more ...string) []string { return append(id[:len(id):len(id)], more...) }
	b.gauge("kube_pod_container_info", 1, with("image", c.Image)...)
	b.add("kube_pod_container_status_restarts_total", model.MetricTypeCounter, float64(c.RestartCount), id)
	b.gauge("kube_pod_container_status_ready", flag(c.Ready), id...)
	b.gauge("kube_pod_container_status_running", flag(c.State.Running != nil), id...)
	b.gauge("kube_pod_container_status_waiting", flag(c.State.Waiting != nil), id...)
	b.gauge("kube_pod_container_status_terminated", flag(c.State.Terminated != nil), id...)
	if w := c.State.Waiting; w != nil && w.Reason != "" {
		b.gauge("kube_pod_container_status_waiting_reason", 1, with("reason", w.Reason)...)
	}
	if t := c.State.Terminated; t != nil && t.Reason != "" {
		b.gauge("kube_pod_container_status_terminated_reason", 1, with("reason", t.Reason)...)
	}
	if t := c.LastTerminationState.Terminated; t != nil {
		b.gauge("kube_pod_container_status_last_terminated_reason", 1, with("reason", t.Reason)...)
		b.gauge("kube_pod_container_status_last_terminated_exitcode", float64(t.ExitCode), id...)
	}
}

// resources adds a series for each resource, in the units of kube-state-metrics.
func (b *stateBuilder) resources(name string, list corev1.ResourceList, id []string) {
	for r, q := range list {
		unit := "integer"
		switch {
		case r == corev1.ResourceCPU:
			unit = "core"
		case r == corev1.ResourceMemory, r == corev1.ResourceStorage, r == corev1.ResourceEphemeralStorage, strings.HasPrefix(string(r), corev1.ResourceHugePagesPrefix):
			unit = "byte"
		}
		b.gauge(name, quantity(q), append(id[:len(id):len(id)], "resource", strutil.SanitizeLabelName(string(r)), "unit", unit)...)
	}
}

func quantity(q resource.Quantity) float64 { return q.AsApproximateFloat64() }
