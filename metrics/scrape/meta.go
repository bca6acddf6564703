package scrape

import (
	"net"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/util/strutil"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The labels that relabelings of monitors may read, named as by Prometheus'
// Kubernetes discovery (roles pod and endpointslice).
const metaPrefix = model.MetaLabelPrefix + "kubernetes_"

type metaLabels map[string]string

func (l metaLabels) set(name, value string) { l[metaPrefix+name] = value }

// object adds an object's name, labels and annotations.
func (l metaLabels) object(role string, o *metav1.ObjectMeta) {
	l.set(role+"_name", o.Name)
	for k, v := range o.Labels {
		n := strutil.SanitizeLabelName(k)
		l.set(role+"_label_"+n, v)
		l.set(role+"_labelpresent_"+n, "true")
	}
	for k, v := range o.Annotations {
		n := strutil.SanitizeLabelName(k)
		l.set(role+"_annotation_"+n, v)
		l.set(role+"_annotationpresent_"+n, "true")
	}
}

func (l metaLabels) pod(p *corev1.Pod) {
	l.set("namespace", p.Namespace)
	l.object("pod", &p.ObjectMeta)
	l.set("pod_ip", p.Status.PodIP)
	l.set("pod_ready", readyOf(p))
	l.set("pod_phase", string(p.Status.Phase))
	l.set("pod_node_name", p.Spec.NodeName)
	l.set("pod_host_ip", p.Status.HostIP)
	l.set("pod_uid", string(p.UID))
	if o := metav1.GetControllerOfNoCopy(p); o != nil {
		l.set("pod_controller_kind", o.Kind)
		l.set("pod_controller_name", o.Name)
	}
}

func readyOf(p *corev1.Pod) string {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			switch c.Status {
			case corev1.ConditionTrue:
				return "true"
			case corev1.ConditionFalse:
				return "false"
			}
		}
	}
	return "unknown"
}

func (l metaLabels) container(name string, port corev1.ContainerPort) {
	l.set("pod_container_name", name)
	l.set("pod_container_init", "false")
	l.set("pod_container_port_name", port.Name)
	l.set("pod_container_port_number", strconv.Itoa(int(port.ContainerPort)))
	l.set("pod_container_port_protocol", string(port.Protocol))
}

func (l metaLabels) slice(s *discoveryv1.EndpointSlice, e *discoveryv1.Endpoint, port *discoveryv1.EndpointPort) {
	l.object("endpointslice", &s.ObjectMeta)
	l.set("endpointslice_address_type", string(s.AddressType))
	if t := e.TargetRef; t != nil {
		l.set("endpointslice_address_target_kind", t.Kind)
		l.set("endpointslice_address_target_name", t.Name)
	}
	if r := e.Conditions.Ready; r != nil {
		l.set("endpointslice_endpoint_conditions_ready", strconv.FormatBool(*r))
	}
	if e.NodeName != nil {
		l.set("endpointslice_endpoint_node_name", *e.NodeName)
	}
	if port == nil {
		return
	}
	if port.Name != nil {
		l.set("endpointslice_port_name", *port.Name)
		// Of role endpoints, which older rules speak of.
		l.set("endpoint_port_name", *port.Name)
	}
	if port.Port != nil {
		l.set("endpointslice_port", strconv.Itoa(int(*port.Port)))
	}
	if port.Protocol != nil {
		l.set("endpointslice_port_protocol", string(*port.Protocol))
	}
}

// hasAddress reports whether the address is one of the pod's own.
func hasAddress(p *corev1.Pod, address string) bool {
	ip := net.ParseIP(address)
	if ip == nil {
		return false
	}
	if ip.Equal(net.ParseIP(p.Status.PodIP)) {
		return true
	}
	for _, a := range p.Status.PodIPs {
		if ip.Equal(net.ParseIP(a.IP)) {
			return true
		}
	}
	return false
}
