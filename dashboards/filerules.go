package dashboards

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// The shape of a file of alert rules.
type (
	fileRules struct {
		APIVersion int            `yaml:"apiVersion"`
		Groups     []fileGroup    `yaml:"groups,omitempty"`
		Delete     []fileRuleGone `yaml:"deleteRules,omitempty"`
	}
	fileGroup struct {
		OrgID    int              `yaml:"orgId"`
		Name     string           `yaml:"name"`
		Folder   string           `yaml:"folder"` // its title
		Interval string           `yaml:"interval"`
		Rules    []map[string]any `yaml:"rules"`
	}
	fileRuleGone struct {
		OrgID int    `yaml:"orgId"`
		UID   string `yaml:"uid"`
	}
)

func (f *Files) rulesFile(n Names) string {
	return filepath.Join(f.rulesDir(), "oriel-"+string(n.Tenant)+".yaml")
}

// rulesFile encodes a window's alert rules for file provisioning.
func rulesFile(w Window) ([]byte, error) {
	g := fileGroup{OrgID: 1, Name: RuleGroup, Folder: w.FolderTitle, Interval: RuleEvery.String()}
	for _, r := range w.Rules {
		var rule map[string]any
		if err := json.Unmarshal(r.JSON, &rule); err != nil {
			return nil, fmt.Errorf("encode alert rules of tenant %s: %w", w.Tenant, err)
		}
		// The file says these of the whole group.
		delete(rule, "ruleGroup")
		delete(rule, "folderUID")
		g.Rules = append(g.Rules, escaped(rule).(map[string]any))
	}
	raw, err := yaml.Marshal(fileRules{APIVersion: 1, Groups: []fileGroup{g}})
	if err != nil {
		return nil, fmt.Errorf("encode alert rules of tenant %s: %w", w.Tenant, err)
	}
	return raw, nil
}

// escaped doubles the dollar signs of every text in v.
func escaped(v any) any {
	switch v := v.(type) {
	case string:
		return escapeDollar(v)
	case map[string]any:
		for k, x := range v {
			v[k] = escaped(x)
		}
	case []any:
		for i, x := range v {
			v[i] = escaped(x)
		}
	}
	return v
}

// removeRules has Grafana delete the rules: unlike dashboards they do not go with
// their file, so that a file stays that says so. It is made for a tenant that had
// rules, and replaced when the tenant comes back.
func (f *Files) removeRules(n Names) ([]Change, error) {
	name := f.rulesFile(n)
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	gone := fileRules{APIVersion: 1}
	for _, r := range rules(n) {
		gone.Delete = append(gone.Delete, fileRuleGone{OrgID: 1, UID: r.UID})
	}
	raw, err := yaml.Marshal(gone)
	if err != nil {
		return nil, fmt.Errorf("encode the end of the alert rules of tenant %s: %w", n.Tenant, err)
	}
	op, err := f.write(name, raw, 0o644)
	if err != nil || op == "" {
		return nil, err
	}
	return []Change{{Op: Removed, Object: "file", Name: name}}, nil
}
