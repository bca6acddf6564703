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

// upload is one POST.
type upload struct {
	s     *server
	scope tenant.Write
	in    *exportReader
	stop  func() // ends reading

	batch []logging.Record
	bytes int
}

// run stores the entries while they arrive: in batches, and no later than
// batchAge after they came. With nil everything is durable.
func (u *upload) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	records := make(chan logging.Record, 64)
	read := make(chan error, 1) // what ended reading; buffered, so that the reader never waits for us
	var reader sync.WaitGroup
	reader.Go(func() {
		read <- u.read(ctx, records)
		close(records)
	})
	over := false
	defer func() {
		// The body is the handler's: nobody may read it after this.
		if !over {
			cancel()
			u.stop()
		}
		reader.Wait()
	}()
	tick := time.NewTicker(batchAge)
	defer tick.Stop()
	for {
		select {
		case r, ok := <-records:
			if !ok {
				over = true
				return errors.Join(u.flush(ctx), <-read)
			}
			u.batch = append(u.batch, r)
			u.bytes += len(r.Source)
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
func (u *upload) read(ctx context.Context, out chan<- logging.Record) error {
	for {
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
		r, err := u.s.o.Stamper.Stamp(u.scope, rawOf(fields, u.scope.Who()))
		if err != nil {
			// It would be refused again, and nothing behind it would ever come.
			u.s.refused.WithLabelValues("stamp").Inc()
			continue
		}
		select {
		case out <- r:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// flush makes the batch durable. While the store is unavailable or the quota
// used up it waits, and reading waits with it; the client sees a slow server.
func (u *upload) flush(ctx context.Context) error {
	if len(u.batch) == 0 {
		return nil
	}
	b := logging.Batch{Records: u.batch}
	u.batch, u.bytes = nil, 0
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

func (u *upload) count(results []logging.ItemResult) {
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
