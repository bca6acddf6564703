package metrics

import (
	"time"

	"github.com/prometheus/prometheus/storage"
)

// LimitError refuses a sample because its tenant has or sends as much as it may.
// It is a storage.ErrOutOfBounds, which scrapers and receivers take as: leave
// this sample out and go on with the others.
type LimitError struct {
	Reason string        // for counters, such as series_limit
	After  time.Duration // when it may be sent again; 0: never, as things are
	Text   func() string // one sentence for who sent it: the limit, its key, how to mend
	// Most names what the tenant has most of, over all its clusters: for a sender
	// that is the tenant itself; nil for others.
	Most func() string
}

// Error gives the sentence.
func (e *LimitError) Error() string {
	if e.Most == nil {
		return e.Text()
	}
	return e.Text() + "; most series are of " + e.Most()
}

// Unwrap makes it a storage.ErrOutOfBounds.
func (*LimitError) Unwrap() error { return storage.ErrOutOfBounds }
