package dashboards

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/oriel-project/oriel/internal/atomicfile"
)

// Files is a Target for Grafana's own file provisioning. Below its directory:
//
//	provisioning/dashboards/oriel.yaml             where Grafana finds the dashboards
//	provisioning/datasources/oriel-<tenant>.yaml   with the read token, 0600
//	provisioning/alerting/oriel-<tenant>.yaml      the alert rules
//	dashboards/<tenant>/<uid>.json
//
// Point Grafana's paths.provisioning at provisioning/. It reads dashboards every
// 10 s; data sources and alert rules at its start and on POST
// /api/admin/provisioning/datasources/reload and .../alerting/reload. Grafana must run as the same user,
// who may read the 0600 files.
//
// What Grafana made of a file cannot be saved over in its pages, so there are no
// edits to look after. HonestSentence applies.
type Files struct {
	dir string
}

var _ Target = (*Files)(nil)

// FilesOptions of NewFiles. Dir is needed.
type FilesOptions struct {
	Dir string // <data-dir>/grafana
}

// providerYAML lets every directory be a folder of its name.
const providerYAML = `# Written by Oriel at every start.
apiVersion: 1
providers:
  - name: oriel
    orgId: 1
    type: file
    disableDeletion: false
    allowUiUpdates: false
    updateIntervalSeconds: 10
    options:
      path: %s
      foldersFromFilesStructure: true
`

// NewFiles makes the directories and the file that names them.
func NewFiles(o FilesOptions) (*Files, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("directory for Grafana's provisioning: %w", err)
	}
	f := &Files{dir: dir}
	for _, d := range []string{f.sourcesDir(), filepath.Dir(f.provider()), f.rulesDir(), f.boardsDir()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("directory for Grafana's provisioning: %w", err)
		}
	}
	path, err := yaml.Marshal(escapeDollar(f.boardsDir()))
	if err != nil {
		return nil, fmt.Errorf("directory for Grafana's provisioning: %w", err)
	}
	if _, err := f.write(f.provider(), fmt.Appendf(nil, providerYAML, strings.TrimSpace(string(path))), 0o644); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *Files) sourcesDir() string { return filepath.Join(f.dir, "provisioning", "datasources") }
func (f *Files) rulesDir() string   { return filepath.Join(f.dir, "provisioning", "alerting") }
func (f *Files) boardsDir() string  { return filepath.Join(f.dir, "dashboards") }
func (f *Files) provider() string {
	return filepath.Join(f.dir, "provisioning", "dashboards", "oriel.yaml")
}
func (f *Files) sourceFile(n Names) string {
	return filepath.Join(f.sourcesDir(), "oriel-"+string(n.Tenant)+".yaml")
}
func (f *Files) boardDir(n Names) string { return filepath.Join(f.boardsDir(), string(n.Tenant)) }

// The shape of a data source file.
type (
	fileSources struct {
		APIVersion int          `yaml:"apiVersion"`
		Prune      bool         `yaml:"prune"` // Grafana removes them when this file is gone
		Sources    []fileSource `yaml:"datasources"`
	}
	fileSource struct {
		OrgID    int               `yaml:"orgId"`
		UID      string            `yaml:"uid"`
		Name     string            `yaml:"name"`
		Type     string            `yaml:"type"`
		Access   string            `yaml:"access"`
		URL      string            `yaml:"url"`
		Editable bool              `yaml:"editable"`
		JSONData map[string]any    `yaml:"jsonData"`
		Secret   map[string]string `yaml:"secureJsonData"`
	}
)

// Apply implements Target.
func (f *Files) Apply(_ context.Context, w Window, c Credential) ([]Change, error) {
	doc := fileSources{APIVersion: 1, Prune: true}
	for _, s := range w.Sources {
		data := map[string]any{MarkToken: c.ID}
		for k, v := range s.JSONData {
			if text, ok := v.(string); ok {
				v = escapeDollar(text)
			}
			data[k] = v
		}
		doc.Sources = append(doc.Sources, fileSource{
			OrgID: 1, UID: s.UID, Name: s.Name, Type: s.Type, Access: "proxy", URL: escapeDollar(s.URL),
			JSONData: data, Secret: map[string]string{"httpHeaderValue1": "Bearer " + escapeDollar(c.Secret)},
		})
	}
	raw, err := yaml.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode data sources of tenant %s: %w", w.Tenant, err)
	}
	var changes []Change
	note := func(name string, op Op, err error) error {
		if op != "" {
			changes = append(changes, Change{Op: op, Object: "file", Name: name})
		}
		return err
	}
	name := f.sourceFile(w.Names)
	op, err := f.write(name, raw, 0o600)
	if err := note(name, op, err); err != nil {
		return changes, err
	}
	if raw, err = rulesFile(w); err != nil {
		return changes, err
	}
	name = f.rulesFile(w.Names)
	op, err = f.write(name, raw, 0o644)
	if err := note(name, op, err); err != nil {
		return changes, err
	}
	if err := os.MkdirAll(f.boardDir(w.Names), 0o755); err != nil {
		return changes, fmt.Errorf("directory for dashboards of tenant %s: %w", w.Tenant, err)
	}
	wanted := map[string]bool{}
	for _, b := range w.Boards {
		name := filepath.Join(f.boardDir(w.Names), b.UID+".json")
		wanted[name] = true
		op, err := f.write(name, b.JSON, 0o644)
		if err := note(name, op, err); err != nil {
			return changes, err
		}
	}
	removed, err := f.removeBoards(w.Names, wanted)
	return append(changes, removed...), err
}

// Remove implements Target. Files that are not ours stay, and their directory with them.
func (f *Files) Remove(_ context.Context, n Names) ([]Change, error) {
	changes, err := f.removeBoards(n, nil)
	if err != nil {
		return changes, err
	}
	if left, err := os.ReadDir(f.boardDir(n)); err == nil {
		if len(left) > 0 {
			changes = append(changes, Change{Op: Kept, Object: "folder", Name: f.boardDir(n), Reason: fmt.Sprintf("directory %s holds what is not Oriel's", f.boardDir(n))})
		} else if err := os.Remove(f.boardDir(n)); err != nil {
			return changes, fmt.Errorf("remove the dashboards of tenant %s: %w", n.Tenant, err)
		}
	}
	removed, err := f.removeRules(n)
	changes = append(changes, removed...)
	if err != nil {
		return changes, err
	}
	switch err := os.Remove(f.sourceFile(n)); {
	case err == nil:
		changes = append(changes, Change{Op: Removed, Object: "file", Name: f.sourceFile(n)})
	case !errors.Is(err, fs.ErrNotExist):
		return changes, fmt.Errorf("remove the data sources of tenant %s: %w", n.Tenant, err)
	}
	return changes, nil
}

func (f *Files) removeBoards(n Names, wanted map[string]bool) ([]Change, error) {
	des, err := os.ReadDir(f.boardDir(n))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the dashboards of tenant %s: %w", n.Tenant, err)
	}
	var changes []Change
	for _, de := range des {
		name := filepath.Join(f.boardDir(n), de.Name())
		// A file in the making that a killed process left behind is ours, too.
		if uid, ok := strings.CutSuffix(de.Name(), ".json"); wanted[name] || !(ok && n.Owns(uid)) && !strings.HasPrefix(de.Name(), "."+n.Prefix) {
			continue
		}
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return changes, fmt.Errorf("remove a dashboard of tenant %s: %w", n.Tenant, err)
		}
		changes = append(changes, Change{Op: Removed, Object: "file", Name: name})
	}
	return changes, nil
}

// write writes only what differs, in content or in mode.
func (f *Files) write(name string, b []byte, mode fs.FileMode) (Op, error) {
	op := Created
	if old, err := os.ReadFile(name); err == nil {
		if fi, err := os.Stat(name); err == nil && fi.Mode().Perm() == mode && bytes.Equal(old, b) {
			return "", nil
		}
		op = Updated
	}
	if err := atomicfile.Write(name, b, mode); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return op, nil
}

// escapeDollar keeps Grafana from taking a dollar sign for a variable of its
// environment.
func escapeDollar(s string) string { return strings.ReplaceAll(s, "$", "$$") }
