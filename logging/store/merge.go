package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
	"github.com/oriel-project/oriel/tenant"
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

// The sizes of merges.
const (
	mergeFan     = 8       // parts of a size that become one
	mergeFanDone = 3       // of a day that is over
	mergeFanMax  = 16      // parts of one tenant at once
	mergeRowsMax = 4 << 20 // of one part
	mergeJobRows = 8 << 20 // of all tenants in one merge, about
	smallBytes   = 1 << 20 // a tenant's parts below it share a file
	dayNanos     = int64(24 * time.Hour)
)

// job is a merge of parts of one day.
type job struct {
	parts map[tenant.ID][]*part // those of a tenant become one
	count int
	rows  int64
	bytes int64
}

func (j *job) add(id tenant.ID, parts []*part) {
	if j.parts == nil {
		j.parts = map[tenant.ID][]*part{}
	}
	j.parts[id] = parts
	j.count += len(parts)
	for _, p := range parts {
		j.rows += int64(p.rows)
		j.bytes += p.bytes
	}
}

// pick chooses the next merge; nil where nothing is due. all asks for everything
// that can become fewer.
func (s *Store) pick(v *version, all bool) *job {
	now := s.opts.Clock()
	today := segment.DayOf(now.UnixNano())
	s.mu.RLock()
	purges := s.purges
	s.mu.RUnlock()
	jobs := map[int32]*job{}
	waiting := 0
	for _, id := range slices.Sorted(maps.Keys(v.parts)) {
		days := map[int32][]*part{}
		for _, p := range v.parts[id] {
			if !p.damaged.Load() {
				days[p.day] = append(days[p.day], p)
			}
		}
		for day, parts := range days {
			fan := mergeFan
			if day < today && now.UnixNano() > int64(day+1)*dayNanos+int64(time.Hour) {
				fan = mergeFanDone
			}
			if all {
				fan = 2
			}
			chosen := choose(parts, fan, all)
			if chosen == nil {
				chosen = dirty(parts, purges, all)
			}
			if chosen == nil {
				continue
			}
			waiting++
			if jobs[day] == nil {
				jobs[day] = &job{}
			}
			if jobs[day].rows < mergeJobRows {
				jobs[day].add(id, chosen)
			}
		}
	}
	s.m.mergesWaiting.Set(float64(waiting))
	var best *job
	for _, day := range slices.Sorted(maps.Keys(jobs)) {
		j := jobs[day]
		if best == nil || j.count > best.count {
			best = j
		}
	}
	if best == nil {
		best = s.sparse(v)
	}
	return best
}

// choose gives parts of one tenant and day, in the order of seq, that should
// become one: neighbours of about a size, as many as fan or more, none of which
// is more than half of the whole, or it would be written again for little.
// Neighbours, so that the times of parts overlap little.
func choose(parts []*part, fan int, all bool) []*part {
	tiers := 1
	for _, p := range parts {
		tiers = max(tiers, tierOf(p)+1)
	}
	first := 0
	if all {
		first = tiers - 1
	}
	for tier := first; tier < tiers; tier++ {
		var run []*part
		rows, largest := 0, 0
		due := func() bool { return len(run) >= fan && (all || 2*largest <= rows) }
		for _, p := range parts {
			if tierOf(p) > tier || rows+p.rows > mergeRowsMax {
				if due() {
					return run
				}
				run, rows, largest = nil, 0, 0
			}
			if tierOf(p) <= tier && p.rows < mergeRowsMax {
				run = append(run, p)
				rows += p.rows
				largest = max(largest, p.rows)
			}
			if len(run) >= mergeFanMax && !all && due() {
				return run
			}
		}
		if due() {
			return run
		}
	}
	return nil
}

// tierOf gives the size of a part as a power of eight.
func tierOf(p *part) (tier int) {
	for n := p.rows / 4096; n > 0; n /= mergeFan {
		tier++
	}
	return tier
}

// dirty gives a part of which more than half is purged, or with all any that has
// something purged.
func dirty(parts []*part, purges []purge, all bool) []*part {
	for _, p := range parts {
		var gone int64
		for i := range purges {
			g := &purges[i]
			if g.tenant != p.tenant || g.ordinal <= p.clean || g.upTo < p.seqMin || g.from > p.tMax || g.to <= p.tMin {
				continue
			}
			share := spanShare(p, g)
			for _, x := range p.indices {
				if g.whole() || x.cluster == g.cluster && x.namespace == g.namespace {
					gone += max(1, int64(share*float64(x.docs)))
				}
			}
		}
		if gone*2 > int64(p.rows) || all && gone > 0 {
			return []*part{p}
		}
	}
	return nil
}

// spanShare estimates how much of a part's time and place a purge covers.
func spanShare(p *part, g *purge) float64 {
	share := 1.0
	if span := float64(p.tMax) - float64(p.tMin); span > 0 {
		share = (min(float64(g.to), float64(p.tMax)) - max(float64(g.from), float64(p.tMin))) / span
	}
	if g.upTo < p.seqMax {
		share *= float64(g.upTo-p.seqMin+1) / float64(p.seqMax-p.seqMin+1)
	}
	return min(1, max(0, share))
}

// sparse gives the live parts of one day in a file of which more than half is
// dead.
func (s *Store) sparse(v *version) *job {
	live := map[*segmentFile][]*part{}
	for _, parts := range v.parts {
		for _, p := range parts {
			live[p.file] = append(live[p.file], p)
		}
	}
	for f, parts := range live {
		var bytes, all int64
		for _, p := range f.parts {
			all += p.bytes
		}
		for _, p := range parts {
			bytes += p.bytes
		}
		if 2*bytes >= all || all < smallBytes {
			continue
		}
		parts = slices.DeleteFunc(parts, func(p *part) bool { return p.damaged.Load() })
		j := &job{}
		for _, p := range parts {
			if p.day == parts[0].day {
				j.add(p.tenant, []*part{p})
			}
		}
		if j.count > 0 {
			return j
		}
	}
	return nil
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
	e, err := s.runJob(ctx, j)
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
// the others into its own. With an error the edit names what was written.
func (s *Store) runJob(ctx context.Context, j *job) (*edit, error) {
	s.mu.RLock()
	purges := s.purges
	s.mu.RUnlock()
	now := s.opts.Clock()
	e := &edit{dropParts: map[uint64][]int{}}
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
				return e, err
			}
			for i := range of.Len() {
				blocks = append(blocks, of.Block(i))
			}
			bytes += p.bytes
			e.dropParts[p.file.number] = append(e.dropParts[p.file.number], p.index)
		}
		sources, err := s.sources(id, blocks, purges, now)
		if err != nil {
			return e, err
		}
		if bytes < smallBytes {
			shared = append(shared, sources...)
			continue
		}
		if err := write(sources); err != nil {
			return e, err
		}
	}
	if err := write(shared); err != nil {
		return e, err
	}
	for _, places := range e.dropParts {
		slices.Sort(places)
	}
	return e, nil
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

// mergeKeys makes fewer tables of batch keys where there are many.
func (s *Store) mergeKeys() error {
	s.merging.Lock()
	defer s.merging.Unlock()
	for {
		s.mu.RLock()
		tables := s.keyTables.toMerge(s.opts.Clock())
		s.mu.RUnlock()
		if tables == nil {
			return nil
		}
		table, err := mergeKeyTables(s.fs, s.dir, s.nextFile.Add(1)-1, tables)
		if err != nil {
			if errors.Is(err, errKeys) {
				s.mu.Lock()
				for _, t := range tables {
					t.bad = true // it is told when a key is looked up in it, and goes when it is old
				}
				s.mu.Unlock()
				continue
			}
			return s.mergeFailed("keys", err)
		}
		e := &edit{addKeys: []keysInfo{table.keysInfo}}
		for _, t := range tables {
			e.dropKeys = append(e.dropKeys, t.number)
		}
		if err := s.advance(e, func() { s.replaceKeys(e.dropKeys, table) }); err != nil {
			return s.mergeFailed("keys", err)
		}
		s.removeKeys(e.dropKeys)
	}
}

// replaceKeys changes the present tables; the lock is held.
func (s *Store) replaceKeys(drop []uint64, add *keyTable) {
	s.keyTables = slices.DeleteFunc(slices.Clone(s.keyTables), func(t *keyTable) bool { return slices.Contains(drop, t.number) })
	if add != nil {
		s.keyTables = append(s.keyTables, add)
		slices.SortFunc(s.keyTables, func(a, b *keyTable) int { return cmp.Compare(a.tMax, b.tMax) })
	}
}

// removeKeys deletes tables that are no more in the manifest, once no lookup is
// under way that may have seen them.
func (s *Store) removeKeys(numbers []uint64) {
	s.lookups.Lock()
	defer s.lookups.Unlock()
	for _, n := range numbers {
		name := filepath.Join(s.dir, keysName(n))
		if err := removeIfThere(s.fs, name); err != nil {
			s.opts.OnEvent(Event{Kind: EventDeleteError, File: name, Err: err})
		}
	}
}
