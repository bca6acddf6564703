package scrape

import (
	"cmp"
	"context"
	"net"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/oriel-project/oriel/tenant"
)

// Where kube-state-metrics is looked for, as its own manifests name it.
const (
	stateJob  = "kube-state-metrics"
	stateName = "app.kubernetes.io/name"
	statePort = 8080
)

// state makes the series of kube-state-metrics that dashboards need from the
// agent's own watches, under the names and labels of kube-state-metrics, for
// clusters that have none.
type state struct {
	deployments, statefulSets, daemonSets, replicaSets, jobs, claims, quotas cache.Indexer
}

func (s *state) watch(m *Manager, f informers.SharedInformerFactory) error {
	for _, w := range []struct {
		informer cache.SharedIndexInformer
		to       *cache.Indexer
	}{
		{f.Apps().V1().Deployments().Informer(), &s.deployments},
		{f.Apps().V1().StatefulSets().Informer(), &s.statefulSets},
		{f.Apps().V1().DaemonSets().Informer(), &s.daemonSets},
		{f.Apps().V1().ReplicaSets().Informer(), &s.replicaSets},
		{f.Batch().V1().Jobs().Informer(), &s.jobs},
		{f.Core().V1().PersistentVolumeClaims().Informer(), &s.claims},
		{f.Core().V1().ResourceQuotas().Informer(), &s.quotas},
	} {
		if err := m.follow(w.informer, stripState, func(any) {}, func(string) {}); err != nil {
			return err
		}
		*w.to = w.informer.GetIndexer()
	}
	return nil
}

// stripState keeps what the series tell of.
func stripState(obj any) (any, error) {
	switch o := obj.(type) {
	case *appsv1.Deployment:
		return &appsv1.Deployment{ObjectMeta: bare(&o.ObjectMeta), Spec: appsv1.DeploymentSpec{Replicas: o.Spec.Replicas, Paused: o.Spec.Paused}, Status: appsv1.DeploymentStatus{
			ObservedGeneration: o.Status.ObservedGeneration, Replicas: o.Status.Replicas, UpdatedReplicas: o.Status.UpdatedReplicas,
			ReadyReplicas: o.Status.ReadyReplicas, AvailableReplicas: o.Status.AvailableReplicas, UnavailableReplicas: o.Status.UnavailableReplicas,
		}}, nil
	case *appsv1.StatefulSet:
		st := o.Status
		st.Conditions, st.CurrentRevision, st.UpdateRevision = nil, "", ""
		return &appsv1.StatefulSet{ObjectMeta: bare(&o.ObjectMeta), Spec: appsv1.StatefulSetSpec{Replicas: o.Spec.Replicas}, Status: st}, nil
	case *appsv1.DaemonSet:
		st := o.Status
		st.Conditions = nil
		return &appsv1.DaemonSet{ObjectMeta: bare(&o.ObjectMeta), Status: st}, nil
	case *appsv1.ReplicaSet:
		st := o.Status
		st.Conditions = nil
		return &appsv1.ReplicaSet{ObjectMeta: bare(&o.ObjectMeta), Spec: appsv1.ReplicaSetSpec{Replicas: o.Spec.Replicas}, Status: st}, nil
	case *batchv1.Job:
		st := batchv1.JobStatus{StartTime: o.Status.StartTime, CompletionTime: o.Status.CompletionTime, Active: o.Status.Active, Succeeded: o.Status.Succeeded, Failed: o.Status.Failed}
		for _, c := range o.Status.Conditions {
			st.Conditions = append(st.Conditions, batchv1.JobCondition{Type: c.Type, Status: c.Status, Reason: c.Reason})
		}
		return &batchv1.Job{ObjectMeta: bare(&o.ObjectMeta), Spec: batchv1.JobSpec{Parallelism: o.Spec.Parallelism, Completions: o.Spec.Completions}, Status: st}, nil
	case *corev1.PersistentVolumeClaim:
		return &corev1.PersistentVolumeClaim{ObjectMeta: bare(&o.ObjectMeta), Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: o.Spec.AccessModes, Resources: o.Spec.Resources, VolumeName: o.Spec.VolumeName, StorageClassName: o.Spec.StorageClassName,
		}, Status: corev1.PersistentVolumeClaimStatus{Phase: o.Status.Phase}}, nil
	case *corev1.ResourceQuota:
		return &corev1.ResourceQuota{ObjectMeta: bare(&o.ObjectMeta), Status: o.Status}, nil
	}
	return obj, nil
}

func bare(o *metav1.ObjectMeta) metav1.ObjectMeta {
	out := stripMeta(o)
	out.Labels, out.Annotations, out.Generation = nil, nil, o.Generation
	return out
}

// stateSource finds the pod of kube-state-metrics in the namespace that the
// operator names. One in a tenant's namespace is that tenant's own business: it
// could tell anything of others.
func (m *Manager) stateSource() (t target, ok bool) {
	ns := cmp.Or(m.opts.StateNamespace, "kube-system")
	if _, owned := m.opts.Owned(ns); owned {
		return target{}, false
	}
	for _, p := range inNamespace[*corev1.Pod](m.view.pods, ns) {
		if p.Labels[stateName] != stateJob || p.Status.Phase != corev1.PodRunning || net.ParseIP(p.Status.PodIP) == nil {
			continue
		}
		port := statePort
		for _, c := range p.Spec.Containers {
			for _, cp := range c.Ports {
				if cp.Name == "http-metrics" || cp.Name == "http" {
					port = int(cp.ContainerPort)
				}
			}
		}
		address := net.JoinHostPort(p.Status.PodIP, strconv.Itoa(port))
		t := target{pool: poolPlatform, labels: m.labelSet(address, "http", "/metrics", map[string]string{"job": stateJob, "instance": address})}
		return t, true
	}
	return target{}, false
}

// writeState writes the state series of owned namespaces, unless a
// kube-state-metrics tells the same.
func (m *Manager) writeState(ctx context.Context, at time.Time) error {
	if m.opts.State == StateAuto {
		if _, ok := m.stateSource(); ok {
			return m.stateOut.write(ctx, at, nil)
		}
	}
	return m.stateOut.write(ctx, at, m.stateSamples())
}

// stateSamples gives what is to be told now. Only owned namespaces are told of.
func (m *Manager) stateSamples() []sample {
	c := m.opts.Cluster
	b := &stateBuilder{base: []labels.Label{{Name: "job", Value: stateJob}, {Name: "instance", Value: m.host}}}
	for n, v := range map[string]string{"cluster": c.Name, "region": c.Region, "cloud": c.Cloud} {
		if v != "" {
			b.base = append(b.base, labels.Label{Name: n, Value: v})
		}
	}
	owned := ownedCache{of: m.opts.Owned, by: map[string]bool{}}
	eachOwned(owned, m.view.pods, b.pod)
	eachOwned(owned, m.state.deployments, b.deployment)
	eachOwned(owned, m.state.statefulSets, b.statefulSet)
	eachOwned(owned, m.state.daemonSets, b.daemonSet)
	eachOwned(owned, m.state.replicaSets, b.replicaSet)
	eachOwned(owned, m.state.jobs, b.job)
	eachOwned(owned, m.state.claims, b.claim)
	eachOwned(owned, m.state.quotas, b.quota)
	return b.out
}

type ownedCache struct {
	of func(string) (tenant.ID, bool)
	by map[string]bool
}

func (o ownedCache) owned(namespace string) bool {
	is, ok := o.by[namespace]
	if !ok {
		_, is = o.of(namespace)
		o.by[namespace] = is
	}
	return is
}

func eachOwned[T metav1.Object](o ownedCache, from cache.Indexer, f func(T)) {
	if from == nil {
		return
	}
	for _, namespace := range from.ListIndexFuncValues(cache.NamespaceIndex) {
		if o.owned(namespace) {
			for _, obj := range inNamespace[T](from, namespace) {
				f(obj)
			}
		}
	}
}

// stateBuilder collects samples; every series carries base.
type stateBuilder struct {
	base []labels.Label
	ls   labels.ScratchBuilder
	out  []sample
}

// gauge adds one series; pairs are label names and values, empty values left out.
func (b *stateBuilder) gauge(name string, v float64, pairs ...string) {
	b.add(name, model.MetricTypeGauge, v, pairs)
}

func (b *stateBuilder) add(name string, typ model.MetricType, v float64, pairs []string) {
	b.ls.Reset()
	b.ls.Add(model.MetricNameLabel, name)
	for _, l := range b.base {
		b.ls.Add(l.Name, l.Value)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			b.ls.Add(pairs[i], pairs[i+1])
		}
	}
	b.ls.Sort()
	b.out = append(b.out, sample{labels: b.ls.Labels(), value: v, typ: typ})
}

func flag(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
