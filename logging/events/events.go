// Package events keeps the Events of a cluster as log records: Kubernetes itself
// forgets them after an hour.
//
//	r := events.New(events.Options{Client: client, Scope: scope, Owned: owned, Appender: store, Stamper: stamper, File: file})
//	err = r.Run(ctx)
//
// Of namespaces it takes those that are owned, and that an Event is about
// something outside any namespace makes it the system's. Each picture of an Event
// (its UID and resource version) has an id of its own, so that what is read again
// is not stored again; where to go on is kept in a file, behind what is durable.
package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// Options of a Recorder. The first five are needed.
type Options struct {
	Client   kubernetes.Interface
	Scope    tenant.Write // the cluster's
	Appender logging.Appender
	Stamper  *logging.Stamper
	// Owned tells whether a namespace belongs to a tenant now.
	Owned func(namespace string) bool
	// File keeps where to go on; "" is nowhere: all there is comes again then, and
	// is found to be there.
	File string

	Logger     *slog.Logger          // nil: discard
	Registerer prometheus.Registerer // nil: metrics are counted and not shown
}

const (
	pageEvents  = 500
	batchEvents = 500
	batchAge    = 200 * time.Millisecond
	retryMin    = 500 * time.Millisecond
	retryMax    = 30 * time.Second
	saveEvery   = 5 * time.Second
	// waitingMax bounds the Events of one tenant that wait for its quota.
	waitingMax = 5_000
)

// Recorder takes Events in. Run may be called once.
type Recorder struct {
	o    Options
	m    *counters
	kick chan struct{} // owned has grown

	mu    sync.Mutex      // guards what follows
	owned map[string]bool // as Decided was told

	// What follows is Run's alone.
	at        mark // up to which everything was read
	saved     mark // and is durable, or kept with the mark
	savedAt   time.Time
	savedSize int // of batch, then
	batch     map[tenant.ID][]logging.Record
	size      int // of batch
	failing   bool
}

// New makes a Recorder.
func New(o Options) *Recorder {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Recorder{o: o, m: newCounters(o.Registerer), kick: make(chan struct{}, 1), batch: map[tenant.ID][]logging.Record{}}
}

// Decided is told which namespaces are owned, each time they are decided on. What
// a namespace had to say before it was owned is fetched then.
func (r *Recorder) Decided(ds []tenant.Decision) {
	owned := map[string]bool{}
	for _, d := range ds {
		if d.Tenant != "" {
			owned[d.Namespace] = true
		}
	}
	r.mu.Lock()
	r.owned = owned
	r.mu.Unlock()
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// Run reads Events until ctx ends. An API server that is away, or does not let
// this account read Events, is asked again.
func (r *Recorder) Run(ctx context.Context) error {
	r.at = r.load()
	r.saved = r.at.clone()
	r.resume()
	for wait := retryMin; ctx.Err() == nil; {
		began := time.Now()
		err := r.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		if err == nil {
			// The watch ended, as watches do after some minutes.
			if wait = retryMin; time.Since(began) < wait {
				sleep(ctx, wait)
			}
			continue
		}
		reason := "other"
		switch {
		case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
			// What happened meanwhile is known no more, only what is left of it.
			r.m.breaks.WithLabelValues("expired").Inc()
			r.at.Version = ""
			continue
		case apierrors.IsForbidden(err):
			reason = "forbidden"
		}
		r.m.breaks.WithLabelValues(reason).Inc()
		if wait == retryMin || reason == "forbidden" {
			r.o.Logger.Warn("Events of Kubernetes are not read; they are asked for again", "err", err, "mend", "kubectl apply -f deploy/agent.yaml grants list and watch on events")
		}
		sleep(ctx, wait)
		wait = min(2*wait, retryMax)
	}
	// What was read and is not durable is read again by the next Run.
	r.save(true)
	return nil //nolint:nilerr // a cancelled ctx is the orderly end
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// follow lists where it does not know where to go on, and watches from there. nil
// is the end of a watch.
func (r *Recorder) follow(ctx context.Context) error {
	if r.at.Version == "" {
		known := r.ownedNow()
		version, err := r.list(ctx, metav1.NamespaceAll)
		if err != nil {
			return err
		}
		r.at = mark{Version: version, Namespaces: known}
		r.save(true)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := r.o.Client.EventsV1().Events(metav1.NamespaceAll).Watch(ctx, metav1.ListOptions{ResourceVersion: r.at.Version, AllowWatchBookmarks: true})
	if err != nil {
		return fmt.Errorf("watch events: %w", err)
	}
	defer w.Stop()
	tick := time.NewTicker(batchAge)
	defer tick.Stop()
	for {
		select {
		case e, ok := <-w.ResultChan():
			if !ok {
				return r.flush(ctx)
			}
			next, err := r.take(e)
			if err != nil {
				return errors.Join(r.flush(ctx), err)
			}
			r.at.Version = next
			if r.size < batchEvents {
				continue
			}
		case <-tick.C:
		case <-r.kick:
			if err := r.fetchNew(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := r.flush(ctx); err != nil {
			return err
		}
		r.save(false)
	}
}

// take reads what a watch says, and gives the version up to which it has said
// everything.
func (r *Recorder) take(e watch.Event) (version string, err error) {
	switch e.Type {
	case watch.Error:
		return "", apierrors.FromObject(e.Object)
	case watch.Bookmark, watch.Deleted:
	case watch.Added, watch.Modified:
		if ev, ok := e.Object.(*eventsv1.Event); ok {
			r.add(ev)
		}
	}
	o, ok := e.Object.(metav1.Object)
	if !ok {
		return "", fmt.Errorf("watch events: unexpected %T", e.Object)
	}
	return o.GetResourceVersion(), nil
}

// list takes in all there is in a namespace, or in all, page by page.
func (r *Recorder) list(ctx context.Context, namespace string) (version string, err error) {
	for next := ""; ; {
		page, err := r.o.Client.EventsV1().Events(namespace).List(ctx, metav1.ListOptions{Limit: pageEvents, Continue: next})
		if err != nil {
			return "", fmt.Errorf("list events: %w", err)
		}
		for i := range page.Items {
			r.add(&page.Items[i])
		}
		if err := r.flush(ctx); err != nil {
			return "", err
		}
		if next = page.Continue; next == "" {
			return page.ResourceVersion, nil
		}
	}
}

// fetchNew takes in what the namespaces had to say before they were owned.
func (r *Recorder) fetchNew(ctx context.Context) error {
	now := r.ownedNow()
	for _, namespace := range now {
		if slices.Contains(r.at.Namespaces, namespace) {
			continue
		}
		if _, err := r.list(ctx, namespace); err != nil {
			return err
		}
	}
	r.at.Namespaces = now
	return nil
}

func (r *Recorder) ownedNow() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.owned))
}

// add puts an Event into the batch, if it is somebody's.
func (r *Recorder) add(e *eventsv1.Event) {
	r.m.received.Inc()
	if e.Regarding.Namespace != "" && !r.o.Owned(e.Namespace) {
		r.m.passed.Inc()
		return
	}
	r.put(rawOf(e, r.o.Scope.Who()))
}

func (r *Recorder) put(raw logging.Raw) {
	rec, err := r.o.Stamper.Stamp(r.o.Scope, raw)
	if err != nil {
		r.m.refused.WithLabelValues("stamp").Inc()
		return
	}
	if len(r.batch[rec.Tenant]) >= waitingMax {
		r.m.refused.WithLabelValues("too_much").Inc()
		return
	}
	r.batch[rec.Tenant] = append(r.batch[rec.Tenant], rec)
	r.size++
}

// flush makes the batch durable. Each tenant's records go by themselves: those of
// one over its quota wait, and hold nobody up. While the store is unavailable it
// waits, and reads nothing meanwhile.
func (r *Recorder) flush(ctx context.Context) error {
	for id, records := range r.batch {
		for wait := retryMin; ; wait = min(2*wait, retryMax) {
			results, err := r.o.Appender.Append(ctx, r.o.Scope, logging.Batch{Records: records})
			if err == nil {
				r.count(results)
				delete(r.batch, id)
				r.size -= len(records)
				break
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if errors.Is(err, logging.ErrTooMuch) {
				break
			}
			if !r.failing {
				r.o.Logger.Warn("Events of Kubernetes are not stored for now; they are kept back", "err", err)
			}
			r.failing = true
			sleep(ctx, wait)
		}
	}
	r.failing = false
	return nil
}

func (r *Recorder) count(results []logging.ItemResult) {
	for i := range results {
		switch results[i].Status {
		case logging.Stored:
			r.m.stored.Inc()
		case logging.Duplicate:
			r.m.duplicate.Inc()
		default:
			r.m.refused.WithLabelValues("store").Inc()
		}
	}
}
