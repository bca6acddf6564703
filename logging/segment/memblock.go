package segment

import (
	"sync/atomic"

	"github.com/oriel-project/oriel/logging"
)

// memBlock is the first rows of a chunk, as many as there were when it was made.
type memBlock struct {
	info  Info
	rows  *Rows
	chunk *chunk
	views atomic.Pointer[[]atomic.Pointer[Column]] // of own columns, then stamped ones
}

var _ Block = (*memBlock)(nil)

// Info implements Block.
func (b *memBlock) Info() *Info { return &b.info }

// Times implements Block.
func (b *memBlock) Times() ([]int64, error) {
	b.rows.mu.RLock()
	defer b.rows.mu.RUnlock()
	return b.chunk.times[:b.info.Rows:b.info.Rows], nil
}

// Seqs implements Block.
func (b *memBlock) Seqs() ([]uint64, error) {
	b.rows.mu.RLock()
	defer b.rows.mu.RUnlock()
	return b.chunk.seqs[:b.info.Rows:b.info.Rows], nil
}

// Received implements Block.
func (b *memBlock) Received() ([]int64, error) {
	b.rows.mu.RLock()
	defer b.rows.mu.RUnlock()
	return b.chunk.received[:b.info.Rows:b.info.Rows], nil
}

// view gives a column, the same one to all who ask.
func (b *memBlock) view(at int) *Column {
	views := b.views.Load()
	if views == nil {
		fresh := make([]atomic.Pointer[Column], len(b.chunk.own)+int(stampCount))
		if !b.views.CompareAndSwap(nil, &fresh) {
			views = b.views.Load()
		} else {
			views = &fresh
		}
	}
	if c := (*views)[at].Load(); c != nil {
		return c
	}
	b.rows.mu.RLock()
	defer b.rows.mu.RUnlock()
	col := b.column(at)
	(*views)[at].CompareAndSwap(nil, col.view(b.info.Rows, b.chunk.times))
	return (*views)[at].Load()
}

// column is called with the rows' lock held.
func (b *memBlock) column(at int) *memColumn {
	col := b.chunk.column(at)
	if col.form == formAlias {
		col = &b.chunk.own[col.alias]
	}
	return col
}

// Stamped implements Block.
func (b *memBlock) Stamped(s Stamp) (*Column, error) { return b.view(len(b.chunk.own) + int(s)), nil }

// Own implements Block.
func (b *memBlock) Own(hole int) (*Column, error) { return b.view(hole), nil }

// OwnKind implements Block.
func (b *memBlock) OwnKind(hole int) Kind {
	b.rows.mu.RLock()
	defer b.rows.mu.RUnlock()
	return b.column(hole).kind()
}

// NumberRange implements Block.
func (b *memBlock) NumberRange(hole int) (low, high float64, ok bool) {
	b.rows.mu.RLock()
	defer b.rows.mu.RUnlock()
	return b.column(hole).numberRange(b.info.Rows)
}

// Counts implements Block.
func (b *memBlock) Counts(dst []MinuteCount) ([]MinuteCount, error) { return dst, nil }

// Source implements Block.
func (b *memBlock) Source(dst []byte, row int) ([]byte, error) {
	if b.info.Shape == nil {
		return b.view(0).AppendString(dst, row), nil
	}
	return appendSource(b, dst, row)
}

// Record implements Block.
func (b *memBlock) Record(row int) (logging.Record, error) { return record(b, row) }

// Records implements Block.
func (b *memBlock) Records(rows []int, to []*logging.Record) error { return records(b, rows, to) }
