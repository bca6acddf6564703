// Package kube makes namespaces tenants: it watches the annotations of one
// cluster's namespaces, tells central what it sees, and writes back on each
// namespace what central decided.
//
//	client, _, err := kube.NewClient(cfg.Kubeconfig, cfg.Context, true)
//	w := kube.New(kube.Options{Client: client, Cluster: cluster, Roster: central})
//	err = w.Run(ctx)
//
// Everything is told by state and not by event: each time something changes the
// whole picture is looked at, compared with what central acknowledged, and the
// difference is sent. What happens while central is away is therefore never
// queued, and the newest state wins.
package kube

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/tenant"
)

// Options of a Watcher. Client, Cluster and Roster are required.
type Options struct {
	Client  kubernetes.Interface
	Prefix  string // of the annotations; "" means tenant.AnnotationPrefix
	Cluster tenant.Cluster
	Roster  tenant.Roster // central
	// OnDecisions gets central's decisions on every living claim, each time they
	// were asked for; it may be nil. It is called from one goroutine, which waits
	// for it, and must not change the slice.
	OnDecisions func([]tenant.Decision)
	Logger      *slog.Logger          // nil discards
	Registerer  prometheus.Registerer // nil registers nothing
	Clock       clock.Clock           // nil means clock.System; dates the Events
}

// Watcher connects one cluster's namespaces with central.
type Watcher struct {
	o         Options
	statusKey string
	telemetry *telemetry
	informer  cache.SharedIndexInformer
	lister    listers.NamespaceLister
	dirty     chan struct{}                                // something changed that central may want to know
	queue     workqueue.TypedRateLimitingInterface[string] // UIDs with a new notice; made by Run

	mu      sync.Mutex             // guards what follows
	notices map[string]notice      // what a namespace is to be told, by UID
	told    map[string]noticeState // what it was told, by UID
}

// New makes a Watcher; Run sets it going.
func New(o Options) *Watcher {
	if o.Prefix == "" {
		o.Prefix = tenant.AnnotationPrefix
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	w := &Watcher{
		o:         o,
		statusKey: o.Prefix + tenant.AnnotationStatus,
		telemetry: newTelemetry(o.Registerer),
		dirty:     make(chan struct{}, 1),
		notices:   map[string]notice{},
		told:      map[string]noticeState{},
	}
	namespaces := informers.NewSharedInformerFactoryWithOptions(o.Client, 0, informers.WithTransform(w.trim)).Core().V1().Namespaces()
	w.informer, w.lister = namespaces.Informer(), namespaces.Lister()
	return w
}

// Run watches until ctx ends, and returns nil then. It returns an error only if
// Kubernetes forbids the watch from the start; an API server or a central that
// is away is waited for. It may be called once.
func (w *Watcher) Run(ctx context.Context) error {
	if err := w.preflight(ctx); err != nil {
		return err
	}
	w.queue = workqueue.NewTypedRateLimitingQueue(
		workqueue.NewTypedItemExponentialFailureRateLimiter[string](writeRetryMin, writeRetryMax))
	// client-go logs through the context.
	ctx = klog.NewContext(ctx, logr.FromSlogHandler(w.o.Logger.Handler()))
	group, ctx := errgroup.WithContext(ctx)
	if err := w.informer.SetWatchErrorHandlerWithContext(w.watchError); err != nil {
		return err
	}
	handler, err := w.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { w.touch() },
		DeleteFunc: func(any) { w.touch() },
		UpdateFunc: func(before, after any) {
			if w.matters(before, after) {
				w.touch()
			}
		},
	})
	if err != nil {
		return err
	}
	group.Go(func() error {
		w.informer.RunWithContext(ctx)
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		w.queue.ShutDown()
		return nil
	})
	for range writersMax {
		group.Go(func() error {
			w.writeAll(ctx)
			return nil
		})
	}
	group.Go(func() error {
		// A snapshot of a cache that is not complete would end namespaces that live.
		if !cache.WaitForCacheSync(ctx.Done(), handler.HasSynced) {
			return nil
		}
		w.report(ctx)
		return nil
	})
	return group.Wait()
}

// preflight fails for what makes the watch impossible and logs the rest.
func (w *Watcher) preflight(ctx context.Context) error {
	err := Preflight(ctx, w.o.Client)
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		if err != nil && ctx.Err() == nil {
			w.o.Logger.WarnContext(ctx, "kubernetes is not to be reached yet", "error", err)
		}
		return nil
	}
	var essential []error
	for _, err := range joined.Unwrap() {
		if f, ok := errors.AsType[*Forbidden](err); ok && f.Essential {
			essential = append(essential, err)
			continue
		}
		w.o.Logger.WarnContext(ctx, "permission missing: owners of namespaces are not told of decisions", "error", err)
	}
	return errors.Join(essential...)
}

func (w *Watcher) watchError(ctx context.Context, _ *cache.Reflector, err error) {
	switch {
	case apierrors.IsForbidden(err):
		w.telemetry.watchErrors.WithLabelValues("forbidden").Inc()
		w.o.Logger.ErrorContext(ctx, "watch on namespaces interrupted", "error", &Forbidden{"list and watch", "namespaces", true, err})
	case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
		w.telemetry.watchErrors.WithLabelValues("expired").Inc()
	default:
		w.telemetry.watchErrors.WithLabelValues("other").Inc()
		w.o.Logger.WarnContext(ctx, "watch on namespaces interrupted", "error", err)
	}
}

// trim keeps of a namespace what Oriel reads, before it enters the cache.
func (w *Watcher) trim(object any) (any, error) {
	ns, ok := object.(*corev1.Namespace)
	if !ok {
		return object, nil
	}
	var ours map[string]string
	for key, value := range ns.Annotations {
		if strings.HasPrefix(key, w.o.Prefix) {
			if ours == nil {
				ours = map[string]string{}
			}
			ours[key] = value
		}
	}
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:              ns.Name,
		UID:               ns.UID,
		ResourceVersion:   ns.ResourceVersion,
		CreationTimestamp: ns.CreationTimestamp,
		DeletionTimestamp: ns.DeletionTimestamp,
		Annotations:       ours,
	}}, nil
}

// matters reports whether an update says anything that central may want to
// know. Our own status coming back does not.
func (w *Watcher) matters(before, after any) bool {
	a, okA := before.(*corev1.Namespace)
	b, okB := after.(*corev1.Namespace)
	if !okA || !okB || a.UID != b.UID {
		return true
	}
	for key, value := range a.Annotations {
		if other, ok := b.Annotations[key]; key != w.statusKey && (!ok || other != value) {
			return true
		}
	}
	for key := range b.Annotations {
		if _, ok := a.Annotations[key]; key != w.statusKey && !ok {
			return true
		}
	}
	return false
}

// Claims reports whether a namespace of that name carries the tenant annotation,
// as far as is known here: whatever central has made of it.
func (w *Watcher) Claims(namespace string) bool {
	ns, err := w.lister.Get(namespace)
	return err == nil && ns.Annotations[w.o.Prefix+tenant.AnnotationTenant] != ""
}

// Probes gives the addresses that namespaces which carry the tenant annotation name
// in their probe annotation, by namespace, whatever central has made of them.
func (w *Watcher) Probes() map[string][]string {
	out := map[string][]string{}
	for _, c := range w.look().claims {
		if len(c.Probes) > 0 {
			out[c.Namespace] = c.Probes
		}
	}
	return out
}

// Since tells when the namespace of that name was made; the zero time where none is
// known here.
func (w *Watcher) Since(namespace string) time.Time {
	ns, err := w.lister.Get(namespace)
	if err != nil {
		return time.Time{}
	}
	return ns.CreationTimestamp.Time
}

func (w *Watcher) touch() {
	select {
	case w.dirty <- struct{}{}:
	default: // somebody said so already
	}
}
