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
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	promscrape "github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"k8s.io/client-go/dynamic"
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
	// ownIntervalMax bounds how far apart the agent's own series are: two times
	// this lies well within what a query looks back.
	ownIntervalMax = time.Minute
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
	// Namespaces gives the owned ones, for Federate.
	Namespaces func() []string
	Federate   []Federate
	// Kube is the cluster whose pods (and nodes, see Kubelet) are targets; nil: none.
	Kube kubernetes.Interface
	// Informers are where pods and nodes are watched; nil: in informers of its own.
	// Others may have handlers on them before Run, which starts them. What is kept
	// of a pod is what targets and state series are made of, its labels, owner,
	// node and containers.
	Informers informers.SharedInformerFactory
	Kubelet   *Kubelet // nil: kubelets are not scraped
	// Dynamic reads PodMonitor and ServiceMonitor objects of the same cluster;
	// nil: they are not looked at.
	Dynamic dynamic.Interface
	// HostNetwork lets pods that use their node's network be scraped: their
	// address is the node's, and what listens there need not be theirs.
	HostNetwork bool
	// State says where the series of kube-state-metrics come from; "": StateAuto.
	State State
	// StateNamespace is where kube-state-metrics is looked for; "": kube-system.
	StateNamespace string

	Limits     Limits
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// State is where the series of kube-state-metrics come from.
type State string

// The values of State.
const (
	StateAuto State = "auto" // kube-state-metrics if there is one in its namespace, else the agent's own watches
	StateOwn  State = "own"  // the agent's own watches
	StateOff  State = "off"  // nowhere, or from a platform target that the operator configures
)

// Limits bound one target, and the targets of one namespace. A target that
// exceeds one fails alone: its up is 0. A zero is the default.
type Limits struct {
	TargetsMax         int   // of one namespace; 1,000
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
	}{{&l.TargetsMax, 1000}, {&l.SamplesMax, 50_000}, {&l.LabelsMax, 64}, {&l.LabelNameBytesMax, 256}, {&l.LabelValueBytesMax, 4096}} {
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

	base        *config.Config           // pools that are always there
	applied     []*config.ScrapeConfig   // pools of monitors in force; Run's own
	built       map[*monitor][]builtPool // what monitors became; Run's own
	view        view
	kindsEvery  time.Duration // tests are faster
	credentials *credentials
	notices     *notices
	state       *state // nil: no state series
	stateOut    emitter
	failingOut  emitter

	mu         sync.Mutex // guards what follows, and the indexers of view
	static     map[staticKey]Static
	pods       map[string]pod  // by namespace/name: those that ask to be scraped
	nodes      map[string]node // by name
	monitors   map[monitorKey]*monitor
	monitorsIn map[string]int // by namespace
	excess     []target       // beyond their namespace's limit
	refusals   map[refusedSeries]bool
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
	if o.State == "" {
		o.State = StateAuto
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
	o.Federate = slices.Clone(o.Federate)
	for i := range o.Federate {
		if err := o.Federate[i].check(); err != nil {
			return nil, err
		}
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("make the scraper: %w", err)
	}
	m := &Manager{
		opts: o, host: host,
		kick:       make(chan struct{}, 1),
		kindsEvery: crdEvery,
		pace:       pacer{due: map[string]time.Time{}},
		built:      map[*monitor][]builtPool{},
		static:     map[staticKey]Static{},
		pods:       map[string]pod{},
		nodes:      map[string]node{},
		monitors:   map[monitorKey]*monitor{},
		monitorsIn: map[string]int{},
		notices:    newNotices(o.Kube, o.Logger),
		stateOut:   emitter{app: o.Appendable},
		failingOut: emitter{app: o.Appendable, help: map[string]string{
			seriesFailing: "1 while the target's last scrape failed, by reason.",
			seriesRefused: "1 while an object asks for something that is not scraped; the Event on it says why.",
		}},
	}
	m.credentials = newCredentials(o.Kube, m.Reload)
	if o.Kube != nil && o.State != StateOff {
		m.state = &state{}
	}
	if m.m, err = newCounters(o.Registerer, m.notices.written); err != nil {
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
		ParseST:                  true,
		DiscoveryReloadInterval:  model.Duration(reloadEvery),
		DiscoveryReloadOnStartup: true,
		// The manager would spread first scrapes over a whole interval. Less than
		// no wait is none: pacer spreads, and no more than it must.
		InitialScrapeOffset: -24 * time.Hour,
	}, o.Logger, nil, nil, o.Appendable, reg)
	if err != nil {
		return nil, fmt.Errorf("make the scraper: %w", err)
	}
	if m.base, err = m.config(); err != nil {
		return nil, fmt.Errorf("make the scraper: %w", err)
	}
	if err := m.scraper.ApplyConfig(m.base); err != nil {
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

	own := min(m.opts.Interval, ownIntervalMax)
	wg.Go(func() { m.every(ctx, "failing targets", own, m.writeFailing) })
	if m.state != nil {
		wg.Go(func() {
			if m.synced(ctx) {
				m.every(ctx, "state of workloads", own, m.writeState)
			}
		})
	}

	m.Reload()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	again := time.NewTicker(credentialRetry) // Secrets change without a word
	defer again.Stop()
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
		case <-again.C:
			m.Reload()
		case <-timer.C:
			at = time.Time{}
			targets, pools := m.plan()
			if err := m.apply(pools); err != nil {
				m.opts.Logger.Error("scrape_configuration_not_applied", "err", err)
			}
			groups, next := m.pace.groups(targets, m.opts.Interval, time.Now(), m.poolNames())
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
