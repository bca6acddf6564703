package main

// What is below the data directory; docs/ARCHITECTURE.md and docs/format/ say
// what is in each.
const (
	dirDirectory = "directory"
	dirTokens    = "tokens"
	dirLogs      = "logs"
	dirMetrics   = "metrics"
	dirQueue     = "queue"
	dirGrafana   = "grafana"
	dirJournal   = "journal"
	dirKube      = "kube"
	adminToken   = "admin.token"
	numbersKey   = "numbers.key"
	numbersMark  = "numbers.mark" // in dirLogs
)
