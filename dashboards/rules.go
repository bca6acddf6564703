package dashboards

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// RuleGroup is the group that Oriel's alert rules are in, in the tenant's
// folder; CopyGroup holds the copies of rules that somebody edited, paused.
const (
	RuleGroup = "Oriel"
	CopyGroup = "Oriel: your copies"
)

// RuleEvery is how often Grafana evaluates the group.
const RuleEvery = time.Minute

// The annotations by which Oriel knows its own rules, and whether they are as it
// wrote them. Labels would go out with every notification.
const (
	ruleTenant = "oriel_tenant"
	ruleHash   = "oriel_hash"
)

// Rule is one alert rule as Grafana's provisioning API takes it.
type Rule struct {
	UID   string
	Title string
	JSON  []byte
}

// The shape of a rule, as far as it is used.
type (
	alertRule struct {
		UID          string            `json:"uid"`
		Title        string            `json:"title"`
		RuleGroup    string            `json:"ruleGroup"`
		FolderUID    string            `json:"folderUID"`
		Condition    string            `json:"condition"`
		Data         []alertQuery      `json:"data"`
		NoDataState  string            `json:"noDataState"`
		ExecErrState string            `json:"execErrState"`
		For          string            `json:"for"`
		Labels       map[string]string `json:"labels"`
		Annotations  map[string]string `json:"annotations"`
	}
	alertQuery struct {
		RefID             string         `json:"refId"`
		RelativeTimeRange alertRange     `json:"relativeTimeRange"`
		DatasourceUID     string         `json:"datasourceUid"`
		Model             map[string]any `json:"model"`
	}
	alertRange struct { // seconds before now
		From int `json:"from"`
		To   int `json:"to"`
	}
)

// errorBurst is how many records of level error or fatal in ten minutes, in one
// namespace of one cluster, are too many.
const errorBurst = 100

// rules are the alert rules every tenant has. Each fires for one cluster and
// namespace at a time; one that has nothing to look at (no such metric) is quiet.
func rules(n Names) []Rule {
	const perContainer = "cluster, namespace, pod, container"
	prom := n.promRule
	return []Rule{
		prom("crash", "Crash loop", "critical", "2m",
			"max by ("+perContainer+") (increase("+restartsTotal+"[15m])) > 2\nor\nmax by ("+perContainer+`) (kube_pod_container_status_waiting_reason{reason="CrashLoopBackOff"}) > 0`,
			"{{ $labels.container }} of {{ $labels.pod }} ({{ $labels.cluster }}/{{ $labels.namespace }}) starts again and again"),
		// While the agent is away, its targets are not known to be down.
		prom("down", "Target down", "critical", "5m",
			"count by (cluster, namespace, job) (up == 0)\nunless on (cluster)\n("+agentUp+" == 0)",
			"{{ $values.A }} targets of {{ $labels.job }} ({{ $labels.cluster }}/{{ $labels.namespace }}) do not answer"),
		n.errors(),
		prom("memory", "Memory near its limit", "warning", "10m",
			"max by ("+perContainer+`) (container_memory_working_set_bytes{container!=""})`+"\n/ on ("+perContainer+")\n(max by ("+perContainer+") ("+limitsAsked+"{"+ofMemory+"}) > 0)\n> 0.9",
			"{{ $labels.container }} of {{ $labels.pod }} ({{ $labels.cluster }}/{{ $labels.namespace }}) uses more than 90 % of its memory limit"),
		prom("volume", "Volume nearly full", "warning", "10m",
			"1 - max by (cluster, namespace, persistentvolumeclaim) (kubelet_volume_stats_available_bytes) / max by (cluster, namespace, persistentvolumeclaim) (kubelet_volume_stats_capacity_bytes) > 0.9",
			"the volume {{ $labels.persistentvolumeclaim }} ({{ $labels.cluster }}/{{ $labels.namespace }}) is more than 90 % full"),
		prom("agent", "Agent away", "critical", "2m",
			"1 - min by (cluster) ("+agentUp+") > 0",
			"the agent of cluster {{ $labels.cluster }} is not heard from: it is the platform, what you see is old"),
	}
}

// promRule fires for what the expression gives, where that is more than 0.
func (n Names) promRule(key, title, severity, wait, expr, summary string) Rule {
	return n.rule(key, title, severity, wait, summary, alertQuery{
		RefID: "A", RelativeTimeRange: alertRange{From: 600}, DatasourceUID: n.Metrics,
		Model: map[string]any{"refId": "A", "expr": expr, "instant": true, "range": false, "editorMode": "code"},
	}, "A", 0)
}

func (n Names) errors() Rule {
	return n.rule("errors", "Error burst", "warning", "0s",
		"more than "+fmt.Sprint(errorBurst)+" log records of level error in ten minutes in {{ $labels.namespace }}",
		alertQuery{
			RefID: "A", RelativeTimeRange: alertRange{From: 600}, DatasourceUID: n.Logs,
			Model: map[string]any{
				"refId": "A", "query": logsWrong, "timeField": timeField,
				"metrics": []any{map[string]any{"id": "1", "type": "count"}},
				"bucketAggs": []any{
					map[string]any{"id": "2", "type": "terms", "field": "cluster", "settings": map[string]any{"size": "100", "order": "desc", "orderBy": "_count", "min_doc_count": "1"}},
					map[string]any{"id": "3", "type": "terms", "field": "namespace", "settings": map[string]any{"size": "100", "order": "desc", "orderBy": "_count", "min_doc_count": "1"}},
					map[string]any{"id": "4", "type": "date_histogram", "field": timeField, "settings": map[string]any{"interval": "1m", "min_doc_count": "0"}},
				},
			},
		}, "sum", errorBurst)
}

// rule adds the condition: the query's value, or its sum over the range, is more
// than the limit.
func (n Names) rule(key, title, severity, wait, summary string, q alertQuery, by string, limit float64) Rule {
	expression := func(ref string, model map[string]any) alertQuery {
		model["refId"] = ref
		return alertQuery{RefID: ref, DatasourceUID: "__expr__", Model: model}
	}
	data, of := []alertQuery{q}, q.RefID
	if by == "sum" {
		data, of = append(data, expression("B", map[string]any{"type": "reduce", "expression": "A", "reducer": "sum"})), "B"
	}
	data = append(data, expression("C", map[string]any{"type": "threshold", "expression": of, "conditions": []any{
		map[string]any{"evaluator": map[string]any{"type": "gt", "params": []any{limit}}},
	}}))
	r := alertRule{
		UID: n.Prefix + "-a-" + key, Title: title, RuleGroup: RuleGroup, FolderUID: n.Folder,
		Condition: "C", Data: data, NoDataState: "OK", ExecErrState: "OK", For: wait,
		Labels:      map[string]string{"severity": severity, "tenant": string(n.Tenant)},
		Annotations: map[string]string{"summary": summary, ruleTenant: string(n.Tenant)},
	}
	if key == "agent" {
		r.ExecErrState = "Error" // Oriel itself does not answer: told once, not by every rule
	}
	raw, err := json.Marshal(r)
	if err == nil {
		r.Annotations[ruleHash], err = ruleContent(raw)
	}
	if err == nil {
		raw, err = json.Marshal(r)
	}
	if err != nil {
		panic(fmt.Sprintf("dashboards: a rule of our own cannot be encoded: %v", err))
	}
	return Rule{UID: r.UID, Title: title, JSON: raw}
}

// ruleContent is the hash of what a rule is about: its queries, its condition,
// how long it waits, its words. What Grafana adds and what is the team's to say
// (paused or not, who is notified) is no part of it.
func ruleContent(raw []byte) (string, error) {
	var r alertRule
	if err := json.Unmarshal(raw, &r); err != nil {
		return "", err
	}
	delete(r.Annotations, ruleHash)
	for i := range r.Data {
		// Grafana adds these to every model.
		delete(r.Data[i].Model, "intervalMs")
		delete(r.Data[i].Model, "maxDataPoints")
		delete(r.Data[i].Model, "datasource")
	}
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(r); err != nil {
		return "", err
	}
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:16]), nil
}

// JudgeRule compares a rule as Grafana returns it with the wanted one.
func JudgeRule(live []byte, want Rule) (Verdict, error) {
	l, err := object(live)
	if err != nil {
		return 0, fmt.Errorf("alert rule %s as found in Grafana: %w", want.UID, err)
	}
	w, err := object(want.JSON)
	if err != nil {
		return 0, fmt.Errorf("alert rule %s: %w", want.UID, err)
	}
	have, _ := l["annotations"].(map[string]any)
	wanted, _ := w["annotations"].(map[string]any)
	if have[ruleTenant] != wanted[ruleTenant] {
		return Foreign, nil
	}
	content, err := ruleContent(live)
	if err != nil {
		return 0, fmt.Errorf("alert rule %s as found in Grafana: %w", want.UID, err)
	}
	switch {
	case holds(l, w):
		return Same, nil
	case have[ruleHash] == content:
		return Stale, nil
	}
	return Edited, nil
}

// RuleOurs reports whether a rule carries Oriel's mark for the tenant.
func RuleOurs(live []byte, n Names) bool {
	var r alertRule
	return json.Unmarshal(live, &r) == nil && r.Annotations[ruleTenant] == string(n.Tenant)
}

// Healed gives the wanted rule with what is the team's to say taken over from
// the live one.
func Healed(live []byte, want Rule) ([]byte, error) {
	l, err := object(live)
	if err != nil {
		return nil, fmt.Errorf("alert rule %s as found in Grafana: %w", want.UID, err)
	}
	w, err := object(want.JSON)
	if err != nil {
		return nil, fmt.Errorf("alert rule %s: %w", want.UID, err)
	}
	for _, k := range []string{"isPaused", "notification_settings"} {
		if v, ok := l[k]; ok && v != nil {
			w[k] = v
		}
	}
	return json.Marshal(w)
}

// CopyOfRule makes the paused rule that keeps somebody's edits. Its uid follows
// from the content, so that the same edits are copied once.
func CopyOfRule(n Names, live []byte, now time.Time) (Rule, error) {
	content, err := ruleContent(live)
	if err != nil {
		return Rule{}, fmt.Errorf("copy of an edited alert rule: %w", err)
	}
	d, err := object(live)
	if err != nil {
		return Rule{}, fmt.Errorf("copy of an edited alert rule: %w", err)
	}
	for _, k := range []string{"id", "orgID", "updated", "provenance"} {
		delete(d, k)
	}
	title, _ := d["title"].(string)
	title += " (your copy of " + now.UTC().Format("2006-01-02 15:04") + ")"
	uid := n.Prefix + "-" + copyInfix + content[:10]
	d["uid"], d["title"], d["ruleGroup"], d["folderUID"], d["isPaused"] = uid, title, CopyGroup, n.Folder, true
	if a, ok := d["annotations"].(map[string]any); ok {
		delete(a, ruleTenant)
		delete(a, ruleHash)
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return Rule{}, fmt.Errorf("copy of an edited alert rule: %w", err)
	}
	return Rule{UID: uid, Title: title, JSON: raw}, nil
}
