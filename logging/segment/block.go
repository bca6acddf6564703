// Package segment is the columnar form of log records: the typed columns that a
// tenant's fresh records are gathered in (Table, Rows), the blocks that a search
// looks at (Block, Column), and the files that hold them for good (Write, Open;
// docs/format/segment.md).
//
// A block is up to RowsMax records of one stream: of one tenant, index, cluster,
// region, cloud, namespace and container, whose documents have one shape. Every
// column of it is dense. Documents of which there is no shape, or of whose shape
// there are few, stand in irregular blocks that keep their JSON.
//
//	t := segment.NewTable(id)
//	t.Append(records)
//	for _, b := range t.Blocks() {
//		times, err := b.Times()
//		...
//	}
package segment

import (
	"time"

	"github.com/oriel-project/oriel/internal/colenc"
	"github.com/oriel-project/oriel/internal/shape"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// RowsMax is the number of records of a block.
const RowsMax = 8192

// Labels are what every record of a block has in common.
type Labels struct{ Index, Cluster, Region, Cloud, Namespace, Container string }

// Stamp names a stamped column: one string a row.
type Stamp uint8

// The stamped columns.
const (
	StampPod Stamp = iota
	StampNode
	StampLevel
	StampStream
	StampMessage
	StampOriginal
	StampID // the id that the sender gave; "" where it is derived from seq
	stampCount
)

var stampNames = [stampCount]string{"pod", "node", "level", "stream", "message", "original", "id"}

// String names the column.
func (s Stamp) String() string {
	if s < stampCount {
		return stampNames[s]
	}
	return "unknown"
}

// Info describes a block. It is cheap: no column is read for it.
type Info struct {
	Tenant tenant.ID
	Labels
	Shape            *shape.Shape // nil: irregular; there are no own columns, Source gives the JSON that was kept
	Rows             int
	TimeMin, TimeMax int64 // nanoseconds since the epoch, inclusive
	SeqMin, SeqMax   uint64
	Sorted           bool  // rows ascend by (time, seq): always in a file, in memory maybe not
	Given            int   // rows with an id that their sender gave
	SourceBytes      int64 // of the documents as they came
	MinuteCounts     bool  // Counts gives rows per minute
}

// dayNanos is the length of a UTC day.
const dayNanos = int64(24 * time.Hour)

// DayOf gives the UTC day of a time in nanoseconds, in days since the epoch.
func DayOf(ns int64) int32 {
	day := ns / dayNanos
	if ns%dayNanos < 0 {
		day--
	}
	return int32(day)
}

// Day gives the UTC day of the block's records, in days since the epoch.
func (i *Info) Day() int32 { return DayOf(i.TimeMin) }

// Block is up to RowsMax records of one stream and one shape. A column is
// decoded when it is first asked for and stays with the Block; what is returned
// belongs to the block and is read-only. Safe for concurrent use. An error says
// what of which file cannot be read; other columns of the block may be fine.
type Block interface {
	Info() *Info
	Times() ([]int64, error)    // nanoseconds since the epoch
	Seqs() ([]uint64, error)    // durable positions
	Received() ([]int64, error) // nanoseconds since the epoch, whole milliseconds
	Stamped(s Stamp) (*Column, error)
	// Own gives the column of Shape.Holes()[hole].
	Own(hole int) (*Column, error)
	// OwnKind gives the kind of an own column, without decoding it. A needle in
	// a column of KindIDs is decided by Part.FindID.
	OwnKind(hole int) Kind
	// NumberRange bounds the numbers of an own column, without decoding it.
	NumberRange(hole int) (low, high float64, ok bool)
	// Counts appends the rows per UTC minute, ascending: where Info.MinuteCounts is
	// set, and where they can be had once for many; none else.
	Counts(dst []MinuteCount) ([]MinuteCount, error)
	// Source appends the document of a row: rebuilt JSON-equal, or as it was kept.
	Source(dst []byte, row int) ([]byte, error)
	// Record gives a row's record in memory of its own.
	Record(row int) (logging.Record, error)
	// Records sets *to[i] to the record of rows[i], for all of them; they share memory
	// among themselves alone.
	Records(rows []int, to []*logging.Record) error
}

// MinuteCount is a number of rows in one minute since the epoch.
type MinuteCount = colenc.Count

// appendSource rebuilds a document from the columns of a block that has a shape.
func appendSource(b Block, dst []byte, row int) ([]byte, error) {
	sh := b.Info().Shape
	holes := sh.Holes()
	var failed error
	var scratch []byte
	dst = sh.Append(dst, func(dst []byte, hole int) []byte {
		c, err := b.Own(hole)
		if err != nil {
			failed = err
			return append(dst, "null"...)
		}
		if holes[hole].Type != shape.String {
			return c.AppendString(dst, row)
		}
		scratch = c.AppendString(scratch[:0], row)
		if err := c.Err(); err != nil {
			failed = err
		}
		return shape.AppendQuoted(dst, scratch)
	})
	return dst, failed
}

// record gathers a row's record from the columns of a block.
func record(b Block, row int) (logging.Record, error) {
	in := b.Info()
	rec := logging.Record{
		Tenant: in.Tenant, Index: in.Index, Cluster: in.Cluster, Region: in.Region, Cloud: in.Cloud,
		Namespace: in.Namespace, Container: in.Container,
	}
	times, err := b.Times()
	if err != nil {
		return rec, err
	}
	seqs, err := b.Seqs()
	if err != nil {
		return rec, err
	}
	received, err := b.Received()
	if err != nil {
		return rec, err
	}
	rec.Time, rec.Received, rec.Seq = time.Unix(0, times[row]).UTC(), time.Unix(0, received[row]).UTC(), seqs[row]
	for s, to := range [stampCount]*string{&rec.Pod, &rec.Node, &rec.Level, &rec.Stream, &rec.Message, &rec.Original, &rec.ID} {
		c, err := b.Stamped(Stamp(s))
		if err != nil {
			return rec, err
		}
		*to = c.String(row)
		if err := c.Err(); err != nil {
			return rec, err
		}
	}
	if rec.ID == "" {
		rec.ID = logging.DerivedID(rec.Seq)
	}
	rec.Source, err = b.Source(nil, row)
	return rec, err
}
