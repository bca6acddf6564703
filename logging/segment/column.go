package segment

import (
	"strconv"
	"strings"

	"github.com/oriel-project/oriel/internal/colenc"
	"github.com/oriel-project/oriel/internal/text"
	"github.com/oriel-project/oriel/logging"
)

// Kind says how the values of a column are held.
type Kind uint8

// The kinds.
const (
	_           Kind = iota
	KindDict         // strings: Values[Codes[i]]; with nil Codes every row is Values[0]. Values are distinct; not each need occur.
	KindPlain        // strings: Data[Off[i]:Off[i+1]]
	KindText         // strings: Text
	KindIDs          // strings: IDs at Ordinals[i]; one ordinal, one string, in all blocks of the part
	KindTimes        // strings that are Times[i] written in Layout
	KindInts         // numbers: Mant[i], written as integers
	KindDecimal      // numbers: Mant[i] / 10^Frac[i], written with Frac[i] digits after the point
	KindSpelled      // numbers that are kept as they were written, held as of KindDict (Off is nil) or KindPlain
	KindBool         // truth values: Codes[i] is 0 or 1
)

var kindNames = [...]string{"none", "dict", "plain", "text", "ids", "times", "ints", "decimal", "spelled", "bool"}

// String names the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// IsNumber reports whether the values are numbers.
func (k Kind) IsNumber() bool { return k == KindInts || k == KindDecimal || k == KindSpelled }

// Column is one decoded column: N values, dense. Read-only.
type Column struct {
	Kind Kind
	N    int

	Values []string
	Codes  []uint16

	Off  []uint32 // N+1 of them
	Data []byte

	Mant []int64
	Frac []uint8 // nil: all 0

	Text *text.Column

	Ordinals []uint32
	IDs      *IDs

	Times  []int64 // nanoseconds since the epoch
	Layout colenc.Layout
}

// AppendString appends a row's string, its number as it was written, or true or
// false: what stands in the document, without quotes and escapes.
func (c *Column) AppendString(dst []byte, row int) []byte {
	switch c.Kind {
	case KindDict:
		return append(dst, c.Values[c.code(row)]...)
	case KindPlain:
		return append(dst, c.Data[c.Off[row]:c.Off[row+1]]...)
	case KindText:
		return c.Text.Append(dst, row)
	case KindIDs:
		return c.IDs.Append(dst, c.Ordinals[row])
	case KindTimes:
		return colenc.AppendTime(dst, c.Times[row], c.Layout)
	case KindInts:
		return strconv.AppendInt(dst, c.Mant[row], 10)
	case KindDecimal:
		return colenc.AppendDecimal(dst, c.Mant[row], c.frac(row))
	case KindSpelled:
		if c.Off == nil {
			return append(dst, c.Values[c.code(row)]...)
		}
		return append(dst, c.Data[c.Off[row]:c.Off[row+1]]...)
	case KindBool:
		return strconv.AppendBool(dst, c.Codes[row] != 0)
	}
	return dst
}

// Err is what went wrong in reading strings that are unpacked or looked up when
// they are asked for (KindText, KindIDs): those are empty then. It is for after
// the last AppendString, String or Value.
func (c *Column) Err() error {
	switch c.Kind {
	case KindText:
		return c.Text.Err()
	case KindIDs:
		return c.IDs.Err()
	}
	return nil
}

// String gives what AppendString appends. It shares memory with the column where
// that holds the string.
func (c *Column) String(row int) string {
	if c.Codes == nil && len(c.Values) > 0 || c.Kind == KindDict || c.Kind == KindSpelled && c.Off == nil {
		return c.Values[c.code(row)]
	}
	return string(c.AppendString(nil, row))
}

// Value gives a row's value as logging reads it from the document.
func (c *Column) Value(row int) logging.Value {
	switch c.Kind {
	case KindInts:
		return logging.Int(c.Mant[row])
	case KindDecimal:
		m, frac := c.Mant[row], c.frac(row)
		if frac == 0 {
			return logging.Int(m)
		}
		return logging.Float(colenc.DecimalFloat(m, frac))
	case KindSpelled:
		return NumberValue(c.String(row))
	case KindBool:
		return logging.Boolean(c.Codes[row] != 0)
	}
	return logging.String(c.String(row))
}

func (c *Column) code(row int) int {
	if c.Codes == nil {
		return 0
	}
	return int(c.Codes[row])
}

func (c *Column) frac(row int) uint8 {
	if c.Frac == nil {
		return 0
	}
	return c.Frac[row]
}

// NumberValue reads a number as logging reads it from a document: an int64
// exactly, else a float64; what neither can hold stays a string.
func NumberValue(text string) logging.Value {
	if !strings.ContainsAny(text, ".eE+") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return logging.Int(n)
		}
	}
	if x, err := strconv.ParseFloat(text, 64); err == nil {
		return logging.Float(x)
	}
	return logging.String(text)
}
