package dashboards

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// OperatorRule is an alert rule over Oriel itself. Its expression holds for what
// Oriel stores of itself and for a Prometheus that scrapes /metrics.
type OperatorRule struct {
	Key, Title, Severity, For string
	Expr, Summary             string
}

// burn is true where onboardings miss the objective so often that its budget goes
// factor times too fast, over the long window and still in the short one. Stages
// that wait for what a team's programs send are not the platform's.
func burn(long, short string, factor float64) string {
	missed := func(over string) string {
		return fmt.Sprintf("1 - sum by (stage) (increase(oriel_onboarding_seconds_bucket{stage=\"dashboards\",le=~\"5|5.0\"}[%s])) / sum by (stage) (increase(oriel_onboarding_seconds_count{stage=\"dashboards\"}[%s])) > %g * 0.01", over, over, factor)
	}
	return missed(long) + "\nand\n" + missed(short)
}

// OperatorRules are the alert rules over the platform.
func OperatorRules() []OperatorRule {
	return []OperatorRule{
		{"burn", "Onboarding burns its objective", "critical", "0s", burn("1h", "5m", 14.4),
			"new teams wait more than 5 seconds for their dashboards, much more often than 1 of 100"},
		{"simmer", "Onboarding misses its objective", "warning", "0s", burn("6h", "30m", 6),
			"over the last hours too many new teams waited more than 5 seconds for their dashboards"},
		{"provision", "Provisioning fails", "warning", "5m", "sum by (stage) (increase(oriel_reconcile_failures_total[10m])) > 0",
			"runs over tenants' windows fail and are tried again, stage {{ $labels.stage }}; central's log has the reason"},
		{"logstore", "Log store takes nothing", "critical", "1m", "1 - min by (job) (oriel_logstore_available) > 0",
			"log records are refused: senders keep what they can"},
		{"agents", "Agent away", "critical", "5m", "1 - min by (cluster) (oriel_agent_up) > 0",
			"the agent of cluster {{ $labels.cluster }} does not deliver"},
	}
}

// The shape of a file of rules, as Prometheus reads it.
type (
	promRules struct {
		Groups []promGroup `yaml:"groups"`
	}
	promGroup struct {
		Name  string     `yaml:"name"`
		Rules []promRule `yaml:"rules"`
	}
	promRule struct {
		Alert       string            `yaml:"alert"`
		Expr        string            `yaml:"expr"`
		For         string            `yaml:"for,omitempty"`
		Labels      map[string]string `yaml:"labels"`
		Annotations map[string]string `yaml:"annotations"`
	}
)

// OperatorRulesFile gives the same rules for a Prometheus that scrapes Oriel's
// processes: deploy/prometheus-rules.yaml.
func OperatorRulesFile() ([]byte, error) {
	g := promGroup{Name: "oriel"}
	for _, r := range OperatorRules() {
		g.Rules = append(g.Rules, promRule{
			Alert: r.Title, Expr: r.Expr, For: r.For,
			Labels: map[string]string{"severity": r.Severity}, Annotations: map[string]string{"summary": r.Summary},
		})
	}
	raw, err := yaml.Marshal(promRules{Groups: []promGroup{g}})
	if err != nil {
		return nil, fmt.Errorf("encode the operator's alert rules: %w", err)
	}
	return append([]byte("# Alert rules over Oriel itself, the same that stand in the operator's Grafana organisation.\n"), raw...), nil
}
