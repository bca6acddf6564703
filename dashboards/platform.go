package dashboards

// platform answers whether what is collected arrives, and what is in its way.
func platform(d *desk) {
	s, prom := &d.sheet, d.prom
	const perJob = "cluster, namespace, job"
	const legend = "{{cluster}} {{namespace}} {{job}}"

	s.row("Does it arrive?")
	if d.has(agentUp) {
		s.put(d.agent(), 6, 5)
	}
	s.put(withSteps(quiet(stat("Metrics arrive", "Seconds since the newest sample, a cluster.", "s", prom,
		instant("A", freshness("cluster"), "{{cluster}}"))), "green", 60, "orange", 180, "red"), 6, 5)
	s.put(alone(reduced(stat("Logs arrive", "When the newest log record was written.", "dateTimeFromNow", d.es, logsNewest("A", logsQuery())), "max")), 6, 5)
	s.put(withSteps(quiet(stat("Targets down", "Scraped targets that do not answer, a cluster.", "short", prom,
		instant("A", "count by (cluster) ("+sel("up")+" == 0) or "+zeroOf("count by (cluster) ("+sel("up")+")"), "{{cluster}}"))),
		"green", 1, "red", 1e9, "red"), 6, 5)

	d.limits()

	s.row("Scrapes")
	s.put(table("Targets", "Every target: whether it answers, how long that takes, how many samples it gives.", prom, []column{
		{field: "cluster", title: "Cluster"}, {field: "namespace", title: "Namespace"}, {field: "job", title: "Job"}, {field: "pod", title: "Pod"},
		{field: "Value #A", title: "Up", unit: "bool_yes_no"}, {field: "Value #B", title: "Duration", unit: "s"}, {field: "Value #C", title: "Samples", unit: "short"},
		{field: "Value #D", title: "Answered in the range", unit: "percentunit"},
	},
		instant("A", "min by (cluster, namespace, job, pod) ("+sel("up")+")", ""),
		instant("B", maxBy("cluster, namespace, job, pod", sel("scrape_duration_seconds")), ""),
		instant("C", sumBy("cluster, namespace, job, pod", sel("scrape_samples_post_metric_relabeling")), ""),
		instant("D", "avg by (cluster, namespace, job, pod) (avg_over_time("+sel("up")+"[$__range]))", "")), 24, 9)
	s.put(series("Targets that answer", "Scraped targets that answer.", "short", prom,
		ranged("A", sumBy(perJob, sel("up")), legend)), 8, 7)
	s.put(series("Scrape duration", "The slowest scrape of a job.", "s", prom,
		ranged("A", maxBy(perJob, sel("scrape_duration_seconds")), legend)), 8, 7)
	s.put(series("Samples a scrape", "Samples that one round of scrapes brings: what counts against the limit of series.", "short", prom,
		ranged("A", sumBy(perJob, sel("scrape_samples_post_metric_relabeling")), legend)), 8, 7)

	s.row("Logs")
	s.put(bars("Log records by namespace", "Log records as they come in.", d.es, logsCount("A", logsQuery(), "namespace")), 24, 7)
	d.agents()
}

// The series that Oriel writes of itself into every tenant's database, and those
// that an agent sends beside the samples: docs/metrics.md.
const (
	agentUp       = "oriel_agent_up"
	agentLag      = "oriel_agent_lag_seconds"
	agentSkew     = "oriel_agent_clock_skew_seconds"
	agentGaps     = "oriel_agent_gaps_total"
	agentRefused  = "oriel_agent_refused_samples_total"
	scrapeFailing = "oriel_scrape_failing"
	scrapeRefused = "oriel_scrape_refused"
	probeRefused  = "oriel_probe_refused"
	probeSuccess  = "probe_success"
	limitUsed     = "oriel_limit_used"
	limitOf       = "oriel_limit"
	lacking       = "oriel_lacks"
)

// limits shows what the tenant uses of its limits, and what it lacks.
func (d *desk) limits() {
	if !d.has(limitUsed) {
		return
	}
	s := &d.sheet
	s.row("Limits used")
	s.put(gauge("Used of the limit", "What is over it is refused with 429: oriel/limits on a namespace asks for more.", "percentunit", 1, d.prom,
		instant("A", ofResource(limitUsed)+" / on (cluster, tenant, resource) "+ofResource(limitOf), "{{resource}}")), 8, 6)
	p := series("Used of the limit over time", "How it came to this.", "percentunit", d.prom,
		ranged("A", ofResource(limitUsed)+" / on (cluster, tenant, resource) "+ofResource(limitOf), "{{resource}}"))
	s.put(withLine(p, 0.8, 1), 8, 6)
	s.put(table("Figures", "Active series, samples a second, bytes of log records a second.", d.prom, []column{
		{field: "resource", title: "Resource"}, {field: "Value #A", title: "Used", unit: "short"}, {field: "Value #B", title: "Limit", unit: "short"},
	}, instant("A", ofResource(limitUsed), ""), instant("B", ofResource(limitOf), "")), 8, 6)
}

// ofResource are a tenant's figures by resource.
func ofResource(metric string, more ...string) string {
	return maxBy("cluster, tenant, resource", selTenant(metric, more...))
}

func (d *desk) agent() panel {
	return worded(quiet(stat("Agent", "Whether the cluster's agent is heard from. While it is away, it is the platform.", "short", d.prom,
		instant("A", "min by (cluster) ("+selCluster(agentUp)+")", "{{cluster}}"))),
		map[string]mappingText{"0": {Text: "away", Color: "red"}, "1": {Text: "up", Color: "green", Index: 1}})
}

// agents shows the way from the agents to central. These series come every 15 s,
// however often targets are scraped: their rates are over a fixed time.
func (d *desk) agents() {
	var ps []panel
	add := func(metric, title, about, unit, expr, legend string) {
		if d.has(metric) {
			p := series(title, about, unit, d.prom, ranged("A", expr, legend))
			p.FieldConfig.Defaults.Min = nil
			ps = append(ps, p)
		}
	}
	add(agentLag, "Lag", "Age of the oldest sample that waits at the agent; it falls while a backlog comes in.", "s",
		maxBy("cluster", selCluster(agentLag)), "{{cluster}}")
	add(agentGaps, "Gaps", "Times that an agent had to give up samples: there the charts have a hole.", "short",
		maxBy("cluster", "increase("+selCluster(agentGaps)+"[5m])"), "{{cluster}}")
	add(agentRefused, "Samples refused", "Samples a second of this tenant that were refused for good, by reason.", "cps",
		"max by (cluster, reason) (rate("+selCluster(agentRefused)+"[5m]))", "{{cluster}} {{reason}}")
	add(agentSkew, "Clock", "How far the agent's clock is ahead of central's.", "s",
		maxBy("cluster", selCluster(agentSkew)), "{{cluster}}")
	if len(ps) > 0 {
		d.sheet.row("Agents")
	}
	for _, p := range ps {
		d.sheet.put(p, 24/min(len(ps), 4), 7)
	}
	if d.has(scrapeFailing, scrapeRefused, probeRefused) {
		d.sheet.row("What is not scraped, and why")
	}
	if d.has(scrapeFailing) {
		d.sheet.put(table("Scrapes that fail", "Targets whose last scrape failed.", d.prom, []column{
			{field: "cluster", title: "Cluster"}, {field: "namespace", title: "Namespace"}, {field: "job", title: "Job"}, {field: "pod", title: "Pod"}, {field: "reason", title: "Reason"},
		}, instant("A", maxBy("cluster, namespace, job, pod, reason", sel(scrapeFailing))+" == 1", "")), 12, 7)
	}
	if d.has(probeRefused) {
		d.sheet.put(table("Addresses that are not probed", "What oriel/probe names and no pod of the namespace's own services answers for.", d.prom, []column{
			{field: "cluster", title: "Cluster"}, {field: "namespace", title: "Namespace"}, {field: "target", title: "Address"}, {field: "reason", title: "Reason"},
		}, instant("A", maxBy("cluster, namespace, target, reason", sel(probeRefused))+" == 1", "")), 12, 7)
	}
	if d.has(scrapeRefused) {
		d.sheet.put(table("Refused", "What pods and monitors ask for that is not done; the Event on the object has the sentence.", d.prom, []column{
			{field: "cluster", title: "Cluster"}, {field: "namespace", title: "Namespace"}, {field: "kind", title: "Kind"}, {field: "name", title: "Name"}, {field: "reason", title: "Reason"},
		}, instant("A", maxBy("cluster, namespace, kind, name, reason", sel(scrapeRefused))+" == 1", "")), 12, 7)
	}
}
