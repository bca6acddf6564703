package scrape

import (
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The annotations of a pod, as the field uses them.
const (
	annotationScrape = "prometheus.io/scrape"
	annotationPort   = "prometheus.io/port"
	annotationPath   = "prometheus.io/path"
	annotationScheme = "prometheus.io/scheme"
)

// pod is one that asks to be scraped.
type pod struct {
	namespace, name, container, node string
	uid                              types.UID
	address, scheme, path, job       string
	refusal                          refusal // why not; zero where it can be
}

// refusal is why a pod that asks is not scraped.
type refusal struct{ label, sentence string }

var (
	refusedHostNetwork = refusal{"host_network", "the pod uses its node's network, so its port would be the node's; give the pod a network of its own, or have Oriel's operator allow it (scrape.host_network) or add a static target"}
	refusedPort        = refusal{"port", "annotation " + annotationPort + " is not a port number; want 1 to 65535, such as \"8080\""}
	refusedNoPort      = refusal{"no_port", "no port to scrape: set annotation " + annotationPort + " or declare a container port"}
	refusedPath        = refusal{"path", "annotation " + annotationPath + " is not a path; want one that begins with /, such as /metrics"}
	refusedScheme      = refusal{"scheme", "annotation " + annotationScheme + " is neither http nor https"}
	refusals           = [...]refusal{refusedHostNetwork, refusedPort, refusedNoPort, refusedPath, refusedScheme}
)

// podOf reads a pod. asks is false for one that does not want to be scraped, or
// is not up yet or any more. hostNetwork lets pods of their node's network in.
func podOf(p *corev1.Pod, hostNetwork bool) (out pod, why refusal, asks bool) {
	a := p.Annotations
	if a[annotationScrape] != "true" || p.Status.Phase != corev1.PodRunning || net.ParseIP(p.Status.PodIP) == nil {
		return pod{}, refusal{}, false
	}
	out = pod{namespace: p.Namespace, name: p.Name, uid: p.UID, node: p.Spec.NodeName, scheme: "http", path: "/metrics", job: jobOf(p)}
	port, container := portOf(p)
	switch {
	case p.Spec.HostNetwork && !hostNetwork:
		return out, refusedHostNetwork, true
	case a[annotationPort] != "" && !isPort(a[annotationPort]):
		return out, refusedPort, true
	case port == "":
		return out, refusedNoPort, true
	}
	if v, ok := a[annotationPath]; ok {
		if out.path = v; !strings.HasPrefix(v, "/") {
			return out, refusedPath, true
		}
	}
	if v, ok := a[annotationScheme]; ok {
		if out.scheme = v; v != "http" && v != "https" {
			return out, refusedScheme, true
		}
	}
	out.container = container
	// The pod's own address alone: an annotation cannot name another one.
	out.address = net.JoinHostPort(p.Status.PodIP, port)
	return out, refusal{}, true
}

// portOf gives the port to scrape, and the container that listens on it: the
// annotated one, else the declared port named for metrics, else the first one.
func portOf(p *corev1.Pod) (port, container string) {
	if len(p.Spec.Containers) > 0 {
		container = p.Spec.Containers[0].Name
	}
	want := p.Annotations[annotationPort]
	for _, c := range p.Spec.Containers {
		for _, cp := range c.Ports {
			n := strconv.Itoa(int(cp.ContainerPort))
			switch {
			case cp.Protocol != "" && cp.Protocol != corev1.ProtocolTCP:
			case want != "":
				if n == want {
					return n, c.Name
				}
			case cp.Name == "metrics" || strings.HasSuffix(cp.Name, "-metrics"):
				return n, c.Name
			case port == "":
				port, container = n, c.Name
			}
		}
	}
	if want != "" {
		return want, container
	}
	return port, container
}

// jobOf names what the pod is one of: namespace/app.
func jobOf(p *corev1.Pod) string {
	for _, l := range []string{"app.kubernetes.io/name", "k8s-app", "app"} {
		if v := p.Labels[l]; v != "" {
			return p.Namespace + "/" + v
		}
	}
	for _, o := range p.OwnerReferences {
		if o.Controller != nil && *o.Controller {
			name := o.Name
			if hash := p.Labels["pod-template-hash"]; hash != "" {
				name = strings.TrimSuffix(name, "-"+hash) // the Deployment behind the ReplicaSet
			}
			return p.Namespace + "/" + name
		}
	}
	return p.Namespace + "/" + p.Name
}

func (p pod) ref() corev1.ObjectReference {
	return corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: p.namespace, Name: p.name, UID: p.uid}
}

func (m *Manager) podTarget(p pod) target {
	return target{pool: poolTenant, labels: m.labelSet(p.address, p.scheme, p.path, map[string]string{
		"job": p.job, "namespace": p.namespace, "pod": p.name, "container": p.container, "node": p.node, "instance": p.address,
	})}
}

func (m *Manager) setPod(obj any) {
	p, ok := obj.(*corev1.Pod)
	if !ok {
		return
	}
	key := p.Namespace + "/" + p.Name
	now, why, asks := podOf(p, m.opts.HostNetwork)
	if !asks {
		m.deletePod(key)
		return
	}
	now.refusal = why
	m.mu.Lock()
	before, known := m.pods[key]
	m.pods[key] = now
	m.mu.Unlock()
	if !known || before != now {
		m.Reload()
	}
}

func (m *Manager) deletePod(key string) {
	m.mu.Lock()
	_, known := m.pods[key]
	delete(m.pods, key)
	m.mu.Unlock()
	if namespace, _, _ := strings.Cut(key, "/"); known || m.monitored(namespace) {
		m.Reload()
	}
}
