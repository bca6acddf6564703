package text

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func pack1(rows []string) (off []uint32, data []byte) {
	off = append(off, 0)
	for _, s := range rows {
		data = append(data, s...)
		off = append(off, uint32(len(data)))
	}
	return off, data
}

// check encodes, decodes and compares; it returns the column and its bytes.
func check(t testing.TB, e *Encoder, off []uint32, data []byte) (*Column, []byte) {
	t.Helper()
	b := e.Encode(nil, off, data)
	n := len(off) - 1
	c, err := Decode(b, n)
	if err != nil {
		t.Fatal(err)
	}
	o, d := c.AppendAll(nil, nil)
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(d, data) || len(o) != n+1 && n > 0 {
		for i := range n {
			if got, want := d[o[i]:o[i+1]], data[off[i]:off[i+1]]; !bytes.Equal(got, want) {
				t.Fatalf("row %d is %q instead of %q", i, got, want)
			}
		}
		t.Fatalf("%d rows of %d", len(o)-1, n)
	}
	c, _ = Decode(b, n) // one row first, before anything was unpacked
	for k := range min(n, 50) {
		i := (k*7919 + n/2) % n
		if got, want := c.Append(nil, i), data[off[i]:off[i+1]]; !bytes.Equal(got, want) {
			t.Fatalf("row %d is %q instead of %q", i, got, want)
		}
	}
	if c.Size() != len(data) || c.Rows() != n {
		t.Fatalf("%d rows, %d bytes", c.Rows(), c.Size())
	}
	return c, b
}

func TestRoundTrip(t *testing.T) {
	var e Encoder
	for _, k := range corpora {
		for _, n := range []int{0, 1, 2, 5, 17, 100, 8192} {
			off, data := column(k.line, 7, n)
			_, b := check(t, &e, off, data)
			if n == 8192 {
				t.Logf("%-9s %6.1f -> %5.2f bytes a row, %d templates of %d kept, %d rows raw; meta %d ids+text+raw %d bits %d", k.name, float64(len(data))/float64(n), float64(len(b))/float64(n),
					len(e.finals), len(e.found), len(e.raws), len(e.meta), len(b)-len(e.bits), len(e.bits))
			}
		}
	}
}

func TestNastyRows(t *testing.T) {
	times := func(n int, f func(i int) string) (s []string) {
		for i := range n {
			s = append(s, f(i))
		}
		return s
	}
	for name, rows := range map[string][]string{
		"empty":      {"", "", "", "", ""},
		"separators": {" ", "--", "\n\n", "\r\n", "\x00", "...", " ", " ", " ", " "},
		"numbers": times(100, func(i int) string {
			return fmt.Sprint("n ", []string{"0", "00", "9223372036854775807", "9223372036854775808", "18446744073709551616", "007"}[i%6])
		}),
		"large":       times(100, func(i int) string { return fmt.Sprint("n ", uint64(1)<<63-1-uint64(i*i)) }),
		"extremes":    times(100, func(i int) string { return fmt.Sprint("n ", []uint64{0, 1<<63 - 1}[i*i%3%2]) }),
		"ascending":   times(100, func(i int) string { return fmt.Sprint("n ", 1000000+i) }),
		"zeros":       times(100, func(i int) string { return fmt.Sprintf("n %019d", i) }),
		"hex":         times(100, func(i int) string { return fmt.Sprintf("id=0x%07x", i*7919) }),
		"HEX":         times(100, func(i int) string { return fmt.Sprintf("id=%08X.", 0xfffff+i*7919) }),
		"mixed case":  times(100, func(i int) string { return fmt.Sprintf("id=%x%X", i*7919, i*104729) }),
		"affixes":     times(100, func(i int) string { return fmt.Sprintf("v%dms, a%d_b", i, i%3) }),
		"few":         times(100, func(i int) string { return fmt.Sprintf("n1%c", 'g'+i%5) }),
		"other":       times(100, func(i int) string { return fmt.Sprintf("温度%d度 ещё١٢٣%d — émile%d →", i, i, i) }),
		"han":         times(100, func(i int) string { return fmt.Sprintf("中%d文%dひ%dらカ%dタ", i, i, i, i) }),
		"not UTF-8":   times(100, func(i int) string { return fmt.Sprintf("\xff%d\xfe \xc3", i) }),
		"marks":       {"\xff", "\xfe", "\xff", "\xff", "\xff", "\xff"},
		"U+FFFD":      times(100, func(i int) string { return fmt.Sprintf("\uFFFD%d\uFFFF \U0010FFFF", i) }),
		"variables":   times(10, func(i int) string { return strings.Repeat(fmt.Sprint(i, " "), 255) }),
		"too many":    times(10, func(i int) string { return strings.Repeat(fmt.Sprint(i, " "), 256) }),
		"1 MB":        times(9, func(i int) string { return strings.Repeat("x", 1<<20) + fmt.Sprint(i) }),
		"1 MB number": {strings.Repeat("7", 1<<20), "", strings.Repeat("7 ", 1<<19)},
		"long token":  times(40, func(i int) string { return strings.Repeat("a1", 10000+i) }),
	} {
		t.Run(name, func(t *testing.T) {
			off, data := pack1(rows)
			check(t, new(Encoder), off, data)
		})
	}
}

// nasty makes rows from few parts, so that templates repeat.
func nasty(r *rand.Rand, n int) []string {
	parts := []string{"", " ", "-", "error", "Error", "ERROR", "é", "İ", "K", "中", "文", "ひ", "\n", "\x00", "0", "1", "42", "007", "0x1f", "DEAD1", "dead1", "a_b", "_", "١", "\xff", "\xfe", "9223372036854775808", "\"", "=", "→", "refused", "connection", "."}
	rows := make([]string, n)
	var shape []int
	for i := range rows {
		if i == 0 || r.IntN(4) == 0 {
			shape = shape[:0]
			for range r.IntN(9) {
				shape = append(shape, r.IntN(len(parts)+6))
			}
		}
		var s strings.Builder
		for _, k := range shape {
			switch {
			case k < len(parts):
				s.WriteString(parts[k])
			case k < len(parts)+2:
				fmt.Fprint(&s, r.IntN(1000))
			case k < len(parts)+3:
				fmt.Fprintf(&s, "%06x", r.IntN(1<<24))
			case k < len(parts)+4:
				s.WriteString(" " + parts[r.IntN(len(parts))] + " ")
			case k < len(parts)+5:
				fmt.Fprintf(&s, "%02d", r.IntN(60))
			default:
				s.WriteString(" ")
			}
		}
		rows[i] = s.String()
		if i > 0 && r.IntN(3) == 0 {
			rows[i] = rows[r.IntN(i)]
		}
	}
	return rows
}

func TestRandomRows(t *testing.T) {
	var e Encoder
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		off, data := pack1(nasty(r, r.IntN(400)))
		check(t, &e, off, data)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
