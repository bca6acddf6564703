package segment

import (
	"context"
	"errors"
)

// Verify reads everything of the file: every checksum, every column, every
// dictionary, and whether what the index says of a block holds. It reports what
// is wrong and goes on; it stops with ctx.
func (f *File) Verify(ctx context.Context, report func(Damage)) error {
	note := func(p *Part, block int, column string, err error) {
		d := Damage{File: f, Part: p.number, Block: block, Column: column, Err: err}
		if found := (*Damage)(nil); errors.As(err, &found) {
			d = *found
		}
		report(d)
	}
	for i := range f.infos {
		p := &f.parts[i]
		if _, err := p.loaded(); err != nil {
			note(p, -1, "index", err)
			continue
		}
		for at := range p.info.ids {
			if err := p.verifyIDs(at); err != nil {
				note(p, -1, "ids", err)
			}
		}
		if p.info.given.length > 0 {
			if _, err := f.piece(p.info.given); err != nil {
				note(p, -1, "given ids", err)
			}
		}
		for k := range p.Len() {
			if err := ctx.Err(); err != nil {
				return err
			}
			p.Block(k).(*fileBlock).verify(func(column string, err error) { note(p, k, column, err) })
		}
	}
	return ctx.Err()
}

// verifyIDs reads a dictionary through.
func (p *Part) verifyIDs(at int) error {
	if p.info.ids[at].length == 0 {
		return nil
	}
	if _, err := p.file.piece(p.info.ids[at]); err != nil {
		return err
	}
	d, err := p.dict(slotFormat[at])
	if err != nil {
		return err
	}
	_, err = d.All(nil)
	return err
}

// verify decodes every column of a block.
func (b *fileBlock) verify(note func(column string, err error)) {
	cols, err := b.columns()
	if err != nil {
		note("", err)
		return
	}
	in := b.Info()
	times, err := b.Times()
	if err != nil {
		note("time", err)
	}
	seqs, err := b.Seqs()
	if err != nil {
		note("seq", err)
	}
	if _, err := b.Received(); err != nil {
		note("received", err)
	}
	for i := range min(len(times), len(seqs)) {
		if i > 0 && (times[i] < times[i-1] || times[i] == times[i-1] && seqs[i] <= seqs[i-1]) {
			note("time", corrupt("row %d is before row %d", i, i-1))
			break
		}
		if times[i] < in.TimeMin || times[i] > in.TimeMax || seqs[i] < in.SeqMin || seqs[i] > in.SeqMax {
			note("time", corrupt("row %d is out of the block's bounds", i))
			break
		}
	}
	if counts, err := b.Counts(nil); err != nil {
		note("minute counts", err)
	} else if len(counts) > 0 && len(times) > 0 && !countsFit(counts, times) {
		note("minute counts", corrupt("they are not those of the rows"))
	}
	for i := colOwn; i < len(cols); i++ {
		b.mu.Lock()
		c, err := b.column(i)
		b.mu.Unlock()
		if err == nil && c.Kind == KindText {
			c.Text.AppendAll(nil, nil)
			err = c.Text.Err()
		}
		if err != nil {
			note(b.name(i), err)
		}
	}
}

func countsFit(counts []MinuteCount, times []int64) bool {
	at := 0
	for _, c := range counts {
		for range c.Rows {
			if at == len(times) || minuteOf(times[at]) != c.Minute {
				return false
			}
			at++
		}
	}
	return at == len(times)
}

func minuteOf(ns int64) int64 {
	m := ns / minuteNanos
	if ns%minuteNanos < 0 {
		m--
	}
	return m
}
