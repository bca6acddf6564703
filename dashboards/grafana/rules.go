package grafana

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/oriel-project/oriel/dashboards"
)

// ruleGroup is a group of alert rules as Grafana gives and takes it: a PUT
// replaces all of it.
type ruleGroup struct {
	Title     string            `json:"title"`
	FolderUID string            `json:"folderUid"`
	Interval  int               `json:"interval"` // seconds
	Rules     []json.RawMessage `json:"rules"`
}

func (p *pass) groupPath(group string) string {
	return "/api/v1/provisioning/folder/" + url.PathEscape(p.n.Folder) + "/rule-groups/" + url.PathEscape(group)
}

// findGroup gives Oriel's group of rules; an empty one where there is none.
func (p *pass) findGroup(ctx context.Context) (g ruleGroup, ok bool, err error) {
	if p.blank {
		return ruleGroup{}, false, nil
	}
	err = p.call(ctx, http.MethodGet, p.groupPath(dashboards.RuleGroup), nil, nil, &g)
	if is(err, http.StatusNotFound) {
		return ruleGroup{}, false, nil
	}
	if err != nil {
		return g, false, fmt.Errorf("alert rules: %w", err)
	}
	return g, len(g.Rules) > 0, nil
}

func uidOf(rule []byte) string {
	var r struct{ UID string }
	_ = json.Unmarshal(rule, &r) // without one it is nobody's of ours
	return r.UID
}

// rules brings the group in line. Rules that somebody put into it stay in it,
// those of ours that were edited are copied first.
func (p *pass) rules(ctx context.Context, wanted []dashboards.Rule) error {
	live, there, err := p.findGroup(ctx)
	if err != nil {
		return err
	}
	have := map[string]json.RawMessage{}
	var others []json.RawMessage
	stale := 0 // ours that are wanted no more
	for _, r := range live.Rules {
		switch uid := uidOf(r); {
		case wants(wanted, uid):
			have[uid] = r
		case dashboards.RuleOurs(r, p.n):
			stale++
		default:
			others = append(others, r)
		}
	}
	next := ruleGroup{Title: dashboards.RuleGroup, FolderUID: p.n.Folder, Interval: int(dashboards.RuleEvery.Seconds())}
	changed := stale > 0 || live.Interval != next.Interval
	for _, w := range wanted {
		r, ok := have[w.UID]
		if !ok {
			next.Rules, changed = append(next.Rules, w.JSON), true
			continue
		}
		verdict, err := dashboards.JudgeRule(r, w)
		if err != nil {
			return err
		}
		switch verdict {
		case dashboards.Foreign:
			p.refuse("alert rule", w.UID, fmt.Sprintf("alert rule %s does not carry Oriel's mark: change its uid or remove it, and Oriel makes its own", w.UID))
			next.Rules = append(next.Rules, r)
			continue
		case dashboards.Same:
			next.Rules = append(next.Rules, r)
			continue
		case dashboards.Edited:
			if err := p.copyRule(ctx, r); err != nil {
				return err
			}
		}
		healed, err := dashboards.Healed(r, w)
		if err != nil {
			return err
		}
		next.Rules, changed = append(next.Rules, healed), true
	}
	if !changed {
		return nil
	}
	next.Rules = append(next.Rules, others...)
	err = p.put(ctx, next)
	if is(err, http.StatusNotFound) { // the whole API: alerting is off
		p.did(dashboards.Kept, dashboards.ObjectRules, p.n.Folder, "alerting is off in this Grafana: there are no alert rules")
		return nil
	}
	if err != nil {
		return err
	}
	op := dashboards.Updated
	if !there {
		op = dashboards.Created
	}
	p.did(op, "alert rules", dashboards.RuleGroup, "")
	return nil
}

func wants(rules []dashboards.Rule, uid string) bool {
	for _, r := range rules {
		if r.UID == uid {
			return true
		}
	}
	return false
}

// put writes the group. Without the header Grafana would lock the rules, so that
// nobody could so much as pause one in its pages.
func (p *pass) put(ctx context.Context, g ruleGroup) error {
	if err := p.call(unlocked(ctx), http.MethodPut, p.groupPath(g.Title), nil, g, nil); err != nil {
		return fmt.Errorf("write alert rules: %w", err)
	}
	return nil
}

func (p *pass) copyRule(ctx context.Context, live []byte) error {
	c, err := dashboards.CopyOfRule(p.n, live, p.clock())
	if err != nil {
		return err
	}
	err = p.call(unlocked(ctx), http.MethodPost, "/api/v1/provisioning/alert-rules", nil, json.RawMessage(c.JSON), nil)
	if is(err, http.StatusConflict) {
		return nil // copied before
	}
	if err != nil {
		return fmt.Errorf("copy an edited alert rule: %w", err)
	}
	p.did(dashboards.Copied, "alert rule", c.UID, fmt.Sprintf("an alert rule kept by Oriel was edited; the edits are in %q, paused", c.Title))
	return nil
}

// removeRules takes ours out of the group, and the group away where nothing else
// is in it.
func (p *pass) removeRules(ctx context.Context) error {
	live, there, err := p.findGroup(ctx)
	if err != nil || !there {
		return err
	}
	var others []json.RawMessage
	for _, r := range live.Rules {
		if !dashboards.RuleOurs(r, p.n) {
			others = append(others, r)
		}
	}
	switch {
	case len(others) == len(live.Rules):
		return nil
	case len(others) == 0:
		err = p.call(unlocked(ctx), http.MethodDelete, p.groupPath(dashboards.RuleGroup), nil, nil, nil)
	default:
		live.Rules = others
		err = p.put(ctx, live)
	}
	if err != nil && !is(err, http.StatusNotFound) {
		return fmt.Errorf("remove alert rules: %w", err)
	}
	p.did(dashboards.Removed, "alert rules", dashboards.RuleGroup, "")
	return nil
}
