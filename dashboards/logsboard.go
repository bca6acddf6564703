package dashboards

// logsBoard is about what programs say.
func logsBoard(d *desk) {
	d.searchBox()
	s, es := &d.sheet, d.es
	all := logsQuery(searched)
	wrong := logsQuery(logsWrong, searched)

	s.put(alone(reduced(stat("Records", "Log records in the range.", "short", es, logsCount("A", all, "")), "sum")), 6, 4)
	s.put(withSteps(alone(reduced(stat("Errors", "Records of level error or fatal in the range.", "short", es, logsCount("A", wrong, "")), "sum")),
		"green", 1, "orange", 100, "red"), 6, 4)
	s.put(withSteps(alone(reduced(stat("Warnings", "Records of level warn in the range.", "short", es, logsCount("A", logsQuery(logsWarn, searched), "")), "sum")),
		"green", 1, "yellow", 1000, "orange"), 6, 4)
	s.put(alone(reduced(stat("Newest", "When the newest record was written.", "dateTimeFromNow", es, logsNewest("A", all)), "max")), 6, 4)

	s.put(bars("Volume by level", "Log records by level.", es, logsCount("A", all, "level")), 12, 8)
	s.put(bars("Volume by pod", "Log records of the ten pods that say most.", es, logsCount("A", all, "pod")), 12, 8)

	s.put(table("Top errors", "The most frequent messages of level error or fatal. A constant message with fields of its own can be counted, one with an order's number in it cannot.", es,
		[]column{{field: "message.keyword", title: "Message"}, {field: "Count", title: "Records", unit: "short"}},
		logsTop("A", wrong, 15, "message.keyword")), 12, 9)
	s.put(table("Who errs", "Records of level error or fatal by namespace, pod and container.", es,
		[]column{
			{field: "cluster", title: "Cluster"}, {field: "namespace", title: "Namespace"},
			{field: "pod", title: "Pod", link: "/d/" + d.n.Board(boardWorkloads) + "?var-pod=${__value.raw}&${__url_time_range}"},
			{field: "Count", title: "Records", unit: "short"},
		},
		logsTop("A", wrong, 10, "cluster", "namespace", "pod")), 12, 9)

	s.row("Errors")
	s.put(lines("Error lines", "The newest records of level error or fatal.", es, logsLines("A", wrong, "200")), 24, 11)
	s.row("Everything")
	s.put(lines("Newest lines", "The newest records of every level.", es, logsLines("A", all, "500")), 24, 16)
}
