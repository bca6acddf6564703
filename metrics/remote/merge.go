package remote

import (
	"fmt"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"
)

// merge makes one body of several, in their order: what waited goes in few
// requests, or a way with long round trips would never catch up. Only references
// to symbols are written anew; samples and histograms are copied as they are.
func merge(bodies [][]byte) ([]byte, error) {
	if len(bodies) == 1 {
		return bodies[0], nil
	}
	m := merger{numbers: map[string]uint32{"": 0}}
	m.symbol(nil)
	var raw []byte
	for _, b := range bodies {
		var err error
		if raw, err = snappy.Decode(raw[:cap(raw)], b); err != nil {
			return nil, fmt.Errorf("merge queued requests: %w", err)
		}
		if err := m.add(raw); err != nil {
			return nil, fmt.Errorf("merge queued requests: %w", err)
		}
	}
	return snappy.Encode(nil, append(m.symbols, m.series...)), nil
}

type merger struct {
	numbers map[string]uint32
	n       uint32
	symbols []byte // of the message
	series  []byte // likewise
	to      []uint32
	one     []byte
	nested  []byte
	refs    []byte
}

func (m *merger) symbol(s []byte) {
	m.symbols = protowire.AppendTag(m.symbols, requestSymbols, protowire.BytesType)
	m.symbols = protowire.AppendBytes(m.symbols, s)
	m.n++
}

// add takes a message whose symbols stand before its series, as the encoder
// writes it.
func (m *merger) add(raw []byte) error {
	m.to = m.to[:0]
	return eachField(raw, func(num protowire.Number, f field) error {
		b := f.bytes(raw)
		switch num {
		case requestSymbols:
			n, ok := m.numbers[string(b)]
			if !ok {
				n = m.n
				m.numbers[string(b)] = n
				m.symbol(b)
			}
			m.to = append(m.to, n)
		case requestSeries:
			m.one = m.one[:0]
			if err := m.rewrite(b); err != nil {
				return err
			}
			m.series = protowire.AppendTag(m.series, requestSeries, protowire.BytesType)
			m.series = protowire.AppendBytes(m.series, m.one)
		}
		return nil
	})
}

// rewrite appends a series to m.one with the merged message's symbols.
func (m *merger) rewrite(series []byte) error {
	return eachField(series, func(num protowire.Number, f field) error {
		b := f.bytes(series)
		switch num {
		case seriesRefs:
			if f.typ != protowire.BytesType { // packed, as the encoder writes it
				return errItem
			}
			if err := m.renumber(b); err != nil {
				return err
			}
			b = m.refs
		case seriesExemplars:
			m.nested = m.nested[:0]
			if err := eachField(b, func(num protowire.Number, f field) error {
				if num != exemplarRefs || f.typ != protowire.BytesType {
					m.nested = append(m.nested, b[f.whole.from:f.whole.to]...)
					return nil
				}
				if err := m.renumber(f.bytes(b)); err != nil {
					return err
				}
				m.nested = protowire.AppendTag(m.nested, num, protowire.BytesType)
				m.nested = protowire.AppendBytes(m.nested, m.refs)
				return nil
			}); err != nil {
				return err
			}
			b = m.nested
		case seriesMetadata:
			m.nested = m.nested[:0]
			if err := eachField(b, func(num protowire.Number, f field) error {
				v := f.varint
				if num == metadataHelp || num == metadataUnit {
					if v >= uint64(len(m.to)) {
						return errItem
					}
					v = uint64(m.to[v])
				}
				m.nested = protowire.AppendTag(m.nested, num, protowire.VarintType)
				m.nested = protowire.AppendVarint(m.nested, v)
				return nil
			}); err != nil {
				return err
			}
			b = m.nested
		default:
			m.one = append(m.one, series[f.whole.from:f.whole.to]...)
			return nil
		}
		m.one = protowire.AppendTag(m.one, num, protowire.BytesType)
		m.one = protowire.AppendBytes(m.one, b)
		return nil
	})
}

// renumber gives packed references in m.refs.
func (m *merger) renumber(packed []byte) error {
	m.refs = m.refs[:0]
	for len(packed) > 0 {
		v, n := protowire.ConsumeVarint(packed)
		if n < 0 || v >= uint64(len(m.to)) {
			return errItem
		}
		m.refs = protowire.AppendVarint(m.refs, uint64(m.to[v]))
		packed = packed[n:]
	}
	return nil
}
