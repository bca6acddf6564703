package scrape

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	promscrape "github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"

	"github.com/oriel-project/oriel/tenant"
)

const (
	intervalDefault = 15 * time.Second
	// settle gathers changes that come together; reloadEvery is how often the
	// scrape manager takes a new set of targets. A change is followed within the sum.
	settle      = 100 * time.Millisecond
	reloadEvery = 200 * time.Millisecond
)

// Options of a Manager.
type Options struct {
	// Appendable takes the samples: metrics.Scoped over a store in the same
	// process, or a remote.Sender.
	Appendable storage.AppendableV2
	Interval   time.Duration  // between scrapes of a target; 0: 15 s
	Cluster    tenant.Cluster // whose labels all targets carry
	Static     []Static
	// Owned tells whether a namespace of this cluster is a tenant's; pods of
	// others are not scraped. nil: none is. Call Reload when its answers change.
	Owned func(namespace string) (tenant.ID, bool)
	// Kube is the cluster whose pods (and nodes, see Kubelet) are targets; nil: none.
	Kube kubernetes.Interface
	// Informers are where pods and nodes are watched; nil: in informers of its own.
	// Others may have handlers on them before Run, which starts them. What is kept
	// of a pod is what scraping reads, its labels, owners, node and containers.
	Informers informers.SharedInformerFactory
	Kubelet   *Kubelet // nil: kubelets are not scraped
	// OnRefused is told of every pod that asks to be scraped and is not, once per
	// reason, for the owner to mend. nil: only counted.
	OnRefused func(namespace, pod, reason string)

	Limits     Limits
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Limits bound one target. A target that exceeds one fails alone: its up is 0.
// A zero is the default.
type Limits struct {
	BodyBytesMax       int64 // decompressed; 50 MB
	SamplesMax         int   // 50,000
	LabelsMax          int   // of one series; 64
	LabelNameBytesMax  int   // 256
	LabelValueBytesMax int   // 4,096
}

func (l *Limits) defaults() {
	for _, d := range []struct {
		v   *int
		def int
	}{{&l.SamplesMax, 50_000}, {&l.LabelsMax, 64}, {&l.LabelNameBytesMax, 256}, {&l.LabelValueBytesMax, 4096}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	if l.BodyBytesMax <= 0 {
		l.BodyBytesMax = 50 << 20
	}
}

// Manager keeps the targets and scrapes them. Safe for concurrent use.
type Manager struct {
	opts    Options
	host    string
	scraper *promscrape.Manager
	kick    chan struct{} // capacity 1: something changed
	pace    pacer         // Run's own
	m       *counters

	mu      sync.Mutex // guards what follows
	static  map[staticKey]Static
	pods    map[string]pod  // by namespace/name: those that ask to be scraped
	nodes   map[string]node // by name
	refused map[string]string
}

// New makes a Manager; nothing is scraped before Run.
func New(o Options) (*Manager, error) {
	if o.Appendable == nil {
		return nil, errors.New("make the scraper: Options.Appendable is not set")
	}
	if o.Interval <= 0 {
		o.Interval = intervalDefault
	}
	if o.Owned == nil {
		o.Owned = func(string) (tenant.ID, bool) { return "", false }
	}
	if o.OnRefused == nil {
		o.OnRefused = func(string, string, string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Kube == nil {
		o.Kubelet = nil // nodes are known from the cluster alone
	}
	if err := o.Kubelet.check(); err != nil {
		return nil, err
	}
	o.Limits.defaults()
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("make the scraper: %w", err)
	}
	m := &Manager{
		opts: o, host: host,
		kick:    make(chan struct{}, 1),
		pace:    pacer{due: map[string]time.Time{}},
		static:  map[staticKey]Static{},
		pods:    map[string]pod{},
		nodes:   map[string]node{},
		refused: map[string]string{},
	}
	if m.m, err = newCounters(o.Registerer); err != nil {
		return nil, err
	}
	// Prometheus' metrics of scraping, under our prefix; without a registerer
	// they need one to throw away.
	reg := prometheus.Registerer(prometheus.NewRegistry())
	if o.Registerer != nil {
		reg = prometheus.WrapRegistererWithPrefix("oriel_", o.Registerer)
	}
	m.scraper, err = promscrape.NewManager(&promscrape.Options{
		AppendMetadata:           true,
		DiscoveryReloadInterval:  model.Duration(reloadEvery),
		DiscoveryReloadOnStartup: true,
		// The manager would spread first scrapes over a whole interval. Less than
		// no wait is none: pacer spreads, and no more than it must.
		InitialScrapeOffset: -24 * time.Hour,
	}, o.Logger, nil, nil, o.Appendable, reg)
	if err != nil {
		return nil, fmt.Errorf("make the scraper: %w", err)
	}
	cfg, err := m.config()
	if err != nil {
		return nil, fmt.Errorf("make the scraper: %w", err)
	}
	if err := m.scraper.ApplyConfig(cfg); err != nil {
		return nil, fmt.Errorf("make the scraper: %w", err)
	}
	for _, s := range o.Static {
		if err := m.AddStatic(s); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Reload looks at the owners anew: call it when a namespace has come to a
// tenant or left it. It returns at once.
func (m *Manager) Reload() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// Run discovers and scrapes until ctx ends. Series of targets that go away are
// marked stale; those of a process that ends are not, since the next one goes
// on with them.
func (m *Manager) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	if m.opts.Kube != nil {
		if err := m.watch(ctx, &wg); err != nil {
			return err
		}
	}
	sets := make(chan map[string][]*targetgroup.Group)
	scraping := make(chan error, 1)
	go func() { scraping <- m.scraper.Run(sets) }()
	defer func() {
		m.scraper.Stop()
		<-scraping
	}()

	m.Reload()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var at time.Time // when the timer fires, while it is armed for something
	arm := func(next time.Time) {
		if at.IsZero() || next.Before(at) {
			at = next
			timer.Reset(time.Until(next))
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.kick:
			arm(time.Now().Add(settle))
		case <-timer.C:
			at = time.Time{}
			groups, next := m.pace.groups(m.targets(), m.opts.Interval, time.Now())
			select {
			case sets <- groups:
			case <-ctx.Done():
				return nil
			}
			if !next.IsZero() {
				arm(next)
			}
		}
	}
}

// targets gives every target there should be, and counts them.
func (m *Manager) targets() []target {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []target
	for _, s := range m.static {
		out = append(out, m.staticTarget(s))
	}
	for _, p := range m.pods {
		if p.refusal != "" {
			continue
		}
		if _, ok := m.opts.Owned(p.namespace); ok {
			out = append(out, m.podTarget(p))
		}
	}
	if m.opts.Kubelet != nil {
		for _, n := range m.nodes {
			out = append(out, m.nodeTargets(n)...)
		}
	}
	slices.SortFunc(out, compareTargets)
	m.m.count(out, m.refused)
	return out
}
