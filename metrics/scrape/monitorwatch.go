package scrape

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
)

// crdEvery is how often the API server is asked whether there are kinds of
// monitors: how late one is noticed that is defined while the agent runs.
const crdEvery = 15 * time.Second

var monitorKinds = [...]struct{ kind, resource string }{
	{kindPodMonitor, "podmonitors"}, {kindServiceMonitor, "servicemonitors"},
}

// watchMonitors follows the monitor objects of the kinds that the cluster knows,
// and those that it comes to know, until ctx ends. Without the operator nobody
// else looks at them.
func (m *Manager) watchMonitors(ctx context.Context, wg *sync.WaitGroup) {
	stops := map[string]context.CancelFunc{}
	served := false // Services are watched
	tick := time.NewTicker(m.kindsEvery)
	defer tick.Stop()
	for {
		known, err := m.knownKinds()
		if err != nil && ctx.Err() == nil {
			m.opts.Logger.Warn("monitor_kinds_unknown", "err", err)
		}
		for _, k := range monitorKinds {
			stop := stops[k.kind]
			switch {
			case err != nil:
			case known[k.resource] && stop == nil:
				if k.kind == kindServiceMonitor && !served {
					if err := m.watchServices(ctx); err != nil {
						m.opts.Logger.Error("services_not_watched", "err", err)
						continue
					}
					served = true
				}
				watching, cancel := context.WithCancel(ctx)
				stops[k.kind] = cancel
				m.opts.Logger.Info("monitors_watched", "kind", k.kind)
				wg.Go(func() { m.watchKind(watching, k.resource) })
			case !known[k.resource] && stop != nil:
				stop()
				delete(stops, k.kind)
				m.opts.Logger.Info("monitors_not_watched", "kind", k.kind, "reason", "the cluster knows the kind no longer")
				m.forgetKind(k.kind)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			for _, stop := range stops {
				stop()
			}
			return
		}
	}
}

// knownKinds asks which resources of the monitors' group there are.
func (m *Manager) knownKinds() (map[string]bool, error) {
	list, err := m.opts.Kube.Discovery().ServerResourcesForGroupVersion(monitorGroup + "/" + monitorVersion)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, r := range list.APIResources {
		out[r.Name] = true
	}
	return out, nil
}

func (m *Manager) watchKind(ctx context.Context, resource string) {
	gvr := schema.GroupVersionResource{Group: monitorGroup, Version: monitorVersion, Resource: resource}
	i := dynamicinformer.NewFilteredDynamicInformer(m.opts.Dynamic, gvr, "", 0, cache.Indexers{}, nil).Informer()
	if err := m.follow(i, stripMonitor, m.setMonitor, func(key string) { m.deleteMonitor(resource, key) }); err != nil {
		m.opts.Logger.Error("monitors_not_watched", "resource", resource, "err", err)
		return
	}
	i.RunWithContext(ctx)
}

func stripMonitor(obj any) (any, error) {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		u.SetManagedFields(nil)
		unstructured.RemoveNestedField(u.Object, "status")
		unstructured.RemoveNestedField(u.Object, "metadata", "annotations")
	}
	return obj, nil
}

type monitorKey struct{ resource, key string }

func (m *Manager) setMonitor(obj any) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return
	}
	k := monitorKey{resourceOf(u.GetKind()), u.GetNamespace() + "/" + u.GetName()}
	mon := readMonitor(u)
	m.mu.Lock()
	if m.monitors[k] == nil {
		m.monitorsIn[u.GetNamespace()]++
	}
	m.monitors[k] = mon
	m.mu.Unlock()
	m.Reload()
}

func resourceOf(kind string) string {
	for _, k := range monitorKinds {
		if k.kind == kind {
			return k.resource
		}
	}
	return ""
}

func (m *Manager) deleteMonitor(resource, key string) {
	m.mu.Lock()
	m.dropMonitor(monitorKey{resource, key})
	m.mu.Unlock()
	m.Reload()
}

// dropMonitor forgets one; m.mu is held.
func (m *Manager) dropMonitor(k monitorKey) {
	mon := m.monitors[k]
	if mon == nil {
		return
	}
	delete(m.monitors, k)
	if m.monitorsIn[mon.ref.Namespace]--; m.monitorsIn[mon.ref.Namespace] == 0 {
		delete(m.monitorsIn, mon.ref.Namespace)
	}
}

func (m *Manager) forgetKind(kind string) {
	m.mu.Lock()
	for k := range m.monitors {
		if k.resource == resourceOf(kind) {
			m.dropMonitor(k)
		}
	}
	m.mu.Unlock()
	m.Reload()
}
