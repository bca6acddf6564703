package relay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// The format is described in docs/format/relay.md; change both together.
const (
	parcelMagic   = "ORLR"
	parcelVersion = 3
	// Agents may have parcels of versions before in their queues. In those of version 1
	// the documents alone say of which namespace they are, in those of version 2 of
	// which pod, container and node.
	parcelVersionMin = 1

	flagNode      = 1 << 0 // of a node, outside any namespace
	flagTime      = 1 << 1 // sec and nsec follow
	flagID        = 1 << 2 // an id follows
	flagNamespace = 1 << 3 // a namespace follows; since version 2
	flagNames     = 1 << 4 // pod, container and node follow; since version 3

	keyBytesMax       = 1 << 10
	namespacesMax     = 1 << 16
	namespaceBytesMax = 253
	nameBytesMax      = 1 << 10
	recordsBytesMax   = 64 << 20 // of one parcel, unpacked

	// A parcel is closed at this many bytes or records.
	parcelBytes   = 4 << 20
	parcelRecords = 10_000
)

var (
	errParcel  = errors.New("parcel is damaged")
	errVersion = fmt.Errorf("parcel is of a version that this Oriel does not know: bring central to the agent's version")
)

// parcel is a piece of a batch on its way: what the sender said and of which
// namespace it is, without whose that is.
type parcel struct {
	queued     time.Time
	key        string
	namespaces []string // that the records claim, each once
	count      int      // of the records, as the head says it; -1: it is of a version that does not
	records    []logging.Raw
}

// rawOf takes the ownership off a record. Its names stay: what is in the document
// may be the container's own claim, which the agent did not believe.
func rawOf(r *logging.Record) logging.Raw {
	return logging.Raw{
		Source: r.Source, Time: r.Time, ID: r.ID, Node: r.Tenant == tenant.System, Decided: true, Namespace: r.Namespace,
		Names: &logging.Names{Pod: r.Pod, Container: r.Container, Node: r.Node},
	}
}

// codec packs and unpacks. Safe for concurrent use.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newCodec() *codec {
	// The options are constants that the library accepts; anything else is our fault.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithEncoderCRC(true), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(recordsBytesMax), zstd.WithDecoderMaxWindow(32<<20))
	if err != nil {
		panic(err)
	}
	return &codec{enc, dec}
}

func appendText[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func (c *codec) pack(p *parcel) []byte {
	size := 0
	for i := range p.records {
		size += len(p.records[i].Source) + len(p.records[i].ID) + 32
	}
	body := make([]byte, 0, size)
	for i := range p.records {
		r := &p.records[i]
		var flags byte
		if r.Node {
			flags |= flagNode
		}
		if !r.Time.IsZero() {
			flags |= flagTime
		}
		if r.ID != "" {
			flags |= flagID
		}
		if r.Decided {
			flags |= flagNamespace
		}
		if r.Names != nil {
			flags |= flagNames
		}
		body = append(body, flags)
		if flags&flagTime != 0 {
			body = binary.AppendVarint(body, r.Time.Unix())
			body = binary.AppendUvarint(body, uint64(r.Time.Nanosecond()))
		}
		if flags&flagID != 0 {
			body = appendText(body, r.ID)
		}
		if flags&flagNamespace != 0 {
			body = appendText(body, r.Namespace)
		}
		if n := r.Names; n != nil {
			body = appendText(appendText(appendText(body, n.Pod), n.Container), n.Node)
		}
		body = appendText(body, r.Source)
	}
	b := append([]byte(parcelMagic), parcelVersion)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.queued.UnixNano()))
	b = appendText(b, p.key)
	b = binary.AppendUvarint(b, uint64(len(p.records)))
	b = binary.AppendUvarint(b, uint64(len(p.namespaces)))
	for _, ns := range p.namespaces {
		b = appendText(b, ns)
	}
	return c.enc.EncodeAll(body, b)
}

// unpackHead reads what stands before the records; rest are those, compressed.
func unpackHead(b []byte) (p parcel, rest []byte, err error) {
	if len(b) < len(parcelMagic)+9 || string(b[:4]) != parcelMagic {
		return p, nil, errParcel
	}
	if b[4] < parcelVersionMin || b[4] > parcelVersion {
		return p, nil, errVersion
	}
	p.queued = time.Unix(0, int64(binary.LittleEndian.Uint64(b[5:])))
	r := cursor{b: b[13:]}
	p.key = string(r.text(keyBytesMax))
	p.count = -1
	if b[4] >= 3 {
		p.count = int(r.uvarint(recordsBytesMax))
	}
	for n := r.uvarint(namespacesMax); n > 0 && !r.bad; n-- {
		p.namespaces = append(p.namespaces, string(r.text(namespaceBytesMax)))
	}
	if r.bad {
		return p, nil, errParcel
	}
	return p, r.b, nil
}

// unpack reads a whole parcel. The records' bytes are fresh. The error is
// errVersion or wraps errParcel.
func (c *codec) unpack(b []byte) (parcel, error) {
	p, rest, err := unpackHead(b)
	if err != nil {
		return p, err
	}
	body, err := c.dec.DecodeAll(rest, nil)
	if err != nil {
		return p, fmt.Errorf("%w: %w", errParcel, err)
	}
	known := byte(flagNode | flagTime | flagID | flagNamespace | flagNames)
	switch b[4] {
	case 1:
		known &^= flagNamespace | flagNames
	case 2:
		known &^= flagNames
	}
	for r := (cursor{b: body}); len(r.b) > 0; {
		flags := r.b[0]
		r.b = r.b[1:]
		raw := logging.Raw{Node: flags&flagNode != 0}
		if flags&flagTime != 0 {
			sec := r.varint()
			raw.Time = time.Unix(sec, int64(r.uvarint(999_999_999))).UTC()
		}
		if flags&flagID != 0 {
			raw.ID = string(r.text(logging.IDBytesMax))
		}
		if flags&flagNamespace != 0 {
			raw.Decided, raw.Namespace = true, string(r.text(namespaceBytesMax))
		}
		if flags&flagNames != 0 {
			raw.Names = &logging.Names{Pod: string(r.text(nameBytesMax)), Container: string(r.text(nameBytesMax)), Node: string(r.text(nameBytesMax))}
		}
		raw.Source = r.text(len(r.b))
		if r.bad || flags&^known != 0 {
			return p, errParcel
		}
		p.records = append(p.records, raw)
	}
	if p.count >= 0 && p.count != len(p.records) {
		return p, errParcel
	}
	p.count = len(p.records)
	return p, nil
}

// Records counts the records of an item of the queue, for those that are dropped.
func Records(item []byte) int64 {
	p, _, err := unpackHead(item)
	if err == nil && p.count < 0 {
		p, err = newCodec().unpack(item)
	}
	if err != nil {
		return 0 // it would have come to nobody
	}
	return int64(p.count)
}

// cursor reads the parts of a parcel; bad stays set after the first fault.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) uvarint(most uint64) uint64 {
	v, n := binary.Uvarint(c.b)
	if c.bad || n <= 0 || v > most {
		c.bad = true
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.b)
	if c.bad || n <= 0 {
		c.bad = true
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) text(most int) []byte {
	n := c.uvarint(uint64(most))
	if c.bad || n > uint64(len(c.b)) {
		c.bad = true
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

// namespacesOf lists what the records claim, each once, in order.
func namespacesOf(records []logging.Record) (out []string) {
	for i := range records {
		if ns := records[i].Namespace; ns != "" && len(out) < namespacesMax && !slices.Contains(out, ns) {
			out = append(out, ns)
		}
	}
	return out
}

// A body is parcels behind their lengths.

func appendParcel(body, parcel []byte) []byte { return appendText(body, parcel) }

// readParcel reads the next one of a body, of at most max bytes; io.EOF at the
// end. What is kept grows with what arrives.
func readParcel(r interface {
	io.Reader
	io.ByteReader
}, max int64) ([]byte, error) {
	n, err := binary.ReadUvarint(r)
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errParcel, err)
	}
	if n > uint64(max) {
		return nil, fmt.Errorf("%w: it is said to have %d bytes, the most is %d", errParcel, n, max)
	}
	var b bytes.Buffer
	if k, err := io.CopyN(&b, r, int64(n)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // io.EOF would pass for the end of the body
		}
		return nil, fmt.Errorf("%w: %d of %d bytes came: %w", errParcel, k, n, err)
	}
	return b.Bytes(), nil
}
