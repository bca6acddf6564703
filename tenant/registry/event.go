package registry

import (
	"strings"
	"time"

	"github.com/oriel-project/oriel/tenant"
)

// Kind says what an Event is about.
type Kind string

// The kinds.
const (
	Onboarded  Kind = "onboarded"  // a tenant exists now
	Offboarded Kind = "offboarded" // a tenant does not exist any more
	Began      Kind = "began"      // a namespace's life began
	Resumed    Kind = "resumed"    // an ended life goes on: the same namespace came back to the same tenant
	Ended      Kind = "ended"      // a namespace's life ended; its telemetry is sealed
	Purge      Kind = "purge"      // the stores are to remove the life's telemetry now
	Expired    Kind = "expired"    // the archive's time is over: the life's telemetry goes (Options.Remove), then the life
	Refused    Kind = "refused"    // a claim was refused, for a new reason
	TornTail   Kind = "torn_tail"  // Bytes were cut off the journal when it was opened
	Failed     Kind = "failed"     // housekeeping failed, and will be tried again
)

// Event is something that happened in the registry.
type Event struct {
	Kind   Kind
	At     time.Time
	Tenant tenant.ID   // "" where refused
	Life   tenant.Life // where it is about a namespace; its reach (see Sealed) for Expired, and up to its end for Purge
	Reason string
	Bytes  int64
}

func pending(missing []string) string { return "pending: " + strings.Join(missing, ", ") }
