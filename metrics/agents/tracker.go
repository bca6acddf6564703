package agents

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/oriel-project/oriel/internal/atomicfile"
	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

const (
	writeEvery   = 15 * time.Second
	bodyBytesMax = 16 << 10
	intervalMax  = 10 * time.Minute
)

// TrackerOptions are the options of a Tracker.
type TrackerOptions struct {
	Directory tenant.Directory
	Appender  metrics.Appender
	// Write gives the scope that writes one tenant, with the cluster's labels.
	Write func(tenant.ID, tenant.Cluster) tenant.Write
	// Local is a cluster that this process is the agent of; nil: none.
	Local *tenant.Cluster
	// Durability is what of the store is durable; nil: nothing is said of it.
	Durability func() (epoch string, generation, durable uint64)
	// Refused gives the samples of a tenant and cluster that were refused, by
	// reason; nil: not told.
	Refused func(id tenant.ID, cluster string) map[string]uint64
	// File keeps who was heard of, so that an agent that is gone is missed by the
	// next process as well; "": nowhere.
	File   string
	Clock  clock.Clock
	Logger *slog.Logger
}

// Tracker is central's side: an httpx.API with the one route PUT
// /agent/v1/heartbeat. Safe for concurrent use.
type Tracker struct {
	*httpx.Mux
	opts TrackerOptions

	told map[tenant.ID]map[string]told // Run's own

	mu sync.Mutex // guards by
	by map[string]heard
}

// heard is what an agent said last.
type heard struct {
	Cluster tenant.Cluster `json:"cluster"`
	At      time.Time      `json:"at"` // by central's clock
	Beat    Beat           `json:"beat"`
	Skew    float64        `json:"skew_seconds"` // of the agent's clock
}

func (h heard) interval() time.Duration {
	return time.Duration(h.Beat.IntervalSeconds * float64(time.Second))
}

func (h heard) lag() time.Duration { return time.Duration(h.Beat.LagSeconds * float64(time.Second)) }

// up reports whether the agent was heard within two of its intervals.
func (h heard) up(now time.Time) bool { return now.Sub(h.At) <= silentAfter*h.interval() }

// NewTracker makes a Tracker.
func NewTracker(o TrackerOptions) (*Tracker, error) {
	if o.Directory == nil || o.Appender == nil || o.Write == nil {
		return nil, errors.New("make the tracker of agents: Directory, Appender and Write are needed")
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	t := &Tracker{opts: o, by: map[string]heard{}, told: map[tenant.ID]map[string]told{}}
	if err := t.load(); err != nil {
		o.Logger.Warn("agents of before are not known", "file", o.File, "error", err)
	}
	t.Mux = httpx.NewMux(httpx.JSONError)
	t.Handle(httpx.Route{Methods: []string{http.MethodPut}, Pattern: path, Access: httpx.Agent}, t.beat)
	return t, nil
}

func (t *Tracker) load() error {
	if t.opts.File == "" {
		return nil
	}
	b, err := os.ReadFile(t.opts.File)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(b, &t.by)
}

func (t *Tracker) save() error {
	if t.opts.File == "" {
		return nil
	}
	t.mu.Lock()
	b, err := json.Marshal(t.by)
	t.mu.Unlock()
	if err != nil {
		return err
	}
	return atomicfile.Write(t.opts.File, b, 0o600)
}

// beat takes what an agent tells. The cluster is the credential's.
func (t *Tracker) beat(w http.ResponseWriter, r *http.Request) {
	scope := tenant.WriteFrom(r.Context())
	_, one := scope.Tenant()
	if !scope.Valid() || one || scope.Cluster().Name == "" {
		httpx.JSONError(w, r, http.StatusForbidden, "only a cluster's token speaks for its agent: make one with oriel token create --cluster NAME")
		return
	}
	var b Beat
	if status, err := httpx.ReadJSON(w, r, bodyBytesMax, &b); err != nil {
		httpx.JSONError(w, r, status, err.Error())
		return
	}
	if b.IntervalSeconds <= 0 || b.IntervalSeconds > intervalMax.Seconds() || b.LagSeconds < 0 || b.Gaps < 0 || b.Sent.IsZero() {
		httpx.JSONError(w, r, http.StatusBadRequest, "want sent, interval_seconds above 0 and up to 600, and lag_seconds and gaps of 0 or more")
		return
	}
	now := t.opts.Clock()
	h := heard{Cluster: scope.Cluster(), At: now, Beat: b, Skew: b.Sent.Sub(now).Seconds()}
	t.mu.Lock()
	_, known := t.by[h.Cluster.Name]
	t.by[h.Cluster.Name] = h
	t.mu.Unlock()
	if !known {
		if err := t.save(); err != nil {
			t.opts.Logger.Warn("who was heard of is not kept", "error", err)
		}
	}
	reply := Reply{Now: now}
	if t.opts.Durability != nil {
		reply.Epoch, _, reply.Durable = t.opts.Durability()
	}
	httpx.WriteJSON(w, http.StatusOK, reply)
}

// Silences gives for each cluster whose agent is silent, or so far behind that
// nothing new of it is known, the time at which its series end: two intervals
// behind the last sample that it is known to have delivered (milliseconds, by
// the agent's clock, as its samples are). Empty, as mostly, is nil.
func (t *Tracker) Silences() map[string]int64 {
	now := t.opts.Clock()
	t.mu.Lock()
	defer t.mu.Unlock()
	var out map[string]int64
	for name, h := range t.by {
		if now.Sub(h.At)+h.lag() <= silentAfter*h.interval() {
			continue
		}
		if out == nil {
			out = map[string]int64{}
		}
		out[name] = h.Beat.Sent.Add(-h.lag() + silentAfter*h.interval()).UnixMilli()
	}
	return out
}

// Run writes what is known into the tenants' scopes, until ctx ends.
func (t *Tracker) Run(ctx context.Context) error {
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	for {
		t.write(ctx)
		if err := t.save(); err != nil {
			t.opts.Logger.Warn("who was heard of is not kept", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return t.save()
		}
	}
}

// told is what was written of one cluster into one tenant's scope.
type told struct {
	cluster tenant.Cluster
	points  []point
}
