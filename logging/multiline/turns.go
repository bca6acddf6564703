package multiline

import (
	"slices"
	"time"

	"github.com/oriel-project/oriel/logging"
)

// turns are the batches that wait, by what is in them: one that comes meanwhile and
// is stored at once would be before them, though it came later. That shows only where
// the times of a stream do not tell the order (they are whole seconds, or go back):
// there it waits for them. Joiner.mu guards it.
type turns struct {
	waiting map[stream]*turn // the latest; those before it behind it
}

// turn is a batch that waits, as a stream sees it.
type turn struct {
	last   time.Time // of the stream's records
	over   chan struct{}
	before *turn
}

// order is a batch's own part in that.
type order struct {
	after []chan struct{}  // closed when the batches before it are stored, or are not
	over  chan struct{}    // closed when this one is; nil where it does not wait
	of    map[stream]*turn // its turns
}

// follow notes which batches come before a record.
func (t *turns) follow(o *order, key stream, at time.Time) {
	for w := t.waiting[key]; w != nil; w = w.before {
		if !at.After(w.last) && !slices.Contains(o.after, w.over) {
			o.after = append(o.after, w.over)
		}
	}
}

// queue makes a batch one that waits.
func (t *turns) queue(o *order, records []logging.Record) {
	if t.waiting == nil {
		t.waiting = map[stream]*turn{}
	}
	o.over, o.of = make(chan struct{}), map[stream]*turn{}
	for i := range records {
		r := &records[i]
		key := streamOf(r)
		w := o.of[key]
		if w == nil {
			w = &turn{last: r.Time, over: o.over, before: t.waiting[key]}
			o.of[key], t.waiting[key] = w, w
		}
		if r.Time.After(w.last) {
			w.last = r.Time
		}
	}
}

// leave ends a batch's waiting.
func (t *turns) leave(o *order) {
	if o.over == nil {
		return
	}
	close(o.over)
	for key, mine := range o.of {
		at := t.waiting[key]
		if at == mine {
			if mine.before == nil {
				delete(t.waiting, key)
			} else {
				t.waiting[key] = mine.before
			}
			continue
		}
		for ; at != nil; at = at.before {
			if at.before == mine {
				at.before = mine.before
				break
			}
		}
	}
}
