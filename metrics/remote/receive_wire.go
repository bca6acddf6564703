package remote

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// A remote write request is read where it lies: what points into the message is
// offsets, samples are copied into one slice, and nothing is allocated for a
// series that the receiver knows. Fields and types are those of prometheus.proto
// (1.0) and io/prometheus/write/v2/types.proto (2.0); unknown fields are passed
// over, as protobuf wants it.
//
//	1.0  WriteRequest  1 timeseries*  3 metadata*
//	     TimeSeries    1 labels*{1 name, 2 value}  2 samples*{1 value, 2 timestamp}  3 exemplars*  4 histograms*
//	2.0  Request       4 symbols*  5 timeseries*
//	     TimeSeries    1 labels_refs*  2 samples*{1 value, 2 timestamp, 3 start_timestamp}  3 histograms*  4 exemplars*
//	                   5 metadata{1 type, 3 help_ref, 4 unit_ref}
type message struct {
	v2       bool
	body     []byte
	symbols  [][]byte // 2.0
	series   []wireSeries
	samples  []wireSample
	refs     []uint32 // 2.0: labels_refs of all series
	families [][]byte // 1.0: metadata messages

	hashes  [][16]byte // of symbols
	scratch []byte
	n       int // messages seen so far

	found []found   // of the series, in their order
	fresh []learned // what the next request will know
}

type wireSeries struct {
	labels     span // 1.0: in body, of whole fields; 2.0: in refs
	samples    span // in samples
	histograms []span
	exemplars  []span
	metadata   wireMetadata
	key        seriesKey
}

type wireSample struct {
	v     float64
	t, st int64
}

type wireMetadata struct{ typ, help, unit uint32 }

// span is from (inclusive) to (exclusive).
type span struct{ from, to int }

func (s span) len() int { return s.to - s.from }

// seriesKey stands for a series' labels (and, in 2.0, metadata) as they were
// written: two keyed 64-bit hashes, whose keys nobody outside knows. Keys are
// compared under one credential only, so not even a forged pair could reach
// another sender's series.
type seriesKey [2]uint64

type seeds [2]maphash.Seed

func newSeeds() seeds { return seeds{maphash.MakeSeed(), maphash.MakeSeed()} }

func (s seeds) key(b []byte) seriesKey {
	return seriesKey{maphash.Bytes(s[0], b), maphash.Bytes(s[1], b)}
}

var errTooMany = fmt.Errorf("the request holds more than %d series, samples, histograms and exemplars; send fewer at once", messagesMax)

func (m *message) reset(body []byte, v2 bool) {
	m.v2, m.body, m.n = v2, body, 0
	m.symbols, m.series, m.samples, m.refs, m.families, m.hashes = m.symbols[:0], m.series[:0], m.samples[:0], m.refs[:0], m.families[:0], m.hashes[:0]
}

// count refuses what would need much more memory than it has bytes: two bytes on
// the wire can be a message.
func (m *message) count() error {
	if m.n++; m.n > messagesMax {
		return errTooMany
	}
	return nil
}

// parse reads body. What it gives points into body.
func (m *message) parse(body []byte, v2 bool, s seeds) error {
	m.reset(body, v2)
	seriesField := protowire.Number(1)
	if v2 {
		seriesField = 5
		// Symbols may stand behind the series that use them.
		if err := eachField(body, func(num protowire.Number, f field) error {
			if num != 4 {
				return nil
			}
			if err := m.count(); err != nil {
				return err
			}
			m.symbols = append(m.symbols, f.bytes(body))
			k := s.key(f.bytes(body))
			var h [16]byte
			binary.LittleEndian.PutUint64(h[:], k[0])
			binary.LittleEndian.PutUint64(h[8:], k[1])
			m.hashes = append(m.hashes, h)
			return nil
		}); err != nil {
			return err
		}
	}
	return eachField(body, func(num protowire.Number, f field) error {
		switch {
		case num == seriesField:
			if err := m.count(); err != nil {
				return err
			}
			return m.parseSeries(f.at, s)
		case num == 3 && !v2:
			if err := m.count(); err != nil {
				return err
			}
			m.families = append(m.families, f.bytes(body))
		}
		return nil
	})
}

func (m *message) parseSeries(at span, s seeds) error {
	// The slices of an earlier request are used again.
	n := len(m.series)
	if n < cap(m.series) {
		m.series = m.series[:n+1]
	} else {
		m.series = append(m.series, wireSeries{})
	}
	ts := &m.series[n]
	*ts = wireSeries{histograms: ts.histograms[:0], exemplars: ts.exemplars[:0]}
	ts.labels = span{len(m.refs), len(m.refs)}
	ts.samples = span{len(m.samples), len(m.samples)}
	m.scratch = m.scratch[:0]
	first := true
	err := eachFieldAt(m.body, at, func(num protowire.Number, f field) error {
		if err := m.count(); err != nil {
			return err
		}
		switch {
		case num == 2:
			sample, err := parseSample(f.bytes(m.body))
			m.samples = append(m.samples, sample)
			return err
		case num == 1 && m.v2:
			return m.parseRefs(f)
		case num == 1:
			m.scratch = binary.AppendUvarint(m.scratch, uint64(f.at.len()))
			m.scratch = append(m.scratch, f.bytes(m.body)...)
			if first {
				ts.labels = f.whole
				first = false
			}
			ts.labels.to = f.whole.to
		case num == 3 && m.v2, num == 4 && !m.v2:
			ts.histograms = append(ts.histograms, f.at)
		case num == 4 && m.v2, num == 3 && !m.v2:
			ts.exemplars = append(ts.exemplars, f.at)
		case num == 5 && m.v2:
			var err error
			ts.metadata, err = parseMetadata(f.bytes(m.body))
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	ts.samples.to = len(m.samples)
	if !m.v2 {
		if first {
			ts.labels = span{}
		}
		ts.key = s.key(m.scratch)
		return nil
	}
	ts.labels.to = len(m.refs)
	for _, r := range m.refs[ts.labels.from:ts.labels.to] {
		if !m.addHash(r) {
			return nil // refused when its labels are read; no key is zero in practice
		}
	}
	if ts.metadata != (wireMetadata{}) && (!m.addHash(ts.metadata.help) || !m.addHash(ts.metadata.unit)) {
		return nil
	}
	m.scratch = binary.AppendUvarint(m.scratch, uint64(ts.metadata.typ))
	ts.key = s.key(m.scratch)
	return nil
}

func (m *message) addHash(symbol uint32) bool {
	if int(symbol) >= len(m.hashes) {
		return false
	}
	m.scratch = append(m.scratch, m.hashes[symbol][:]...)
	return true
}

// parseRefs reads labels_refs, packed or not.
func (m *message) parseRefs(f field) error {
	if f.typ == protowire.VarintType {
		m.refs = append(m.refs, uint32(f.varint))
		return nil
	}
	for b := f.bytes(m.body); len(b) > 0; {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return errNotProtobuf
		}
		if len(m.refs) >= refsMax {
			return errTooMany
		}
		m.refs = append(m.refs, uint32(v))
		b = b[n:]
	}
	return nil
}

func parseSample(b []byte) (s wireSample, err error) {
	err = eachField(b, func(num protowire.Number, f field) error {
		switch {
		case num == 1 && f.typ == protowire.Fixed64Type:
			s.v = math.Float64frombits(f.varint)
		case num == 2 && f.typ == protowire.VarintType:
			s.t = int64(f.varint)
		case num == 3 && f.typ == protowire.VarintType:
			s.st = int64(f.varint)
		}
		return nil
	})
	return s, err
}

func parseMetadata(b []byte) (m wireMetadata, err error) {
	err = eachField(b, func(num protowire.Number, f field) error {
		switch num {
		case 1:
			m.typ = uint32(f.varint)
		case 3:
			m.help = uint32(f.varint)
		case 4:
			m.unit = uint32(f.varint)
		}
		return nil
	})
	return m, err
}

var errNotProtobuf = errors.New("read the request as a protobuf message: it is torn or of another type")

// field is one field of a message: where its bytes lie, or its number.
type field struct {
	typ    protowire.Type
	whole  span // with its tag
	at     span // of a length-delimited one's content
	varint uint64
}

func (f field) bytes(body []byte) []byte { return body[f.at.from:f.at.to] }

func eachField(b []byte, f func(protowire.Number, field) error) error {
	return eachFieldAt(b, span{0, len(b)}, f)
}

func eachFieldAt(body []byte, at span, f func(protowire.Number, field) error) error {
	for i := at.from; i < at.to; {
		num, typ, n := protowire.ConsumeTag(body[i:at.to])
		if n < 0 {
			return errNotProtobuf
		}
		one := field{typ: typ, whole: span{from: i}}
		i += n
		switch typ {
		case protowire.VarintType:
			one.varint, n = protowire.ConsumeVarint(body[i:at.to])
		case protowire.Fixed64Type:
			one.varint, n = protowire.ConsumeFixed64(body[i:at.to])
		case protowire.BytesType:
			var v []byte
			v, n = protowire.ConsumeBytes(body[i:at.to])
			one.at = span{i + n - len(v), i + n}
		default:
			n = protowire.ConsumeFieldValue(num, typ, body[i:at.to])
		}
		if n < 0 {
			return errNotProtobuf
		}
		i += n
		one.whole.to = i
		if err := f(num, one); err != nil {
			return err
		}
	}
	return nil
}
