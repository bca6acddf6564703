package segment

import (
	"fmt"
	"io"
	"time"
)

// DumpOptions say how much Dump shows.
type DumpOptions struct {
	Columns bool // every column of every block
	Records bool // every record
}

// Dump describes a file for people. What cannot be read is described by its
// error; the error that is returned is that of w.
func Dump(w io.Writer, f *File, o DumpOptions) error {
	d := dumper{w: w}
	d.line("segment: version %d, %d bytes, %d parts", Version, f.size, len(f.infos))
	if !f.created.IsZero() {
		d.line("created %s", f.created.Format(time.RFC3339Nano))
	}
	for i := range f.infos {
		d.part(f, i, o)
	}
	return d.err
}

type dumper struct {
	w   io.Writer
	err error
}

func (d *dumper) line(format string, args ...any) {
	if d.err == nil {
		_, d.err = fmt.Fprintf(d.w, format+"\n", args...)
	}
}

func nanos(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

func (d *dumper) part(f *File, i int, o DumpOptions) {
	in := &f.infos[i]
	day := time.Unix(int64(in.Day)*86400, 0).UTC().Format(time.DateOnly)
	d.line("part %d: tenant %s, %s: %d rows in %d blocks, %d bytes at %d", i, in.Tenant, day, in.Rows, in.Blocks, in.Length, in.Offset)
	d.line("  time %s to %s, seq %d to %d, %d given ids, sources of %d bytes", nanos(in.TimeMin), nanos(in.TimeMax), in.SeqMin, in.SeqMax, in.Given, in.SourceBytes)
	d.line("  index %d bytes (%d unpacked), ids of 8 bytes %d, of 16 bytes %d, given ids %d", in.index.length, in.indexRaw, in.ids[0].length, in.ids[1].length, in.given.length)
	for _, s := range in.Indices {
		d.line("  index %s, cluster %q, namespace %q: %d documents of %d bytes", s.Name, s.Cluster, s.Namespace, s.Docs, s.SourceBytes)
	}
	p, err := f.Part(i)
	if err != nil {
		d.line("  %v", err)
		return
	}
	for k := range p.Len() {
		d.block(p, k, o)
	}
}

func (d *dumper) block(p *Part, k int, o DumpOptions) {
	b := p.Block(k).(*fileBlock)
	in := b.Info()
	d.line("  block %d: %d rows, %d bytes at %d, %s %s/%s", k, in.Rows, b.entry.length, b.entry.offset, in.Index, in.Namespace, in.Container)
	if in.Shape == nil {
		d.line("    no shape")
	} else {
		d.line("    shape %q", in.Shape.Skeleton())
	}
	d.line("    time %s to %s, seq %d to %d, minute counts %v", nanos(in.TimeMin), nanos(in.TimeMax), in.SeqMin, in.SeqMax, in.MinuteCounts)
	if o.Columns {
		cols, err := b.columns()
		if err != nil {
			d.line("    %v", err)
			return
		}
		for i := range cols {
			d.column(b, cols, i)
		}
	}
	if !o.Records {
		return
	}
	for row := range in.Rows {
		rec, err := b.Record(row)
		if err != nil {
			d.line("    row %d: %v", row, err)
			return
		}
		d.line("    %d %s %s %s", rec.Seq, rec.Time.Format(time.RFC3339Nano), rec.ID, rec.Source)
	}
}

func (d *dumper) column(b *fileBlock, cols []columnMeta, i int) {
	m := &cols[i]
	switch m.enc &^ encSpelled {
	case encConst:
		d.line("    %-24s %s %.60q", b.name(i), m.enc, b.part.index.strings[m.ref])
	case encAlias:
		d.line("    %-24s %s of %s", b.name(i), m.enc, b.name(int(m.ref)))
	case encMapped:
		d.line("    %-24s %s from %s, %d values, %d bytes", b.name(i), m.enc, b.name(int(m.ref)), m.values, m.length)
	case encDict:
		d.line("    %-24s %s, %d values, %d bytes", b.name(i), m.enc, m.values, m.length)
	case encRowTime:
		d.line("    %-24s %s", b.name(i), m.enc)
	default:
		d.line("    %-24s %s, %d bytes", b.name(i), m.enc, m.length)
	}
}
