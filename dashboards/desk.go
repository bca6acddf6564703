package dashboards

import (
	"slices"
	"strings"
)

// The dashboards of a tenant, in the order in which they are linked.
const (
	boardOverview    = "overview"
	boardWorkloads   = "workloads"
	boardApplication = "application"
	boardLogs        = "logs"
	boardPlatform    = "platform"
)

// kinds are the dashboards of a tenant: the end of their uid, the title, and
// what fills them.
var kinds = []struct {
	key, title, about string
	fill              func(*desk)
}{
	{boardOverview, "Overview", "Is it us or the platform, since when, and where to look.", overview},
	{boardWorkloads, "Workloads", "What pods ask for, what they may take, what they use.", workloads},
	{boardApplication, "Application", "What the programs tell of themselves: made of the metrics they expose, and made anew when those change.", application},
	{boardLogs, "Logs", "What the programs say.", logsBoard},
	{boardPlatform, "Platform", "Whether what is collected arrives: agents, scrapes, lag, gaps, refusals, limits.", platform},
}

// Keys gives the keys of a tenant's dashboards, in the order in which they are linked.
func Keys() []string {
	out := make([]string, len(kinds))
	for i, k := range kinds {
		out[i] = k.key
	}
	return out
}

// desk is where one dashboard is made.
type desk struct {
	n     Names
	in    Input
	prom  *sourceRef
	es    *sourceRef
	sheet sheet
	vars  []vary // after cluster and namespace
	notes []note // beside those that every dashboard has
}

func newDesk(n Names, in Input) *desk {
	return &desk{
		n: n, in: in,
		prom: &sourceRef{Type: typePrometheus, UID: n.Metrics},
		es:   &sourceRef{Type: typeElasticsearch, UID: n.Logs},
	}
}

// has reports whether the tenant is known to have one of the metrics. A panel
// that needs one is made as soon as it has.
func (d *desk) has(metrics ...string) bool {
	return slices.ContainsFunc(metrics, func(m string) bool { return slices.Contains(d.in.Metrics, m) })
}

// tenantBoards renders all of a tenant's dashboards.
func tenantBoards(n Names, in Input) []Dashboard {
	out := make([]Dashboard, 0, len(kinds))
	for _, k := range kinds {
		d := newDesk(n, in)
		k.fill(d)
		out = append(out, d.board(k.key, k.title, k.about).encode(n))
	}
	return out
}

func (d *desk) board(key, title, about string) board {
	b := board{
		UID:           d.n.Board(key),
		Title:         title,
		Description:   about + " Kept by Oriel for tenant " + string(d.n.Tenant) + ". Changes are copied aside and undone: save a copy to keep your own.",
		Tags:          []string{Tag},
		SchemaVersion: schemaVersion,
		Editable:      true,
		GraphTooltip:  1,
		Refresh:       "30s",
		Timezone:      "browser",
		Time:          timeRange{From: "now-1h", To: "now"},
		Templating: listOf[vary]{List: append([]vary{
			picker("cluster", "Cluster", "label_values(up, cluster)", d.prom),
			picker("namespace", "Namespace", `label_values(up{cluster=~"$cluster"}, namespace)`, d.prom),
		}, d.vars...)},
		Annotations: listOf[note]{List: append(d.everywhere(), d.notes...)},
		Links: []link{{
			Title: "Oriel", Type: "dashboards", Icon: "external link", Tags: []string{Tag},
			IncludeVars: true, KeepTime: true,
		}},
		Panels: d.sheet.panels,
	}
	if d.in.PageURL != "" {
		b.Links = append(b.Links, link{
			Title: "Oriel's own page", Type: "link", Icon: "external link", Tags: []string{}, TargetBlank: true,
			URL: strings.TrimRight(d.in.PageURL, "/") + "/t/" + string(d.n.Tenant) + "/",
		})
	}
	return b
}

// everywhere: what somebody noted in Grafana, what Oriel notes there (deploys,
// teardowns), and what the metrics tell of starts.
func (d *desk) everywhere() []note {
	grafana := &sourceRef{Type: "grafana", UID: "-- Grafana --"}
	notes := []note{
		{
			Name: "Annotations & Alerts", Datasource: grafana, Enable: true, Hide: true, BuiltIn: 1, Type: "dashboard", IconColor: "rgba(0, 211, 255, 1)",
			Target: &noteTarget{Limit: 100, Tags: []string{}, Type: "dashboard"},
		},
		{
			Name: "Deploys and teardowns", Datasource: grafana, Enable: true, IconColor: "purple",
			Target: &noteTarget{Limit: 100, Tags: []string{Tag, string(d.n.Tenant)}, Type: "tags"},
		},
	}
	// Where Oriel calls Grafana, deploys are annotations there.
	if d.in.Isolation == ByFiles && d.has("kube_deployment_status_observed_generation") {
		notes = append(notes, note{
			Name: "Deployments changed", Datasource: d.prom, Enable: true, IconColor: "blue", Step: "60s",
			Expr:        maxBy("cluster, namespace, deployment", "changes("+sel("kube_deployment_status_observed_generation")+"[1m])") + " > 0",
			TitleFormat: "{{deployment}} was changed", TextFormat: "{{cluster}} {{namespace}}", TagKeys: "cluster,namespace",
		})
	}
	switch {
	case d.has(restartsTotal):
		notes = append(notes, note{
			Name: "Restarts", Datasource: d.prom, Enable: true, IconColor: "red", Step: "60s",
			Expr:        maxBy("cluster, namespace, pod, container", "increase("+sel(restartsTotal)+"[1m])") + " > 0",
			TitleFormat: "{{container}} was started again", TextFormat: "{{cluster}} {{namespace}} {{pod}}", TagKeys: "cluster,namespace,pod",
		})
	case d.has("process_start_time_seconds"):
		notes = append(notes, note{
			Name: "Restarts", Datasource: d.prom, Enable: true, IconColor: "red", Step: "60s",
			Expr:        maxBy("cluster, namespace, pod", "changes("+sel("process_start_time_seconds")+"[1m])") + " > 0",
			TitleFormat: "{{pod}} was started again", TextFormat: "{{cluster}} {{namespace}}", TagKeys: "cluster,namespace,pod",
		})
	}
	return notes
}

func picker(name, label, query string, ds *sourceRef) vary {
	return vary{
		Name: name, Label: label, Type: "query", Datasource: ds,
		Definition: query, Query: varyQuery{Query: query, RefID: "PrometheusVariableQueryEditor-VariableQuery"},
		Refresh: 2, Sort: 1, Multi: true, IncludeAll: true, AllValue: ".*",
		Current: varyValue{Text: "All", Value: "$__all"},
	}
}

// podPicker adds the variable $pod.
func (d *desk) podPicker(metric string) {
	d.vars = append(d.vars, picker("pod", "Pod", "label_values("+sel(metric)+", pod)", d.prom))
}

const onePod = `pod=~"$pod"`

// searchBox adds the variable $search, in the words of log queries.
func (d *desk) searchBox() {
	all := varyValue{Text: "*", Value: "*"}
	d.vars = append(d.vars, vary{
		Name: "search", Label: "Search", Type: "textbox", Query: "*", Current: all, Options: []varyValue{all},
		Description: `Lucene syntax, such as timeout AND NOT pod:"web-0"; * is everything.`,
	})
}

const searched = "(${search:raw})"

// toMinute leads from a point of a chart to the logs of that pod (where the
// series has one) and that minute.
func (d *desk) toMinute(p panel) panel {
	search := "*"
	url := "/d/" + d.n.Board(boardLogs) + "?var-cluster=${__field.labels.cluster}&var-namespace=${__field.labels.namespace}"
	title := "Logs of this namespace and minute"
	for _, t := range p.Targets {
		if strings.Contains(t.LegendFormat, "{{pod}}") {
			search, title = `pod:"${__field.labels.pod}"`, "Logs of this pod and minute"
		}
	}
	return linked(p, title, url+"&var-search="+urlText.Replace(search)+"&time=${__value.time}&time.window=120000")
}

// toLogs leads to the log records of the same range that match.
func (d *desk) toLogs(p panel, search string) panel {
	return linked(p, "Show them", "/d/"+d.n.Board(boardLogs)+"?${cluster:queryparam}&${namespace:queryparam}&var-search="+urlText.Replace(search)+"&${__url_time_range}")
}

// urlText escapes a search for a link without touching Grafana's variables in it.
var urlText = strings.NewReplacer(`"`, "%22", " ", "%20", ":", "%3A", "(", "%28", ")", "%29")
