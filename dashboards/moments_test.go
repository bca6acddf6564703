package dashboards_test

import (
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/dashboards"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func minute(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }

// past is a series of the cluster eu and the namespace shop, a value a minute; a
// negative one is none.
func past(metric, label, name string, values ...float64) dashboards.Past {
	p := dashboards.Past{Metric: metric, Labels: map[string]string{"cluster": "eu", "namespace": "shop", label: name}}
	for i, v := range values {
		if v < 0 {
			continue
		}
		p.Last = minute(i)
		if n := len(p.Steps); n == 0 || p.Steps[n-1].Value != v {
			p.Steps = append(p.Steps, dashboards.PastStep{At: p.Last, Value: v})
		}
	}
	return p
}

func gone(p dashboards.Past) dashboards.Past { p.Ended = true; return p }

func TestMoments(t *testing.T) {
	generation := func(values ...float64) dashboards.Past {
		return past("kube_deployment_metadata_generation", "deployment", "web", values...)
	}
	replicas := func(values ...float64) dashboards.Past {
		return past("kube_deployment_spec_replicas", "deployment", "web", values...)
	}
	agent := func(values ...float64) dashboards.Past { return past("oriel_agent_up", "", "", values...) }
	for name, c := range map[string]struct {
		past []dashboards.Past
		ends []dashboards.End
		from time.Time
		want string
	}{
		"nothing changed":                 {past: []dashboards.Past{generation(3, 3, 3)}},
		"deployed twice":                  {past: []dashboards.Past{generation(3, 4, 4, 5)}, want: "1 deploy web (deployment in eu/shop) was deployed, generation 4; 3 deploy web (deployment in eu/shop) was deployed, generation 5"},
		"only scaled":                     {past: []dashboards.Past{generation(3, 4), replicas(1, 2)}},
		"scaled, then deployed":           {past: []dashboards.Past{generation(3, 4, 5), replicas(1, 2, 2)}, want: "2 deploy web (deployment in eu/shop) was deployed, generation 5"},
		"made anew under the same name":   {past: []dashboards.Past{generation(7, 1)}},
		"before the time that is told":    {past: []dashboards.Past{generation(3, 4, 4, 5)}, from: minute(2), want: "3 deploy web (deployment in eu/shop) was deployed, generation 5"},
		"two exporters, one after other":  {past: []dashboards.Past{generation(3, 3, -1, -1), generation(-1, -1, 3, 4)}, want: "3 deploy web (deployment in eu/shop) was deployed, generation 4"},
		"made":                            {past: []dashboards.Past{past("kube_statefulset_created", "statefulset", "db", float64(minute(1).Unix()))}, want: "1 deploy db (statefulset in eu/shop) was made"},
		"removed":                         {past: []dashboards.Past{gone(generation(3, 3)), agent(1, 1, 1, 1)}, want: "1 teardown web (deployment in eu/shop) was removed"},
		"perhaps removed, a moment ago":   {past: []dashboards.Past{gone(generation(3, 3)), agent(1, 1, 1)}},
		"silent, and nobody says why":     {past: []dashboards.Past{generation(3, 3), agent(1, 1, 1, 1)}},
		"its agent went":                  {past: []dashboards.Past{gone(generation(3, 3)), agent(1, 1, 0, 0)}},
		"namespace removed":               {past: []dashboards.Past{gone(generation(3, 4)), agent(1, 1, 1, 1)}, ends: []dashboards.End{{Cluster: "eu", Namespace: "shop", At: minute(2)}}, want: "2 teardown namespace eu/shop was removed"},
		"another metric of the workload":  {past: []dashboards.Past{past("kube_deployment_status_replicas", "deployment", "web", 1, 2)}},
		"no workload's name in the label": {past: []dashboards.Past{past("kube_deployment_metadata_generation", "x", "web", 1, 2)}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.from.IsZero() {
				c.from = noon
			}
			var got []string
			for _, m := range dashboards.MomentsOf(c.past, c.ends, c.from) {
				got = append(got, m.At.UTC().Format("4")+" "+m.Kind+" "+m.Text)
			}
			if g := strings.Join(got, "; "); g != c.want {
				t.Errorf("got  %q\nwant %q", g, c.want)
			}
		})
	}
}
