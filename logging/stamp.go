package logging

import (
	"time"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/tenant"
)

// Raw is a record as it came in, before anybody decided whose it is.
type Raw struct {
	// Source is the sender's document, one JSON object. Forward and journal
	// build it from what they decoded.
	Source []byte
	// Time is the protocol's own time of the event (EventTime, journald's
	// source time); zero where it has none. A valid @timestamp in Source wins.
	Time time.Time
	// Index and ID are what the sender asked for; "" where it did not.
	Index string
	ID    string
	// Node marks a record of a node's journal: without namespace it is the
	// system's, not nobody's.
	Node bool
	// AddFields lets Stamp add the stamped fields to Source where absent
	// (forward and journal, whose documents are built here anyway).
	AddFields bool
}

// Stamper turns what came in into records. Safe for concurrent use.
type Stamper struct {
	Clock clock.Clock
	// Retention bounds how old an event time may be before it is clamped.
	Retention time.Duration
	// OnClamp is told of every record whose event time was replaced by the time of
	// receipt. May be nil.
	OnClamp func(tenant.ID)
}
