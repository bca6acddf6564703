package text

import (
	"strings"
	"testing"
)

const benchRows = RowsMax / 8

func benchCorpora(b *testing.B, f func(b *testing.B, off []uint32, data, enc []byte)) {
	for _, k := range corpora {
		off, data := column(k.line, 7, benchRows)
		enc := new(Encoder).Encode(nil, off, data)
		b.Run(k.name, func(b *testing.B) { f(b, off, data, enc) })
	}
}

func perRow(b *testing.B, rows int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
}

func BenchmarkEncode(b *testing.B) {
	benchCorpora(b, func(b *testing.B, off []uint32, data, enc []byte) {
		var e Encoder
		for b.Loop() {
			enc = e.Encode(enc[:0], off, data)
		}
		perRow(b, benchRows)
		b.ReportMetric(float64(len(enc))/benchRows, "B/row")
	})
}

func BenchmarkAppendAll(b *testing.B) {
	benchCorpora(b, func(b *testing.B, off []uint32, data, enc []byte) {
		for b.Loop() {
			c, err := Decode(enc, benchRows)
			if err != nil {
				b.Fatal(err)
			}
			off, data = c.AppendAll(off[:0], data[:0])
		}
		perRow(b, benchRows)
	})
}

// benchSelect times a search of a column that was opened for it, as a search over
// many columns does.
func benchSelect(b *testing.B, f func(c *Column, out []uint32) []uint32) {
	benchCorpora(b, func(b *testing.B, _ []uint32, _, enc []byte) {
		var out []uint32
		for b.Loop() {
			c, err := Decode(enc, benchRows)
			if err != nil {
				b.Fatal(err)
			}
			out = f(c, out[:0])
		}
		b.ReportMetric(float64(len(out)), "rows")
	})
}

func BenchmarkSelect(b *testing.B) {
	b.Run("word", func(b *testing.B) {
		benchSelect(b, func(c *Column, out []uint32) []uint32 { return c.SelectWord("refused", nil, out) })
	})
	b.Run("number", func(b *testing.B) {
		benchSelect(b, func(c *Column, out []uint32) []uint32 { return c.SelectWord("404", nil, out) })
	})
	b.Run("substring", func(b *testing.B) {
		accept := func(k string) bool { return strings.Contains(Lower(k), "xceptio") }
		benchSelect(b, func(c *Column, out []uint32) []uint32 {
			return c.SelectToken(accept, "xceptio", DigitsMaybe, nil, out)
		})
	})
	b.Run("phrase", func(b *testing.B) {
		benchSelect(b, func(c *Column, out []uint32) []uint32 {
			return c.SelectPhrase([]string{"connection", "refused"}, false, nil, out)
		})
	})
	b.Run("value", func(b *testing.B) {
		accept := func(k string) bool { return strings.Contains(k, "xception: Cannot") }
		benchSelect(b, func(c *Column, out []uint32) []uint32 {
			return c.SelectValue(accept, "xception: Cannot", nil, out)
		})
	})
}

func BenchmarkDistinct(b *testing.B) {
	benchCorpora(b, func(b *testing.B, _ []uint32, _, enc []byte) {
		for b.Loop() {
			c, err := Decode(enc, benchRows)
			if err != nil {
				b.Fatal(err)
			}
			c.Distinct()
		}
		perRow(b, benchRows)
	})
}
