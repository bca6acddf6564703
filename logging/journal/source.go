package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/oriel-project/oriel/internal/atomicfile"
	"github.com/oriel-project/oriel/tenant"
)

const (
	sourceWaitMin = time.Second
	sourceWaitMax = time.Minute
	cursorEvery   = time.Second // between two writes of a cursor
)

// place is where reading stands; as JSON it is what a cursor file holds.
type place struct {
	Machine string `json:"machine,omitempty"` // machine id of the journal
	Cursor  string `json:"cursor"`            // of the last entry that is durable; "": none yet
	// Past says that the cursor's entry does not read: reading goes on behind it.
	Past bool `json:"past,omitempty"`
}

// source is something with a cursor that is read without end, here or there.
type source struct {
	s     *Intake
	kind  string // for the metric: pull or local
	name  string // for the log
	file  string // where the cursor is kept
	scope func() tenant.Write

	at    place
	dirty bool
	saved time.Time
	bad   string // cursor of an entry that did not read, the last time
}

// load reads the cursor file. One that cannot be read is no reason not to begin.
func (src *source) load() error {
	b, err := os.ReadFile(src.file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("read the cursor of %s: %w", src.name, err)
	}
	if err := json.Unmarshal(b, &src.at); err != nil {
		src.s.o.Logger.Warn("cursor file is not readable, reading begins anew", "source", src.name, "file", src.file, "error", err)
		src.at = place{}
	}
	return nil
}

// save writes the cursor, not more often than cursorEvery. What is behind it is
// durable; what is before it comes again after a crash, and is recognised.
func (src *source) save(now bool) error {
	if !src.dirty || !now && time.Since(src.saved) < cursorEvery {
		return nil
	}
	b, err := json.Marshal(src.at)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(src.file, b, 0o600); err != nil {
		return fmt.Errorf("keep the cursor of %s: %w", src.name, err)
	}
	src.dirty, src.saved = false, time.Now()
	return nil
}

// run reads until ctx ends, and begins again after each end, later and later where
// nothing comes.
func (src *source) run(ctx context.Context, read func(ctx context.Context) error) error {
	if err := src.load(); err != nil {
		return err
	}
	wait := sourceWaitMin
	for {
		before := src.at.Cursor
		err := errors.Join(read(ctx), src.save(true))
		if ctx.Err() != nil {
			return nil //nolint:nilerr // a cancelled ctx is the orderly end
		}
		src.s.restarts.WithLabelValues(src.kind).Inc()
		if src.at.Cursor != before {
			wait = sourceWaitMin
		}
		src.s.o.Logger.Warn("reading a journal ended and is begun again", "source", src.name, "error", err)
		select {
		case <-time.After(wait/2 + rand.N(wait)): // not everybody at once, after central was away
		case <-ctx.Done():
			return nil
		}
		wait = min(2*wait, sourceWaitMax)
	}
}

// take stores what r gives, which begins with the entry of the cursor where that is
// still there. Where another comes first, those between are gone.
// stop ends r. Without a cursor what is older than since is left out, where that is
// not zero.
func (src *source) take(ctx context.Context, r io.Reader, stop func(), since time.Duration) error {
	asked, past := src.at.Cursor, src.at.Past
	u := &stream{s: src.s, scope: src.scope(), in: newExportReader(r), stop: stop}
	if asked == "" && since > 0 {
		u.after = time.Now().Add(-since)
	}
	u.first = func(fields []field) bool {
		if asked == "" {
			return true
		}
		src.s.expect(u.scope, asked)
		if past {
			return true
		}
		if got := valueOf(fields, "__CURSOR"); got == asked {
			return false
		}
		src.s.o.Logger.Warn("the entry that was read last is gone from the journal, reading goes on behind it", "source", src.name, "cursor", asked)
		return true
	}
	u.durable = func(cursor string) error {
		src.at.Cursor, src.at.Past, src.dirty = cursor, false, true
		return src.save(false)
	}
	err := u.run(ctx)
	if errors.As(err, new(exportError)) && !u.failed && ctx.Err() == nil {
		src.passOver(valueOf(u.in.fields, "__CURSOR"))
	}
	return err
}

// passOver goes on behind an entry that does not read, the second time that it does
// not: what came before it is durable, and it would be met for ever. The first time
// it may be the way that it came.
func (src *source) passOver(cursor string) {
	if cursor == "" || src.bad != cursor {
		src.bad = cursor
		return
	}
	src.at.Cursor, src.at.Past, src.dirty, src.bad = cursor, true, true, ""
	src.s.received.Inc()
	src.s.records.WithLabelValues("refused").Inc()
	src.s.refused.WithLabelValues("malformed").Inc()
	src.s.o.Logger.Warn("an entry of the journal does not read and is left out", "source", src.name, "cursor", cursor)
}

// expect notes that the entry of a cursor was seen, so that what is missing behind it
// is found also after a restart.
func (s *Intake) expect(w tenant.Write, cursor string) {
	id, n, ok := sequence(cursor)
	if !ok {
		return
	}
	s.losses.mu.Lock()
	defer s.losses.mu.Unlock()
	key := w.Who() + "\x00" + id
	if last, known := s.losses.last.get(key); !known || last < n {
		s.losses.last.set(key, n)
	}
}
