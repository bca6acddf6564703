package scan

import (
	"math"
	"strings"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// docKeeper is a block that keeps fields of documents for others.
type docKeeper interface {
	Keeps() bool
	DocValues(field string) *segment.DocValues
	KeepDocValues(field string, d *segment.DocValues)
}

// docValues gives a field of a block whose documents have no shape, a value a row;
// ok is false where there may be several, or where it would have to be read out of
// the documents each time.
func (r *rows) docValues(f logging.Field) (vals []logging.Value, ok bool, err error) {
	keeper, ok := r.e.block.(docKeeper)
	if !ok || !keeper.Keeps() || r.e.layout != nil || isWide(f.Name) {
		return nil, false, nil
	}
	if d := keeper.DocValues(f.Name); d != nil {
		return d.Values, d.Values != nil, nil
	}
	vals = make([]logging.Value, r.Len())
	d := logging.NewDoc(nil) // the Aggregator may be at one that Doc gave
	for row := range vals {
		if err := r.read(d, row); err != nil {
			return nil, false, err
		}
		of := d.Values(f)
		if len(of) > 1 {
			vals = nil
			break
		}
		if len(of) == 1 {
			vals[row] = of[0]
			vals[row].Str = strings.Clone(of[0].Str)
		}
	}
	if r.e.cols.err() == nil {
		keeper.KeepDocValues(f.Name, &segment.DocValues{Values: vals})
	}
	return vals, vals != nil, nil
}

// docCodes makes codes of a field of documents.
func (r *rows) docCodes(f logging.Field) (logging.Codes, bool, error) {
	vals, ok, err := r.docValues(f)
	if !ok || err != nil {
		return logging.Codes{}, false, err
	}
	c := newCoder(r.u32.take(len(vals)))
	for row, v := range vals {
		if !c.add(row, v) {
			return logging.Codes{}, false, nil
		}
	}
	return c.out, true, nil
}

// docNumbers makes numbers of a field of documents, where nothing else is in it.
func (r *rows) docNumbers(f logging.Field) (logging.Numbers, bool, error) {
	vals, ok, err := r.docValues(f)
	if !ok || err != nil {
		return logging.Numbers{}, false, err
	}
	out, some := logging.Numbers{Vals: r.f64.take(len(vals)), Exact: true}, false
	for row, v := range vals {
		switch v.Kind {
		case logging.Missing:
			out.Vals[row] = math.NaN()
			continue
		case logging.KindInt:
			out.Vals[row] = float64(v.Int)
			out.Exact = out.Exact && -sharpMax < v.Int && v.Int < sharpMax
		case logging.KindFloat:
			out.Vals[row] = v.Float
		default:
			return logging.Numbers{}, false, nil
		}
		some = true
	}
	return out, some, nil
}

// coder makes codes row by row, as long as values repeat.
type coder struct {
	out logging.Codes
	at  map[coderKey]uint32
}

// coderKey tells values apart: 1 and 1.0, too, which are written differently and are
// one to Terms all the same.
type coderKey struct {
	kind logging.Kind
	str  string
	bits uint64
}

func coderKeyOf(v logging.Value) coderKey {
	k := coderKey{kind: v.Kind, str: v.Str}
	switch v.Kind {
	case logging.KindString:
	case logging.KindInt:
		k.bits = uint64(v.Int)
	case logging.KindFloat:
		k.bits = math.Float64bits(v.Float)
	default:
		k.bits = logging.HashValue(v)
	}
	return k
}

func newCoder(of []uint32) *coder {
	return &coder{logging.Codes{Of: of}, map[coderKey]uint32{}}
}

// add gives a row its code; false where there are too many values.
func (c *coder) add(row int, v logging.Value) bool {
	if v.Kind == logging.Missing {
		c.out.Of[row] = math.MaxUint32
		return true
	}
	k := coderKeyOf(v)
	code, ok := c.at[k]
	if !ok {
		if len(c.out.Values) == intCodesMax {
			return false
		}
		code = uint32(len(c.out.Values))
		c.at[k] = code
		c.out.Values = append(c.out.Values, v)
	}
	c.out.Of[row] = code
	return true
}
