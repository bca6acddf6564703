package events

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/oriel-project/oriel/internal/atomicfile"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// mark is where to go on: everything up to Version is durable, and of these
// namespaces what was before it, too, but for what waits for a tenant's quota.
type mark struct {
	Version    string    `json:"resource_version"`
	Namespaces []string  `json:"namespaces"`
	Waiting    []waiting `json:"waiting,omitempty"`
}

// waiting is a record that waits.
type waiting struct {
	ID        string          `json:"id"`
	Time      time.Time       `json:"time"`
	Namespace string          `json:"namespace,omitempty"`
	Node      bool            `json:"node,omitempty"`
	Source    json.RawMessage `json:"source"`
}

func (w *waiting) raw() logging.Raw {
	return logging.Raw{Source: w.Source, ID: w.ID, Time: w.Time, Decided: true, Namespace: w.Namespace, Node: w.Node}
}

// waitingBytesMax bounds what is kept with the mark. Where more waits, the mark stays
// where it is.
const waitingBytesMax = 8 << 20

func (m mark) clone() mark { return mark{Version: m.Version, Namespaces: slices.Clone(m.Namespaces)} }

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
	if r.o.File == "" || r.at.equal(r.saved) && r.size == r.savedSize || !now && time.Since(r.savedAt) < saveEvery {
		return
	}
	at := r.at
	if r.size > 0 {
		var ok bool
		if at.Waiting, ok = r.waiting(); !ok {
			return
		}
	}
	b, err := json.Marshal(at)
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
	r.saved, r.savedSize = r.at.clone(), r.size
}

// waiting gives what is read and not durable; not ok is more than is kept.
func (r *Recorder) waiting() (out []waiting, ok bool) {
	size := 0
	for _, records := range r.batch {
		for i := range records {
			rec := &records[i]
			if size += len(rec.Source); size > waitingBytesMax {
				return nil, false
			}
			out = append(out, waiting{ID: rec.ID, Time: rec.Time, Namespace: rec.Namespace, Node: rec.Tenant == tenant.System, Source: rec.Source})
		}
	}
	return out, true
}

// resume takes up what waited when the mark was written.
func (r *Recorder) resume() {
	for i := range r.at.Waiting {
		r.m.received.Inc()
		r.put(r.at.Waiting[i].raw())
	}
	r.at.Waiting = nil
}
