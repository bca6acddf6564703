package dashboards

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/oriel-project/oriel/tenant"
)

// Verdict is what a dashboard found in Grafana is, next to the wanted one.
type Verdict uint8

// The verdicts.
const (
	_       Verdict = iota
	Same            // holds all that is wanted: nothing to write
	Stale           // as Oriel wrote it, but something else is wanted now: write
	Edited          // somebody changed it: copy it aside, then write
	Foreign         // has the uid, but not Oriel's mark: leave it alone
)

// copyInfix begins what follows the prefix in the uid of a copy.
const copyInfix = "c_"

// Judge compares a dashboard as Grafana returns it with the wanted one. What
// Grafana added (defaults, a newer schemaVersion) is no difference.
func Judge(live []byte, want Dashboard) (Verdict, error) {
	l, err := object(live)
	if err != nil {
		return 0, fmt.Errorf("dashboard %s as found in Grafana: %w", want.UID, err)
	}
	w, err := object(want.JSON)
	if err != nil {
		return 0, fmt.Errorf("dashboard %s: %w", want.UID, err)
	}
	wm, _ := w["oriel"].(map[string]any)
	if id, _ := wm["tenant"].(string); !ours(l, id) {
		return Foreign, nil
	}
	m, _ := l["oriel"].(map[string]any)
	hash, _ := m["hash"].(string)
	strip(l)
	strip(w)
	if holds(l, w) {
		return Same, nil
	}
	if hash != "" && hash == hashOf(l) {
		return Stale, nil
	}
	if was, err := object(want.Was); err == nil {
		strip(was)
		if holds(l, was) {
			return Stale, nil
		}
	}
	return Edited, nil
}

// Ours reports whether a dashboard that has a uid of the tenant's carries
// Oriel's mark for it.
func Ours(live []byte, id tenant.ID) bool {
	l, err := object(live)
	return err == nil && ours(l, string(id))
}

// ours: a save in the browser may drop "oriel" but keeps the tags, a save by
// other tools may do it the other way round.
func ours(d map[string]any, id string) bool {
	if m, ok := d["oriel"].(map[string]any); ok {
		return m["tenant"] == id
	}
	tags, _ := d["tags"].([]any)
	return slices.Contains(tags, any(Tag))
}

// strip takes out what is not the dashboard's content.
func strip(d map[string]any) {
	for _, k := range []string{"id", "version", "oriel", "schemaVersion"} {
		delete(d, k)
	}
}

// holds reports whether everything that is wanted is in live. Lists must be of
// one length; maps may hold more.
func holds(live, want any) bool {
	switch w := want.(type) {
	case nil:
		return live == nil
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok {
			return false
		}
		for k, v := range w {
			if !holds(l[k], v) {
				return false
			}
		}
		return true
	case []any:
		l, ok := live.([]any)
		if !ok || len(l) != len(w) {
			// Grafana leaves empty lists out.
			return live == nil && len(w) == 0
		}
		for i := range w {
			if !holds(l[i], w[i]) {
				return false
			}
		}
		return true
	default:
		return live == want
	}
}

// Holds reports whether a data source's jsonData holds all that is wanted.
func Holds(live, want map[string]any) bool { return holds(live, want) }

func object(raw []byte) (map[string]any, error) {
	var d map[string]any
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, err
	}
	if d == nil {
		return nil, fmt.Errorf("want a JSON object, have null")
	}
	return d, nil
}

func contentHash(raw []byte) (string, error) {
	d, err := object(raw)
	if err != nil {
		return "", err
	}
	strip(d)
	return hashOf(d), nil
}

// hashOf takes a stripped dashboard. encoding/json orders the keys of maps, so
// that the order in which Grafana keeps them does not matter.
func hashOf(d map[string]any) string {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(d); err != nil {
		panic(fmt.Sprintf("dashboards: what was decoded from JSON cannot be encoded: %v", err))
	}
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:16])
}

// CopyOf makes the dashboard that keeps somebody's edits. Its uid follows from
// the content: the same edits are copied once, however often they are found.
func CopyOf(n Names, live []byte, now time.Time) (Dashboard, error) {
	d, err := object(live)
	if err != nil {
		return Dashboard{}, fmt.Errorf("copy of an edited dashboard: %w", err)
	}
	schema := d["schemaVersion"]
	strip(d)
	uid := n.Prefix + "-" + copyInfix + hashOf(d)[:10]
	if schema != nil {
		d["schemaVersion"] = schema
	}
	title, _ := d["title"].(string)
	title += " (your copy of " + now.UTC().Format("2006-01-02 15:04") + ")"
	tags := []any{}
	if old, ok := d["tags"].([]any); ok {
		tags = slices.DeleteFunc(slices.Clone(old), func(t any) bool { return t == Tag || t == CopyTag })
	}
	d["uid"], d["title"], d["tags"] = uid, title, append(tags, CopyTag)
	raw, err := json.Marshal(d)
	if err != nil {
		return Dashboard{}, fmt.Errorf("copy of an edited dashboard: %w", err)
	}
	return Dashboard{UID: uid, Title: title, JSON: raw}, nil
}
