package dashboards

const (
	restartsTotal = "kube_pod_container_status_restarts_total"
	ofCPU         = `resource="cpu"`
	ofMemory      = `resource="memory"`
)

// podsNotReady counts the pods that run or should, and are not ready; 0 where
// there are pods and all are.
func podsNotReady(by string) string {
	ready := maxBy("cluster, namespace, pod", sel("kube_pod_status_ready", `condition="true"`))
	done := maxBy("cluster, namespace, pod", sel("kube_pod_status_phase", `phase="Succeeded"`)) + " == 1"
	pods := ready + " unless on (cluster, namespace, pod) (" + done + ")"
	return "count by (" + by + ") ((" + pods + ") == 0)\nor " + zeroOf("count by ("+by+") ("+ready+")")
}

// asked is what the containers of a pod ask for or may take, by the given labels.
func asked(metric, resource, by string, more ...string) string {
	return sumBy(by, maxBy("cluster, namespace, pod, container", sel(metric, append([]string{resource}, more...)...)))
}

const (
	requestsAsked = "kube_pod_container_resource_requests"
	limitsAsked   = "kube_pod_container_resource_limits"
)

// workloads shows what the orchestrator knows of pods beside what they use.
func workloads(d *desk) {
	d.podPicker("up")
	const perPod = "cluster, namespace, pod"
	const legend = "{{cluster}} {{namespace}} {{pod}}"
	s := &d.sheet

	replicas, pods := d.replicas(), d.has("kube_pod_status_phase")
	if len(replicas) > 0 || pods {
		s.row("Replicas")
		if len(replicas) > 0 {
			s.put(d.replicaTable(replicas), 12, 8)
		}
		if pods {
			s.put(d.podTable(), 12, 8)
		}
		if d.has(restartsTotal) {
			s.put(d.toMinute(series("Restarts", "Containers that were started again.", "short", d.prom,
				ranged("A", maxBy("cluster, namespace, pod, container", "increase("+sel(restartsTotal, onePod)+"[$__rate_interval])"), legend+" {{container}}"))), 12, 7)
			s.put(withSteps(quiet(stat("Out of memory", "Containers that were restarted in a day and ended last for lack of memory, a cluster.", "short", d.prom,
				instant("A", outOfMemory(), "{{cluster}}"))), "green", 1, "red", 1e9, "red"), 6, 7)
			s.put(withSteps(quiet(stat("Cannot start", "Containers that wait in a crash loop, for their image or their configuration, a cluster.", "short", d.prom,
				instant("A", cannotStart(), "{{cluster}}"))), "green", 1, "red", 1e9, "red"), 6, 7)
		}
	}

	s.row("CPU")
	if d.has("container_cpu_usage_seconds_total") {
		used := sumBy(perPod, rate("container_cpu_usage_seconds_total", ofContainers, onePod))
		p := series("CPU by pod", "Cores in use, beside what the picked pods ask for and may take together.", "short", d.prom, ranged("A", used, legend))
		if d.has(requestsAsked) {
			p = withTarget(p, ranged("B", asked(requestsAsked, ofCPU, "cluster, namespace", onePod), "{{cluster}} {{namespace}} requested"))
			p = dashedAs(p, "requested", "blue")
		}
		if d.has(limitsAsked) {
			p = withTarget(p, ranged("C", asked(limitsAsked, ofCPU, "cluster, namespace", onePod), "{{cluster}} {{namespace}} limit"))
			p = dashedAs(p, "limit", "red")
		}
		s.put(d.toMinute(p), 12, 8)
		if d.has(limitsAsked) {
			s.put(d.toMinute(withLine(series("CPU of its limit", "Share of its CPU limit that a pod uses. At 100 % it is throttled.", "percentunit", d.prom,
				ranged("A", used+"\n/\n"+asked(limitsAsked, ofCPU, perPod, onePod), legend)), 0.8, 0.95)), 12, 8)
		}
		if d.has("container_cpu_cfs_throttled_periods_total") {
			s.put(d.toMinute(withLine(series("CPU throttled", "Share of the scheduler's periods in which a pod had to wait for its limit.", "percentunit", d.prom,
				ranged("A", sumBy(perPod, rate("container_cpu_cfs_throttled_periods_total", ofContainers, onePod))+"\n/\n"+
					sumBy(perPod, rate("container_cpu_cfs_periods_total", ofContainers, onePod)), legend)), 0.25, 0.5)), 12, 8)
		}
	} else {
		s.put(d.toMinute(series("CPU by process", "Cores in use, as the processes tell themselves.", "short", d.prom,
			ranged("A", sumBy(perPod, rate("process_cpu_seconds_total", onePod)), legend))), 24, 8)
	}

	s.row("Memory")
	if d.has("container_memory_working_set_bytes") {
		used := sumBy(perPod, maxBy("cluster, namespace, pod, container", sel("container_memory_working_set_bytes", ofContainers, onePod)))
		p := series("Memory by pod", "Working set, beside what the picked pods ask for and may take together.", "bytes", d.prom, ranged("A", used, legend))
		if d.has(requestsAsked) {
			p = withTarget(p, ranged("B", asked(requestsAsked, ofMemory, "cluster, namespace", onePod), "{{cluster}} {{namespace}} requested"))
			p = dashedAs(p, "requested", "blue")
		}
		if d.has(limitsAsked) {
			p = withTarget(p, ranged("C", asked(limitsAsked, ofMemory, "cluster, namespace", onePod), "{{cluster}} {{namespace}} limit"))
			p = dashedAs(p, "limit", "red")
		}
		s.put(d.toMinute(p), 12, 8)
		if d.has(limitsAsked) {
			s.put(d.toMinute(withLine(series("Memory of its limit", "Share of its memory limit that a pod uses. At 100 % it is killed.", "percentunit", d.prom,
				ranged("A", used+"\n/\n"+asked(limitsAsked, ofMemory, perPod, onePod), legend)), 0.8, 0.95)), 12, 8)
		}
	} else {
		s.put(d.toMinute(series("Memory by process", "Resident memory, as the processes tell themselves.", "bytes", d.prom,
			ranged("A", sumBy(perPod, sel("process_resident_memory_bytes", onePod)), legend))), 24, 8)
	}

	d.network(legend)
	d.volumes()
	d.quota()
}

func withTarget(p panel, t target) panel {
	t.Datasource = p.Datasource
	p.Targets = append(p.Targets, t)
	return p
}

// outOfMemory and cannotStart are 0 where there are containers and none of them is so.
func outOfMemory() string {
	restarted := maxBy("cluster, namespace, pod, container", "increase("+sel(restartsTotal, onePod)+"[1d])")
	killed := maxBy("cluster, namespace, pod, container", sel("kube_pod_container_status_last_terminated_reason", `reason="OOMKilled"`, onePod))
	return "count by (cluster) ((" + restarted + " > 0) and on (cluster, namespace, pod, container) (" + killed + " == 1))\nor " +
		zeroOf("count by (cluster) ("+sel(restartsTotal, onePod)+")")
}

func cannotStart() string {
	return "count by (cluster) (" + maxBy("cluster, namespace, pod, container",
		sel("kube_pod_container_status_waiting_reason", `reason=~"CrashLoopBackOff|ImagePullBackOff|ErrImagePull|CreateContainerConfigError|CreateContainerError|InvalidImageName"`, onePod)) +
		" == 1)\nor " + zeroOf("count by (cluster) ("+sel(restartsTotal, onePod)+")")
}

// replica is one kind of workload, by the label that names it and the series of
// how many are wanted and ready.
type replica struct{ kind, label, wanted, ready string }

func (d *desk) replicas() (out []replica) {
	for _, r := range []replica{
		{"Deployment", "deployment", "kube_deployment_spec_replicas", "kube_deployment_status_replicas_available"},
		{"StatefulSet", "statefulset", "kube_statefulset_replicas", "kube_statefulset_status_replicas_ready"},
		{"DaemonSet", "daemonset", "kube_daemonset_status_desired_number_scheduled", "kube_daemonset_status_number_ready"},
	} {
		if d.has(r.wanted) {
			out = append(out, r)
		}
	}
	return out
}

func (d *desk) replicaTable(rs []replica) panel {
	join := func(metric func(replica) string) string {
		out := ""
		for i, r := range rs {
			if i > 0 {
				out += "\nor\n"
			}
			out += `label_replace(` + maxBy("cluster, namespace, "+r.label, sel(metric(r))) + `, "workload", "` + r.kind + ` $1", "` + r.label + `", "(.+)")`
		}
		return maxBy("cluster, namespace, workload", "\n"+out+"\n")
	}
	return table("Replicas", "Replicas wanted and ready, by workload.", d.prom, []column{
		{field: "cluster", title: "Cluster"}, {field: "namespace", title: "Namespace"}, {field: "workload", title: "Workload"},
		{field: "Value #A", title: "Wanted", unit: "short"}, {field: "Value #B", title: "Ready", unit: "short"},
	}, instant("A", join(func(r replica) string { return r.wanted }), ""), instant("B", join(func(r replica) string { return r.ready }), ""))
}

func (d *desk) podTable() panel {
	const by = "cluster, namespace, pod"
	cols := []column{
		{field: "cluster", title: "Cluster"}, {field: "namespace", title: "Namespace"},
		{field: "pod", title: "Pod", link: "/d/" + d.n.Board(boardLogs) + "?var-search=pod%3A%22${__value.raw}%22&${__url_time_range}"},
		{field: "phase", title: "Phase"},
	}
	ts := []target{instant("A", maxBy(by+", phase", sel("kube_pod_status_phase", onePod)+" == 1"), "")}
	if d.has("kube_pod_status_ready") {
		cols = append(cols, column{field: "Value #B", title: "Ready", unit: "bool_yes_no"})
		ts = append(ts, instant("B", maxBy(by, sel("kube_pod_status_ready", `condition="true"`, onePod)), ""))
	}
	if d.has(restartsTotal) {
		cols = append(cols, column{field: "Value #C", title: "Restarts", unit: "short"})
		ts = append(ts, instant("C", sumBy(by, maxBy("cluster, namespace, pod, container", sel(restartsTotal, onePod))), ""))
	}
	return table("Pods", "Every pod, its phase and how often its containers were started again.", d.prom, cols, ts...)
}

func (d *desk) network(legend string) {
	const rx, tx = "container_network_receive_bytes_total", "container_network_transmit_bytes_total"
	if !d.has(rx) {
		return
	}
	s := &d.sheet
	s.row("Network")
	s.put(d.toMinute(series("Received", "Bytes a second that pods receive.", "Bps", d.prom,
		ranged("A", sumBy("cluster, namespace, pod", rate(rx, onePod)), legend))), 8, 7)
	s.put(d.toMinute(series("Sent", "Bytes a second that pods send.", "Bps", d.prom,
		ranged("A", sumBy("cluster, namespace, pod", rate(tx, onePod)), legend))), 8, 7)
	if d.has("container_network_receive_packets_dropped_total") {
		s.put(d.toMinute(series("Packets dropped", "Packets a second that were dropped, both ways.", "pps", d.prom,
			ranged("A", sumBy("cluster, namespace, pod", rate("container_network_receive_packets_dropped_total", onePod))+" + "+
				sumBy("cluster, namespace, pod", rate("container_network_transmit_packets_dropped_total", onePod)), legend))), 8, 7)
	}
}

func (d *desk) volumes() {
	const capacity, available = "kubelet_volume_stats_capacity_bytes", "kubelet_volume_stats_available_bytes"
	if !d.has(capacity) {
		return
	}
	const by = "cluster, namespace, persistentvolumeclaim"
	const legend = "{{cluster}} {{namespace}} {{persistentvolumeclaim}}"
	s := &d.sheet
	s.row("Volumes")
	s.put(withSteps(gauge("Volumes full", "Share of each volume that is used.", "percentunit", 1, d.prom,
		instant("A", "1 - "+maxBy(by, sel(available))+" / "+maxBy(by, sel(capacity)), legend)), "green", 0.8, "orange", 0.95, "red"), 12, 7)
	s.put(withSteps(gauge("Days until full", "At the pace of the last six hours; a volume that does not fill up is left out.", "d", 0, d.prom,
		instant("A", "("+maxBy(by, sel(available))+" / ("+maxBy(by, "-deriv("+sel(available)+"[6h])")+" > 0)) / 86400", legend)), "red", 3, "orange", 14, "green"), 12, 7)
}

func (d *desk) quota() {
	if !d.has("kube_resourcequota") {
		return
	}
	const by = "cluster, namespace, resourcequota, resource"
	d.sheet.row("Quota")
	d.sheet.put(withSteps(gauge("Quota used", "Share of each of the namespace's quotas that is used.", "percentunit", 1, d.prom,
		instant("A", maxBy(by, sel("kube_resourcequota", `type="used"`))+" / ("+maxBy(by, sel("kube_resourcequota", `type="hard"`))+" > 0)",
			"{{cluster}} {{namespace}} {{resource}}")), "green", 0.8, "orange", 0.95, "red"), 24, 7)
}
