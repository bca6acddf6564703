// Package pods remembers the pods of a cluster for the logs that come from them:
// a pod that lived for two seconds and is gone before its logs arrive still has
// its labels and its place.
//
//	m, err := pods.Open(pods.Options{File: file})
//	err = m.Follow(factory.Core().V1().Pods().Informer()) // before that is started
//	stamper := &logging.Stamper{Pods: m, PodsOf: cluster}
//	err = m.Run(ctx)
//
// What is known is kept in a file (docs/format/pods.md), so that it outlives the
// process: who was there when it ended and is gone when it starts is remembered
// as gone.
package pods

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/logging"
)

// Options of a Memory. The zero value keeps nothing beyond the process.
type Options struct {
	// File is where it is kept; "" is nowhere.
	File string
	// Keep is how long a pod is remembered that is gone; 0 means 6 hours.
	Keep time.Duration
	// GoneMax is how many of those are remembered at most, the newest; 0 means 50,000.
	GoneMax int
	// Since tells when the namespace that has a name now was made, and the zero time
	// where there is none; nil: not known. It must be quick.
	Since      func(namespace string) time.Time
	Clock      clock.Clock           // nil: the machine's
	Logger     *slog.Logger          // nil: discard
	Registerer prometheus.Registerer // nil: metrics are counted and not shown
}

const (
	keepDefault    = 6 * time.Hour
	goneMaxDefault = 50_000

	labelsBytesMax = 8 << 10     // of one pod; more are not joined
	skewMax        = time.Minute // between the clocks of nodes and of the API server

	saveEvery = time.Second
)

// Memory is safe for concurrent use.
type Memory struct {
	o       Options
	m       *counters
	file    *file // nil: nowhere
	synced  cache.InformerSynced
	current cache.Store

	mu          sync.RWMutex    // guards what follows
	byName      map[name][]*pod // the oldest first
	byUID       map[string]*pod //
	byContainer map[string]byID // by the id alone, without the runtime's name
	gone        []*pod          // in the order in which they went
	dirty       map[string]*pod // by UID, not in the file yet
}

type name struct{ namespace, name string }

type byID struct {
	pod       *pod
	container string
}

var _ logging.Pods = (*Memory)(nil)

// Open makes a Memory of what the file has.
func Open(o Options) (*Memory, error) {
	if o.Keep <= 0 {
		o.Keep = keepDefault
	}
	if o.GoneMax <= 0 {
		o.GoneMax = goneMaxDefault
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Memory{
		o: o, byName: map[name][]*pod{}, byUID: map[string]*pod{}, byContainer: map[string]byID{}, dirty: map[string]*pod{},
	}
	m.m = newCounters(o.Registerer, m.count)
	if o.File == "" {
		return m, nil
	}
	known, err := readFile(o.File)
	if err != nil {
		return nil, err
	}
	for _, p := range known {
		m.set(p)
	}
	// The file has them as they changed, and the queue is by when they went.
	slices.SortStableFunc(m.gone, func(a, b *pod) int { return a.Deleted.Compare(b.Deleted) })
	m.forget()
	clear(m.dirty)
	m.file, err = createFile(o.File, m.all())
	return m, err
}

// Follow takes in what an informer of pods sees; the caller starts that, later.
func (m *Memory) Follow(i cache.SharedIndexInformer) error {
	r, err := i.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) { m.seen(obj) },
		UpdateFunc: func(before, now any) {
			// A watch that broke off may have missed that another one took the name.
			if b, ok := before.(*corev1.Pod); ok {
				if n, ok := now.(*corev1.Pod); ok && b.UID != n.UID {
					m.lost(string(b.UID))
				}
			}
			m.seen(now)
		},
		DeleteFunc: func(obj any) {
			if last, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = last.Obj
			}
			if p, ok := obj.(*corev1.Pod); ok {
				m.seen(p) // it may be its first and last appearance
				m.lost(string(p.UID))
			}
		},
	})
	if err != nil {
		return err
	}
	m.synced, m.current = r.HasSynced, i.GetStore()
	return nil
}

// Run keeps the file and forgets what is too old, until ctx ends.
func (m *Memory) Run(ctx context.Context) error {
	if m.synced != nil && cache.WaitForCacheSync(ctx.Done(), m.synced) {
		m.sweep()
	}
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.save()
		case <-ctx.Done():
			m.save()
			return m.file.close()
		}
	}
}

// Pod implements logging.Pods.
func (m *Memory) Pod(ref logging.PodRef, at time.Time) (out logging.Pod, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var p *pod
	container := ""
	if c, ok := m.byContainer[ref.ContainerID]; ok {
		p, container = c.pod, c.container
	}
	if p == nil && ref.UID != "" {
		p = m.byUID[ref.UID]
	}
	if p == nil {
		p = pick(m.byName[name{ref.Namespace, ref.Name}], at)
	}
	if p != nil && m.former(p, at) {
		p = nil
	}
	if p == nil {
		m.m.joins.WithLabelValues("unknown").Inc()
		return logging.Pod{}, false
	}
	m.m.joins.WithLabelValues("known").Inc()
	return logging.Pod{
		Namespace: p.Namespace, Name: p.Name, UID: p.UID, Node: p.Node, Container: container,
		Labels: string(p.Labels), OwnerKind: p.OwnerKind, OwnerName: p.OwnerName,
	}, true
}

// former tells whether a pod was one of a namespace that is gone, and at a time of
// the one that has its name now, which may be another team's.
func (m *Memory) former(p *pod, at time.Time) bool {
	if !p.over() || m.o.Since == nil {
		return false
	}
	since := m.o.Since(p.Namespace)
	return !since.IsZero() && p.Created.Before(since) && !at.Before(since)
}

// pick finds the life of a name that a time falls into, else the one that began
// last before it, else the first.
func pick(lives []*pod, at time.Time) *pod {
	if len(lives) == 0 {
		return nil
	}
	best := lives[0]
	for _, p := range lives {
		if p.Created.After(at.Add(skewMax)) {
			break
		}
		// Within the skew of two lives the one that was still there wins.
		if p == lives[0] || !p.Created.After(at) || best.over() && best.Deleted.Before(at) {
			best = p
		}
	}
	return best
}

// seen takes a pod in that is there.
func (m *Memory) seen(obj any) {
	p, ok := obj.(*corev1.Pod)
	if !ok {
		return
	}
	now := podOf(p)
	m.mu.Lock()
	defer m.mu.Unlock()
	if before := m.byUID[now.UID]; before != nil {
		if before.over() {
			return
		}
		now.addContainers(before.Containers) // of those that were restarted
		if now.equal(before) {
			return
		}
	}
	m.set(now)
}

// lost notes that a pod is gone.
func (m *Memory) lost(uid string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.end(uid)
}

// sweep ends those that went while nobody looked. It comes after the first
// list is in.
func (m *Memory) sweep() {
	there := map[string]bool{}
	for _, obj := range m.current.List() {
		if p, ok := obj.(*corev1.Pod); ok {
			there[string(p.UID)] = true
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for uid, p := range m.byUID {
		if !p.over() && !there[uid] {
			m.end(uid)
		}
	}
}

// end marks a pod as gone. m.mu is held.
func (m *Memory) end(uid string) {
	before := m.byUID[uid]
	if before == nil || before.over() {
		return
	}
	now := *before
	now.Deleted = m.o.Clock().UTC()
	m.set(&now)
	m.forget()
}

// set puts a pod in, or in the place of an older picture of it. m.mu is held.
func (m *Memory) set(p *pod) {
	key := name{p.Namespace, p.Name}
	lives := m.byName[key]
	at := slices.IndexFunc(lives, func(q *pod) bool { return q.UID == p.UID })
	if at >= 0 {
		lives[at] = p
	} else {
		lives = append(lives, p)
		slices.SortStableFunc(lives, func(a, b *pod) int { return a.Created.Compare(b.Created) })
	}
	m.byName[key], m.byUID[p.UID], m.dirty[p.UID] = lives, p, p
	for id, container := range p.Containers {
		m.byContainer[id] = byID{p, container}
	}
	if p.over() {
		m.gone = append(m.gone, p)
	}
}

// forget drops those that are gone for too long, or are too many. m.mu is held.
func (m *Memory) forget() {
	oldest := m.o.Clock().Add(-m.o.Keep)
	n := 0
	for n < len(m.gone) && (len(m.gone)-n > m.o.GoneMax || m.gone[n].Deleted.Before(oldest)) {
		p := m.gone[n]
		if !p.Deleted.Before(oldest) {
			m.m.pushed.Inc()
		}
		key := name{p.Namespace, p.Name}
		m.byName[key] = slices.DeleteFunc(m.byName[key], func(q *pod) bool { return q == p })
		if len(m.byName[key]) == 0 {
			delete(m.byName, key)
		}
		delete(m.byUID, p.UID)
		delete(m.dirty, p.UID)
		for id := range p.Containers {
			if m.byContainer[id].pod == p {
				delete(m.byContainer, id)
			}
		}
		m.gone[n] = nil
		n++
	}
	m.gone = m.gone[n:]
}

// save writes what changed, or everything where the file has become much longer
// than it need be.
func (m *Memory) save() {
	m.mu.Lock()
	m.forget()
	dirty := m.dirty
	m.dirty = map[string]*pod{}
	m.mu.Unlock()
	if m.file == nil {
		return
	}
	changed := make([]*pod, 0, len(dirty))
	for _, p := range dirty {
		changed = append(changed, p)
	}
	slices.SortFunc(changed, func(a, b *pod) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.UID, b.UID)) })
	err := m.file.append(changed)
	if m.file.long() {
		m.mu.RLock()
		all := m.all()
		m.mu.RUnlock()
		var next *file
		if next, err = createFile(m.o.File, all); err == nil {
			err = m.file.close()
			m.file = next
		}
	}
	if err != nil && !m.file.failing {
		m.o.Logger.Warn("the memory of pods could not be kept: after a restart the logs of pods that are gone would have no labels", "file", m.o.File, "err", err)
	}
	m.file.failing = err != nil
}

// all gives every pod. m.mu is held.
func (m *Memory) all() []*pod {
	out := make([]*pod, 0, len(m.byUID))
	for _, p := range m.byUID {
		out = append(out, p)
	}
	return out
}

func (m *Memory) count() (living, gone int) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.byUID) - len(m.gone), len(m.gone)
}

// counters are what a Memory tells of itself.
type counters struct {
	joins  *prometheus.CounterVec // result
	pushed prometheus.Counter
}

func newCounters(r prometheus.Registerer, count func() (living, gone int)) *counters {
	c := &counters{
		joins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_pods_lookups_total", Help: "Log records that name a pod, by whether it was known (its labels and owner were joined) or unknown.",
		}, []string{"result"}),
		pushed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "oriel_pods_forgotten_early_total", Help: "Pods that were gone and forgotten before their time, since too many went.",
		}),
	}
	if r == nil {
		return c
	}
	r.MustRegister(c.joins, c.pushed)
	gauge := func(state string, f func() int) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "oriel_pods_remembered", Help: "Pods that are known for the logs that come from them, by whether they are living or gone.",
			ConstLabels: prometheus.Labels{"state": state},
		}, func() float64 { return float64(f()) }))
	}
	gauge("living", func() int { n, _ := count(); return n })
	gauge("gone", func() int { _, n := count(); return n })
	return c
}
