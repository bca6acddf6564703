package scrape

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/config"
	corev1 "k8s.io/api/core/v1"
)

// builtPool is an endpoint of a monitor and what it became.
type builtPool struct {
	endpoint *endpoint
	config   *config.ScrapeConfig // nil: not scraped
}

// plan looks at everything and gives every target that there should be, in
// order, and the pools of monitors. What is not done is counted, told to the
// objects' owners and kept for the series that say so.
func (m *Manager) plan() ([]target, []*config.ScrapeConfig) {
	m.mu.Lock()
	var out []target
	for _, s := range m.static {
		out = append(out, m.staticTarget(s))
	}
	refusals := map[refusedSeries]bool{}
	told := map[corev1.ObjectReference]bool{}
	byReason := map[string]int{}
	for _, p := range m.pods {
		if _, ok := m.opts.Owned(p.namespace); !ok {
			continue
		}
		if p.refusal.label == "" {
			out = append(out, m.podTarget(p))
			continue
		}
		byReason[p.refusal.label]++
		refusals[refusedSeries{p.namespace, "Pod", p.name, p.refusal.label}] = true
		told[p.ref()] = true
		m.notices.say(p.ref(), []string{p.refusal.sentence})
	}
	if m.opts.Kubelet != nil {
		for _, n := range m.nodes {
			out = append(out, m.nodeTargets(n)...)
		}
	}
	for i := range m.opts.Federate {
		out = append(out, m.federateTargets(i, &m.opts.Federate[i])...)
	}
	monitors := slices.Collect(maps.Values(m.monitors))
	m.mu.Unlock()

	if m.opts.State == StateAuto && m.state != nil {
		if t, ok := m.stateSource(); ok {
			out = append(out, t)
		}
	}
	slices.SortFunc(monitors, func(a, b *monitor) int {
		return cmp.Or(cmp.Compare(a.ref.Namespace, b.ref.Namespace), cmp.Compare(a.ref.Kind, b.ref.Kind), cmp.Compare(a.ref.Name, b.ref.Name))
	})
	var pools []*config.ScrapeConfig
	built := make(map[*monitor][]builtPool, len(monitors))
	for _, mon := range monitors {
		if _, ok := m.opts.Owned(mon.ref.Namespace); !ok {
			continue
		}
		bs, problems := m.buildMonitor(mon)
		built[mon] = bs
		s := &seeker{m: m, mon: mon, problems: map[string]int{}, sentence: map[string]string{}}
		for _, b := range bs {
			if b.config != nil {
				pools = append(pools, b.config)
				out = append(out, s.targets(b.endpoint)...)
			}
		}
		problems = slices.Concat(mon.problems, problems, s.said())
		if len(problems) > 0 {
			refusals[refusedSeries{mon.ref.Namespace, mon.ref.Kind, mon.ref.Name, "see_event"}] = true
			byReason["monitor"]++
		}
		told[mon.ref] = true
		m.notices.say(mon.ref, problems)
	}
	m.built = built
	m.notices.keep(told)
	slices.SortFunc(out, compareTargets)
	out, excess := m.bounded(out)
	m.mu.Lock()
	m.excess, m.refusals = excess, refusals
	m.mu.Unlock()
	m.m.count(out, len(excess), byReason)
	return out, pools
}

// buildMonitor gives what a monitor's endpoints become. What it became the last
// time stays as it is, so that nothing is set up anew for a change elsewhere.
func (m *Manager) buildMonitor(mon *monitor) (out []builtPool, problems []string) {
	before := m.built[mon]
	for i := range mon.endpoints {
		e := &mon.endpoints[i]
		c, ok, err := m.monitorPool(mon, e)
		b := builtPool{endpoint: e, config: c}
		switch {
		case err != nil:
			problems = append(problems, fmt.Sprintf("endpoint %d: not scraped: %s", e.index, strings.ReplaceAll(err.Error(), "\n", "; ")))
			b.config = nil
		case !ok: // a credential is on its way
			b.config = nil
		case i < len(before) && before[i].config != nil && reflect.DeepEqual(before[i].config, c):
			b.config = before[i].config
		}
		out = append(out, b)
	}
	return out, problems
}

// apply gives the scrape manager its pools, where they changed.
func (m *Manager) apply(pools []*config.ScrapeConfig) error {
	if slices.Equal(pools, m.applied) {
		return nil
	}
	cfg := *m.base
	cfg.ScrapeConfigs = slices.Concat(m.base.ScrapeConfigs, pools)
	if err := m.scraper.ApplyConfig(&cfg); err != nil {
		return err
	}
	m.applied = pools
	return nil
}

func (m *Manager) poolNames() []string {
	out := make([]string, 0, len(pools)+len(m.applied))
	out = append(out, pools[:]...)
	for i := range m.opts.Federate {
		out = append(out, federatePool(i))
	}
	for _, c := range m.applied {
		out = append(out, c.JobName)
	}
	return out
}

// synced waits until everything that state series tell of was read once: half a
// picture would be told as the whole.
func (m *Manager) synced(ctx context.Context) bool {
	for _, ok := range m.view.factory.WaitForCacheSync(ctx.Done()) {
		if !ok {
			return false
		}
	}
	return true
}
