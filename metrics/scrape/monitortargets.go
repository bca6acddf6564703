package scrape

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/util/strutil"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	klabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/cache"
)

// found is one address that an endpoint of a monitor leads to.
type found struct {
	pod       *corev1.Pod
	address   string // host:port
	container string
	port      corev1.ContainerPort
	endpoint  string // label endpoint: the port's name, as the operator sets it
	service   *corev1.Service
	slice     *discoveryv1.EndpointSlice
	entry     *discoveryv1.Endpoint
	slicePort *discoveryv1.EndpointPort
}

// seeker collects what a monitor leads to, and what is wrong on the way.
type seeker struct {
	m        *Manager
	mon      *monitor
	problems map[string]int // how often each was met; the first object that met it is in the sentence
	sentence map[string]string
}

// trouble notes what is wrong with an object on the way; one sentence for each
// kind of it.
func (s *seeker) trouble(what, object, sentence string) {
	if s.problems[what]++; s.problems[what] == 1 {
		s.sentence[what] = fmt.Sprintf("%s: %s", object, sentence)
	}
}

// said gives the sentences, in a stable order.
func (s *seeker) said() []string {
	var out []string
	for _, what := range [...]string{"host_network", "not_a_pod", "other_pod", "address", "moved", "relabel"} {
		if n := s.problems[what]; n > 1 {
			out = append(out, fmt.Sprintf("%s (and %d more)", s.sentence[what], n-1))
		} else if n == 1 {
			out = append(out, s.sentence[what])
		}
	}
	return out
}

// monitorTargets gives the targets of one endpoint of a monitor.
func (s *seeker) targets(e *endpoint) []target {
	var out []target
	seen := map[string]bool{}
	each := s.eachPod
	if s.mon.ref.Kind == kindServiceMonitor {
		each = s.eachEndpoint
	}
	each(e, func(f found) {
		t, ok := s.target(e, f)
		if ok && !seen[t.key()] {
			seen[t.key()] = true
			out = append(out, t)
		}
	})
	return out
}

// usable reports whether the pod may be scraped at all.
func (s *seeker) usable(e *endpoint, p *corev1.Pod) bool {
	if net.ParseIP(p.Status.PodIP) == nil {
		return false // not up yet
	}
	if ended := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed; ended && !e.finished {
		return false
	}
	if p.Spec.HostNetwork && !s.m.opts.HostNetwork {
		s.trouble("host_network", "pod "+p.Name, refusedHostNetwork.sentence)
		return false
	}
	return true
}

// eachPod gives the matching ports of the matching pods: a PodMonitor.
func (s *seeker) eachPod(e *endpoint, f func(found)) {
	for _, p := range inNamespace[*corev1.Pod](s.m.view.pods, s.mon.ref.Namespace) {
		if s.mon.selector.Matches(klabels.Set(p.Labels)) && s.usable(e, p) {
			eachContainerPort(e, p, f)
		}
	}
}

// eachContainerPort gives the declared ports of a pod that the endpoint means.
func eachContainerPort(e *endpoint, p *corev1.Pod, f func(found)) {
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if !wanted(e, port.Name, port.ContainerPort) || port.Protocol == corev1.ProtocolUDP || port.Protocol == corev1.ProtocolSCTP {
				continue
			}
			name := cmp.Or(e.port, port.Name)
			if e.port == "" && e.target != nil {
				name = e.target.String()
			}
			f(found{
				pod: p, container: c.Name, port: port, endpoint: name,
				address: net.JoinHostPort(p.Status.PodIP, strconv.Itoa(int(port.ContainerPort))),
			})
		}
	}
}

func wanted(e *endpoint, name string, number int32) bool {
	switch {
	case e.port != "":
		return name == e.port
	case e.number != 0:
		return number == e.number
	case e.target != nil:
		return e.target.String() == name || e.target.String() == strconv.Itoa(int(number))
	}
	return true
}

// eachEndpoint gives the matching ports behind the matching Services: a
// ServiceMonitor. What an EndpointSlice says of addresses is believed only where
// its pod has that address: anybody may write an EndpointSlice.
func (s *seeker) eachEndpoint(e *endpoint, f func(found)) {
	namespace := s.mon.ref.Namespace
	services := map[string]*corev1.Service{}
	for _, svc := range inNamespace[*corev1.Service](s.m.view.services, namespace) {
		if s.mon.selector.Matches(klabels.Set(svc.Labels)) {
			services[svc.Name] = svc
		}
	}
	if len(services) == 0 {
		return
	}
	for _, slice := range inNamespace[*discoveryv1.EndpointSlice](s.m.view.slices, namespace) {
		svc := services[slice.Labels[discoveryv1.LabelServiceName]]
		if svc == nil {
			continue
		}
		for i := range slice.Endpoints {
			entry := &slice.Endpoints[i]
			p := s.podBehind(slice, entry)
			if p == nil || !s.usable(e, p) {
				continue
			}
			if e.port == "" && e.target != nil {
				// The container's port need not be the Service's.
				eachContainerPort(e, p, func(x found) {
					x.service, x.slice, x.entry = svc, slice, entry
					f(x)
				})
				continue
			}
			for j := range slice.Ports {
				port := &slice.Ports[j]
				if port.Port == nil || port.Protocol != nil && *port.Protocol != corev1.ProtocolTCP || e.port != "" && (port.Name == nil || *port.Name != e.port) {
					continue
				}
				x := found{pod: p, service: svc, slice: slice, entry: entry, slicePort: port, endpoint: e.port}
				if x.endpoint == "" && port.Name != nil {
					x.endpoint = *port.Name
				}
				x.container, x.port = containerOf(p, *port.Port)
				for _, address := range entry.Addresses {
					x.address = net.JoinHostPort(address, strconv.Itoa(int(*port.Port)))
					f(x)
				}
			}
		}
	}
}

// podBehind gives the pod that an endpoint means, if it is one of this
// namespace, the one that lives now, and has the endpoint's addresses.
func (s *seeker) podBehind(slice *discoveryv1.EndpointSlice, e *discoveryv1.Endpoint) *corev1.Pod {
	t := e.TargetRef
	if t == nil || t.Kind != "Pod" {
		s.trouble("not_a_pod", "EndpointSlice "+slice.Name, "an endpoint that is no pod's is not scraped; the operator of Oriel can add it as a static target")
		return nil
	}
	if t.Namespace != "" && t.Namespace != slice.Namespace {
		s.trouble("other_pod", "EndpointSlice "+slice.Name, "an endpoint names a pod of another namespace, which is not scraped")
		return nil
	}
	obj, ok, err := s.m.view.pods.GetByKey(slice.Namespace + "/" + t.Name)
	if err != nil || !ok {
		return nil // gone, or not seen yet
	}
	p, is := obj.(*corev1.Pod)
	if !is || p.UID != t.UID {
		return nil // another life of the name: the slice is late
	}
	for _, a := range e.Addresses {
		if !hasAddress(p, a) {
			s.trouble("address", "EndpointSlice "+slice.Name, fmt.Sprintf("it gives pod %s an address that is not the pod's; it is not scraped", p.Name))
			return nil
		}
	}
	return p
}

// containerOf gives the container that declares the port; else the first one.
func containerOf(p *corev1.Pod, number int32) (name string, port corev1.ContainerPort) {
	for _, c := range p.Spec.Containers {
		for _, cp := range c.Ports {
			if cp.ContainerPort == number {
				return c.Name, cp
			}
		}
	}
	if len(p.Spec.Containers) > 0 {
		name = p.Spec.Containers[0].Name
	}
	return name, corev1.ContainerPort{ContainerPort: number}
}

// target gives the labels of what was found. ok is false where the owner's
// relabelings drop it, or send it elsewhere.
func (s *seeker) target(e *endpoint, f found) (t target, ok bool) {
	pool := s.mon.pool(e)
	own := map[string]string{
		"job": s.job(f), "endpoint": f.endpoint, "instance": f.address,
	}
	if f.service != nil {
		own["service"] = f.service.Name
		s.copy(own, s.mon.targetLabels, f.service.Labels)
	}
	s.copy(own, s.mon.podLabels, f.pod.Labels)
	address, scheme, path := f.address, e.scheme, e.path
	if len(e.relabel) == 0 {
		return target{pool: pool, labels: s.forced(s.m.labelSet(address, scheme, path, own), f)}, true
	}
	b := labels.NewBuilder(labels.EmptyLabels())
	for n, v := range s.meta(f) {
		b.Set(n, v)
	}
	for n, v := range own {
		b.Set(n, v)
	}
	b.Del("instance") // Prometheus sets it behind the rules, where they did not
	b.Set("namespace", f.pod.Namespace)
	b.Set("pod", f.pod.Name)
	b.Set("container", f.container)
	b.Set(model.AddressLabel, address)
	b.Set(model.SchemeLabel, cmp.Or(scheme, "http"))
	b.Set(model.MetricsPathLabel, cmp.Or(path, "/metrics"))
	for n, vs := range e.params {
		if len(vs) > 0 {
			b.Set(model.ParamLabelPrefix+n, vs[0])
		}
	}
	if !relabel.ProcessBuilder(b, e.relabel...) {
		return target{}, false
	}
	// A rule may choose another port of the pod, and nothing else.
	to := b.Get(model.AddressLabel)
	host, port, err := net.SplitHostPort(to)
	if err != nil || !hasAddress(f.pod, host) || !isPort(port) {
		s.trouble("moved", "pod "+f.pod.Name, fmt.Sprintf("relabelings of endpoint %d change the address to %q; only the pod's own address is scraped, with any port", e.index, to))
		return target{}, false
	}
	if sch, p := b.Get(model.SchemeLabel), b.Get(model.MetricsPathLabel); sch != "http" && sch != "https" || !strings.HasPrefix(p, "/") {
		s.trouble("relabel", "pod "+f.pod.Name, fmt.Sprintf("relabelings of endpoint %d make scheme %q and path %q of it; want http or https, and a path that begins with /", e.index, sch, p))
		return target{}, false
	}
	set := model.LabelSet{}
	b.Range(func(l labels.Label) {
		if !strings.HasPrefix(l.Name, model.MetaLabelPrefix) && model.LabelValue(l.Value).IsValid() {
			set[model.LabelName(l.Name)] = model.LabelValue(l.Value)
		}
	})
	if d, err := model.ParseDuration(string(set[model.ScrapeIntervalLabel])); err == nil && time.Duration(d) < intervalMin {
		s.trouble("relabel", "pod "+f.pod.Name, fmt.Sprintf("relabelings of endpoint %d make an interval of %s; want %s or more", e.index, d, intervalMin))
		return target{}, false
	}
	if set[model.InstanceLabel] == "" {
		set[model.InstanceLabel] = model.LabelValue(to)
	}
	if set[model.JobLabel] == "" {
		set[model.JobLabel] = model.LabelValue(own["job"])
	}
	return target{pool: pool, labels: s.forced(set, f)}, true
}

// forced stamps where the target stands over whatever rules made of it.
func (s *seeker) forced(set model.LabelSet, f found) model.LabelSet {
	c := s.m.opts.Cluster
	for n, v := range map[model.LabelName]string{
		"cluster": c.Name, "region": c.Region, "cloud": c.Cloud,
		"namespace": f.pod.Namespace, "pod": f.pod.Name, "container": f.container, "node": f.pod.Spec.NodeName,
	} {
		if v == "" {
			delete(set, n)
		} else {
			set[n] = model.LabelValue(v)
		}
	}
	return set
}

// job as the operator names it: the Service or namespace/monitor, or the value
// of the label that the monitor names.
func (s *seeker) job(f found) string {
	name, from := s.mon.ref.Namespace+"/"+s.mon.ref.Name, f.pod.Labels
	if f.service != nil {
		name, from = f.service.Name, f.service.Labels
	}
	return cmp.Or(from[s.mon.jobLabel], name)
}

// copy takes labels of an object over, under names that Prometheus knows.
func (s *seeker) copy(own map[string]string, names []string, from map[string]string) {
	for _, n := range names {
		if v := from[n]; v != "" {
			own[strutil.SanitizeLabelName(n)] = v
		}
	}
}

func (s *seeker) meta(f found) metaLabels {
	l := metaLabels{}
	l.pod(f.pod)
	l.container(f.container, f.port)
	if f.service != nil {
		l.object("service", &f.service.ObjectMeta)
	}
	if f.slice != nil {
		l.slice(f.slice, f.entry, f.slicePort)
	}
	return l
}

// inNamespace gives the objects of a namespace; none without an index.
func inNamespace[T any](from cache.Indexer, namespace string) []T {
	if from == nil {
		return nil
	}
	objs, err := from.ByIndex(cache.NamespaceIndex, namespace)
	if err != nil {
		return nil
	}
	out := make([]T, 0, len(objs))
	for _, o := range objs {
		if t, ok := o.(T); ok {
			out = append(out, t)
		}
	}
	return out
}
