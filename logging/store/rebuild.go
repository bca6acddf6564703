package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/tenant"
)

// RecoverOptions say what Recover does.
type RecoverOptions struct {
	// Write carries out what is found; without it Recover only tells.
	Write bool
	// Doubtful says what becomes of parts that may hold deleted records, and nothing
	// tells whether they do. Where there are any, Write wants an answer.
	Doubtful Doubtful
}

// Doubtful is an answer to what becomes of doubtful parts.
type Doubtful string

// The answers.
const (
	DoubtfulAsk        Doubtful = ""           // they are an error
	DoubtfulKeep       Doubtful = "keep"       // deleted records may show again
	DoubtfulQuarantine Doubtful = "quarantine" // they do not show, and stay in the directory
)

// ErrNothingToRecover says that a directory's manifest reads.
var ErrNothingToRecover = errors.New("the manifest reads: there is nothing to recover")

// ErrDoubtful says that Recover wants to be told what becomes of doubtful parts.
var ErrDoubtful = errors.New("parts are doubtful")

// Recover makes a new manifest for a directory that no Store has open and whose
// manifest and twin both do not read, out of the segments, the log, the tables of
// batch keys and the journal of deletions, as docs/format/manifest.md has it under
// Rebuilding. It tells w what it finds, and
// changes nothing without Write. Nothing is deleted: files that the new manifest does
// not name are moved into the folder of quarantine that it tells.
func Recover(ctx context.Context, dir string, o RecoverOptions, w io.Writer) error {
	return rebuild(ctx, vfs.OS{}, dir, o, w)
}

func rebuild(ctx context.Context, fs vfs.FS, dir string, o RecoverOptions, w io.Writer) error {
	r := &rebuilding{fs: fs, dir: dir, state: newState(), since: math.MaxUint64, logged: map[uint64]bool{}}
	r.line = func(format string, args ...any) {
		if _, err := fmt.Fprintf(w, format+"\n", args...); r.failed == nil {
			r.failed = err
		}
	}
	if err := r.manifests(); err != nil {
		return err
	}
	doubtful, err := r.conclude(ctx, o.Doubtful)
	if err != nil {
		return err
	}
	if r.failed != nil {
		return r.failed
	}
	switch {
	case doubtful > 0 && o.Doubtful == DoubtfulAsk && o.Write:
		return fmt.Errorf("%w: %d of them may hold records that were deleted", ErrDoubtful, doubtful)
	case !o.Write:
		return nil
	}
	return r.write()
}

// rebuilding is one manifest on its way.
type rebuilding struct {
	fs   vfs.FS
	dir  string
	line func(format string, args ...any)

	failed error    // writing to w
	number uint64   // the highest of a manifest that is there
	broken []string // names of manifests
	state  *state
	aside  []string // names of files that the state does not have
	since  uint64   // segments with a lower number may hold what was deleted
	gone   []purge
	logged map[uint64]bool // ordinals of those of gone that are in a log file
	ended  bool            // the last log file tells where positions go on
}

// manifests looks at those that are there.
func (r *rebuilding) manifests() error {
	names, err := r.fs.List(r.dir)
	if err != nil {
		return err
	}
	var numbers []uint64
	for _, name := range names {
		if n, ok := manifestNumber(name); ok {
			numbers = append(numbers, n)
			r.broken = append(r.broken, name)
		}
	}
	slices.Sort(numbers)
	for _, n := range slices.Backward(slices.Compact(numbers)) {
		r.number = max(r.number, n)
		m, err := loadManifest(r.fs, r.dir, n)
		switch err = lost(err); {
		case err == nil:
			return errors.Join(ErrNothingToRecover, m.close())
		case errors.Is(err, errTornManifest) && n > numbers[0]:
			continue // it was being begun when the power went
		case !errors.Is(err, errManifest) && !errors.Is(err, errTornManifest) && !isCorrupt(err):
			return err // it is of a newer version, or it may pass
		}
		r.line("%v", err)
		return nil
	}
	r.line("there is no manifest")
	return nil
}

// write makes the new manifest durable. Broken off, it can be begun again: what was
// moved is what the state does not have.
func (r *rebuilding) write() error {
	to := filepath.Join(r.dir, quarantineDir, fmt.Sprintf("recovered-%08d", r.number+1))
	move := func(names []string) error {
		if len(names) == 0 {
			return nil
		}
		if err := r.fs.MkdirAll(to); err != nil {
			return err
		}
		for _, name := range names {
			if err := r.fs.Rename(filepath.Join(r.dir, name), filepath.Join(to, name)); err != nil {
				return fmt.Errorf("move %s to %s: %w", name, to, err)
			}
		}
		return errors.Join(r.fs.SyncDir(to), r.fs.SyncDir(r.dir))
	}
	if err := move(r.aside); err != nil {
		return err
	}
	m := &manifest{fs: r.fs, dir: r.dir, number: r.number, state: r.state}
	if err := m.rewrite(); err != nil {
		return err
	}
	if err := errors.Join(move(r.broken), m.close()); err != nil {
		return err
	}
	r.line("wrote %s and its twin; moved %d files to %s: delete them when nothing is missed", manifestName(m.number), len(r.aside)+len(r.broken), to)
	return r.failed
}

// carryOut makes purges of the deletions that the journal has, but for those that
// are read from the log again.
func (r *rebuilding) carryOut() {
	last := uint64(0)
	for _, p := range r.gone {
		if !p.isCut() && p.ordinal < 1<<32 {
			last = max(last, p.ordinal)
		}
	}
	tenants, known := map[tenant.ID]bool{}, map[uint64]bool{}
	for _, p := range r.gone {
		if !p.isCut() && known[p.ordinal] {
			continue // from the log and the journal
		}
		known[p.ordinal] = true
		read := p.ordinal>>32 >= r.state.walFloor // but for a file that is gone
		switch {
		case read && r.logged[p.ordinal]:
			continue
		case read || p.isCut():
			last++
			p.ordinal = last // below those of log files, which begin at 1
		}
		tenants[p.tenant] = true
		r.state.purges = append(r.state.purges, p)
	}
	if n := len(r.state.purges); n > 0 {
		r.line("%d deletions of %d tenants are carried out again where their records are found", n, len(tenants))
	}
}
