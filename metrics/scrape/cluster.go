package scrape

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// view is the watched part of the cluster. An indexer is nil until its kind is
// watched.
type view struct {
	pods, services, slices cache.Indexer
	factory                informers.SharedInformerFactory
}

// watch follows the cluster's pods, its nodes if kubelets are scraped, monitor
// objects where there are such, and what the state series tell of.
func (m *Manager) watch(ctx context.Context, wg *sync.WaitGroup) error {
	f := m.opts.Informers
	if f == nil {
		f = informers.NewSharedInformerFactory(m.opts.Kube, 0)
	}
	m.view.factory = f
	pods := f.Core().V1().Pods().Informer()
	if err := m.follow(pods, stripPod, m.setPod, m.deletePod); err != nil {
		return err
	}
	m.view.pods = pods.GetIndexer()
	if m.opts.Kubelet != nil {
		if err := m.follow(f.Core().V1().Nodes().Informer(), stripNode, m.setNode, m.deleteNode); err != nil {
			return err
		}
	}
	if m.state != nil {
		if err := m.state.watch(m, f); err != nil {
			return err
		}
	}
	if m.opts.Dynamic != nil {
		wg.Go(func() { m.watchMonitors(ctx, wg) })
	}
	wg.Go(func() { m.credentials.run(ctx) })
	wg.Go(func() { m.notices.run(ctx) })
	f.Start(ctx.Done())
	wg.Go(func() {
		<-ctx.Done()
		f.Shutdown()
	})
	return nil
}

// watchServices begins to follow Services and EndpointSlices: ServiceMonitors
// alone need them.
func (m *Manager) watchServices(ctx context.Context) error {
	services := m.view.factory.Core().V1().Services().Informer()
	slices := m.view.factory.Discovery().V1().EndpointSlices().Informer()
	reload := func(any) { m.Reload() }
	gone := func(string) { m.Reload() }
	if err := m.follow(services, stripService, reload, gone); err != nil {
		return err
	}
	if err := m.follow(slices, stripSlice, reload, gone); err != nil {
		return err
	}
	m.mu.Lock()
	m.view.services, m.view.slices = services.GetIndexer(), slices.GetIndexer()
	m.mu.Unlock()
	m.view.factory.Start(ctx.Done())
	return nil
}

func (m *Manager) follow(i cache.SharedIndexInformer, strip cache.TransformFunc, set func(any), gone func(key string)) error {
	if err := i.SetTransform(strip); err != nil {
		return fmt.Errorf("watch the cluster: %w", err)
	}
	if err := i.SetWatchErrorHandlerWithContext(m.watchBroke); err != nil {
		return fmt.Errorf("watch the cluster: %w", err)
	}
	_, err := i.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(now any) {
			if p, ok := now.(*corev1.Pod); ok && m.looked(p) {
				m.Reload()
			}
			set(now)
		},
		UpdateFunc: func(before, now any) {
			if p, ok := before.(*corev1.Pod); ok {
				m.podChanged(p, now)
			}
			set(now)
		},
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

func (m *Manager) watchBroke(_ context.Context, r *cache.Reflector, err error) {
	if apierrors.IsForbidden(err) {
		m.opts.Logger.Warn("kubernetes_watch_forbidden", "of", r.TypeDescription(), "err", err, "mend", "kubectl apply -f deploy/agent.yaml")
		return
	}
	m.opts.Logger.Warn("kubernetes_watch_broke_off", "of", r.TypeDescription(), "err", err)
}

// podChanged looks again at the monitors of a pod's namespace if anything
// changed that they may look at.
func (m *Manager) podChanged(before *corev1.Pod, obj any) {
	now, ok := obj.(*corev1.Pod)
	if !ok || !m.looked(now) {
		return
	}
	if before.UID != now.UID || before.Status.Phase != now.Status.Phase || before.Status.PodIP != now.Status.PodIP ||
		readyOf(before) != readyOf(now) || before.Spec.NodeName != now.Spec.NodeName ||
		!maps.Equal(before.Labels, now.Labels) || !maps.Equal(before.Annotations, now.Annotations) {
		m.Reload()
	}
}

// looked reports whether targets may be made of the pod without its asking for it.
func (m *Manager) looked(p *corev1.Pod) bool {
	return m.monitored(p.Namespace) || p.Labels[stateName] == stateJob
}

// monitored reports whether a monitor object stands in the namespace.
func (m *Manager) monitored(namespace string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.monitorsIn[namespace] > 0
}

// annotationBytesMax bounds what is kept of an annotation: tools put whole
// objects into them.
const annotationBytesMax = 256

func stripMeta(o *metav1.ObjectMeta) metav1.ObjectMeta {
	out := metav1.ObjectMeta{
		Name: o.Name, Namespace: o.Namespace, UID: o.UID, ResourceVersion: o.ResourceVersion,
		CreationTimestamp: o.CreationTimestamp, DeletionTimestamp: o.DeletionTimestamp, Labels: o.Labels,
	}
	for k, v := range o.Annotations {
		if len(v) <= annotationBytesMax {
			if out.Annotations == nil {
				out.Annotations = map[string]string{}
			}
			out.Annotations[k] = v
		}
	}
	for _, r := range o.OwnerReferences {
		if r.Controller != nil && *r.Controller {
			out.OwnerReferences = append(out.OwnerReferences, metav1.OwnerReference{Kind: r.Kind, Name: r.Name, Controller: r.Controller})
		}
	}
	return out
}

// stripPod keeps of a pod what targets and state series are made of: a cluster
// has tens of thousands.
func stripPod(obj any) (any, error) {
	p, ok := obj.(*corev1.Pod)
	if !ok {
		return obj, nil
	}
	out := &corev1.Pod{
		ObjectMeta: stripMeta(&p.ObjectMeta),
		Spec:       corev1.PodSpec{NodeName: p.Spec.NodeName, HostNetwork: p.Spec.HostNetwork, PriorityClassName: p.Spec.PriorityClassName},
		Status: corev1.PodStatus{
			Phase: p.Status.Phase, Reason: p.Status.Reason, PodIP: p.Status.PodIP, HostIP: p.Status.HostIP, StartTime: p.Status.StartTime,
		},
	}
	if len(p.Status.PodIPs) > 1 {
		out.Status.PodIPs = p.Status.PodIPs
	}
	for _, c := range p.Spec.Containers {
		out.Spec.Containers = append(out.Spec.Containers, corev1.Container{Name: c.Name, Ports: c.Ports, Resources: c.Resources})
	}
	out.Spec.Containers = slices.Clip(out.Spec.Containers)
	// Of the containers that run first, their ids: who reads logs asks for those.
	for _, c := range p.Status.InitContainerStatuses {
		out.Status.ContainerStatuses = append(out.Status.ContainerStatuses, corev1.ContainerStatus{Name: c.Name, ContainerID: c.ContainerID})
	}
	for _, c := range p.Status.ContainerStatuses {
		out.Status.ContainerStatuses = append(out.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, ContainerID: c.ContainerID, Image: c.Image, Ready: c.Ready, RestartCount: c.RestartCount, State: c.State, LastTerminationState: c.LastTerminationState,
		})
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady || c.Type == corev1.PodScheduled {
			out.Status.Conditions = append(out.Status.Conditions, corev1.PodCondition{Type: c.Type, Status: c.Status})
		}
	}
	return out, nil
}

func stripService(obj any) (any, error) {
	s, ok := obj.(*corev1.Service)
	if !ok {
		return obj, nil
	}
	return &corev1.Service{ObjectMeta: stripMeta(&s.ObjectMeta)}, nil
}

func stripSlice(obj any) (any, error) {
	s, ok := obj.(*discoveryv1.EndpointSlice)
	if !ok {
		return obj, nil
	}
	out := &discoveryv1.EndpointSlice{ObjectMeta: stripMeta(&s.ObjectMeta), AddressType: s.AddressType, Ports: s.Ports, Endpoints: s.Endpoints}
	for i := range out.Endpoints {
		e := &out.Endpoints[i]
		e.DeprecatedTopology, e.Hints = nil, nil
	}
	return out, nil
}
