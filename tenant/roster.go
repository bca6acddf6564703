package tenant

import (
	"context"
	"errors"
	"time"
)

// ErrStaleRoster asks the agent for a snapshot.
var ErrStaleRoster = errors.New("roster version does not follow the last one seen: send a snapshot")

// Claim is what an agent says of one namespace that carries the tenant
// annotation: who it wants to belong to and what it asks for. It is a claim, not
// a fact: central alone arbitrates (Roster).
type Claim struct {
	Namespace string    `json:"namespace"`
	UID       string    `json:"uid"`
	Created   time.Time `json:"created"` // of the namespace
	Tenant    string    `json:"tenant"`  // as annotated, not yet parsed
	Groups    []string  `json:"groups,omitempty"`
	Retention Retention `json:"retention,omitzero"`
	Limits    Limits    `json:"limits,omitzero"`
	OnDelete  OnDelete  `json:"on_delete,omitempty"`
	Probes    []string  `json:"probes,omitempty"`
	DependsOn []string  `json:"depends_on,omitempty"`
	// Problems are annotations that could not be understood, one sentence each;
	// a claim with problems is refused with them.
	Problems []string `json:"problems,omitempty"`
}

// Decision is central's answer on one claim.
type Decision struct {
	Namespace string `json:"namespace"`
	UID       string `json:"uid"`
	Tenant    ID     `json:"tenant,omitempty"` // "" where refused
	// Status is what is written back on the namespace: "ready", "pending: ..."
	// while stages are still under way, or the reason of a refusal.
	Status string `json:"status"`
	Limits Limits `json:"limits,omitzero"`
	// Seconds each finished stage took since the claim arrived.
	Stages map[string]float64 `json:"stages,omitempty"`
}

// StatusReady is the status of a namespace whose window stands.
const StatusReady = "ready"

// Roster takes what a cluster's agent knows. Both calls answer with the
// decisions on every living claim of the cluster. version grows with every call
// of one agent's life; a Changes call that does not follow the last version
// seen gets ErrStaleRoster, and the agent sends a snapshot.
type Roster interface {
	// Snapshot replaces all that was known of the cluster: a namespace that is
	// missing has ended.
	Snapshot(ctx context.Context, c Cluster, version uint64, claims []Claim) ([]Decision, error)
	// Changes adds or replaces claims, and ends namespaces by UID.
	Changes(ctx context.Context, c Cluster, version uint64, set []Claim, ended []string) ([]Decision, error)
}
