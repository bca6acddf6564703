package scan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/oriel-project/oriel/logging"
)

// hits looks for hits among rows of a block.
func (s *search) hits(e *eval, c *candidate, sel []uint32) error {
	if s.top.byPlace {
		return s.hitsByPlace(e, sel)
	}
	keys, err := e.sortKeys(s.q.Sort)
	if err != nil {
		return err
	}
	times, err := e.block.Times()
	if err != nil {
		return err
	}
	l, desc := s.top.by()
	low, high := s.top.span()
	var seqs []uint64 // read when a row may be a hit
	scratch := make([]logging.Value, len(s.q.Sort))
	for n := range sel {
		row := int(sel[n])
		if desc { // the newest first: they push the others out
			row = int(sel[len(sel)-1-n])
		}
		switch l {
		case leadTime:
			if t := times[row]; t < low || t > high {
				if e.info.Sorted && (desc && t < low || !desc && t > high) {
					return nil
				}
				continue
			}
		case leadSeq:
			if seqs == nil {
				if seqs, err = e.block.Seqs(); err != nil {
					return err
				}
			}
			if x := int64(seqs[row]); x < low || x > high {
				continue
			}
		}
		if len(s.q.Sort) > 1 || l == leadNone {
			if err := e.tick(8); err != nil {
				return err
			}
		}
		if seqs == nil {
			if seqs, err = e.block.Seqs(); err != nil {
				return err
			}
		}
		h := hit{keys: scratch, seq: seqs[row]}
		for k := range keys {
			if scratch[k], err = keys[k](row); err != nil {
				return err
			}
		}
		if !s.top.wants(&h) {
			continue
		}
		h.keys = slices.Clone(scratch)
		h.at = place{e.part, e.at, row}
		s.top.add(h)
		low, high = s.top.span()
	}
	return nil
}

// hitsByPlace is hits where time and seq tell which they are.
func (s *search) hitsByPlace(e *eval, sel []uint32) error {
	t := &s.top
	l, desc := t.by()
	times, err := e.block.Times()
	if err != nil {
		return err
	}
	low, high := t.span()
	var seqs []uint64 // read when a row may be a hit
	var scratch []logging.Value
	for n := range sel {
		row := int(sel[n])
		if desc { // the newest first: they push the others out
			row = int(sel[len(sel)-1-n])
		}
		lead := times[row]
		if l == leadTime && (lead < low || lead > high) {
			if e.info.Sorted && (desc && lead < low || !desc && lead > high) {
				return nil
			}
			continue
		}
		if seqs == nil {
			if seqs, err = e.block.Seqs(); err != nil {
				return err
			}
		}
		if l == leadSeq {
			if lead = int64(seqs[row]); lead < low || lead > high {
				continue
			}
		}
		h := hit{lead: lead, seq: seqs[row], at: place{e.part, e.at, row}}
		if t.after != nil {
			scratch = t.values(scratch[:0], h.lead, h.seq)
			h.keys = scratch
		}
		if !t.wants(&h) {
			continue
		}
		h.keys = nil
		t.add(h)
		low, high = t.span()
	}
	return nil
}

// sortKeys gives for each key the function from rows to what they sort by. The
// values' strings are of memory that stays.
func (e *eval) sortKeys(keys []logging.SortKey) ([]func(row int) (logging.Value, error), error) {
	out := make([]func(int) (logging.Value, error), len(keys))
	for i, k := range keys {
		if k.Field.Name == logging.FieldTime {
			times, err := e.block.Times()
			if err != nil {
				return nil, err
			}
			out[i] = func(row int) (logging.Value, error) { return logging.Time(time.Unix(0, times[row])), nil }
			continue
		}
		sources, ok := e.sources(nil, k.Field, false)
		if !ok {
			out[i] = func(row int) (logging.Value, error) {
				d, err := e.document(row)
				if err != nil {
					return logging.Value{}, err
				}
				return k.SortValue(d.Values(k.Field)), nil
			}
			continue
		}
		var vals []logging.Value
		out[i] = func(row int) (v logging.Value, err error) {
			vals, err = e.values(vals[:0], sources, row)
			return k.SortValue(vals), err
		}
	}
	return out, nil
}

// values appends the values of a row of a field.
func (e *eval) values(dst []logging.Value, sources []source, row int) ([]logging.Value, error) {
	for i := range sources {
		src := &sources[i]
		if src.only != always {
			ok, err := e.countsIn(src, row)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
		}
		v, err := e.value(src, row)
		if err != nil {
			return nil, err
		}
		if v.Kind != logging.Missing {
			dst = append(dst, v)
		}
	}
	return dst, nil
}

// value gives the value of a source in a row; it may be missing.
func (e *eval) value(src *source, row int) (v logging.Value, err error) {
	var at []int64
	switch src.kind {
	case fromLabel:
		return logging.String(src.text), nil
	case fromStamp:
		c, err := e.cols.stamped(e, src.stamp)
		if err != nil {
			return v, err
		}
		if s := c.String(row); s != "" {
			return logging.String(s), nil
		}
		return v, nil
	case fromTime:
		at, err = e.block.Times()
	case fromReceived:
		at, err = e.block.Received()
	case fromSeq:
		seqs, err := e.block.Seqs()
		if err != nil {
			return v, err
		}
		return logging.Int(int64(seqs[row])), nil
	case fromID:
		id, err := e.idOf()
		if err != nil {
			return v, err
		}
		return logging.String(id(row)), nil
	default:
		c, err := e.cols.own(e, src.hole)
		if err != nil {
			return v, err
		}
		return c.Value(row), nil
	}
	if err != nil {
		return v, err
	}
	return logging.Time(time.Unix(0, at[row])), nil
}

// hitBytes is what a hit takes beside its document and message, about.
const hitBytes = 512

// Hits of a block are rebuilt so many at a time, or as many as have so many bytes.
const (
	hitsAtOnce      = 64
	hitsBytesAtOnce = 128 << 10
)

// winners rebuilds the hits that are returned.
func (s *search) winners() ([]logging.Hit, error) {
	t := &s.top
	slices.SortFunc(t.heap, func(a, b hit) int { return t.compare(&a, &b) })
	if s.q.Offset >= len(t.heap) {
		return nil, nil
	}
	heap := t.heap[s.q.Offset:]
	out := make([]logging.Hit, len(heap))
	order := make([]int, 0, len(heap)) // by place, so that a block is opened once
	keys := make([]logging.Value, 0, len(heap)*len(t.keys))
	for i := range heap {
		if out[i].Sort = heap[i].keys; out[i].Sort == nil {
			from := len(keys)
			keys = t.values(keys, heap[i].lead, heap[i].seq)
			out[i].Sort = keys[from:len(keys):len(keys)]
		}
		if rec := heap[i].rec; rec != nil {
			out[i].Record = *rec
			continue
		}
		order = append(order, i)
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := heap[a].at, heap[b].at
		return cmp.Or(cmp.Compare(x.part, y.part), cmp.Compare(x.block, y.block), cmp.Compare(x.row, y.row))
	})
	var (
		rows  []int
		to    []*logging.Record
		bytes int64
	)
	for len(order) > 0 {
		at := heap[order[0]].at
		block := s.parts[at.part].Block(at.block)
		in := block.Info()
		most := max(1, min(hitsAtOnce, hitsBytesAtOnce*int64(in.Rows)/max(in.SourceBytes, 1)))
		for len(order) > 0 && heap[order[0]].at.part == at.part && heap[order[0]].at.block == at.block {
			if err := s.wanted(); err != nil {
				return nil, err
			}
			rows, to = rows[:0], to[:0]
			for _, i := range order {
				if x := heap[i].at; x.part != at.part || x.block != at.block || int64(len(rows)) == most {
					break
				}
				rows, to = append(rows, heap[i].at.row), append(to, &out[i].Record)
			}
			order = order[len(rows):]
			if err := block.Records(rows, to); err != nil {
				return nil, err
			}
			for _, rec := range to {
				bytes += int64(hitBytes + len(rec.Source) + len(rec.Message))
			}
			if bytes > s.q.MemoryMax {
				return nil, fmt.Errorf("%w: hits: the query needs more than %d bytes of memory: ask for fewer at a time", logging.ErrQuery, s.q.MemoryMax)
			}
		}
	}
	return out, nil
}
