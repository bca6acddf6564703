package colenc

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

func TestParseDecimal(t *testing.T) {
	f := func(tok string, mant int64, frac uint8) {
		t.Helper()
		m, fr, ok := ParseDecimal([]byte(tok))
		if !ok || m != mant || fr != frac {
			t.Errorf("ParseDecimal(%q) = %d, %d, %v; want %d, %d", tok, m, fr, ok, mant, frac)
		}
		if got := AppendDecimal(nil, mant, frac); string(got) != tok {
			t.Errorf("AppendDecimal(%d, %d) = %q, want %q", mant, frac, got, tok)
		}
	}
	f("0", 0, 0)
	f("0.0", 0, 1)
	f("0.00", 0, 2)
	f("1", 1, 0)
	f("-1", -1, 0)
	f("1.0", 10, 1)
	f("1.50", 150, 2)
	f("-0.05", -5, 2)
	f("12.345", 12345, 3)
	f("9223372036854775807", 1<<63-1, 0)
	f("-9223372036854775807", -(1<<63 - 1), 0)
	f("0.000000000000000001", 1, 18)
	f("9007199254740991", 1<<53-1, 0)
	f("900719925474099.1", 1<<53-1, 1)

	for _, tok := range []string{"", "-", "-0", "-0.0", "00", "01", "1.", ".5", "+1", "1e3", "1E3", "1.2.3", "0x1",
		"9223372036854775808", "-9223372036854775808", "99999999999999999999", "900719925474099.2",
		"0.0000000000000000001", "1 ", " 1", "NaN", "1,5"} {
		if m, fr, ok := ParseDecimal([]byte(tok)); ok {
			t.Errorf("ParseDecimal(%q) = %d, %d", tok, m, fr)
		}
	}
}

func FuzzParseDecimal(f *testing.F) {
	for _, tok := range []string{"0", "-0.05", "1.50", "9223372036854775807", "1e5", "00.1"} {
		f.Add([]byte(tok))
	}
	f.Fuzz(func(t *testing.T, tok []byte) {
		mant, frac, ok := ParseDecimal(tok)
		if !ok {
			return
		}
		if got := AppendDecimal(nil, mant, frac); !bytes.Equal(got, tok) {
			t.Fatalf("%q is written as %q", tok, got)
		}
		want, err := strconv.ParseFloat(string(tok), 64)
		if got := DecimalFloat(mant, frac); err != nil || got != want {
			t.Fatalf("%q is %v, want %v, %v", tok, got, want, err)
		}
	})
}

func decimalColumns(rng *rand.Rand, n int) map[string][]string {
	m := map[string][]string{}
	add := func(name string, f func() string) {
		vals := make([]string, n)
		for i := range vals {
			vals[i] = f()
		}
		m[name] = vals
	}
	number := func() float64 { return float64(rng.IntN(100000)-50000) / 100 }
	add("fixed", func() string { return strconv.FormatFloat(number()+0.001, 'f', 3, 64) })
	add("shortest", func() string { return strconv.FormatFloat(number(), 'f', -1, 64) })
	add("point", func() string {
		s := strconv.FormatFloat(number(), 'f', -1, 64)
		if !bytes.ContainsRune([]byte(s), '.') {
			s += ".0"
		}
		return s
	})
	add("mixed", func() string { return strconv.FormatFloat(number()+1000, 'f', rng.IntN(5), 64) })
	add("wide", func() string {
		return []string{"9223372036854775807", "0.000000000000000001", "1.5"}[rng.IntN(3)]
	})
	return m
}

func TestDecimals(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 0))
		n := rng.IntN(300)
		for name, vals := range decimalColumns(rng, n) {
			mant, frac := make([]int64, n), make([]uint8, n)
			for i, v := range vals {
				var ok bool
				if mant[i], frac[i], ok = ParseDecimal([]byte(v)); !ok {
					t.Fatalf("seed %d: %s: %q is no decimal", seed, name, v)
				}
			}
			b := AppendDecimals(nil, mant, frac)
			gotMant, gotFrac, err := DecodeDecimals(b, n, nil, nil)
			if err != nil || !slices.Equal(gotMant, mant) || !slices.Equal(gotFrac, frac) {
				t.Fatalf("seed %d: %s: %v\n got %d %d\nwant %d %d", seed, name, err, gotMant, gotFrac, mant, frac)
			}
			if _, _, err := DecodeDecimals(append(b, 0), n, nil, nil); err == nil {
				t.Fatalf("seed %d: %s: a byte too many is taken", seed, name)
			}
		}
	}
}

func FuzzDecodeDecimals(f *testing.F) {
	f.Add(AppendDecimals(nil, []int64{15, 2, 31}, []uint8{1, 0, 1}), 3)
	f.Add(AppendDecimals(nil, []int64{15, 20, 31}, []uint8{1, 1, 1}), 3)
	f.Add(AppendDecimals(nil, []int64{15, 20, 310}, []uint8{1, 0, 2}), 3)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		mant, frac, err := DecodeDecimals(b, n, nil, nil)
		if err != nil {
			return
		}
		for i, m := range mant {
			AppendDecimal(nil, m, frac[i])
		}
		m2, f2, err := DecodeDecimals(AppendDecimals(nil, mant, frac), n, nil, nil)
		if err != nil || !slices.Equal(m2, mant) || !slices.Equal(f2, frac) {
			t.Fatalf("again: %v\n got %d %d\nwant %d %d", err, m2, f2, mant, frac)
		}
	})
}

func BenchmarkDecimal(b *testing.B) {
	tok := []byte("1234.567")
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			ParseDecimal(tok)
		}
	})
	b.Run("append", func(b *testing.B) {
		var buf []byte
		for b.Loop() {
			buf = AppendDecimal(buf[:0], 1234567, 3)
		}
	})
	b.Run("float", func(b *testing.B) {
		for b.Loop() {
			DecimalFloat(1234567, 3)
		}
	})
	vals := decimalColumns(rand.New(rand.NewPCG(1, 0)), 8192)["shortest"]
	mant, frac := make([]int64, len(vals)), make([]uint8, len(vals))
	for i, v := range vals {
		mant[i], frac[i], _ = ParseDecimal([]byte(v))
	}
	enc := AppendDecimals(nil, mant, frac)
	b.Run("appendColumn", func(b *testing.B) {
		for b.Loop() {
			enc = AppendDecimals(enc[:0], mant, frac)
		}
		perValue(b, len(vals))
	})
	b.Run("decodeColumn", func(b *testing.B) {
		for b.Loop() {
			mant, frac, _ = DecodeDecimals(enc, len(vals), mant, frac)
		}
		perValue(b, len(vals))
	})
}
