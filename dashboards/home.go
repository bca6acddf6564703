package dashboards

import (
	"strings"

	"github.com/oriel-project/oriel/tenant"
)

// HomeKey is the key of the operator's dashboard over all tenants.
const HomeKey = "home"

// Objective of an onboarding: this share of tenants has each stage done within
// this many seconds.
const (
	ObjectiveShare   = 0.99
	objectiveSeconds = "5.0" // a bound of oriel_onboarding_seconds
)

// Home renders the operator's dashboard. Its queries are for a scope over all
// tenants: it is drawn by Oriel's own page, and its JSON can be imported where a
// data source has an operator's token.
func Home(pageURL string) Dashboard {
	n := NamesOf(tenant.System)
	d := newDesk(n, Input{Tenant: tenant.Tenant{ID: tenant.System}, PageURL: pageURL})
	d.home()
	b := d.board(HomeKey, "Home", "All tenants: is the platform well, how fast do teams move in, who is heavy, what is refused.")
	b.Links = nil
	return b.encode(n)
}

// refusals are what Oriel would not take, in the operator's words.
var refusals = []struct{ metric, what string }{
	{"oriel_metrics_samples_refused_total", "samples"},
	{"oriel_logstore_refused_total", "log records"},
	{"oriel_log_records_limited_total", "log records over a tenant's limit"},
	{"oriel_forward_records_refused_total", "records by forward"},
	{"oriel_bulk_items_refused_total", "items by _bulk"},
	{"oriel_auth_failures_total", "credentials"},
	{"oriel_grafana_refused_total", "objects in Grafana"},
}

func (d *desk) home() {
	s, prom := &d.sheet, d.prom
	const never = 1e9

	s.row("Is the platform well?")
	s.put(worded(quiet(stat("Agents", "Whether a cluster's agent is heard from.", "short", prom,
		instant("A", "min by (cluster) ("+selCluster(agentUp)+")", "{{cluster}}"))),
		map[string]mappingText{"0": {Text: "away", Color: "red"}, "1": {Text: "up", Color: "green", Index: 1}}), 6, 5)
	s.put(withSteps(quiet(stat("Targets down", "Scraped targets that do not answer, a cluster.", "short", prom,
		instant("A", "count by (cluster) ("+sel("up")+" == 0) or "+zeroOf("count by (cluster) ("+sel("up")+")"), "{{cluster}}"))),
		"green", 1, "orange", 20, "red"), 6, 5)
	s.put(worded(quiet(stat("Log store", "Whether it takes records.", "short", prom,
		instant("A", "min by (cluster) ("+selCluster("oriel_logstore_available")+")", "{{cluster}}"))),
		map[string]mappingText{"0": {Text: "refuses", Color: "red"}, "1": {Text: "takes records", Color: "green", Index: 1}}), 6, 5)
	s.put(withSteps(quiet(stat("Failures to provision", "Runs of a reconciler in the last hour that failed and are tried again.", "short", prom,
		instant("A", "sum by (cluster) (increase("+selCluster("oriel_reconcile_failures_total")+"[1h])) or "+zeroOf("max by (cluster) ("+selCluster("oriel_logstore_available")+")"), "{{cluster}}"))),
		"green", 1, "orange", never, "red"), 6, 5)

	s.row("Moving in")
	const bucket = "oriel_onboarding_seconds_bucket"
	s.put(quiet(stat("Onboarding, p99", "99 of 100 tenants had a stage done in less, since central was started.", "s", prom,
		instant("A", "histogram_quantile(0.99, sum by (cluster, stage, le) ("+selCluster(bucket)+"))", "{{stage}}"))), 8, 6)
	s.put(withSteps(gauge("Within the objective", "Share of onboardings whose stage was done within 5 seconds; the objective is 99 %.", "percentunit", 1, prom,
		instant("A", "sum by (cluster, stage) ("+strings.TrimSuffix(selCluster(bucket), "}")+`,le="`+objectiveSeconds+`"})`+
			" / sum by (cluster, stage) ("+selCluster("oriel_onboarding_seconds_count")+")", "{{stage}}")), "red", 0.95, "orange", ObjectiveShare, "green"), 8, 6)
	s.put(quiet(stat("Namespaces", "Namespaces that are scraped, a cluster.", "short", prom,
		instant("A", "count by (cluster) (count by (cluster, namespace) ("+sel("up", `namespace!=""`)+"))", "{{cluster}}"))), 8, 6)

	s.row("Who lacks what")
	what := func(ref, check string) target {
		return instant(ref, maxBy("cluster, tenant", selTenant(lacking, `what="`+check+`"`)), "")
	}
	s.put(sortedBy(table("Tenants and what they lack", "What a team should have and does not; oriel tenants show has the page that mends it.", prom, []column{
		{field: "tenant", title: "Tenant"}, {field: "Value #A", title: "No metrics", unit: "bool_yes_no"}, {field: "Value #B", title: "No logs", unit: "bool_yes_no"},
		{field: "Value #C", title: "Logs without structure", unit: "bool_yes_no"}, {field: "Value #D", title: "No health endpoint", unit: "bool_yes_no"}, {field: "Value #E", title: "No alert contact", unit: "bool_yes_no"}, {field: "Value #F", title: "Things", unit: "short"},
	}, what("A", "metrics"), what("B", "logs"), what("C", "structured logs"), what("D", "health endpoint"), what("E", "alert contact"),
		instant("F", sumBy("cluster, tenant", selTenant(lacking)), "")), "Things"), 24, 8)

	s.row("Who is heavy")
	heavy := func(title, about, unit, resource string) panel {
		return gauge(title, about, unit, 0, prom,
			instant("A", "topk by (cluster) (10, "+ofResource(limitUsed, `resource="`+resource+`"`)+")", "{{tenant}}"))
	}
	s.put(heavy("Series", "Active series, the ten heaviest tenants.", "short", "series"), 8, 8)
	s.put(heavy("Samples a second", "Samples that came in a second, the ten heaviest tenants.", "short", "samples"), 8, 8)
	s.put(heavy("Log bytes a second", "Bytes of log records that came in a second, the ten heaviest tenants.", "Bps", "log_bytes"), 8, 8)
	s.put(gauge("Samples", "Samples that one round of scrapes brings, the fifteen heaviest namespaces of a cluster.", "short", 0, prom,
		instant("A", "topk by (cluster) (15, sum by (cluster, namespace) ("+sel("scrape_samples_post_metric_relabeling")+"))", "{{cluster}} {{namespace}}")), 12, 9)
	s.put(sortedBy(table("Log records", "Log records in the range, the heaviest namespaces.", d.es, []column{
		{field: "cluster", title: "Cluster"}, {field: "namespace", title: "Namespace"}, {field: "Count", title: "Records", unit: "short"},
	}, logsTop("A", logsQuery(), 15, "cluster", "namespace")), "Records"), 12, 9)

	s.row("What is refused")
	var parts []string
	for _, r := range refusals {
		parts = append(parts, `label_replace(sum by (cluster, reason) (rate(`+selCluster(r.metric)+`[5m])), "what", "`+r.what+`", "", "")`)
	}
	nothing := `label_replace(` + zeroOf("max by (cluster) ("+selCluster("oriel_logstore_available")+")") + `, "what", "nothing", "", "")`
	p := series("Refused a second", "What was not taken, by what it is and why.", "cps", prom,
		ranged("A", "("+strings.Join(parts, "\nor\n")+") > 0\nor\n"+nothing, "{{cluster}} {{what}} {{reason}}"))
	s.put(p, 12, 8)
	s.put(bars("Log volume by level", "Log records of all tenants.", d.es, logsCount("A", logsQuery(), "level")), 12, 8)
}
