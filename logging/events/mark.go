package events

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/oriel-project/oriel/internal/atomicfile"
)

// mark is where to go on: everything up to Version is durable, and of these
// namespaces what was before it, too.
type mark struct {
	Version    string   `json:"resource_version"`
	Namespaces []string `json:"namespaces"`
}

func (m mark) clone() mark { return mark{m.Version, slices.Clone(m.Namespaces)} }

func (m mark) equal(o mark) bool {
	return m.Version == o.Version && slices.Equal(m.Namespaces, o.Namespaces)
}

// load reads the file. One that is missing or does not read means to list, which
// stores nothing twice.
func (r *Recorder) load() (m mark) {
	if r.o.File == "" {
		return mark{}
	}
	b, err := os.ReadFile(r.o.File)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			r.o.Logger.Warn("where the Events of Kubernetes go on does not read; all there is is listed", "file", r.o.File, "err", err)
		}
		return mark{}
	}
	return m
}

// save writes the mark once everything before it is durable, not too often unless
// it is told to.
func (r *Recorder) save(now bool) {
	if r.o.File == "" || r.size > 0 || r.at.equal(r.saved) || !now && time.Since(r.savedAt) < saveEvery {
		return
	}
	b, err := json.Marshal(r.at)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(r.o.File), 0o700)
	}
	if err == nil {
		err = atomicfile.Write(r.o.File, append(b, '\n'), 0o600)
	}
	r.savedAt = time.Now()
	if err != nil {
		r.o.Logger.Warn("where the Events of Kubernetes go on could not be kept; after a restart all there is is listed", "file", r.o.File, "err", err)
		return
	}
	r.saved = r.at.clone()
}
