package remote

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"google.golang.org/protobuf/encoding/protowire"
)

// An item of the queue is one remote write 2.0 request as it goes over the wire,
// with samples of one owner, behind what it holds:
//
//	version byte (2) | owner's length as uvarint | owner | samples, histograms, exemplars as uvarints | snappy block
//
// The owner is the tenant as the agent knows it: items of different owners do
// not go in one request, so that what is refused to one does not concern the
// others. Central decides for itself whose a sample is. Version 1, of earlier
// releases, has no owner.
const (
	itemVersion    = 2
	itemVersionOld = 1
	ownerBytesMax  = 64
)

// tally counts what a request holds.
type tally struct{ samples, histograms, exemplars int }

func (t tally) all() int { return t.samples + t.histograms + t.exemplars }

func (t tally) plus(o tally) tally {
	return tally{t.samples + o.samples, t.histograms + o.histograms, t.exemplars + o.exemplars}
}

// row is one sample of a series of the dictionary.
type row struct {
	st, t  int64
	v      float64
	slot   uint32
	family *family
	more   *more // nil: a plain number
}

// more is what few rows have.
type more struct {
	h         *histogram.Histogram
	fh        *histogram.FloatHistogram
	exemplars []exemplar.Exemplar
}

// request collects rows of one owner for one remote write 2.0 message.
type request struct {
	owner string
	rows  []row
	has   tally
}

func (q *request) add(r row) {
	q.rows = append(q.rows, r)
	if r.more == nil {
		q.has.samples++
		return
	}
	if r.more.h != nil || r.more.fh != nil {
		q.has.histograms++
	} else {
		q.has.samples++
	}
	q.has.exemplars += len(r.more.exemplars)
}

// encoder makes items of requests. What it has grown to is used again.
type encoder struct {
	// locals holds, for each symbol of the dictionary, its number in this request
	// below and the request's own number above.
	locals  []uint64
	pairs   []localPair // likewise for each label
	request uint32
	own     map[string]uint32 // symbols of exemplars alone, which no dictionary keeps

	n       uint32 // symbols so far
	symbols []byte // of the message
	series  []byte // likewise
	one     []byte // a series
	refs    []byte // of an exemplar
	nested  []byte // a message in it
}

// localPair is a label as it stands in a request: two uvarints, in the order of
// their bytes in a word, little-endian. A request has fewer than 2^28 symbols.
type localPair struct {
	word    uint64
	bytes   uint32
	request uint32
}

// Fields of the messages of remote write 2.0; see receive_wire.go.
const (
	requestSymbols, requestSeries                                                = 4, 5
	seriesRefs, seriesSamples, seriesHistograms, seriesExemplars, seriesMetadata = 1, 2, 3, 4, 5
	sampleValue, sampleTime, sampleStart                                         = 1, 2, 3
	exemplarRefs, exemplarValue, exemplarTime                                    = 1, 2, 3
	metadataType, metadataHelp, metadataUnit                                     = 1, 3, 4
)

func (e *encoder) begin(v *view) {
	if e.request++; e.request == 0 || len(e.locals) < len(v.symbols) || len(e.pairs) < len(v.pairs) {
		e.locals, e.pairs = make([]uint64, len(v.symbols)*5/4), make([]localPair, len(v.pairs)*5/4)
		e.request = 1
	}
	clear(e.own)
	e.n, e.symbols, e.series = 0, e.symbols[:0], e.series[:0]
	e.spell("") // the first symbol is the empty one
}

func (e *encoder) spell(s string) uint32 {
	e.symbols = protowire.AppendTag(e.symbols, requestSymbols, protowire.BytesType)
	e.symbols = protowire.AppendString(e.symbols, s)
	e.n++
	return e.n - 1
}

// local gives the request's number of a symbol of the dictionary.
func (e *encoder) local(v *view, symbol uint32) uint32 {
	if symbol == 0 {
		return 0
	}
	if l := e.locals[symbol]; uint32(l>>32) == e.request {
		return uint32(l)
	}
	n := e.spell(v.symbols[symbol])
	e.locals[symbol] = uint64(e.request)<<32 | uint64(n)
	return n
}

func (e *encoder) pair(to *localPair, p pair, v *view) {
	var b [16]byte
	n := binary.PutUvarint(b[:], uint64(e.local(v, p.name)))
	n += binary.PutUvarint(b[n:], uint64(e.local(v, p.value)))
	*to = localPair{binary.LittleEndian.Uint64(b[:]), uint32(n), e.request}
}

// item gives the request as the queue keeps it.
func (e *encoder) item(q *request, v *view) ([]byte, error) {
	e.begin(v)
	for i := range q.rows {
		if err := e.row(&q.rows[i], v); err != nil {
			return nil, fmt.Errorf("encode %d series for remote write: %w", len(q.rows), err)
		}
	}
	// Symbols first: there are receivers that want them so.
	e.symbols = append(e.symbols, e.series...)
	return appendItem(q.owner, q.has, e.symbols), nil
}

func (e *encoder) row(r *row, v *view) error {
	pairs := v.series[r.slot].pairs
	e.refs = slices.Grow(e.refs[:0], 8*len(pairs))
	refs := e.refs[:cap(e.refs)]
	n := 0
	for at := 0; at < len(pairs); at++ {
		number := uint32(pairs[at]) // a uvarint of a string
		for shift := 7; pairs[at] >= 0x80; shift += 7 {
			at++
			number = number&(1<<shift-1) | uint32(pairs[at])<<shift
		}
		p := &e.pairs[number]
		if p.request != e.request {
			e.pair(p, v.pairs[number], v)
		}
		binary.LittleEndian.PutUint64(refs[n:], p.word)
		n += int(p.bytes)
	}
	e.refs = refs[:n]
	e.one = protowire.AppendTag(e.one[:0], seriesRefs, protowire.BytesType)
	e.one = protowire.AppendBytes(e.one, e.refs)
	if r.more == nil || r.more.h == nil && r.more.fh == nil {
		e.sample(r)
	} else if err := e.histogram(r); err != nil {
		return err
	}
	if r.more != nil {
		for _, x := range r.more.exemplars {
			e.exemplar(x)
		}
	}
	e.metadata(r.family, v)
	e.series = protowire.AppendTag(e.series, requestSeries, protowire.BytesType)
	e.series = protowire.AppendBytes(e.series, e.one)
	return nil
}

func (e *encoder) sample(r *row) {
	b := e.nested[:0]
	if bits := math.Float64bits(r.v); bits != 0 {
		b = protowire.AppendTag(b, sampleValue, protowire.Fixed64Type)
		b = protowire.AppendFixed64(b, bits)
	}
	if r.t != 0 {
		b = protowire.AppendTag(b, sampleTime, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(r.t))
	}
	if r.st != 0 {
		b = protowire.AppendTag(b, sampleStart, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(r.st))
	}
	e.nest(seriesSamples, b)
}

func (e *encoder) nest(field protowire.Number, b []byte) {
	e.one = protowire.AppendTag(e.one, field, protowire.BytesType)
	e.one = protowire.AppendBytes(e.one, b)
	e.nested = b
}

func (e *encoder) histogram(r *row) error {
	var h writev2.Histogram
	if r.more.fh != nil {
		h = writev2.FromFloatHistogram(r.st, r.t, r.more.fh)
	} else {
		h = writev2.FromIntHistogram(r.st, r.t, r.more.h)
	}
	b, err := h.Marshal()
	if err == nil {
		e.one = protowire.AppendTag(e.one, seriesHistograms, protowire.BytesType)
		e.one = protowire.AppendBytes(e.one, b)
	}
	return err
}

func (e *encoder) exemplar(x exemplar.Exemplar) {
	e.refs = e.refs[:0]
	x.Labels.Range(func(l labels.Label) {
		for _, s := range [...]string{l.Name, l.Value} {
			n, ok := e.own[s]
			if !ok {
				if e.own == nil {
					e.own = map[string]uint32{}
				}
				n = e.spell(s)
				e.own[s] = n
			}
			e.refs = protowire.AppendVarint(e.refs, uint64(n))
		}
	})
	b := e.nested[:0]
	if len(e.refs) > 0 {
		b = protowire.AppendTag(b, exemplarRefs, protowire.BytesType)
		b = protowire.AppendBytes(b, e.refs)
	}
	b = protowire.AppendTag(b, exemplarValue, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, math.Float64bits(x.Value))
	b = protowire.AppendTag(b, exemplarTime, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(x.Ts))
	e.nest(seriesExemplars, b)
}

func (e *encoder) metadata(f *family, v *view) {
	if f == nil {
		return
	}
	b := e.nested[:0]
	for _, one := range [...]struct {
		field protowire.Number
		v     uint32
	}{
		{metadataType, uint32(writev2.FromMetadataType(f.Type))}, {metadataHelp, e.local(v, f.help)}, {metadataUnit, e.local(v, f.unit)},
	} {
		if one.v != 0 {
			b = protowire.AppendTag(b, one.field, protowire.VarintType)
			b = protowire.AppendVarint(b, uint64(one.v))
		}
	}
	e.nest(seriesMetadata, b)
}

// appendItem gives a message with what it holds as the queue keeps it.
func appendItem(owner string, has tally, message []byte) []byte {
	out := make([]byte, 0, 1+4*binary.MaxVarintLen64+len(owner)+snappy.MaxEncodedLen(len(message)))
	out = append(out, itemVersion)
	out = binary.AppendUvarint(out, uint64(len(owner)))
	out = append(out, owner...)
	for _, n := range []int{has.samples, has.histograms, has.exemplars} {
		out = binary.AppendUvarint(out, uint64(n))
	}
	block := snappy.Encode(out[len(out):cap(out)], message)
	return out[:len(out)+len(block)]
}

var errItem = errors.New("not an item of this queue's format")

// splitItem gives what an item holds and the body to send.
func splitItem(item []byte) (has tally, body []byte, err error) {
	_, has, body, err = parseItem(item)
	return has, body, err
}

// parseItem is splitItem with the owner; "" where the item names none.
func parseItem(item []byte) (owner string, has tally, body []byte, err error) {
	if len(item) == 0 || item[0] != itemVersion && item[0] != itemVersionOld {
		return "", tally{}, nil, errItem
	}
	b := item[1:]
	if item[0] == itemVersion {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > ownerBytesMax || int(n) > len(b)-size {
			return "", tally{}, nil, errItem
		}
		owner, b = string(b[size:size+int(n)]), b[size+int(n):]
	}
	for _, n := range []*int{&has.samples, &has.histograms, &has.exemplars} {
		v, size := binary.Uvarint(b)
		if size <= 0 || v > decodedBytesMax {
			return "", tally{}, nil, errItem
		}
		*n, b = int(v), b[size:]
	}
	return owner, has, b, nil
}
