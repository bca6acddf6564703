package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// mergeAlways merges and sweeps as long as there is something to do, and looks
// again when a segment came and every minute.
func (s *Store) mergeAlways() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	failed := 0 // minutes to wait after failures
	wait := 0
	for {
		ticked := false
		select {
		case <-s.wakeMerge:
		case <-tick.C:
			ticked = true
			wait--
		case <-s.closing:
			return
		}
		if wait > 0 {
			continue
		}
		err := s.maintain(ticked)
		switch {
		case err == nil:
			failed, wait = 0, 0
		case errors.Is(err, errClosing):
			return
		default: // counted and reported
			failed = min(2*failed+1, 15)
			wait = failed
		}
	}
}

// maintain does what is due.
func (s *Store) maintain(sweep bool) error {
	if sweep {
		if err := s.Sweep(context.Background()); err != nil {
			return err
		}
	}
	if err := s.mergeKeys(); err != nil {
		return err
	}
	for {
		did, err := s.mergeOnce(context.Background(), false)
		if err != nil || !did {
			return err
		}
	}
}

// Merge writes what is in memory to a segment and then merges until every
// tenant's day is in as few parts as there can be, purged records and those past
// their retention left out. It takes as long as it takes.
func (s *Store) Merge(ctx context.Context) error {
	if err := s.Flush(ctx); err != nil {
		return err
	}
	if err := s.mergeKeys(); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		did, err := s.mergeOnce(ctx, true)
		if err != nil || !did {
			return err
		}
	}
}

// Flush writes what is in memory to a segment, as the store does by itself.
func (s *Store) Flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return fmt.Errorf("%w: it is closing", logging.ErrUnavailable)
	}
	s.sending.Add(1) // Close waits for it before it ends the writer
	s.mu.RUnlock()
	defer s.sending.Done()
	err := s.flush()
	if err == nil {
		wake(s.wakeMerge)
	}
	return err
}

// errClosing ends a merge that is under way when the store closes.
var errClosing = errors.New("the store is closing")

// mergeOnce carries out one merge; did is false where none was due.
func (s *Store) mergeOnce(ctx context.Context, all bool) (did bool, err error) {
	s.merging.Lock()
	defer s.merging.Unlock()
	v := s.acquire()
	defer s.release(v)
	j := s.pick(v, all)
	if j == nil {
		return false, nil
	}
	if s.opts.Room != nil {
		if err := s.opts.Room(j.bytes); err != nil {
			return false, s.mergeFailed("room", err)
		}
	}
	began := time.Now()
	e, gone, err := s.runJob(ctx, j)
	if err == nil {
		err = s.deletions.note(gone)
	}
	if err == nil {
		err = s.advance(e, func() {})
	} else if e != nil {
		err = errors.Join(err, s.discard(e))
	}
	if err != nil {
		switch {
		case errors.Is(err, errClosing) || ctx.Err() != nil:
			return false, err
		case isCorrupt(err):
			return true, s.spare(j, err)
		}
		j.setAside(s.opts.Clock().Add(mergeAgainAfter))
		return false, s.mergeFailed("error", err)
	}
	s.m.merges.Inc()
	s.m.mergeSeconds.Add(time.Since(began).Seconds())
	s.m.mergeParts.Add(float64(j.count))
	s.m.mergeRows.Add(float64(j.rows))
	s.m.mergeReadBytes.Add(float64(j.bytes))
	for _, f := range e.addSegments {
		s.m.mergeBytes.Add(float64(f.bytes))
	}
	return true, nil
}

func (s *Store) mergeFailed(reason string, err error) error {
	s.m.mergeFailures.WithLabelValues(reason).Inc()
	s.opts.OnEvent(Event{Kind: EventMergeError, Err: err})
	return fmt.Errorf("merge: %w", err)
}

// runJob writes the merged parts: those of small tenants into one file, each of
// the others into its own. With an error the edit names what was written. gone is
// what was left out for its age.
func (s *Store) runJob(ctx context.Context, j *job) (e *edit, gone []purge, _ error) {
	s.mu.RLock()
	purges := s.purges
	s.mu.RUnlock()
	now := s.opts.Clock()
	e = &edit{dropParts: map[uint64][]int{}}
	var shared []segment.PartSource
	write := func(sources []segment.PartSource) error {
		if len(sources) == 0 {
			return nil
		}
		info, err := s.writeSegment(sources, purges, func(f vfs.File) vfs.File { return &polite{File: f, s: s, ctx: ctx} })
		if err == nil {
			e.addSegments = append(e.addSegments, info)
		}
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(j.parts)) {
		var blocks []segment.Block
		var bytes int64
		for _, p := range j.parts[id] {
			of, err := s.openPart(p)
			if err != nil {
				return e, nil, err
			}
			for i := range of.Len() {
				blocks = append(blocks, of.Block(i))
			}
			bytes += p.bytes
			e.dropParts[p.file.number] = append(e.dropParts[p.file.number], p.index)
		}
		sources, cuts, err := s.sources(id, blocks, purges, now)
		gone = append(gone, cuts...)
		if err != nil {
			return e, nil, err
		}
		if bytes < smallBytes {
			shared = append(shared, sources...)
			continue
		}
		if err := write(sources); err != nil {
			return e, nil, err
		}
	}
	if err := write(shared); err != nil {
		return e, nil, err
	}
	for _, places := range e.dropParts {
		slices.Sort(places)
	}
	return e, gone, nil
}

// polite is a file that lets appends go first and ends when the store closes.
type polite struct {
	vfs.File
	s   *Store
	ctx context.Context
}

// yieldsMax bounds how often one write lets others go first.
const yieldsMax = 100

// WriteAt implements vfs.File.
func (f *polite) WriteAt(p []byte, off int64) (int, error) {
	for n := 0; n < yieldsMax && len(f.s.queue) > 0; n++ {
		runtime.Gosched()
	}
	select {
	case <-f.s.closing:
		return 0, errClosing
	default:
	}
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

// spare finds the parts of a failed merge that do not read, and merges without
// them from now on.
func (s *Store) spare(j *job, cause error) error {
	found := false
	for _, parts := range j.parts {
		for _, p := range parts {
			found = s.findDamage(p) || found
		}
	}
	if found {
		return nil
	}
	// What does not read stands beside the blocks of one of them.
	var d *segment.Damage
	for _, parts := range j.parts {
		for _, p := range parts {
			if !errors.As(cause, &d) || d.Part < 0 || d.Part == p.index {
				found = s.damage(p, beside, cause) || found
			}
		}
	}
	if !found {
		return s.mergeFailed("error", cause)
	}
	return nil
}
