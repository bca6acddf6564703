package dashboards

import (
	"fmt"
	"slices"
	"strings"
)

// Receipt says what a tenant got at its onboarding and what it lacks.
type Receipt struct {
	Made   *Made   `json:"made,omitempty"` // nil: its window was never whole
	Checks []Check `json:"checks"`
}

// CheckState is what is known of one thing a team should have.
type CheckState string

// The states of a check.
const (
	CheckOK      CheckState = "ok"
	CheckMissing CheckState = "missing"
	CheckUnknown CheckState = "unknown" // cannot be told, here or now
)

// Check is one thing that a team should have.
type Check struct {
	Name   string     `json:"name"`
	State  CheckState `json:"state"`
	Detail string     `json:"detail"`         // one sentence
	Page   string     `json:"page,omitempty"` // of Oriel's documentation, that mends it; "" where nothing is to be mended
}

// Facts are what checks are made from.
type Facts struct {
	Metrics    []string // names of the metrics there are
	MetricsErr error    // why they cannot be told now
	Records    int      // newest log records of programs that were looked at
	Leveled    int      // those of them with a level
	LogsErr    error    // why they cannot be told now
	Probes     int      // addresses that the namespaces' annotations name
	Contact    Contact
}

// Checks says what a tenant lacks. The order is always the same.
func Checks(f Facts) []Check {
	return []Check{metricsCheck(f), logsCheck(f), structureCheck(f), healthCheck(f), contactCheck(f)}
}

func contactCheck(f Facts) Check {
	const name, page = "alert contact", "docs/grafana.md"
	switch {
	case !f.Contact.Known:
		return Check{name, CheckUnknown, "Not known here: who is told of alerts is kept in Grafana, and no Grafana says.", page}
	case f.Contact.Name == "":
		return Check{name, CheckMissing, "Nobody is told of alerts: Grafana has no contact point that a notification policy leads to.", page}
	}
	return Check{name, CheckOK, "Alerts go to the contact point " + f.Contact.Name + ".", ""}
}

func metricsCheck(f Facts) Check {
	const name, page = "metrics", "docs/patterns/expose-metrics.md"
	if f.MetricsErr != nil {
		return Check{name, CheckUnknown, "Not known now: the metric store does not answer.", page}
	}
	n := 0
	for _, m := range f.Metrics {
		if exposed(m) {
			n++
		}
	}
	switch {
	case n > 0:
		return Check{name, CheckOK, fmt.Sprintf("%s of its programs in the last days.", count(n, "metric", "metrics")), ""}
	case slices.Contains(f.Metrics, "up"):
		return Check{name, CheckMissing, "There are targets, but no metric of a program came from them in the last days.", page}
	}
	return Check{name, CheckMissing, "No metric of a program of its own in the last days.", page}
}

// exposed reports whether a metric tells that a program of the team's shows its
// metrics: its own, or those that its language's library adds by itself.
func exposed(name string) bool {
	return own(name) || slices.ContainsFunc(libraryPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

func logsCheck(f Facts) Check {
	const name, page = "logs", "docs/patterns/structured-logs.md"
	switch {
	case f.LogsErr != nil:
		return Check{name, CheckUnknown, "Not known now: the log store does not answer.", page}
	case f.Records == 0:
		return Check{name, CheckMissing, "No log record of a program in the last days.", page}
	}
	return Check{name, CheckOK, "Log records of its programs arrive.", ""}
}

// structureCheck goes by the level: a line that is not understood has none.
func structureCheck(f Facts) Check {
	const name, page = "structured logs", "docs/patterns/structured-logs.md"
	switch {
	case f.LogsErr != nil:
		return Check{name, CheckUnknown, "Not known now: the log store does not answer.", page}
	case f.Records == 0:
		return Check{name, CheckUnknown, "Not known yet: no log record of a program in the last days.", page}
	}
	c := Check{name, CheckOK, fmt.Sprintf("%d of the newest %d log records have a level.", f.Leveled, f.Records), ""}
	if 2*f.Leveled < f.Records {
		c.State, c.Page = CheckMissing, page
	}
	return c
}

func healthCheck(f Facts) Check {
	const name, page = "health endpoint", "docs/patterns/health-endpoint.md"
	probed := slices.ContainsFunc(f.Metrics, func(m string) bool {
		return m == "probe_success" || strings.HasPrefix(m, "prober_probe_")
	})
	switch {
	case probed:
		return Check{name, CheckOK, "Results of probes come in.", ""}
	case f.MetricsErr != nil:
		return Check{name, CheckUnknown, "Not known now: the metric store does not answer.", page}
	case f.Probes > 0:
		return Check{name, CheckMissing, fmt.Sprintf("The namespaces' annotations name %s, and no probe's results come in: the dashboard Platform says what is not probed, and why.", count(f.Probes, "address", "addresses")), page}
	}
	return Check{name, CheckMissing, "No namespace names an address in its probe annotation, and no probe's results come in.", page}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
