// Package agents knows how the clusters' agents are. An agent tells every few
// seconds (Reporter); central keeps it (Tracker), answers with what it has made
// durable, and writes it into the scope of every tenant that has namespaces in
// the cluster: whether it is the application or the platform is for a team to see.
//
//	t, err := agents.NewTracker(agents.TrackerOptions{Directory: directory, Appender: store, Write: access.TenantWrite, File: file})
//	err = t.Run(ctx) // and t is an httpx.API
package agents

import "time"

const path = "/agent/v1/heartbeat"

// The series of a tenant's scope; docs/metrics.md describes them.
const (
	seriesUp      = "oriel_agent_up"
	seriesLag     = "oriel_agent_lag_seconds"
	seriesSkew    = "oriel_agent_clock_skew_seconds"
	seriesGaps    = "oriel_agent_gaps_total"
	seriesRefused = "oriel_agent_refused_samples_total"
)

// silentAfter is after how many of its intervals an agent that says nothing is
// down, and its series end.
const silentAfter = 2

// Beat is what an agent tells of itself.
type Beat struct {
	Sent            time.Time `json:"sent"` // by its clock
	IntervalSeconds float64   `json:"interval_seconds"`
	LagSeconds      float64   `json:"lag_seconds"` // age of the oldest sample that central has not answered
	Gaps            int64     `json:"gaps"`        // times that its queues lost something
	Version         string    `json:"version,omitempty"`
}

// Reply is central's.
type Reply struct {
	Now     time.Time `json:"now"` // by central's clock
	Epoch   string    `json:"epoch,omitempty"`
	Durable uint64    `json:"durable"` // see metrics/remote
}
