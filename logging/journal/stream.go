package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

var (
	errEnding     = errors.New("oriel is stopping")
	errNotDurable = errors.New("the store does not take records")
)

// stream is one run of entries: an upload, or what a source gives.
type stream struct {
	s     *Intake
	scope tenant.Write
	in    *exportReader
	stop  func() // ends reading
	// first, where set, decides on the first entry whether it is to be stored.
	first func(fields []field) bool
	// after, where set, leaves out the entries that come first and are older.
	after time.Time
	// durable, where set, is told the cursor of the last entry of each batch.
	durable func(cursor string) error

	batch  []logging.Record
	bytes  int
	cursor string // of the last entry of the batch
	failed bool   // what was read could not be stored
}

// entry is one on its way to a batch.
type entry struct {
	record logging.Record
	cursor string
}

// run stores the entries while they arrive: in batches, and no later than
// batchAge after they came. With nil everything is durable.
func (u *stream) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	entries := make(chan entry, 64)
	read := make(chan error, 1) // what ended reading; buffered, so that the reader never waits for us
	var reader sync.WaitGroup
	reader.Go(func() {
		read <- u.read(ctx, entries)
		close(entries)
	})
	over := false
	defer func() {
		// The body is the handler's: nobody may read it after this.
		if !over {
			cancel()
			u.stop()
		}
		reader.Wait()
		for range entries {
			u.s.records.WithLabelValues("withheld").Inc()
		}
	}()
	tick := time.NewTicker(batchAge)
	defer tick.Stop()
	for {
		select {
		case e, ok := <-entries:
			if !ok {
				over = true
				return errors.Join(u.flush(ctx), <-read)
			}
			u.batch = append(u.batch, e.record)
			u.bytes += len(e.record.Source)
			u.cursor = e.cursor
			if len(u.batch) < batchRecords && u.bytes < batchBytes {
				continue
			}
		case <-tick.C:
		case <-u.s.o.Done:
			return errors.Join(u.flush(ctx), errEnding)
		}
		if err := u.flush(ctx); err != nil {
			return err
		}
	}
}

// read turns entries into records until the body ends.
func (u *stream) read(ctx context.Context, out chan<- entry) error {
	for begun := false; ; begun = true {
		fields, err := u.in.next()
		for reason, n := range u.in.dropped {
			u.s.dropped.WithLabelValues(reason).Add(float64(n))
			delete(u.in.dropped, reason)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !begun && u.first != nil && !u.first(fields) {
			continue
		}
		if !u.after.IsZero() {
			if at, ok := micros(valueOf(fields, "__REALTIME_TIMESTAMP")); ok && at.Before(u.after) {
				continue
			}
			u.after = time.Time{}
		}
		u.s.received.Inc()
		u.s.watch(u.scope, fields)
		r, err := u.s.o.Stamper.Stamp(u.scope, rawOf(fields, u.scope.Who()))
		if err != nil {
			// It would be refused again, and nothing behind it would ever come.
			u.s.records.WithLabelValues("refused").Inc()
			u.s.refused.WithLabelValues("stamp").Inc()
			continue
		}
		select {
		case out <- entry{r, valueOf(fields, "__CURSOR")}:
		case <-ctx.Done():
			u.s.records.WithLabelValues("withheld").Inc()
			return ctx.Err()
		}
	}
}

// flush makes the batch durable. While the store is unavailable or the quota
// used up it waits, and reading waits with it; the client sees a slow server.
func (u *stream) flush(ctx context.Context) error {
	if len(u.batch) == 0 {
		return nil
	}
	b, cursor := logging.Batch{Records: u.batch}, u.cursor
	u.batch, u.bytes = nil, 0
	err := u.append(ctx, b)
	if err != nil {
		u.failed = true
		u.s.records.WithLabelValues("withheld").Add(float64(len(b.Records)))
		return err
	}
	if u.durable != nil && cursor != "" {
		return u.durable(cursor)
	}
	return nil
}

func (u *stream) append(ctx context.Context, b logging.Batch) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, retryWaitMax) {
		results, err := u.s.o.Appender.Append(ctx, u.scope, b)
		if err == nil {
			u.count(results)
			return nil
		}
		reason := "other"
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, logging.ErrTooMuch):
			reason = "too_much"
		case errors.Is(err, logging.ErrUnavailable):
			reason = "unavailable"
		}
		u.s.appendErrors.WithLabelValues(reason).Inc()
		if reason == "other" {
			return fmt.Errorf("%w: %w", errNotDurable, err)
		}
		select {
		case <-time.After(wait):
		case <-u.s.o.Done:
			return errEnding
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (u *stream) count(results []logging.ItemResult) {
	for i := range results {
		switch results[i].Status {
		case logging.Stored:
			u.s.records.WithLabelValues("stored").Inc()
		case logging.Duplicate:
			u.s.records.WithLabelValues("duplicate").Inc()
		default:
			u.s.records.WithLabelValues("refused").Inc()
			u.s.refused.WithLabelValues("store").Inc()
		}
	}
}
