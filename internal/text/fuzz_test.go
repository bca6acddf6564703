package text

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// FuzzDecode reads what no encoder wrote: an error or some strings, no more.
func FuzzDecode(f *testing.F) {
	for _, k := range corpora {
		off, data := column(k.line, 3, 60)
		f.Add(new(Encoder).Encode(nil, off, data), uint16(60), uint64(0))
	}
	off, data := column(sparkLine, 4, 100)
	f.Add(new(Encoder).EncodeAt(nil, off, data, make([]int64, 100)), uint16(100), uint64(1))
	for seed := range uint64(20) {
		off, data := pack1(nasty(rand.New(rand.NewPCG(seed, 2)), 50))
		f.Add(new(Encoder).Encode(nil, off, data), uint16(50), seed)
	}
	f.Fuzz(func(t *testing.T, b []byte, n uint16, seed uint64) {
		if seed != 0 { // damage that a fuzzer would need long to find
			b = bytes.Clone(b)
			r := rand.New(rand.NewPCG(seed, 3))
			for range 1 + r.IntN(3) {
				if len(b) > 0 {
					b[r.IntN(len(b))] = byte(r.Uint32())
				}
			}
		}
		c, err := DecodeAt(b, int(n), func() ([]int64, error) { return make([]int64, n), nil })
		if err != nil {
			return
		}
		off, _ := c.AppendAll(nil, nil)
		if len(off) != int(n)+1 {
			t.Fatalf("%d rows of %d", len(off)-1, n)
		}
		for row := range min(int(n), 100) {
			c.Append(nil, row)
		}
		exercise(c)
		_ = c.Err()
	})
}

// exercise calls what there is to be called on a column.
func exercise(c *Column) {
	c.SelectWord("error", nil, nil)
	c.SelectWord("42", nil, nil)
	c.SelectToken(func(k string) bool { return len(k)%2 == 0 }, "", DigitsMaybe, nil, nil)
	c.SelectToken(func(k string) bool { return len(k)%2 == 0 }, "err", DigitsMaybe, nil, nil)
	c.SelectPhrase([]string{"for", "block"}, true, nil, nil)
	c.SelectPhrase([]string{"task", "7"}, false, nil, nil)
	c.SelectValue(func(s string) bool { return len(s)%2 == 0 }, "a", nil, nil)
	c.Distinct()
}

func FuzzRoundTrip(f *testing.F) {
	f.Add("a 1\na 2\na 3\na 4\na 5", uint8(3))
	f.Add("x=0x1f y\nx=0x2f y\n\n", uint8(40))
	f.Fuzz(func(t *testing.T, s string, repeat uint8) {
		rows := strings.Split(s, "\n")
		if len(rows) > 100 {
			rows = rows[:100]
		}
		for i, n := 0, len(rows); i < n*min(int(repeat), 40); i++ {
			rows = append(rows, strings.Replace(rows[i%n], "1", strings.Repeat("7", i%5), 1))
		}
		off, data := pack1(rows)
		check(t, new(Encoder), off, data)
	})
}
