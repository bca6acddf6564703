package dashboards

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Moment is something that happened to a tenant's workloads.
type Moment struct {
	At   time.Time
	Text string
	Kind string // MomentDeploy or MomentTeardown
	// Where it happened; both are tags of the annotation.
	Cluster, Namespace string
}

// The kinds of moments, which are tags of their annotations.
const (
	MomentDeploy   = "deploy"
	MomentTeardown = "teardown"
)

// Tags of the annotation: by Tag and the tenant it is known to be Oriel's.
func (m Moment) Tags(tenant string) []string {
	tags := []string{Tag, tenant, m.Kind, m.Cluster}
	if m.Namespace != "" {
		tags = append(tags, m.Namespace)
	}
	return tags
}

// Past is one series that moments are told from.
type Past struct {
	Metric string
	Labels map[string]string
	Steps  []PastStep // in the order of time, at least one
	Last   time.Time  // of its newest sample
	Ended  bool       // its scraper said so
}

// PastStep is a value that a series took, and since when.
type PastStep struct {
	At    time.Time
	Value float64
}

// End is the end of a namespace that was the tenant's.
type End struct {
	Cluster, Namespace string
	At                 time.Time
}

// workloads are the kinds whose deploys are told, by the name of their metrics
// and the label that holds their name.
var workloadKinds = []struct{ prefix, label, replicas string }{
	{"kube_deployment_", "deployment", "kube_deployment_spec_replicas"},
	{"kube_statefulset_", "statefulset", "kube_statefulset_replicas"},
	{"kube_daemonset_", "daemonset", ""},
}

// PastMetrics are the metrics that moments are told from.
func PastMetrics() []string {
	names := []string{agentUp}
	for _, k := range workloadKinds {
		names = append(names, k.prefix+"metadata_generation", k.prefix+"created")
		if k.replicas != "" {
			names = append(names, k.replicas)
		}
	}
	return names
}

// momentsMax bounds how many moments are told of one look.
const momentsMax = 500

// An agent that ends says of its series that they ended, too. A workload is gone
// where its cluster's agent was there for this long after.
const goneAfter = 2 * time.Minute

// MomentsOf tells what happened from a time on, the oldest first: a workload
// whose spec was changed in more than its number of replicas, one that was made,
// one that is gone, a namespace that is gone. It depends on its input alone, and
// gives the same moment the same time and text whenever it is asked.
func MomentsOf(past []Past, ends []End, from time.Time) []Moment {
	type key struct{ kind, cluster, namespace, name string }
	generations, replicas := map[key]Past{}, map[key]Past{}
	agents := map[string]Past{}
	ended := map[[2]string]bool{}
	var out []Moment
	tell := func(at time.Time, kind, cluster, namespace, text string) {
		if !at.Before(from) {
			out = append(out, Moment{At: at, Kind: kind, Cluster: cluster, Namespace: namespace, Text: text})
		}
	}
	for _, e := range ends {
		ended[[2]string{e.Cluster, e.Namespace}] = true
		tell(e.At, MomentTeardown, e.Cluster, e.Namespace, fmt.Sprintf("namespace %s/%s was removed", e.Cluster, e.Namespace))
	}
	words := func(k key) string { return fmt.Sprintf("%s (%s in %s/%s)", k.name, k.kind, k.cluster, k.namespace) }
	for _, p := range past {
		if p.Metric == agentUp {
			if old, ok := agents[p.Labels["cluster"]]; !ok || p.Last.After(old.Last) {
				agents[p.Labels["cluster"]] = p
			}
			continue
		}
		for _, w := range workloadKinds {
			k := key{w.label, p.Labels["cluster"], p.Labels["namespace"], p.Labels[w.label]}
			switch {
			case k.name == "" || ended[[2]string{k.cluster, k.namespace}]:
			case p.Metric == w.replicas:
				replicas[k] = merged(replicas[k], p)
			case p.Metric == w.prefix+"metadata_generation":
				generations[k] = merged(generations[k], p)
			case p.Metric == w.prefix+"created":
				for _, s := range p.Steps {
					tell(time.Unix(int64(s.Value), 0), MomentDeploy, k.cluster, k.namespace, words(k)+" was made")
				}
			}
		}
	}
	for k, g := range generations {
		for i := 1; i < len(g.Steps); i++ {
			at := g.Steps[i].At
			if g.Steps[i].Value > g.Steps[i-1].Value && !changedAt(replicas[k], at) {
				tell(at, MomentDeploy, k.cluster, k.namespace, fmt.Sprintf("%s was deployed, generation %.0f", words(k), g.Steps[i].Value))
			}
		}
		a, ok := agents[k.cluster]
		if g.Ended && ok && a.Steps[len(a.Steps)-1].Value == 1 && a.Last.Sub(g.Last) >= goneAfter {
			tell(g.Last, MomentTeardown, k.cluster, k.namespace, words(k)+" was removed")
		}
	}
	slices.SortFunc(out, func(a, b Moment) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Text, b.Text))
	})
	out = slices.CompactFunc(out, func(a, b Moment) bool { return a.At.Equal(b.At) && a.Text == b.Text })
	return out[max(0, len(out)-momentsMax):]
}

// merged joins what two series tell of one thing, such as those of the pods of an
// exporter, one after the other.
func merged(a, b Past) Past {
	if len(a.Steps) == 0 {
		return b
	}
	steps := slices.SortedStableFunc(slices.Values(append(slices.Clone(a.Steps), b.Steps...)), func(x, y PastStep) int { return x.At.Compare(y.At) })
	b.Steps = slices.CompactFunc(steps, func(x, y PastStep) bool { return x.Value == y.Value })
	if a.Last.After(b.Last) {
		b.Last, b.Ended = a.Last, a.Ended
	}
	return b
}

func changedAt(p Past, at time.Time) bool {
	for i := 1; i < len(p.Steps); i++ {
		if p.Steps[i].At.Equal(at) {
			return true
		}
	}
	return false
}
