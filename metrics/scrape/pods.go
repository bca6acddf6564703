package scrape

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
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
	address, scheme, path, job       string
	refusal                          string // label of why not; "" where it can be
}

// refusal is why a pod that asks is not scraped.
type refusal struct{ label, sentence string }

var (
	refusedHostNetwork = refusal{"host_network", "the pod uses its node's network, so its port would be the node's; give the pod a network of its own, or have the operator add a static target"}
	refusedPort        = refusal{"port", "annotation " + annotationPort + " is not a port number; want 1 to 65535, such as \"8080\""}
	refusedNoPort      = refusal{"no_port", "no port to scrape: set annotation " + annotationPort + " or declare a container port"}
	refusedPath        = refusal{"path", "annotation " + annotationPath + " is not a path; want one that begins with /, such as /metrics"}
	refusedScheme      = refusal{"scheme", "annotation " + annotationScheme + " is neither http nor https"}
	refusals           = [...]refusal{refusedHostNetwork, refusedPort, refusedNoPort, refusedPath, refusedScheme}
)

// podOf reads a pod. asks is false for one that does not want to be scraped, or
// is not up yet or any more.
func podOf(p *corev1.Pod) (out pod, why refusal, asks bool) {
	a := p.Annotations
	if a[annotationScrape] != "true" || p.Status.Phase != corev1.PodRunning || net.ParseIP(p.Status.PodIP) == nil {
		return pod{}, refusal{}, false
	}
	out = pod{namespace: p.Namespace, name: p.Name, node: p.Spec.NodeName, scheme: "http", path: "/metrics", job: jobOf(p)}
	port, container := portOf(p)
	switch {
	case p.Spec.HostNetwork:
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

func (m *Manager) podTarget(p pod) target {
	return target{pool: poolTenant, labels: m.labelSet(p.address, p.scheme, p.path, map[string]string{
		"job": p.job, "namespace": p.namespace, "pod": p.name, "container": p.container, "node": p.node, "instance": p.address,
	})}
}

// watch follows the cluster's pods, and its nodes if kubelets are scraped.
func (m *Manager) watch(ctx context.Context, wg *sync.WaitGroup) error {
	factory := m.opts.Informers
	if factory == nil {
		factory = informers.NewSharedInformerFactory(m.opts.Kube, 0)
	}
	pods := factory.Core().V1().Pods().Informer()
	if err := m.follow(pods, stripPod, m.setPod, m.deletePod); err != nil {
		return err
	}
	if m.opts.Kubelet != nil {
		if err := m.follow(factory.Core().V1().Nodes().Informer(), stripNode, m.setNode, m.deleteNode); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	wg.Go(func() {
		<-ctx.Done()
		factory.Shutdown()
	})
	return nil
}

func (m *Manager) follow(i cache.SharedIndexInformer, strip cache.TransformFunc, set func(any), gone func(key string)) error {
	if err := i.SetTransform(strip); err != nil {
		return fmt.Errorf("watch the cluster: %w", err)
	}
	if err := i.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		m.opts.Logger.Warn("kubernetes_watch_broke_off", "err", err)
	}); err != nil {
		return fmt.Errorf("watch the cluster: %w", err)
	}
	_, err := i.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    set,
		UpdateFunc: func(_, now any) { set(now) },
		DeleteFunc: func(obj any) {
			if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(obj); err == nil {
				gone(key)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watch the cluster: %w", err)
	}
	return nil
}

// stripPod keeps of a pod what podOf reads, and who it is: a cluster has tens of
// thousands.
func stripPod(obj any) (any, error) {
	p, ok := obj.(*corev1.Pod)
	if !ok {
		return obj, nil
	}
	out := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: p.Name, Namespace: p.Namespace, UID: p.UID, ResourceVersion: p.ResourceVersion,
			CreationTimestamp: p.CreationTimestamp, DeletionTimestamp: p.DeletionTimestamp,
			Labels: p.Labels, OwnerReferences: p.OwnerReferences,
		},
		Spec:   corev1.PodSpec{NodeName: p.Spec.NodeName},
		Status: corev1.PodStatus{Phase: p.Status.Phase, PodIP: p.Status.PodIP},
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		out.Status.ContainerStatuses = append(out.Status.ContainerStatuses, corev1.ContainerStatus{Name: c.Name, ContainerID: c.ContainerID})
	}
	if p.Annotations[annotationScrape] != "true" {
		return out, nil
	}
	out.Annotations = map[string]string{}
	for _, a := range []string{annotationScrape, annotationPort, annotationPath, annotationScheme} {
		if v, ok := p.Annotations[a]; ok {
			out.Annotations[a] = v
		}
	}
	out.Spec.HostNetwork = p.Spec.HostNetwork
	for _, c := range p.Spec.Containers {
		out.Spec.Containers = append(out.Spec.Containers, corev1.Container{Name: c.Name, Ports: c.Ports})
	}
	return out, nil
}

func (m *Manager) setPod(obj any) {
	p, ok := obj.(*corev1.Pod)
	if !ok {
		return
	}
	key := p.Namespace + "/" + p.Name
	now, why, asks := podOf(p)
	if !asks {
		m.deletePod(key)
		return
	}
	now.refusal = why.label
	m.mu.Lock()
	before, known := m.pods[key]
	m.pods[key] = now
	if why.label == "" {
		delete(m.refused, key)
	} else {
		m.refused[key] = why.label
	}
	m.mu.Unlock()
	if why.label != "" && before.refusal != why.label {
		m.opts.OnRefused(p.Namespace, p.Name, why.sentence)
	}
	if !known || before != now {
		m.Reload()
	}
}

func (m *Manager) deletePod(key string) {
	m.mu.Lock()
	_, known := m.pods[key]
	delete(m.pods, key)
	delete(m.refused, key)
	m.mu.Unlock()
	if known {
		m.Reload()
	}
}
