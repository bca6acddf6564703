package dashboards

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/oriel-project/oriel/internal/atomicfile"
)

// written remembers each dashboard as it was written last, as <dir>/<uid>.json.
// Grafana may give a dashboard back in a newer schema, and then the hash in it
// does not tell any more whether somebody edited it; what was written does. What
// is lost here costs a copy that nobody needed, no more.
type written struct{ dir string }

func openWritten(dir string) (written, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return written{}, fmt.Errorf("directory for what was written to Grafana: %w", err)
	}
	return written{dir}, nil
}

func (w written) path(uid string) string { return filepath.Join(w.dir, uid+".json") }

// recall fills in Was.
func (w written) recall(boards []Dashboard) error {
	for i := range boards {
		raw, err := os.ReadFile(w.path(boards[i].UID))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read what was written to Grafana: %w", err)
		}
		boards[i].Was = raw
	}
	return nil
}

// keep remembers what is in Grafana now.
func (w written) keep(boards []Dashboard) error {
	for _, b := range boards {
		if bytes.Equal(b.Was, b.JSON) {
			continue
		}
		if err := atomicfile.Write(w.path(b.UID), b.JSON, 0o600); err != nil {
			return fmt.Errorf("remember what was written to Grafana: %w", err)
		}
	}
	return nil
}

func (w written) forget(n Names) error {
	for _, uid := range n.Dashboards() {
		if err := os.Remove(w.path(uid)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget what was written to Grafana: %w", err)
		}
	}
	return nil
}
