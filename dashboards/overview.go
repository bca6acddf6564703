package dashboards

import "strings"

// overview is the dashboard a team begins with, at three in the morning: is it
// us, is it the platform, since when, and where to look next.
func overview(d *desk) {
	prom, es := d.prom, d.es
	reqs := d.in.present(requestFamilies)
	lats := d.in.present(latencyFamilies)
	cpus := d.in.present(cpuFamilies)
	mems := d.in.present(memoryFamilies)
	s := &d.sheet

	s.row("Is it us?")
	s.put(withSteps(quiet(stat("Targets down", "Scraped targets that do not answer, a cluster.", "short", prom,
		instant("A", "count by (cluster) ("+sel("up")+" == 0) or "+zeroOf("count by (cluster) ("+sel("up")+")"), "{{cluster}}"))),
		"green", 1, "red", 1e9, "red"), 4, 5)
	if d.has("kube_pod_status_ready") {
		s.put(withSteps(quiet(stat("Pods not ready", "Pods that should run and are not ready, a cluster.", "short", prom,
			instant("A", podsNotReady("cluster"), "{{cluster}}"))), "green", 1, "orange", 3, "red"), 4, 5)
	}
	s.put(withSteps(stat("Errors", "Share of requests answered with 5xx, a cluster.", "percentunit", prom,
		ranged("A", errorRatio(reqs, "cluster"), "{{cluster}}")), "green", 0.01, "orange", 0.05, "red"), 4, 5)
	s.put(withSteps(stat("p95", "95 of 100 requests are faster, in the slowest namespace of a cluster.", "s", prom,
		ranged("A", maxBy("cluster", quantile(lats, "0.95")), "{{cluster}}")), "green", 1, "orange", 3, "red"), 4, 5)
	s.put(stat("Requests", "Requests a second, a cluster.", "reqps", prom,
		ranged("A", sumBy("cluster", "\n"+requests(reqs, "cluster, namespace")+"\n"), "{{cluster}}")), 4, 5)
	s.put(d.toLogs(withSteps(alone(reduced(stat("Error logs", "Log records of level error or fatal in the range.", "short", es,
		logsCount("A", logsQuery(logsWrong), "")), "sum")), "green", 1, "orange", 100, "red"), logsWrong), 4, 5)

	if d.has(probeSuccess) {
		s.put(table("Probes", "The addresses of oriel/probe: whether they answer, and how fast.", prom, []column{
			{field: "cluster", title: "Cluster"}, {field: "namespace", title: "Namespace"}, {field: "target", title: "Address"},
			{field: "Value #A", title: "Answers", unit: "bool_yes_no"}, {field: "Value #B", title: "Duration", unit: "s"}, {field: "Value #C", title: "Answered in the range", unit: "percentunit"},
		},
			instant("A", "min by (cluster, namespace, target) ("+sel(probeSuccess)+")", ""),
			instant("B", maxBy("cluster, namespace, target", sel("probe_duration_seconds")), ""),
			instant("C", "avg by (cluster, namespace, target) (avg_over_time("+sel(probeSuccess)+"[$__range]))", "")), 24, 5)
	}

	s.row("Is it the platform?")
	s.put(withSteps(quiet(stat("Metrics arrive", "Seconds since the newest sample came in, a cluster. A cluster that is cut off is behind by more than a scrape.", "s", prom,
		instant("A", freshness("cluster"), "{{cluster}}"))), "green", 60, "orange", 180, "red"), 6, 4)
	s.put(alone(reduced(stat("Logs arrive", "When the newest log record was written.", "dateTimeFromNow", es,
		logsNewest("A", logsQuery())), "max")), 6, 4)
	if d.has(agentUp) {
		s.put(d.agent(), 6, 4)
	}
	s.put(withSteps(quiet(stat("Scrapes missed", "Share of the scrapes in the range that failed, a cluster.", "percentunit", prom,
		instant("A", "1 - avg by (cluster) (avg_over_time("+sel("up")+"[$__range]))", "{{cluster}}"))), "green", 0.01, "orange", 0.1, "red"), 6, 4)

	s.row("Since when?")
	s.put(d.toMinute(series("Requests by code", "Requests a second by status code.", "reqps", prom,
		ranged("A", requestsByCode(reqs), "{{cluster}} {{namespace}} "+codeLegend(reqs)))), 8, 8)
	s.put(d.toMinute(withLine(series("Error ratio", "Share of requests answered with 5xx.", "percentunit", prom,
		ranged("A", errorRatio(reqs, "cluster, namespace"), "{{cluster}} {{namespace}}")), 0.01, 0.05)), 8, 8)
	s.put(d.toMinute(series("Latency", "Quantiles of the request durations, estimated from histogram buckets.", "s", prom,
		ranged("A", quantile(lats, "0.50"), "{{cluster}} {{namespace}} p50"),
		ranged("B", quantile(lats, "0.95"), "{{cluster}} {{namespace}} p95"),
		ranged("C", quantile(lats, "0.99"), "{{cluster}} {{namespace}} p99"))), 8, 8)

	d.whatChanged()

	s.row("Where do I look?")
	s.put(d.toMinute(series("CPU", "Cores in use: of containers where known, else of processes.", "short", prom,
		ranged("A", cpu(cpus), "{{cluster}} {{namespace}} {{pod}}"))), 8, 8)
	s.put(d.toMinute(series("Memory", "Working set of containers where known, else resident memory of processes.", "bytes", prom,
		ranged("A", memory(mems), "{{cluster}} {{namespace}} {{pod}}"))), 8, 8)
	s.put(bars("Log volume by level", "Log records by level.", es, logsCount("A", logsQuery(), "level")), 8, 8)
	s.put(lines("Error lines", "The newest records of level error or fatal.", es, logsLines("A", logsQuery(logsWrong), "100")), 24, 10)
}

// whatChanged: deploys, restarts, scaling.
func (d *desk) whatChanged() {
	var ps []panel
	if d.has("kube_deployment_spec_replicas") {
		ps = append(ps, series("Replicas wanted", "Scaling: replicas that deployments ask for.", "short", d.prom,
			ranged("A", maxBy("cluster, namespace, deployment", sel("kube_deployment_spec_replicas")), "{{cluster}} {{namespace}} {{deployment}}")))
	}
	if d.has("kube_deployment_status_replicas_available") {
		ps = append(ps, series("Replicas ready", "Replicas of deployments that are ready.", "short", d.prom,
			ranged("A", maxBy("cluster, namespace, deployment", sel("kube_deployment_status_replicas_available")), "{{cluster}} {{namespace}} {{deployment}}")))
	}
	switch {
	case d.has(restartsTotal):
		ps = append(ps, d.toMinute(series("Restarts", "Containers that were started again.", "short", d.prom,
			ranged("A", maxBy("cluster, namespace, pod, container", "increase("+sel(restartsTotal)+"[$__rate_interval])"), "{{cluster}} {{namespace}} {{pod}} {{container}}"))))
	case d.has("process_start_time_seconds"):
		ps = append(ps, series("Starts", "Processes that were started, by their start time.", "short", d.prom,
			ranged("A", sumBy("cluster, namespace, pod", "changes("+sel("process_start_time_seconds")+"[$__rate_interval])"), "{{cluster}} {{namespace}} {{pod}}")))
	}
	if len(ps) == 0 {
		return
	}
	d.sheet.row("What changed?")
	for _, p := range ps {
		d.sheet.put(p, 24/len(ps), 7)
	}
}

// freshness is the age of the newest sample of a scrape, in seconds.
func freshness(by string) string {
	return "time() - max by (" + by + ") (timestamp(" + sel("up") + "))"
}

// codeLegend names every label that may carry the code; those that a series
// does not have come out empty.
func codeLegend(fs []family) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, f := range fs {
		for _, c := range f.codes {
			if !seen[c] {
				seen[c] = true
				b.WriteString("{{" + c + "}}")
			}
		}
	}
	return b.String()
}
